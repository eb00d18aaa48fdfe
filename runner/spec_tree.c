#include "runner/spec_tree.h"

#include <stdlib.h>
#include <string.h>

#include "runner/memory.h"

void
tree_free(tree_t *tree)
{
    for (size_t i = 0; i < tree->n_children; i++)
        tree_free(&tree->children[i]);
    free(tree->children);
    free(tree->name);
    free(tree->text);
    *tree = (tree_t){0};
}

tree_t *
tree_member(const tree_t *group, const char *name)
{
    for (size_t i = 0; i < group->n_children; i++)
        if (group->children[i].name && strcmp(group->children[i].name, name) == 0)
            return &group->children[i];
    return NULL;
}

const tree_t *
tree_at(const tree_t *root, const char *path)
{
    while (root && root->kind == TREE_GROUP) {
        size_t n = strcspn(path, ".");
        char *name = memory_format("%.*s", (int)n, path);
        root = tree_member(root, name);
        free(name);
        if (!path[n])
            return root;
        path += n + 1;
    }
    return NULL;
}

tree_t *
tree_add(tree_t *parent, const char *name)
{
    size_t n = parent->n_children;
    parent->children = memory_resize(parent->children, (n + 1) * sizeof *parent->children);
    parent->children[n] = (tree_t){.name = name ? memory_text(name) : NULL};
    parent->n_children = n + 1;
    return &parent->children[n];
}

void
tree_merge(tree_t *target, tree_t *source)
{
    for (size_t i = 0; i < source->n_children; i++) {
        tree_t *from = &source->children[i];
        tree_t *to = tree_member(target, from->name);
        if (to && to->kind == TREE_GROUP && from->kind == TREE_GROUP) {
            tree_merge(to, from);
            continue;
        }
        if (to)
            tree_free(to);
        else
            to = tree_add(target, NULL);
        *to = *from;
        *from = (tree_t){0};
    }
    tree_free(source);
}

const char *
tree_kind_words(const tree_t *tree)
{
    static const char *const words[] = {
        [TREE_GROUP] = "a group", [TREE_LIST] = "a list",       [TREE_INTEGER] = "an integer",
        [TREE_REAL] = "a number", [TREE_BOOLEAN] = "a boolean", [TREE_TEXT] = "a text",
    };
    return words[tree->kind];
}

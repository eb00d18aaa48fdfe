#include "runner/spec_sets.h"

#include <stdlib.h>
#include <string.h>

#include "runner/memory.h"

static place_t
place_of_set(const char *set, diag_t *diag)
{
    char *name = memory_format("--set %.200s", set);
    place_t place = {diag_file(diag, name), 0};
    free(name);
    return place;
}

// Whether the key is a setting of cluster in a launcher's own group: "cluster.podman.context".
static bool
is_of_launcher(const char *key)
{
    static const char cluster[] = "cluster.";
    size_t n = sizeof cluster - 1;
    const char *dot = strncmp(key, cluster, n) == 0 ? strchr(key + n, '.') : NULL;
    if (!dot)
        return false;
    char *group = memory_format("%.*s", (int)(dot - key), key);
    char *path = memory_format("cluster%s", dot);
    const setting_t *outer = setting_find(group), *inner = setting_find(path);
    bool is_it = outer && outer->type == SETTING_ELSEWHERE && inner;
    free(group);
    free(path);
    return is_it;
}

// The path that a key means: "epochs" is train.epochs, "matrix.batch" the axis. NULL with an error
// in `diag`, which may be NULL. The caller frees it.
static char *
path_of(const char *key, place_t place, diag_t *diag)
{
    const setting_t *setting = setting_find(key);
    size_t n_found = 1;
    if (is_of_launcher(key))
        return memory_text(key);
    const char *axis = strncmp(key, "matrix.", 7) == 0 ? key + 7 : NULL;
    if (!setting && axis) {
        setting = setting_match(settings, n_settings, axis, &n_found);
        if (setting && setting->is_axis)
            return memory_text(key);
        setting = NULL;
    } else if (!setting) {
        setting = setting_match(settings, n_settings, key, &n_found);
    }
    if (setting && strcmp(setting->path, "override") != 0)
        return memory_text(setting->path);
    if (!diag)
        return NULL;
    char *near = setting_suggest_any(key);
    if (n_found > 1)
        diag_error(diag, place, "'%.100s' is ambiguous; write the whole path, such as train.%.100s",
                   key, key);
    else if (near)
        diag_error(diag, place, "unknown setting '%.100s'; did you mean '%s'?", key, near);
    else
        diag_error(diag, place, "unknown setting '%.100s'; 'dmlx help settings' lists all", key);
    free(near);
    return NULL;
}

static void
put_place(tree_t *tree, place_t place)
{
    tree->place = place;
    for (size_t i = 0; i < tree->n_children; i++)
        put_place(&tree->children[i], place);
}

static bool
is_word(const char *text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._:/-+ ";
    return text[0] && strspn(text, letters) == strlen(text);
}

// The value as a tree, unnamed. -1 with an error.
static int
read_value(const char *text, place_t place, tree_t *value, diag_t *diag)
{
    char *line = memory_format("value = %s\n", text);
    diag_t *scratch = diag_new();
    tree_t root = {0};
    int status = tree_read_text(line, "--set", &root, scratch);
    if (status == 0 && root.n_children == 1) {
        *value = root.children[0];
        free(value->name);
        value->name = NULL;
        root.children[0] = (tree_t){0};
    } else if (is_word(text)) {
        *value = (tree_t){.kind = TREE_TEXT, .text = memory_text(text)};
        status = 0;
    } else {
        diag_error(diag, place,
                   "'%.100s' is no value; write 1, 0.5, true, a word, \"a text\" or [ 1, 2 ]",
                   text);
        status = -1;
    }
    if (status == 0)
        put_place(value, place);
    tree_free(&root);
    diag_free(scratch);
    free(line);
    return status;
}

// Puts the value below its path into an empty tree.
static void
nest(tree_t *root, const char *path, const tree_t *value, place_t place)
{
    tree_t *at = root;
    for (;;) {
        size_t n = strcspn(path, ".");
        char *name = memory_format("%.*s", (int)n, path);
        at = tree_add(at, NULL);
        if (!path[n]) {
            *at = *value;
            at->name = name;
            return;
        }
        *at = (tree_t){.kind = TREE_GROUP, .name = name, .place = place};
        path += n + 1;
    }
}

static void
apply(const char *set, tree_t *root, diag_t *diag)
{
    place_t place = place_of_set(set, diag);
    const char *equals = strchr(set, '=');
    if (!equals || equals == set) {
        diag_error(diag, place, "wants a setting and its value, such as train.epochs=1");
        return;
    }
    char *key = memory_format("%.*s", (int)(equals - set), set);
    char *path = path_of(key, place, diag);
    tree_t value = {0};
    if (path && read_value(equals + 1, place, &value, diag) == 0) {
        tree_t layer = {.kind = TREE_GROUP};
        nest(&layer, path, &value, place);
        tree_merge(root, &layer);
    }
    free(path);
    free(key);
}

void
spec_sets_apply(const spec_options_t *options, tree_t *root, diag_t *diag)
{
    for (size_t i = 0; i < options->n_sets; i++)
        apply(options->sets[i], root, diag);
}

void
spec_sets_check(const spec_options_t *options, const matrix_t *matrix, diag_t *diag)
{
    for (size_t i = 0; i < options->n_sets; i++) {
        char *key = memory_format("%.*s", (int)strcspn(options->sets[i], "="), options->sets[i]);
        char *path = path_of(key, (place_t){0}, NULL);
        for (size_t a = 0; path && a < matrix->n_axes; a++)
            if (matrix->axes[a].setting && strcmp(matrix->axes[a].path, path) == 0)
                diag_error(diag, place_of_set(options->sets[i], diag),
                           "'%s' is an axis of the matrix; set matrix.%s", path,
                           setting_name(matrix->axes[a].setting));
        free(path);
        free(key);
    }
}

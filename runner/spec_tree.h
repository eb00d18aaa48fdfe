// spec_tree.h — an experiment file as a tree of values that know their place.
//
// The only door to libconfig (spec_file.c). The tree is plain, so that the rest of the runner needs
// neither libconfig's header nor its ways: an integer stands where a float is meant, 64 bits are
// never cut to 32.
#ifndef RUNNER_SPEC_TREE_H
#define RUNNER_SPEC_TREE_H

#include <stdbool.h>
#include <stddef.h>

#include "runner/diag.h"

typedef enum {
    TREE_GROUP,
    TREE_LIST,
    TREE_INTEGER,
    TREE_REAL,
    TREE_BOOLEAN,
    TREE_TEXT
} tree_kind_t;

typedef struct tree {
    tree_kind_t kind;
    char *name; // NULL for elements of lists and for the root
    place_t place;
    long long integer; // of TREE_INTEGER
    double real;       // of TREE_REAL, and of TREE_INTEGER the same number
    bool boolean;
    char *text;
    struct tree *children; // of groups and lists, in the order of the file
    size_t n_children;
} tree_t;

// Reads a file with its includes; -1 with an error in `diag`, `tree` untouched. Free with
// tree_free.
int tree_read_file(const char *path, tree_t *tree, diag_t *diag);

// Reads a text without includes; `name` stands for the file.
int tree_read_text(const char *text, const char *name, tree_t *tree, diag_t *diag);

// Accepts a zeroed one.
void tree_free(tree_t *tree);

// Adds an empty child, named for groups, NULL for lists. Borrowed until the next is added.
tree_t *tree_add(tree_t *parent, const char *name);

// Moves the members of `source` into `target`, group into group; what both have is taken from
// `source`, which is empty afterwards.
void tree_merge(tree_t *target, tree_t *source);

// The member of that name, or NULL.
tree_t *tree_member(const tree_t *group, const char *name);

// What stands at "train.image.width", or NULL.
const tree_t *tree_at(const tree_t *root, const char *path);

// "an integer", "a list", …: what it is, for messages.
const char *tree_kind_words(const tree_t *tree);

#endif

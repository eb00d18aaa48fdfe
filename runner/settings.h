// settings.h — every setting of an experiment file, a row each.
//
// The parser, `--set`, `dmlx help settings`, did-you-mean, the axes of a matrix, the text of a
// cell, the hash of an experiment and the differences between two all come from this one table, so
// they cannot disagree.
//
// To add a setting: a field in train_t or cluster_t (spec.h), a row in settings.c, and a line of
// tests/unit/test_settings.c for its range. Where two settings contradict each other: spec_check.c.
#ifndef RUNNER_SETTINGS_H
#define RUNNER_SETTINGS_H

#include <stdbool.h>
#include <stddef.h>

#include "runner/diag.h"
#include "runner/spec_tree.h"

enum { SETTING_CHOICES_MAX = 8, SETTING_TEXT_MAX = 4096, SETTING_LIST_MAX = 10000 };

struct experiment;

typedef enum {
    SETTING_INTEGER,      // long
    SETTING_REAL,         // double; an integer in the file is taken too
    SETTING_REAL_OR_AUTO, // double; SETTING_AUTO for "auto"
    SETTING_BOOLEAN,      // bool
    SETTING_TEXT,         // char *, never NULL
    SETTING_CHOICE,       // int, an index into choices
    SETTING_TEXTS,        // text_list_t
    SETTING_MODEL,        // model_setting_t: a name or a list of layers
    SETTING_REPEATS,      // repeats_t: a number, or a group of min, max and ci
    SETTING_ELSEWHERE // read by matrix_read.c (axes, zip, expect …); here for help and did-you-mean
} setting_type_t;

#define SETTING_AUTO (-1.0)

// A list of texts; owns them.
typedef struct text_list {
    char **items;
    size_t n_items;
} text_list_t;

typedef struct setting {
    const char *path; // "train.epochs"; the last part is its name within its group
    setting_type_t type;
    size_t offset; // of the field in experiment_t; unused for SETTING_ELSEWHERE
    double number; // default of numbers, booleans and choices
    const char
        *text; // default of texts, models and lists; what the help shows for SETTING_ELSEWHERE
    const char *unit; // "samples", "s", "ms"; NULL when it has none
    double min, max;  // allowed range of numbers, both included
    const char
        *choices[SETTING_CHOICES_MAX]; // of SETTING_CHOICE, in the order of the enum in spec.h
    const char *later[SETTING_CHOICES_MAX + 1]; // those of the choices that are not there yet
    const char
        *also;    // names other programs have for it, blank-separated: what did-you-mean knows too
    bool is_axis; // whether a matrix may vary it
    bool is_manner; // how runs are done, not what they are: no part of the experiment's text, hash
                    // and differences, so that results are gone on with whatever it is
    const char *help; // one sentence
} setting_t;

extern const setting_t settings[];
extern const size_t n_settings;

// The row of a full path, or NULL.
const setting_t *setting_find(const char *path);

// The row whose path is, or ends in, the name ("batch", "train.batch"), among n rows. NULL when
// there is none or more than one; `*n_found` tells which.
const setting_t *setting_match(const setting_t *rows, size_t n, const char *name, size_t *n_found);

// Whether a choice is known, but refused with "not there yet".
bool setting_is_later(const setting_t *setting, int choice);

// The last part of the path: "epochs".
const char *setting_name(const setting_t *setting);

// Puts the default in its field. The field's earlier content is not freed.
void setting_set_default(const setting_t *setting, struct experiment *experiment);

// Reads a value of the tree into its field, replacing what was there. -1 with an error in `diag` on
// a wrong type or a value out of range; the field is untouched then, but for a choice that is not
// there yet.
int setting_read(const setting_t *setting, const tree_t *value, struct experiment *experiment,
                 diag_t *diag);

// Says that the setting does not take this value, and what it takes. Returns -1.
int setting_refuse(const setting_t *setting, const tree_t *value, diag_t *diag);

// Frees what the field owns, or makes the field of `target` a copy of that of `source`.
void setting_free(const setting_t *setting, struct experiment *experiment);
void setting_copy(const setting_t *setting, const struct experiment *source,
                  struct experiment *target);

// The field's value as an experiment file has it: `2`, `0.001`, `"linear"`. The caller frees it.
char *setting_text(const setting_t *setting, const struct experiment *experiment);

// What is allowed, in words: "an integer from 1 to 10000", "one of none, linear, sqrt". The caller
// frees it.
char *setting_allowed(const setting_t *setting);

// The nearest full name to `typed` among the settings whose path begins with `prefix` ("train.", ""
// for the top), or NULL. Returns the part after the prefix, up to the next dot, in a text that the
// caller frees.
char *setting_suggest(const char *prefix, const char *typed);

// The nearest name or full path of any setting, or NULL. The caller frees it.
char *setting_suggest_any(const char *typed);

#endif

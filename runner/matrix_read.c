// From the group `matrix` of a file to axes, dimensions and rules.
#include "runner/matrix.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/memory.h"

static const char nodes_path[] = "matrix.nodes";
static const char cores_path[] = "matrix.cores";
static const char per_node_path[] = "matrix.cores_per_node";

static axis_t
axis_of_one(const char *path, int dimension, double number)
{
    axis_t axis = {.path = setting_find(path)->path, .dimension = dimension, .n_values = 1};
    axis.values = memory_new(sizeof *axis.values);
    axis.values[0].number = number;
    text_t text = {0};
    text_add_short(&text, number);
    char *shown = text_take(&text);
    snprintf(axis.values[0].text, SPEC_VALUE_BYTES, "%s", shown);
    free(shown);
    return axis;
}

static const axis_t *
axis_find(const matrix_t *matrix, const char *path)
{
    for (size_t i = 0; i < matrix->n_axes; i++)
        if (strcmp(matrix->axes[i].path, path) == 0)
            return &matrix->axes[i];
    return NULL;
}

void
matrix_default(matrix_t *matrix)
{
    matrix->axes[0] = axis_of_one(nodes_path, 0, 1);
    matrix->axes[1] = axis_of_one(per_node_path, 1, 1);
    matrix->n_axes = 2;
    matrix->n_dimensions = 2;
}

void
matrix_one(matrix_t *matrix, long nodes, double cores)
{
    *matrix = (matrix_t){.is_given = true, .repeats = repeats_fixed(1), .shuffle_seed = 1};
    matrix->axes[0] = axis_of_one(nodes_path, 0, (double)nodes);
    matrix->axes[1] = axis_of_one(cores_path, 1, cores);
    matrix->n_axes = 2;
    matrix->n_dimensions = 2;
}

// A group of the table's numbers, booleans and choices is read through a scratch experiment, so
// that an axis takes what its setting takes, with the same words.
static int
value_of_setting(const setting_t *setting, const tree_t *scalar, axis_value_t *value, diag_t *diag)
{
    experiment_t *scratch = memory_new(sizeof *scratch);
    setting_set_default(setting, scratch);
    int status = setting_read(setting, scalar, scratch, diag);
    if (status == 0) {
        const void *at = (const char *)scratch + setting->offset;
        char *shown = setting_text(setting, scratch);
        if (setting->type == SETTING_INTEGER)
            value->number = (double)*(const long *)at;
        else if (setting->type == SETTING_REAL || setting->type == SETTING_REAL_OR_AUTO)
            value->number = *(const double *)at;
        else if (setting->type == SETTING_BOOLEAN)
            value->number = *(const bool *)at;
        else
            value->number = *(const int *)at;
        text_t text = {0};
        bool is_real = setting->type == SETTING_REAL || setting->type == SETTING_REAL_OR_AUTO;
        if (setting->type == SETTING_CHOICE)
            text_add(&text, "%s", setting->choices[*(const int *)at]);
        else if (is_real && value->number != SETTING_AUTO)
            text_add_short(&text, value->number);
        else
            text_add(&text, "%s", is_real ? "auto" : shown);
        free(shown);
        shown = text_take(&text);
        snprintf(value->text, sizeof value->text, "%s", shown);
        free(shown);
    }
    setting_free(setting, scratch);
    free(scratch);
    return status;
}

int
axis_value_read(const char *path, const tree_t *scalar, axis_value_t *value, diag_t *diag)
{
    const setting_t *setting = setting_find(path);
    value->place = scalar->place;
    if (setting->type != SETTING_ELSEWHERE)
        return value_of_setting(setting, scalar, value, diag);
    bool is_nodes = strcmp(path, nodes_path) == 0;
    bool is_number = scalar->kind == TREE_INTEGER || (scalar->kind == TREE_REAL && !is_nodes);
    if (!is_number || !(scalar->real >= setting->min && scalar->real <= setting->max))
        return setting_refuse(setting, scalar, diag);
    value->number = scalar->real;
    text_t text = {0};
    text_add_short(&text, scalar->real);
    char *shown = text_take(&text);
    snprintf(value->text, sizeof value->text, "%s", shown);
    free(shown);
    return 0;
}

int
axis_value_parse(const char *path, const char *word, place_t place, axis_value_t *value,
                 diag_t *diag)
{
    char *end = NULL;
    double number = strtod(word, &end);
    bool is_number = end != word && !*end && number - number == 0;
    bool is_whole = is_number && strspn(word, "+-0123456789") == strlen(word);
    tree_t scalar = {.kind = TREE_TEXT, .place = place, .text = memory_text(word)};
    if (is_whole && fabs(number) < 1e15)
        scalar.kind = TREE_INTEGER;
    else if (is_number)
        scalar.kind = TREE_REAL;
    else if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0)
        scalar.kind = TREE_BOOLEAN;
    scalar.real = is_number ? number : 0;
    scalar.integer = scalar.kind == TREE_INTEGER ? (long long)number : 0;
    scalar.boolean = strcmp(word, "true") == 0;
    int status = axis_value_read(path, &scalar, value, diag);
    free(scalar.text);
    return status;
}

void
axis_value_apply(const setting_t *setting, const axis_value_t *value, experiment_t *experiment)
{
    void *at = (char *)experiment + setting->offset;
    if (setting->type == SETTING_INTEGER)
        *(long *)at = (long)value->number;
    else if (setting->type == SETTING_REAL || setting->type == SETTING_REAL_OR_AUTO)
        *(double *)at = value->number;
    else if (setting->type == SETTING_BOOLEAN)
        *(bool *)at = value->number != 0;
    else
        *(int *)at = (int)value->number;
}

// Reads a scalar or a list of them. -1 with errors; `*values` is untouched then.
static int
read_values(const char *path, const tree_t *member, axis_value_t **values, size_t *n_values,
            diag_t *diag)
{
    bool is_list = member->kind == TREE_LIST;
    const tree_t *items = is_list ? member->children : member;
    size_t n = is_list ? member->n_children : 1;
    if (n == 0) {
        diag_error(diag, member->place, "'%s' is empty; it takes at least one value", path);
        return -1;
    }
    if (n > SPEC_VALUES_MAX) {
        diag_error(diag, member->place, "'%s' has %zu values; at most %d are taken", path, n,
                   SPEC_VALUES_MAX);
        return -1;
    }
    int status = 0;
    axis_value_t *read = memory_new(n * sizeof *read);
    for (size_t i = 0; i < n; i++) {
        status |= axis_value_read(path, &items[i], &read[i], diag);
        for (size_t j = 0; j < i && status == 0; j++)
            if (read[j].number == read[i].number) {
                diag_error(diag, items[i].place, "'%s' has the value %s twice", path, read[i].text);
                status = -1;
            }
    }
    if (status != 0) {
        free(read);
        return -1;
    }
    *values = read;
    *n_values = n;
    return 0;
}

static void
add_axis(matrix_t *matrix, const char *path, const tree_t *member, int dimension, diag_t *diag)
{
    const axis_t *same = axis_find(matrix, path);
    if (same) {
        diag_error(diag, member->place, "the axis '%s' is given twice, first in line %d", path,
                   same->place.line);
        return;
    }
    if (matrix->n_axes == SPEC_AXES_MAX) {
        diag_error(diag, member->place, "a matrix has at most %d axes", SPEC_AXES_MAX);
        return;
    }
    axis_t axis = {.path = path, .dimension = dimension, .place = member->place};
    const setting_t *setting = setting_find(path);
    axis.setting = setting->type == SETTING_ELSEWHERE ? NULL : setting;
    if (read_values(path, member, &axis.values, &axis.n_values, diag) == 0)
        matrix->axes[matrix->n_axes++] = axis;
}

static bool
is_own_axis(const char *path)
{
    return strcmp(path, nodes_path) == 0 || strcmp(path, cores_path) == 0 ||
           strcmp(path, per_node_path) == 0;
}

static void
tell_ambiguous(const char *name, place_t place, diag_t *diag)
{
    text_t text = {0};
    for (size_t i = 0; i < n_settings; i++) {
        size_t n_found = 0;
        if (setting_match(&settings[i], 1, name, &n_found))
            text_add(&text, "%s'%s'", text.n_bytes ? " or " : "", settings[i].path);
    }
    char *paths = text_take(&text);
    diag_error(diag, place,
               "the axis '%s' is ambiguous: %s; write it with its groups, such as train = "
               "{ … = [ … ]; };",
               name, paths);
    free(paths);
}

static void
tell_unknown(const char *name, place_t place, diag_t *diag)
{
    char *near = setting_suggest("matrix", name);
    char *near_train = near ? NULL : setting_suggest("train", name);
    const char *best = near ? near : near_train;
    if (best)
        diag_error(diag, place, "unknown axis '%s'; did you mean '%s'?", name, best);
    else
        diag_error(diag, place, "unknown axis '%s'; 'dmlx help settings' lists what can be one",
                   name);
    free(near);
    free(near_train);
}

// The path of the axis that a name in the matrix means, or NULL with an error.
static const char *
axis_path(const char *name, place_t place, diag_t *diag)
{
    char *own = memory_format("matrix.%s", name);
    const setting_t *setting = setting_find(own);
    free(own);
    if (setting && is_own_axis(setting->path))
        return setting->path;
    size_t n_found = 0;
    setting = setting_match(settings, n_settings, name, &n_found);
    if (setting && setting->is_axis)
        return setting->path;
    if (setting)
        diag_error(diag, place, "'%s' cannot be an axis", setting->path);
    else if (n_found > 1)
        tell_ambiguous(name, place, diag);
    else
        tell_unknown(name, place, diag);
    return NULL;
}

// An axis, or a group of them: train = { batch = [ … ]; }.
static void
read_axes(const char *prefix, const tree_t *member, int *dimension, bool is_zipped,
          matrix_t *matrix, diag_t *diag)
{
    char *name = memory_format("%s%s%s", prefix, prefix[0] ? "." : "", member->name);
    if (member->kind == TREE_GROUP) {
        for (size_t i = 0; i < member->n_children; i++)
            read_axes(name, &member->children[i], dimension, is_zipped, matrix, diag);
    } else {
        const char *path = axis_path(name, member->place, diag);
        if (path)
            add_axis(matrix, path, member, *dimension, diag);
        if (!is_zipped)
            *dimension += 1;
    }
    free(name);
}

// Axes that move together are of one length.
static void
check_zip(const matrix_t *matrix, size_t first, place_t place, diag_t *diag)
{
    for (size_t i = first + 1; i < matrix->n_axes; i++) {
        const axis_t *a = &matrix->axes[first], *b = &matrix->axes[i];
        if (a->n_values != b->n_values) {
            diag_error(diag, place,
                       "axes that are zipped have as many values: '%s' has %zu, '%s' has %zu",
                       a->path, a->n_values, b->path, b->n_values);
            return;
        }
    }
}

static void
read_zip(const tree_t *member, int *dimension, matrix_t *matrix, diag_t *diag)
{
    if (member->kind != TREE_LIST) {
        setting_refuse(setting_find("matrix.zip"), member, diag);
        return;
    }
    for (size_t i = 0; i < member->n_children; i++) {
        const tree_t *group = &member->children[i];
        size_t first = matrix->n_axes;
        if (group->kind != TREE_GROUP || group->n_children == 0) {
            diag_error(
                diag, group->place,
                "'matrix.zip' takes groups of axes: ( { nodes = [ 1, 2 ]; cores = [ 2, 4 ]; } )");
            continue;
        }
        for (size_t k = 0; k < group->n_children; k++)
            read_axes("", &group->children[k], dimension, true, matrix, diag);
        *dimension += 1;
        check_zip(matrix, first, group->place, diag);
    }
}

const char *
matrix_condition_path(const matrix_t *matrix, const char *name, place_t place, diag_t *diag)
{
    const char *paths[] = {nodes_path, cores_path, per_node_path};
    for (size_t i = 0; i < 3; i++)
        if (strcmp(strchr(paths[i], '.') + 1, name) == 0)
            return setting_find(paths[i])->path;
    size_t n_found = 0;
    const setting_t *setting = setting_match(settings, n_settings, name, &n_found);
    if (setting && axis_find(matrix, setting->path))
        return setting->path;
    text_t text = {0};
    for (size_t i = 0; i < matrix->n_axes; i++)
        text_add(&text, "%s%s", i ? ", " : "", matrix->axes[i].path);
    char *axes = text_take(&text);
    diag_error(diag, place, "'%s' is no axis of this matrix; its axes are %s", name, axes);
    free(axes);
    return NULL;
}

static int
read_rule(const tree_t *group, const matrix_t *matrix, rule_t *rule, diag_t *diag)
{
    int status = 0;
    *rule = (rule_t){.place = group->place};
    rule->conditions = memory_new(group->n_children * sizeof *rule->conditions);
    for (size_t i = 0; i < group->n_children; i++) {
        const tree_t *member = &group->children[i];
        condition_t condition = {0};
        condition.path = matrix_condition_path(matrix, member->name, member->place, diag);
        if (condition.path &&
            read_values(condition.path, member, &condition.values, &condition.n_values, diag) == 0)
            rule->conditions[rule->n_conditions++] = condition;
        else
            status = -1;
    }
    return status;
}

static void
read_rules(const char *path, const tree_t *member, const matrix_t *matrix, rule_t **rules,
           size_t *n_rules, diag_t *diag)
{
    if (member->kind != TREE_LIST) {
        setting_refuse(setting_find(path), member, diag);
        return;
    }
    if (member->n_children > SPEC_RULES_MAX) {
        diag_error(diag, member->place, "'%s' has %zu groups; at most %d are taken", path,
                   member->n_children, SPEC_RULES_MAX);
        return;
    }
    *rules = memory_new(member->n_children * sizeof **rules);
    for (size_t i = 0; i < member->n_children; i++) {
        const tree_t *group = &member->children[i];
        if (group->kind != TREE_GROUP || group->n_children == 0)
            diag_error(diag, group->place,
                       "'%s' takes groups: ( { nodes = 1; cores = [ 5, 6 ]; } )", path);
        else
            read_rule(group, matrix, &(*rules)[(*n_rules)++], diag);
    }
}

// nodes first, then cores, then the settings in the order of their table: the order in which they
// are written does not matter.
static int
by_rank(const void *a, const void *b)
{
    const axis_t *x = a, *y = b;
    bool is_own_x = x->setting == NULL, is_own_y = y->setting == NULL;
    if (is_own_x != is_own_y)
        return is_own_x ? -1 : 1;
    const setting_t *row_x = setting_find(x->path), *row_y = setting_find(y->path);
    return row_x < row_y ? -1 : row_x > row_y;
}

// Numbers the dimensions anew, in the order of their first axes.
static void
order_axes(matrix_t *matrix)
{
    qsort(matrix->axes, matrix->n_axes, sizeof *matrix->axes, by_rank);
    int n = 0, old[SPEC_AXES_MAX];
    for (size_t i = 0; i < matrix->n_axes; i++) {
        int k = 0;
        while (k < n && old[k] != matrix->axes[i].dimension)
            k++;
        if (k == n)
            old[n++] = matrix->axes[i].dimension;
        matrix->axes[i].dimension = k;
    }
    matrix->n_dimensions = n;
}

// The cores axis that is missing, and nodes.
static void
complete_axes(matrix_t *matrix, int *dimension, diag_t *diag)
{
    const axis_t *cores = axis_find(matrix, cores_path);
    const axis_t *per_node = axis_find(matrix, per_node_path);
    if (cores && per_node)
        diag_error(diag, per_node->place,
                   "'matrix.cores' and 'matrix.cores_per_node' are both given; one is enough");
    if (matrix->n_axes + 2 > SPEC_AXES_MAX) {
        diag_error(diag, matrix->place, "a matrix has at most %d axes", SPEC_AXES_MAX);
        return;
    }
    if (!axis_find(matrix, nodes_path))
        matrix->axes[matrix->n_axes++] = axis_of_one(nodes_path, (*dimension)++, 1);
    if (!axis_find(matrix, cores_path) && !axis_find(matrix, per_node_path))
        matrix->axes[matrix->n_axes++] = axis_of_one(per_node_path, (*dimension)++, 1);
}

// The members of the matrix that the table of settings reads by itself, and those that are rules.
static bool
is_no_axis(const tree_t *member)
{
    static const char *const names[] = {"repeats", "warmup",  "zip",         "exclude",
                                        "only",    "shuffle", "shuffle_seed"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i], member->name) == 0)
            return true;
    return false;
}

void
matrix_read(const tree_t *group, matrix_t *matrix, diag_t *diag)
{
    for (size_t i = 0; i < matrix->n_axes; i++)
        free(matrix->axes[i].values);
    matrix->n_axes = 0;
    matrix->is_given = true;
    matrix->place = group->place;
    if (group->n_children == 0)
        diag_error(
            diag, group->place,
            "'matrix' is empty; write which cells to run: nodes = [ 1, 2 ]; cores = [ 2, 4 ];");
    size_t n_before = diag_n_errors(diag);
    int dimension = 0;
    for (size_t i = 0; i < group->n_children; i++)
        if (strcmp(group->children[i].name, "zip") == 0)
            read_zip(&group->children[i], &dimension, matrix, diag);
        else if (!is_no_axis(&group->children[i]))
            read_axes("", &group->children[i], &dimension, false, matrix, diag);
    bool is_whole = diag_n_errors(diag) == n_before;
    complete_axes(matrix, &dimension, diag);
    order_axes(matrix);
    // Against axes that are missing for a fault of their own, rules would only give more faults.
    const tree_t *exclude = tree_member(group, "exclude"), *only = tree_member(group, "only");
    if (exclude && is_whole)
        read_rules("matrix.exclude", exclude, matrix, &matrix->exclude, &matrix->n_exclude, diag);
    if (only && is_whole)
        read_rules("matrix.only", only, matrix, &matrix->only, &matrix->n_only, diag);
}

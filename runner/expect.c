#include "runner/expect.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runner/matrix.h"
#include "runner/memory.h"
#include "runner/suggest.h"

const char *const expect_quantity_names[N_EXPECT_QUANTITIES] = {
    [EXPECT_T_S] = "t_s",
    [EXPECT_WORK_S] = "work_s",
    [EXPECT_OVERHEAD_S] = "overhead_s",
    [EXPECT_WORK_SHARE] = "work_share",
    [EXPECT_OVERHEAD_SHARE] = "overhead_share",
    [EXPECT_SPEEDUP] = "speedup",
    [EXPECT_ACCURACY] = "accuracy",
};

static void
read_number(const tree_t *member, double max, double *number, diag_t *diag)
{
    bool is_number = member->kind == TREE_INTEGER || member->kind == TREE_REAL;
    if (is_number && member->real >= 0 && member->real <= max)
        *number = member->real;
    else
        diag_error(diag, member->place, "'%s' of 'expect' takes a number from 0 to %g",
                   member->name, max);
}

static void
read_cell(const tree_t *member, const char *path, double *number, diag_t *diag)
{
    axis_value_t value;
    if (axis_value_read(path, member, &value, diag) == 0)
        *number = value.number;
}

static void
tell_unknown(const tree_t *member, diag_t *diag)
{
    const char *names[N_EXPECT_QUANTITIES + 5] = {"nodes", "cores", "tolerance", "source"};
    for (int i = 0; i < N_EXPECT_QUANTITIES; i++)
        names[4 + i] = expect_quantity_names[i];
    const char *near = suggest_nearest(member->name, names);
    if (near)
        diag_error(diag, member->place, "'expect' has no '%s'; did you mean '%s'?", member->name,
                   near);
    else
        diag_error(diag, member->place,
                   "'expect' has no '%s'; 'dmlx help settings expect' lists what "
                   "it has",
                   member->name);
}

static void
read_member(const tree_t *member, expect_t *row, diag_t *diag)
{
    double number = 0;
    if (strcmp(member->name, "nodes") == 0) {
        read_cell(member, "matrix.nodes", &number, diag);
        row->nodes = (long)number;
    } else if (strcmp(member->name, "cores") == 0) {
        read_cell(member, "matrix.cores", &row->cores, diag);
    } else if (strcmp(member->name, "tolerance") == 0) {
        read_number(member, 10, &row->tolerance, diag);
    } else if (strcmp(member->name, "source") == 0) {
        if (member->kind != TREE_TEXT || strlen(member->text) > SETTING_TEXT_MAX) {
            diag_error(diag, member->place, "'source' of 'expect' takes a text");
            return;
        }
        free(row->source);
        row->source = memory_text(member->text);
    } else {
        int i = 0;
        while (i < N_EXPECT_QUANTITIES && strcmp(member->name, expect_quantity_names[i]) != 0)
            i++;
        bool is_share =
            i == EXPECT_WORK_SHARE || i == EXPECT_OVERHEAD_SHARE || i == EXPECT_ACCURACY;
        if (i == N_EXPECT_QUANTITIES)
            tell_unknown(member, diag);
        else
            read_number(member, is_share ? 1 : 1e12, &row->values[i], diag);
    }
}

static void
read_row(const tree_t *group, expect_t *row, diag_t *diag)
{
    *row = (expect_t){.tolerance = NAN, .place = group->place, .source = memory_text("")};
    for (int i = 0; i < N_EXPECT_QUANTITIES; i++)
        row->values[i] = NAN;
    if (group->kind != TREE_GROUP) {
        diag_error(diag, group->place,
                   "'expect' takes groups: ( { nodes = 1; cores = 2; t_s = 936.3; } )");
        return;
    }
    for (size_t i = 0; i < group->n_children; i++)
        read_member(&group->children[i], row, diag);
    if (!tree_member(group, "nodes") || !tree_member(group, "cores"))
        diag_error(diag, group->place,
                   "a group of 'expect' wants nodes and cores, to say which cell it "
                   "is about");
}

void
expect_read(const tree_t *list, experiment_t *experiment, diag_t *diag)
{
    if (list->kind != TREE_LIST) {
        setting_refuse(setting_find("expect"), list, diag);
        return;
    }
    if (list->n_children > SPEC_EXPECT_MAX) {
        diag_error(diag, list->place, "'expect' has %zu groups; at most %d are taken",
                   list->n_children, SPEC_EXPECT_MAX);
        return;
    }
    expect_free(experiment->expect, experiment->n_expect);
    experiment->n_expect = list->n_children;
    experiment->expect = memory_new(list->n_children * sizeof *experiment->expect);
    for (size_t i = 0; i < list->n_children; i++)
        read_row(&list->children[i], &experiment->expect[i], diag);
}

void
expect_add_text(text_t *text, const expect_t *rows, size_t n_rows)
{
    if (n_rows == 0)
        return;
    text_add(text, "expect = (\n");
    for (size_t i = 0; i < n_rows; i++) {
        text_add(text, "  { nodes = %ld; cores = ", rows[i].nodes);
        text_add_short(text, rows[i].cores);
        for (int q = 0; q < N_EXPECT_QUANTITIES; q++)
            if (!isnan(rows[i].values[q])) {
                text_add(text, "; %s = ", expect_quantity_names[q]);
                text_add_short(text, rows[i].values[q]);
            }
        if (!isnan(rows[i].tolerance)) {
            text_add(text, "; tolerance = ");
            text_add_short(text, rows[i].tolerance);
        }
        text_add(text, "; source = ");
        text_add_quoted(text, rows[i].source);
        text_add(text, "; }%s\n", i + 1 < n_rows ? "," : "");
    }
    text_add(text, ");\n");
}

expect_t *
expect_copy(const expect_t *rows, size_t n_rows)
{
    expect_t *copy = n_rows ? memory_new(n_rows * sizeof *copy) : NULL;
    for (size_t i = 0; i < n_rows; i++) {
        copy[i] = rows[i];
        copy[i].source = memory_text(rows[i].source);
    }
    return copy;
}

void
expect_free(expect_t *rows, size_t n_rows)
{
    for (size_t i = 0; i < n_rows; i++)
        free(rows[i].source);
    free(rows);
}

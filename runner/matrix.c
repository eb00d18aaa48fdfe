#include "runner/matrix.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/memory.h"

static const char nodes_path[] = "matrix.nodes";
static const char cores_path[] = "matrix.cores";
static const char per_node_path[] = "matrix.cores_per_node";

size_t
matrix_n_cells(const matrix_t *matrix)
{
    size_t n_cells = 1;
    int last = -1;
    for (size_t i = 0; i < matrix->n_axes; i++) {
        const axis_t *axis = &matrix->axes[i];
        if (axis->dimension <= last)
            continue; // it moves with an axis before it
        last = axis->dimension;
        if (n_cells > SIZE_MAX / axis->n_values)
            return SIZE_MAX;
        n_cells *= axis->n_values;
    }
    return n_cells;
}

void
matrix_cell(const matrix_t *matrix, size_t cell_index, size_t value_index[SPEC_AXES_MAX])
{
    size_t length[SPEC_AXES_MAX] = {0}, position[SPEC_AXES_MAX] = {0};
    for (size_t i = 0; i < matrix->n_axes; i++)
        length[matrix->axes[i].dimension] = matrix->axes[i].n_values;
    for (int d = matrix->n_dimensions - 1; d >= 0; d--) {
        position[d] = cell_index % length[d];
        cell_index /= length[d];
    }
    for (size_t i = 0; i < SPEC_AXES_MAX; i++)
        value_index[i] = i < matrix->n_axes ? position[matrix->axes[i].dimension] : 0;
}

static const axis_value_t *
value_in(const matrix_t *matrix, const char *path, const size_t value_index[SPEC_AXES_MAX])
{
    for (size_t i = 0; i < matrix->n_axes; i++)
        if (strcmp(matrix->axes[i].path, path) == 0)
            return &matrix->axes[i].values[value_index[i]];
    return NULL;
}

long
matrix_nodes(const matrix_t *matrix, const size_t value_index[SPEC_AXES_MAX])
{
    return (long)value_in(matrix, nodes_path, value_index)->number;
}

double
matrix_cores(const matrix_t *matrix, const size_t value_index[SPEC_AXES_MAX])
{
    const axis_value_t *cores = value_in(matrix, cores_path, value_index);
    if (cores)
        return cores->number;
    return value_in(matrix, per_node_path, value_index)->number *
           (double)matrix_nodes(matrix, value_index);
}

static bool
nearly(double a, double b)
{
    return fabs(a - b) <= 1e-9 * fabs(b);
}

static bool
holds(const condition_t *condition, const matrix_t *matrix, const size_t value_index[SPEC_AXES_MAX])
{
    double number = 0;
    double nodes = (double)matrix_nodes(matrix, value_index);
    if (strcmp(condition->path, cores_path) == 0)
        number = matrix_cores(matrix, value_index);
    else if (strcmp(condition->path, per_node_path) == 0)
        number = matrix_cores(matrix, value_index) / nodes;
    else
        number = value_in(matrix, condition->path, value_index)->number;
    for (size_t i = 0; i < condition->n_values; i++)
        if (nearly(number, condition->values[i].number))
            return true;
    return false;
}

bool
rule_matches(const rule_t *rule, const matrix_t *matrix, const size_t value_index[SPEC_AXES_MAX])
{
    for (size_t i = 0; i < rule->n_conditions; i++)
        if (!holds(&rule->conditions[i], matrix, value_index))
            return false;
    return true;
}

bool
matrix_keeps(const matrix_t *matrix, const size_t value_index[SPEC_AXES_MAX])
{
    bool is_kept = matrix->n_only == 0;
    for (size_t i = 0; i < matrix->n_only && !is_kept; i++)
        is_kept = rule_matches(&matrix->only[i], matrix, value_index);
    for (size_t i = 0; i < matrix->n_exclude && is_kept; i++)
        is_kept = !rule_matches(&matrix->exclude[i], matrix, value_index);
    return is_kept;
}

static axis_value_t *
values_copy(const axis_value_t *values, size_t n)
{
    return memcpy(memory_new(n * sizeof *values), values, n * sizeof *values);
}

static rule_t *
rules_copy(const rule_t *rules, size_t n)
{
    rule_t *copy = n ? memory_new(n * sizeof *copy) : NULL;
    for (size_t i = 0; i < n; i++) {
        copy[i] = rules[i];
        copy[i].conditions = memory_new(rules[i].n_conditions * sizeof(condition_t));
        for (size_t k = 0; k < rules[i].n_conditions; k++) {
            condition_t *condition = &copy[i].conditions[k];
            *condition = rules[i].conditions[k];
            condition->values = values_copy(condition->values, condition->n_values);
        }
    }
    return copy;
}

void
matrix_copy(const matrix_t *source, matrix_t *target)
{
    *target = *source;
    for (size_t i = 0; i < source->n_axes; i++)
        target->axes[i].values = values_copy(source->axes[i].values, source->axes[i].n_values);
    target->exclude = rules_copy(source->exclude, source->n_exclude);
    target->only = rules_copy(source->only, source->n_only);
}

void
rule_free(rule_t *rule)
{
    for (size_t i = 0; i < rule->n_conditions; i++)
        free(rule->conditions[i].values);
    free(rule->conditions);
    *rule = (rule_t){0};
}

void
matrix_free(matrix_t *matrix)
{
    for (size_t i = 0; i < matrix->n_axes; i++)
        free(matrix->axes[i].values);
    for (size_t i = 0; i < matrix->n_exclude; i++)
        rule_free(&matrix->exclude[i]);
    for (size_t i = 0; i < matrix->n_only; i++)
        rule_free(&matrix->only[i]);
    free(matrix->exclude);
    free(matrix->only);
    *matrix = (matrix_t){0};
}

// In ( ), so that "auto" may stand beside numbers.
static void
add_values(text_t *text, const char *path, const axis_value_t *values, size_t n_values)
{
    const setting_t *row = setting_find(path);
    text_add(text, "( ");
    for (size_t i = 0; i < n_values; i++) {
        text_add(text, "%s", i ? ", " : "");
        bool is_auto = row->type == SETTING_REAL_OR_AUTO && values[i].number == SETTING_AUTO;
        if (row->type == SETTING_CHOICE || is_auto)
            text_add_quoted(text, values[i].text);
        else
            text_add(text, "%s", values[i].text);
    }
    text_add(text, " );");
}

// The lines of one dimension: an axis, or axes that are zipped.
static void
add_dimension(text_t *text, const matrix_t *matrix, int dimension)
{
    const char *gap = "";
    for (size_t i = 0; i < matrix->n_axes; i++) {
        const axis_t *axis = &matrix->axes[i];
        if (axis->dimension != dimension)
            continue;
        // An axis is known by its last name alone; a unit test holds the table to that.
        text_add(text, "%s%s = ", gap, strrchr(axis->path, '.') + 1);
        add_values(text, axis->path, axis->values, axis->n_values);
        gap = " ";
    }
}

static void
add_rules(text_t *text, const char *name, const rule_t *rules, size_t n_rules)
{
    if (n_rules == 0)
        return;
    text_add(text, "  %s = (\n", name);
    for (size_t i = 0; i < n_rules; i++) {
        text_add(text, "    {");
        for (size_t k = 0; k < rules[i].n_conditions; k++) {
            const condition_t *condition = &rules[i].conditions[k];
            text_add(text, " %s = ", strrchr(condition->path, '.') + 1);
            add_values(text, condition->path, condition->values, condition->n_values);
        }
        text_add(text, " }%s\n", i + 1 < n_rules ? "," : "");
    }
    text_add(text, "  );\n");
}

static size_t
dimension_size(const matrix_t *matrix, int dimension)
{
    size_t n = 0;
    for (size_t i = 0; i < matrix->n_axes; i++)
        n += matrix->axes[i].dimension == dimension;
    return n;
}

void
matrix_add_text(text_t *text, const matrix_t *matrix)
{
    int n_zipped = 0;
    for (int d = 0; d < matrix->n_dimensions; d++) {
        if (dimension_size(matrix, d) > 1) {
            n_zipped += 1;
            continue;
        }
        text_add(text, "  ");
        add_dimension(text, matrix, d);
        text_add(text, "\n");
    }
    for (int d = 0, n = 0; d < matrix->n_dimensions && n_zipped > 0; d++) {
        if (dimension_size(matrix, d) <= 1)
            continue;
        text_add(text, n++ == 0 ? "  zip = ( { " : ", { ");
        add_dimension(text, matrix, d);
        text_add(text, n == n_zipped ? " } );\n" : " }");
    }
    add_rules(text, "exclude", matrix->exclude, matrix->n_exclude);
    add_rules(text, "only", matrix->only, matrix->n_only);
}

void
matrix_cell_id(const matrix_t *matrix, const size_t value_index[SPEC_AXES_MAX],
               char id[MATRIX_ID_BYTES])
{
    text_t text = {0};
    text_add(&text, "n%ld-c", matrix_nodes(matrix, value_index));
    text_add_short(&text, matrix_cores(matrix, value_index));
    for (size_t i = 0; i < matrix->n_axes; i++)
        if (matrix->axes[i].setting)
            text_add(&text, "-%s%s", setting_name(matrix->axes[i].setting),
                     matrix->axes[i].values[value_index[i]].text);
    char *shown = text_take(&text);
    snprintf(id, MATRIX_ID_BYTES, "%s", shown);
    free(shown);
}

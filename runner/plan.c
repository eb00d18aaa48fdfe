#include "runner/plan.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/claim.h"
#include "runner/expect.h"
#include "runner/matrix.h"
#include "runner/memory.h"

// Steele, Lea and Flood's splitmix64: orders need no better generator, and it is four lines to
// keep.
static uint64_t
next_random(uint64_t *state)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

// Fisher and Yates. The bias of the remainder is below 2^-40 for so few cells.
static void
shuffle(plan_cell_t *cells, size_t n, uint64_t seed)
{
    uint64_t state = seed;
    for (size_t i = n; i > 1; i--) {
        size_t k = (size_t)(next_random(&state) % i);
        plan_cell_t cell = cells[i - 1];
        cells[i - 1] = cells[k];
        cells[k] = cell;
    }
}

static double
axis_or_setting(const experiment_t *experiment, const plan_cell_t *cell, const char *path,
                double otherwise)
{
    for (size_t i = 0; i < experiment->matrix.n_axes; i++) {
        const axis_t *axis = &experiment->matrix.axes[i];
        if (strcmp(axis->path, path) == 0)
            return axis->values[cell->value_index[i]].number;
    }
    return otherwise;
}

static plan_cell_t
make_cell(const experiment_t *experiment, size_t cell_index,
          const size_t value_index[SPEC_AXES_MAX])
{
    plan_cell_t cell = {.cell_index = cell_index};
    char id[MATRIX_ID_BYTES];
    matrix_cell_id(&experiment->matrix, value_index, id);
    snprintf(cell.id, sizeof cell.id, "%.*s", PLAN_ID_BYTES - 1, id);
    memcpy(cell.value_index, value_index, sizeof cell.value_index);
    cell.nodes = matrix_nodes(&experiment->matrix, value_index);
    cell.cores = matrix_cores(&experiment->matrix, value_index);
    cell.cores_per_node = cell.cores / (double)cell.nodes;
    cell.threads = (long)ceil(cell.cores_per_node - 1e-9);
    cell.core_speed = axis_or_setting(experiment, &cell, "cluster.emulate.core_speed",
                                      experiment->cluster.core_speed);
    if (cell.nodes > 1)
        cell.link_mbit = axis_or_setting(experiment, &cell, "cluster.emulate.link_mbit",
                                         experiment->cluster.link_mbit);
    cell.cpu_limit = cell.cores_per_node * cell.core_speed;
    cell.cores_asked = cell.cores * cell.core_speed;
    return cell;
}

// One pass over the cells of the matrix as written; the plan has room for it.
static void
list_cells(plan_t *plan)
{
    const experiment_t *experiment = &plan->experiment;
    size_t n_crossed = matrix_n_cells(&experiment->matrix);
    for (size_t c = 0; c < n_crossed; c++) {
        size_t value_index[SPEC_AXES_MAX];
        matrix_cell(&experiment->matrix, c, value_index);
        if (matrix_keeps(&experiment->matrix, value_index))
            plan->cells[plan->n_matrix_cells++] = make_cell(experiment, c, value_index);
    }
}

// Copies the first pass once for each further repeat, and gives each pass its order.
static void
repeat_cells(plan_t *plan)
{
    const experiment_t *experiment = &plan->experiment;
    size_t n = plan->n_matrix_cells;
    for (long r = 1; r < experiment->matrix.repeats.max; r++)
        memcpy(plan->cells + (size_t)r * n, plan->cells, n * sizeof *plan->cells);
    for (long r = 0; r < experiment->matrix.repeats.max; r++) {
        plan_cell_t *pass = plan->cells + (size_t)r * n;
        for (size_t i = 0; i < n; i++) {
            pass[i].repeat = (int)r + 1;
            double seed =
                axis_or_setting(experiment, &pass[i], "train.seed", (double)experiment->train.seed);
            pass[i].seed = (long)seed + r;
        }
        if (experiment->matrix.shuffle) {
            uint64_t seed = (uint64_t)experiment->matrix.shuffle_seed;
            shuffle(pass, n, (seed << 20) + (uint64_t)r);
        }
    }
    plan->n_cells = n * (size_t)experiment->matrix.repeats.max;
}

// Limits that this host cannot give are refused: the row would tell of cores that never were.
static void
check_host(const plan_t *plan, double host_cores, diag_t *diag)
{
    const experiment_t *experiment = &plan->experiment;
    place_t place = experiment->matrix.place;
    const plan_cell_t *most = &plan->cells[0];
    for (size_t i = 0; i < plan->n_matrix_cells; i++)
        if (plan->cells[i].cores_asked > most->cores_asked)
            most = &plan->cells[i];
    bool is_too_much = most->cores_asked > host_cores + 1e-9;
    if (host_cores <= 0 || !is_too_much || experiment->cluster.launcher != LAUNCHER_LOCAL)
        return;
    if (experiment->cluster.enforce)
        diag_error(diag, place,
                   "%s asks for %g real cores, and this host has %g; write cluster = { emulate = { "
                   "core_speed = \"auto\"; }; }; or enforce = false",
                   most->id, most->cores_asked, host_cores);
    else
        diag_warning(diag, place,
                     "%s asks for %g cores, and this host has %g: threads will wait for "
                     "each other",
                     most->id, most->cores_asked, host_cores);
}

// What a core speed of "auto" comes to is known only here.
static void
check_limits(const plan_t *plan, double host_cores, diag_t *diag)
{
    const experiment_t *experiment = &plan->experiment;
    const plan_cell_t *least = &plan->cells[0];
    for (size_t i = 0; i < plan->n_matrix_cells; i++)
        if (plan->cells[i].cpu_limit < least->cpu_limit)
            least = &plan->cells[i];
    if (experiment->cluster.enforce && least->cpu_limit < spec_cpu_limit_min)
        diag_error(diag, experiment->matrix.place,
                   "%s gives a node %g of a real core, with emulated ones of %g on a host with %g; "
                   "the least is %g",
                   least->id, least->cpu_limit, least->core_speed, host_cores, spec_cpu_limit_min);
}

static bool
has_auto(const experiment_t *experiment)
{
    bool is_auto = experiment->cluster.core_speed == SETTING_AUTO;
    for (size_t i = 0; i < experiment->matrix.n_axes; i++) {
        const axis_t *axis = &experiment->matrix.axes[i];
        for (size_t k = 0; axis->setting && k < axis->n_values; k++)
            if (axis->setting->type == SETTING_REAL_OR_AUTO)
                is_auto = is_auto || axis->values[k].number == SETTING_AUTO;
    }
    return is_auto;
}

plan_t *
plan_new(const experiment_t *experiment, double host_cores, diag_t *diag)
{
    size_t n_errors = diag_n_errors(diag);
    size_t n_crossed = matrix_n_cells(&experiment->matrix);
    size_t n_repeats = (size_t)experiment->matrix.repeats.max;
    if (n_crossed > PLAN_CELLS_MAX || n_crossed * n_repeats > PLAN_CELLS_MAX) {
        diag_error(diag, experiment->matrix.place, "the matrix has more than %d runs",
                   PLAN_CELLS_MAX);
        return NULL;
    }
    if (has_auto(experiment) && host_cores <= 0) {
        diag_error(diag, experiment->matrix.place,
                   "'cluster.emulate.core_speed' is \"auto\", and the host's cores are not known");
        return NULL;
    }
    plan_t *plan = memory_new(sizeof *plan);
    experiment_copy(experiment, &plan->experiment);
    if (host_cores > 0)
        experiment_resolve(&plan->experiment, host_cores);
    plan->cells = memory_new(n_crossed * n_repeats * sizeof *plan->cells);
    list_cells(plan);
    if (plan->n_matrix_cells == 0)
        diag_error(diag, experiment->matrix.place,
                   "'matrix.exclude' and 'matrix.only' leave no cell to run");
    else {
        check_host(plan, host_cores, diag);
        check_limits(plan, host_cores, diag);
    }
    repeat_cells(plan);
    if (diag_n_errors(diag) > n_errors) {
        plan_free(plan);
        return NULL;
    }
    return plan;
}

size_t
plan_least_runs(const plan_t *plan)
{
    return plan->n_matrix_cells * (size_t)plan->experiment.matrix.repeats.min;
}

void
plan_free(plan_t *plan)
{
    if (!plan)
        return;
    experiment_free(&plan->experiment);
    free(plan->cells);
    free(plan);
}

// Reads "cores=2|4" into the rule. -1 with an error.
static int
read_condition(const plan_t *plan, const char *text, size_t n, place_t place, rule_t *rule,
               diag_t *diag)
{
    const char *equals = memchr(text, '=', n);
    if (!equals || equals == text) {
        diag_error(diag, place, "wants axes and their values, such as nodes=3,cores=2|4");
        return -1;
    }
    char *name = memory_format("%.*s", (int)(equals - text), text);
    condition_t condition = {0};
    condition.path = matrix_condition_path(&plan->experiment.matrix, name, place, diag);
    free(name);
    int status = condition.path ? 0 : -1;
    for (const char *at = equals + 1, *end = text + n; status == 0 && at <= end;) {
        size_t n_word = 0;
        while (at + n_word < end && at[n_word] != '|')
            n_word++;
        char *word = memory_format("%.*s", (int)n_word, at);
        condition.values =
            memory_resize(condition.values, (condition.n_values + 1) * sizeof *condition.values);
        status = axis_value_parse(condition.path, word, place,
                                  &condition.values[condition.n_values++], diag);
        free(word);
        at += n_word + 1;
    }
    rule->conditions[rule->n_conditions++] = condition;
    return status;
}

static int
read_rule(const plan_t *plan, const char *text, place_t place, rule_t *rule, diag_t *diag)
{
    int status = 0;
    size_t n_conditions = 1;
    for (const char *c = text; *c; c++)
        n_conditions += *c == ',';
    rule->conditions = memory_new(n_conditions * sizeof *rule->conditions);
    for (const char *at = text; status == 0;) {
        size_t n = strcspn(at, ",");
        status = read_condition(plan, at, n, place, rule, diag);
        if (!at[n])
            break;
        at += n + 1;
    }
    return status;
}

int
plan_only(plan_t *plan, const char *text, diag_t *diag)
{
    char *name = memory_format("--only %.200s", text);
    place_t place = {diag_file(diag, name), 0};
    free(name);
    rule_t rule = {0};
    int status = strlen(text) > SETTING_TEXT_MAX ? -1 : read_rule(plan, text, place, &rule, diag);
    size_t n_left = 0;
    for (size_t i = 0; i < plan->n_cells && status == 0; i++)
        n_left += rule_matches(&rule, &plan->experiment.matrix, plan->cells[i].value_index);
    if (status == 0 && n_left == 0) {
        diag_error(diag, place, "no cell of the matrix matches");
        status = -1;
    }
    size_t n_kept = 0;
    for (size_t i = 0; i < plan->n_cells && status == 0; i++)
        if (rule_matches(&rule, &plan->experiment.matrix, plan->cells[i].value_index))
            plan->cells[n_kept++] = plan->cells[i];
    if (status == 0) {
        plan->n_cells = n_kept;
        plan->n_matrix_cells = n_kept / (size_t)plan->experiment.matrix.repeats.max;
    }
    rule_free(&rule);
    return status;
}

// The i-th axis that is neither nodes nor cores; they come after those, in the order of the table.
static size_t
further_index(const plan_t *plan, size_t i)
{
    size_t at = 0;
    while (!plan->experiment.matrix.axes[at].setting)
        at++;
    return at + i;
}

size_t
plan_n_further(const plan_t *plan)
{
    size_t n = 0;
    for (size_t i = 0; i < plan->experiment.matrix.n_axes; i++)
        n += plan->experiment.matrix.axes[i].setting != NULL;
    return n;
}

const char *
plan_further_path(const plan_t *plan, size_t i)
{
    return plan->experiment.matrix.axes[further_index(plan, i)].path;
}

const char *
plan_further_value(const plan_t *plan, const plan_cell_t *cell, size_t i)
{
    size_t at = further_index(plan, i);
    return plan->experiment.matrix.axes[at].values[cell->value_index[at]].text;
}

void
plan_experiment(const plan_t *plan, const plan_cell_t *cell, experiment_t *experiment)
{
    const matrix_t *matrix = &plan->experiment.matrix;
    experiment_t copy;
    experiment_copy(&plan->experiment, &copy);
    for (size_t i = 0; i < matrix->n_axes; i++)
        if (matrix->axes[i].setting)
            axis_value_apply(matrix->axes[i].setting, &matrix->axes[i].values[cell->value_index[i]],
                             &copy);
    copy.train.seed = cell->seed;
    matrix_free(&copy.matrix);
    matrix_one(&copy.matrix, cell->nodes, cell->cores);
    expect_free(copy.expect, copy.n_expect);
    copy.expect = NULL;
    copy.n_expect = 0;
    claim_free(copy.claims, copy.n_claims);
    copy.claims = NULL;
    copy.n_claims = 0;
    *experiment = copy;
}

char *
plan_cell_text(const plan_t *plan, const plan_cell_t *cell)
{
    experiment_t experiment;
    plan_experiment(plan, cell, &experiment);
    char *text = experiment_text(&experiment);
    experiment_free(&experiment);
    return text;
}

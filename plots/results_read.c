#include "plots/results_read.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "plots/csv.h"
#include "plots/memory.h"

// A file of a results folder: absent is fine for all but runs.csv.
static int
read_table(const char *folder, const char *name, csv_t **csv, draft_t *notes, plots_error_t *error)
{
    char *path = plots_format("%s/%s", folder, name);
    int result = PLOTS_OK;
    if (access(path, F_OK) == 0 || strcmp(name, "runs.csv") == 0)
        result = csv_read(path, csv, error);
    if (*csv != NULL && csv_was_cut(*csv))
        draft_add(notes, "%s: its last line was cut short and is left out\n", path);
    free(path);
    return result;
}

static double
number_of(const csv_t *csv, size_t row, const char *column)
{
    return csv_number(csv, row, csv_column(csv, column));
}

static const char *
text_of(const csv_t *csv, size_t row, const char *column)
{
    return csv_text(csv, row, csv_column(csv, column));
}

static int
whole_number(double number, int otherwise)
{
    return isfinite(number) && fabs(number) < 1e9 ? (int)number : otherwise;
}

// A whole number, or `otherwise` where the field is empty.
static int
count_of(const csv_t *csv, size_t row, const char *column, int otherwise)
{
    return whole_number(number_of(csv, row, column), otherwise);
}

static void
read_run(const csv_t *csv, size_t row, const results_set_t *set, results_run_t *run)
{
    run->cell = plots_copy(text_of(csv, row, "cell"));
    run->nodes = number_of(csv, row, "nodes");
    run->cores = number_of(csv, row, "cores");
    run->values = plots_alloc(set->n_axes, sizeof *run->values);
    for (size_t i = 0; i < set->n_axes; i++)
        run->values[i] = plots_copy(text_of(csv, row, set->axes[i].setting));
    run->repeat = count_of(csv, row, "repeat", 1);
    const int mean_of = count_of(csv, row, "mean_of", 1);
    run->mean_of = mean_of > 1 ? (size_t)mean_of : 1;
    run->attempt = plots_copy(text_of(csv, row, "attempt"));
    run->status = plots_copy(text_of(csv, row, "status"));
    run->data = plots_copy(text_of(csv, row, "data"));
    run->note = plots_copy(text_of(csv, row, "note"));
    run->launcher = plots_copy(text_of(csv, row, "launcher"));
    run->enforced = plots_copy(text_of(csv, row, "enforced"));
    run->is_done = strcmp(run->status, "done") == 0;
    run->t_s = number_of(csv, row, "t_s");
    run->work_s = number_of(csv, row, "work_s");
    run->overhead_s = number_of(csv, row, "overhead_s");
    if (isnan(run->overhead_s))
        run->overhead_s = run->t_s - run->work_s;
    run->accuracy = number_of(csv, row, "accuracy");
    run->loss = number_of(csv, row, "loss");
    run->train_loss = number_of(csv, row, "train_loss");
    run->target_accuracy = number_of(csv, row, "target_accuracy");
    run->time_to_accuracy_s = number_of(csv, row, "time_to_accuracy_s");
    run->samples = number_of(csv, row, "samples");
    run->samples_per_s = number_of(csv, row, "samples_per_s");
    run->sent_bytes = number_of(csv, row, "sent_bytes");
    run->received_bytes = number_of(csv, row, "received_bytes");
    run->cores_asked = number_of(csv, row, "cores_asked");
    run->cores_granted = number_of(csv, row, "cores_granted");
    run->throttled_s = number_of(csv, row, "throttled_s");
    run->startup_s = number_of(csv, row, "startup_s");
    run->evaluation_s = number_of(csv, row, "evaluation_s");
    run->core_speed = number_of(csv, row, "core_speed");
}

static void
clear_run(const results_set_t *set, results_run_t *run)
{
    for (size_t i = 0; run->values != NULL && i < set->n_axes; i++)
        free(run->values[i]);
    free(run->values);
    free(run->cell);
    free(run->attempt);
    free(run->status);
    free(run->data);
    free(run->note);
    free(run->launcher);
    free(run->enforced);
}

// Puts a row in its place: over the earlier one of its cell and repeat, or behind the last.
static void
keep_run(results_set_t *set, results_run_t run)
{
    for (size_t i = set->n_runs; i-- > 0;) {
        if (set->runs[i].repeat == run.repeat && strcmp(set->runs[i].cell, run.cell) == 0) {
            clear_run(set, &set->runs[i]);
            set->runs[i] = run;
            return;
        }
    }
    set->runs = plots_resize(set->runs, set->n_runs + 1, sizeof *set->runs);
    set->runs[set->n_runs++] = run;
}

// Which two runs come first: fewer nodes, fewer cores, the smaller further axis, the earlier
// repeat. qsort knows no set, so the number of axes lies here during one sort.
static _Thread_local size_t n_axes_sorted;

static int
compare_values(const char *a, const char *b)
{
    char *end_a;
    char *end_b;
    const double number_a = strtod(a, &end_a);
    const double number_b = strtod(b, &end_b);
    if (*a != '\0' && *b != '\0' && *end_a == '\0' && *end_b == '\0')
        return (number_a > number_b) - (number_a < number_b);
    return strcmp(a, b);
}

static int
compare_runs(const void *left, const void *right)
{
    const results_run_t *a = left;
    const results_run_t *b = right;
    if (a->nodes != b->nodes)
        return a->nodes < b->nodes ? -1 : 1;
    if (a->cores != b->cores)
        return a->cores < b->cores ? -1 : 1;
    for (size_t i = 0; i < n_axes_sorted; i++) {
        const int order = compare_values(a->values[i], b->values[i]);
        if (order != 0)
            return order;
    }
    const int order = strcmp(a->cell, b->cell);
    return order != 0 ? order : a->repeat - b->repeat;
}

static int
check_run(const char *folder, const results_run_t *run, size_t row, plots_error_t *error)
{
    const char *fault = NULL;
    if (*run->cell == '\0')
        fault = "has no cell";
    else if (!(run->nodes >= 1.0))
        fault = "has no number of nodes";
    else if (!(run->cores > 0.0))
        fault = "has no number of cores";
    else if (run->is_done && !(run->t_s > 0.0))
        fault = "is done but has no t_s";
    if (fault == NULL)
        return PLOTS_OK;
    return plots_fail(error, PLOTS_INVALID, "'%s/runs.csv': row %zu %s; remove it or restore it",
                      folder, row + 1, fault);
}

static int
read_runs(const csv_t *csv, results_set_t *set, plots_error_t *error)
{
    for (size_t row = 0; row < csv_rows(csv); row++) {
        results_run_t run = {0};
        read_run(csv, row, set, &run);
        const int result = check_run(set->folder, &run, row, error);
        if (result != PLOTS_OK) {
            clear_run(set, &run);
            return result;
        }
        keep_run(set, run);
    }
    n_axes_sorted = set->n_axes;
    if (set->n_runs > 0)
        qsort(set->runs, set->n_runs, sizeof *set->runs, compare_runs);
    return PLOTS_OK;
}

// The run that a row of rounds.csv belongs to, or n_runs. Rows come run by run, so the last answer
// is tried first.
static size_t
run_of(const results_set_t *set, const csv_t *csv, size_t row, size_t hint)
{
    const char *cell = text_of(csv, row, "cell");
    const char *attempt = text_of(csv, row, "attempt");
    const int repeat = count_of(csv, row, "repeat", 1);
    for (size_t i = 0; i < set->n_runs; i++) {
        const size_t at = (hint + i) % set->n_runs;
        const results_run_t *run = &set->runs[at];
        if (run->is_done && run->repeat == repeat && strcmp(run->attempt, attempt) == 0 &&
            strcmp(run->cell, cell) == 0)
            return at;
    }
    return set->n_runs;
}

static void
read_rounds(const csv_t *csv, results_set_t *set, draft_t *notes)
{
    size_t n_orphans = 0;
    size_t run = 0;
    set->rounds = plots_alloc(csv_rows(csv), sizeof *set->rounds);
    for (size_t row = 0; row < csv_rows(csv); row++) {
        const size_t found = run_of(set, csv, row, run);
        if (found == set->n_runs) {
            n_orphans++;
            continue;
        }
        run = found;
        set->rounds[set->n_rounds++] = (results_round_t){
            .run = run,
            .round = count_of(csv, row, "round", 0),
            .rank = count_of(csv, row, "rank", 0),
            .compute_s = number_of(csv, row, "compute_s"),
            .wait_s = number_of(csv, row, "wait_s"),
            .send_s = number_of(csv, row, "send_s"),
            .aggregate_s = number_of(csv, row, "aggregate_s"),
            .round_s = number_of(csv, row, "round_s"),
            .samples = number_of(csv, row, "samples"),
            .loss = number_of(csv, row, "loss"),
            .sent_bytes = number_of(csv, row, "sent_bytes"),
            .cpu_s = number_of(csv, row, "cpu_s"),
            .rss_bytes = number_of(csv, row, "rss_bytes"),
            .temperature_c = number_of(csv, row, "temperature_c"),
            .clock_mhz = number_of(csv, row, "clock_mhz"),
        };
    }
    if (n_orphans > 0)
        draft_add(notes, "%s/rounds.csv: %zu rows of attempts that did not finish are left out\n",
                  set->folder, n_orphans);
}

static int
read_expects(const csv_t *csv, results_set_t *set, plots_error_t *error)
{
    set->expects = plots_alloc(csv_rows(csv), sizeof *set->expects);
    for (size_t row = 0; row < csv_rows(csv); row++) {
        const char *name = text_of(csv, row, "quantity");
        const results_expect_t expect = {
            .nodes = number_of(csv, row, "nodes"),
            .cores = number_of(csv, row, "cores"),
            .quantity = quantity_parse(name),
            .value = number_of(csv, row, "value"),
            .tolerance = number_of(csv, row, "tolerance"),
        };
        if (expect.quantity == N_QUANTITIES)
            return plots_fail(error, PLOTS_INVALID,
                              "'%s/expect.csv': row %zu: unknown quantity '%s'; known are t_s, "
                              "work_s, overhead_s, work_share, overhead_share, speedup, accuracy, "
                              "time_to_accuracy_s",
                              set->folder, row + 1, name);
        results_expect_t *kept = &set->expects[set->n_expects++];
        *kept = expect;
        kept->cell = plots_copy(text_of(csv, row, "cell"));
        kept->source = plots_copy(text_of(csv, row, "source"));
    }
    return PLOTS_OK;
}

static void
read_claims(const csv_t *csv, results_set_t *set)
{
    set->claims = plots_alloc(csv_rows(csv), sizeof *set->claims);
    for (size_t row = 0; row < csv_rows(csv); row++) {
        set->claims[set->n_claims++] = (results_claim_t){
            .text = plots_copy(text_of(csv, row, "claim")),
            .kind = plots_copy(text_of(csv, row, "kind")),
            .quantity = plots_copy(text_of(csv, row, "quantity")),
            .over = plots_copy(text_of(csv, row, "over")),
            .tolerance = number_of(csv, row, "tolerance"),
            .source = plots_copy(text_of(csv, row, "source")),
        };
    }
}

static void
read_stops(const csv_t *csv, results_set_t *set)
{
    set->has_stops = true;
    set->stops = plots_alloc(csv_rows(csv), sizeof *set->stops);
    for (size_t row = 0; row < csv_rows(csv); row++)
        set->stops[set->n_stops++] = (results_stop_t){plots_copy(text_of(csv, row, "cell")),
                                                      count_of(csv, row, "repeats", 0)};
}

static void
add_axis(results_set_t *set, const char *setting, const char *name, const char *unit)
{
    for (size_t i = 0; i < set->n_axes; i++) {
        if (strcmp(set->axes[i].setting, setting) == 0)
            return;
    }
    set->axes = plots_resize(set->axes, set->n_axes + 1, sizeof *set->axes);
    set->axes[set->n_axes++] =
        (results_axis_t){plots_copy(setting), plots_copy(name), plots_copy(unit)};
}

static const char *
json_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

// The further axes: what the manifest lists and runs.csv has a column for, then every other column
// named like a setting
// ("train.batch"), so that results without a manifest can be drawn too.
static void
find_axes(const json_t *manifest, const csv_t *csv, results_set_t *set)
{
    size_t index;
    json_t *axis;
    json_array_foreach(json_object_get(manifest, "axes"), index, axis)
    {
        const char *setting = json_text(axis, "setting");
        if (csv_column(csv, setting) != CSV_NO_COLUMN && strcmp(setting, "nodes") != 0 &&
            strcmp(setting, "cores") != 0)
            add_axis(set, setting, json_text(axis, "name"), json_text(axis, "unit"));
    }
    for (size_t i = 0; i < csv_columns(csv); i++) {
        const char *dot = strrchr(csv_name(csv, i), '.');
        if (dot != NULL)
            add_axis(set, csv_name(csv, i), dot + 1, "");
    }
}

static int
read_manifest(results_set_t *set, json_t **manifest, plots_error_t *error)
{
    char *path = plots_format("%s/manifest.json", set->folder);
    draft_t text = {0};
    int result = PLOTS_OK;
    if (access(path, F_OK) == 0)
        result = draft_read(&text, path, error);
    json_error_t fault;
    if (result == PLOTS_OK && text.text != NULL) {
        *manifest = json_loadb(text.text, text.length, 0, &fault);
        if (*manifest == NULL)
            result =
                plots_fail(error, PLOTS_INVALID, "'%s', line %d: %s", path, fault.line, fault.text);
    }
    set->manifest = plots_copy(text.text);
    draft_clear(&text);
    free(path);
    return result;
}

static void
take_manifest(const json_t *manifest, results_set_t *set)
{
    const char *slash = strrchr(set->folder, '/');
    const char *name = json_text(manifest, "name");
    set->name = plots_copy(*name != '\0' ? name : slash != NULL ? slash + 1 : set->folder);
    const char *title = json_text(manifest, "title");
    set->title = plots_copy(*title != '\0' ? title : set->name);
    set->launcher = plots_copy(json_text(manifest, "launcher"));
    set->is_published = json_is_true(json_object_get(manifest, "published"));
    set->is_emulated = json_is_true(json_object_get(manifest, "emulated"));
    // A fixed number of repeats is no object, and has neither.
    const json_t *repeats = json_object_get(manifest, "repeats");
    set->repeats_ci = json_number_value(json_object_get(repeats, "ci"));
    set->repeats_max = json_number_value(json_object_get(repeats, "max"));
    const json_t *speed = json_object_get(manifest, "core_speed");
    set->core_speed = json_is_number(speed) ? json_number_value(speed) : NAN;
}

// The data set's name from the rows, since they, and not the manifest, say what was trained on.
static void
take_data(results_set_t *set)
{
    draft_t names = {0};
    for (size_t i = 0; i < set->n_runs; i++) {
        const char *data = set->runs[i].data;
        if (*data == '\0' || (names.text != NULL && strstr(names.text, data) != NULL))
            continue;
        draft_add(&names, "%s%s", names.length > 0 ? " and " : "", data);
    }
    set->data = plots_copy(names.text);
    draft_clear(&names);
}

int
results_set_read(const char *folder, results_set_t *set, draft_t *notes, plots_error_t *error)
{
    *set = (results_set_t){.folder = plots_copy(folder)};
    enum { N_TABLES = 5 };
    const char *const names[N_TABLES] = {"runs.csv", "rounds.csv", "expect.csv", "claims.csv",
                                         "stops.csv"};
    csv_t *tables[N_TABLES] = {NULL};
    json_t *manifest = NULL;
    int result = read_manifest(set, &manifest, error);
    for (size_t i = 0; result == PLOTS_OK && i < N_TABLES; i++)
        result = read_table(folder, names[i], &tables[i], notes, error);
    if (result == PLOTS_OK) {
        take_manifest(manifest, set);
        find_axes(manifest, tables[0], set);
        result = read_runs(tables[0], set, error);
    }
    if (result == PLOTS_OK && tables[1] != NULL)
        read_rounds(tables[1], set, notes);
    if (result == PLOTS_OK && tables[2] != NULL)
        result = read_expects(tables[2], set, error);
    if (result == PLOTS_OK && tables[3] != NULL)
        read_claims(tables[3], set);
    if (result == PLOTS_OK && tables[4] != NULL)
        read_stops(tables[4], set);
    if (result == PLOTS_OK)
        take_data(set);
    else
        results_set_clear(set);
    for (size_t i = 0; i < N_TABLES; i++)
        csv_free(&tables[i]);
    json_decref(manifest);
    return result;
}

void
results_set_clear(results_set_t *set)
{
    for (size_t i = 0; i < set->n_runs; i++)
        clear_run(set, &set->runs[i]);
    for (size_t i = 0; i < set->n_axes; i++) {
        free(set->axes[i].setting);
        free(set->axes[i].name);
        free(set->axes[i].unit);
    }
    for (size_t i = 0; i < set->n_expects; i++) {
        free(set->expects[i].cell);
        free(set->expects[i].source);
    }
    for (size_t i = 0; i < set->n_claims; i++) {
        free(set->claims[i].text);
        free(set->claims[i].kind);
        free(set->claims[i].quantity);
        free(set->claims[i].over);
        free(set->claims[i].source);
    }
    for (size_t i = 0; i < set->n_stops; i++)
        free(set->stops[i].cell);
    free(set->stops);
    free(set->claims);
    free(set->runs);
    free(set->axes);
    free(set->expects);
    free(set->rounds);
    free(set->folder);
    free(set->name);
    free(set->title);
    free(set->data);
    free(set->launcher);
    free(set->manifest);
    *set = (results_set_t){0};
}

int
results_samples_read(const results_set_t *set, results_samples_t *samples, plots_error_t *error)
{
    enum { CLASS, NAME, INDEX, ROW, COLUMN, RED, GREEN, BLUE, N_COLUMNS };
    static const char *const names[N_COLUMNS] = {"class",  "name", "index", "row",
                                                 "column", "red",  "green", "blue"};
    *samples = (results_samples_t){0};
    char *path = plots_format("%s/samples.csv", set->folder);
    int result = PLOTS_OK;
    if (access(path, F_OK) != 0)
        result = plots_fail(error, PLOTS_EMPTY, "no samples.csv");
    else
        result = csv_read(path, &samples->csv, error);
    const csv_t *csv = samples->csv;
    if (csv != NULL && csv_was_cut(csv))
        result = plots_fail(error, PLOTS_INVALID, "'%s': its last line was cut short", path);
    free(path);
    if (result != PLOTS_OK)
        return result;
    int columns[N_COLUMNS];
    for (int i = 0; i < N_COLUMNS; i++)
        columns[i] = csv_column(csv, names[i]);
    samples->pixels = plots_alloc(csv_rows(csv), sizeof *samples->pixels);
    samples->n_pixels = csv_rows(csv);
    for (size_t row = 0; row < samples->n_pixels; row++)
        samples->pixels[row] = (results_sample_t){
            .class_name = csv_text(csv, row, columns[NAME]),
            .class_index = whole_number(csv_number(csv, row, columns[CLASS]), 0),
            .index = whole_number(csv_number(csv, row, columns[INDEX]), 0),
            .row = whole_number(csv_number(csv, row, columns[ROW]), 0),
            .column = whole_number(csv_number(csv, row, columns[COLUMN]), 0),
            .red = whole_number(csv_number(csv, row, columns[RED]), 0),
            .green = whole_number(csv_number(csv, row, columns[GREEN]), 0),
            .blue = whole_number(csv_number(csv, row, columns[BLUE]), 0),
        };
    return PLOTS_OK;
}

void
results_samples_clear(results_samples_t *samples)
{
    csv_free(&samples->csv);
    free(samples->pixels);
    *samples = (results_samples_t){0};
}

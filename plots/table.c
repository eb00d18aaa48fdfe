#include "plots/table.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/claims.h"
#include "plots/grid.h"
#include "plots/memory.h"

static const char *const FORMAT_NAMES[N_TABLE_FORMATS] = {"txt", "md", "tex", "csv", "json"};

const char *
table_format_name(table_format_t format)
{
    return FORMAT_NAMES[format];
}

table_format_t
table_format_parse(const char *name)
{
    table_format_t format = 0;
    while (format < N_TABLE_FORMATS && strcmp(FORMAT_NAMES[format], name) != 0)
        format++;
    return format;
}

// What stands behind a value: nothing (shares have their intervals in CSV alone, to keep the table
// narrow), half the width of its interval, or the interval's ends. A ratio of means has the ends:
// its interval is one of the logarithm, and half its width would promise values that it leaves out.
typedef enum { SHOW_NO_INTERVAL, SHOW_MARGIN, SHOW_ENDS } show_t;

// The paper's columns, in its order. O itself is left out there too: it is T − W.
typedef struct {
    quantity_t quantity;
    const char *header;
    int decimals; // −1: after the size of the value
    show_t show;
} column_t;

static const column_t COLUMNS[] = {
    {QUANTITY_T, "T s", -1, SHOW_MARGIN},
    {QUANTITY_WORK, "W s", -1, SHOW_MARGIN},
    {QUANTITY_WORK_SHARE, "W%", 2, SHOW_NO_INTERVAL},
    {QUANTITY_OVERHEAD_SHARE, "O%", 2, SHOW_NO_INTERVAL},
    {QUANTITY_SPEEDUP, "S", 2, SHOW_ENDS},
    {QUANTITY_ACCURACY, "Acc", 3, SHOW_MARGIN},
    {QUANTITY_TIME_TO, "", -1, SHOW_MARGIN}, // with its target as header, where there is one
};
enum { N_FIXED = 2, N_VALUES = sizeof COLUMNS / sizeof *COLUMNS };

// Four digits that matter for seconds, whether they are 2205.5 or 3.142.
static int
decimals_for(const column_t *column, double value)
{
    if (column->decimals >= 0)
        return column->decimals;
    return value >= 100.0 ? 1 : value >= 10.0 ? 2 : 3;
}

// The accuracy that the time is measured to, NAN where no cell has one.
static double
target_of(const summary_t *summary)
{
    for (size_t i = 0; i < summary->n_cells; i++) {
        if (isfinite(summary->cells[i].target_accuracy))
            return summary->cells[i].target_accuracy;
    }
    return NAN;
}

// The last column is there only where a time to an accuracy was asked for.
static size_t
n_values_of(const summary_t *summary)
{
    return isfinite(target_of(summary)) ? N_VALUES : N_VALUES - 1;
}

static void
add_measured(grid_t *grid, size_t at, const column_t *column, estimate_t estimate)
{
    if (!isfinite(estimate.mean))
        return;
    const int decimals = decimals_for(column, estimate.mean);
    const double margin = statistics_margin(estimate);
    char *behind = NULL;
    if (column->show == SHOW_MARGIN && isfinite(margin))
        behind = plots_format("± %.*f", decimals, margin);
    else if (column->show == SHOW_ENDS && isfinite(margin))
        behind = plots_format("[%.*f, %.*f]", decimals, estimate.low, decimals, estimate.high);
    grid_set(grid, at, plots_format("%.*f", decimals, estimate.mean), behind);
}

static void
add_reference(grid_t *grid, size_t at, const column_t *column, const reference_t *reference,
              match_t match)
{
    static const char *const marks[] = {
        [MATCH_WITHIN] = "✓", [MATCH_BEYOND] = "✗", [MATCH_OPEN] = "?"};
    const double value = reference->values[column->quantity];
    if (!isfinite(value))
        return;
    char *behind = match != MATCH_NOT_ASKED ? plots_copy(marks[match]) : NULL;
    const int decimals = column->quantity == QUANTITY_ACCURACY ? 2 : decimals_for(column, value);
    grid_set(grid, at, plots_format("%.*f", decimals, value), behind);
}

// "Torres & Cruz" of "Torres & Cruz, Table 1": there is no room for more in the first column.
static char *
short_source(const char *source)
{
    const size_t n = strcspn(source, ",;:(");
    return n > 0 ? plots_format("  %.*s", (int)(n < 16 ? n : 16), source)
                 : plots_copy("  expected");
}

static void
add_cell_rows(grid_t *grid, const summary_t *summary, size_t index)
{
    const summary_cell_t *cell = &summary->cells[index];
    const size_t n_axes = summary->set->n_axes;
    grid_row(grid, false);
    grid_set(grid, 0, plots_format("%.4g:%.4g", cell->nodes, cell->cores), NULL);
    for (size_t i = 0; i < n_axes; i++)
        grid_set(grid, 1 + i, plots_copy(cell->values[i]), NULL);
    grid_set(grid, 1 + n_axes, plots_format("%zu", cell->n), NULL);
    for (size_t i = 0; i < n_values_of(summary); i++)
        add_measured(grid, N_FIXED + n_axes + i, &COLUMNS[i],
                     cell->quantities[COLUMNS[i].quantity]);
    const reference_t reference = summary_reference(summary, index);
    if (reference.source == NULL)
        return;
    grid_row(grid, true);
    grid_set(grid, 0, short_source(reference.source), NULL);
    for (size_t i = 0; i < n_values_of(summary); i++)
        add_reference(grid, N_FIXED + n_axes + i, &COLUMNS[i], &reference,
                      summary_match(summary, index, &reference, COLUMNS[i].quantity, NAN));
}

static bool
has_run(const summary_t *summary, bool (*is_such)(const results_run_t *run))
{
    for (size_t i = 0; i < summary->set->n_runs; i++) {
        if (summary->set->runs[i].is_done && is_such(&summary->set->runs[i]))
            return true;
    }
    return false;
}

static bool
is_not_enforced(const results_run_t *run)
{
    return strcmp(run->enforced, "no") == 0;
}

// What a reader must know of single cells: failures, outliers, cores that were not what was asked
// for.
static void
add_cell_notes(const summary_t *summary, size_t index, draft_t *notes)
{
    const summary_cell_t *cell = &summary->cells[index];
    char *label = summary_label(summary, index);
    if (cell->n_failed > 0)
        draft_add(notes, "%s: %zu %s failed and not counted.\n", label, cell->n_failed,
                  cell->n_failed == 1 ? "repeat" : "repeats");
    if (*cell->outliers != '\0')
        draft_add(notes, "%s: repeat %s is an outlier in T (Grubbs, 5 %%); it is counted.\n", label,
                  cell->outliers);
    if (isfinite(cell->target_accuracy) && cell->n_reached < cell->n)
        draft_add(notes, "%s: %zu of %zu repeats reached an accuracy of %.4g %%; no time to it.\n",
                  label, cell->n_reached, cell->n, 100.0 * cell->target_accuracy);
    const double ratio = cell->cores_granted.mean / cell->cores_asked;
    if (isfinite(ratio) && fabs(ratio - 1.0) > 0.05)
        draft_add(notes, "%s: asked for %.2f real cores, got %.2f.\n", label, cell->cores_asked,
                  cell->cores_granted.mean);
    free(label);
}

// The first interval that is narrow enough is now and then narrow by luck, and what it promises is
// less than 95 %: runner/repeats.h says how much, and a test of it.
static void
add_narrow(const summary_t *summary, draft_t *notes)
{
    draft_t list = {0};
    for (size_t i = 0; i < summary->n_cells; i++) {
        if (!summary->cells[i].is_narrow)
            continue;
        char *label = summary_label(summary, i);
        draft_add(&list, "%s%s", list.length > 0 ? ", " : "", label);
        free(label);
    }
    if (list.length > 0)
        draft_add(notes,
                  "Repeats stopped at a narrow interval of T (%.3g %%), which covers 90 to 95 %%, "
                  "not 95 %%: %s.\n",
                  100.0 * summary->set->repeats_ci, list.text);
    draft_clear(&list);
}

// More noisy runs than this are a list that a page folds away.
enum { NOISY_SHOWN = 3 };

// "n1-c2 r3 (steal 8 %)", for every run whose note says that others used its host meanwhile.
static void
add_noisy(const results_set_t *set, grid_t *grid)
{
    static const char mark[] = "noisy: ";
    size_t n = 0, n_done = 0;
    draft_t list = {0};
    for (size_t i = 0; i < set->n_runs; i++) {
        const results_run_t *run = &set->runs[i];
        const char *at = run->is_done && run->note != NULL ? strstr(run->note, mark) : NULL;
        n_done += run->is_done;
        if (at == NULL)
            continue;
        at += strlen(mark);
        draft_add(&list, "%s%s r%d (%.*s)", n == 0 ? "" : ", ", run->cell, run->repeat,
                  (int)strcspn(at, ";"), at);
        n++;
    }
    if (n > NOISY_SHOWN) {
        draft_add(&list, ".");
        grid->list = list;
        grid->list_title = plots_format("The machine was noisy during %zu of %zu runs", n, n_done);
        return;
    }
    if (n > 0)
        draft_add(&grid->notes, "The machine was noisy during %s.\n", list.text);
    draft_clear(&list);
}

static void
count_judged(const summary_t *summary, table_verdict_t *verdict)
{
    for (size_t i = 0; i < summary->n_cells; i++) {
        const reference_t reference = summary_reference(summary, i);
        for (quantity_t q = 0; q < N_QUANTITIES; q++) {
            const match_t match = summary_match(summary, i, &reference, q, NAN);
            verdict->n_judged += match != MATCH_NOT_ASKED;
            verdict->n_beyond += match == MATCH_BEYOND;
            verdict->n_open += match == MATCH_OPEN;
        }
    }
}

static void
add_notes(const summary_t *summary, grid_t *grid)
{
    const results_set_t *set = summary->set;
    if (set->is_published)
        draft_add(&grid->notes, "Means as published; their spread is not known.\n");
    else
        draft_add(&grid->notes,
                  "Mean of n repeats ± half the 95 %% interval (Student's t).\n"
                  "S against the row with S = 1.00, and [the ends of its 95 %% interval].\n");
    table_verdict_t verdict = {0};
    count_judged(summary, &verdict);
    if (verdict.n_judged > 0)
        draft_add(&grid->notes,
                  "✓ the interval lies within the tolerance of the value expected, ✗ beyond it "
                  "(%zu of %zu), ? neither (%zu).\n",
                  verdict.n_beyond, verdict.n_judged, verdict.n_open);
    if (has_run(summary, is_not_enforced))
        draft_add(&grid->notes, "CPU limits were not enforced in some or all runs.\n");
    add_narrow(summary, &grid->notes);
    for (size_t i = 0; i < summary->n_cells; i++)
        add_cell_notes(summary, i, &grid->notes);
    add_noisy(set, grid);
}

grid_t *
table_grid(const summary_t *summary)
{
    const results_set_t *set = summary->set;
    const size_t n_values = n_values_of(summary);
    grid_t *grid = grid_new("", N_FIXED + set->n_axes + n_values);
    free(grid->title);
    grid->title = strcmp(set->name, set->title) == 0
                      ? plots_copy(set->title)
                      : plots_format("%s: %s", set->name, set->title);
    grid->subtitle = results_setting(&set, 1);
    grid_header(grid, 0, "N:C", true);
    for (size_t i = 0; i < set->n_axes; i++)
        grid_header(grid, 1 + i, set->axes[i].name, false);
    grid_header(grid, 1 + set->n_axes, "n", false);
    for (size_t i = 0; i < n_values; i++)
        grid_header(grid, N_FIXED + set->n_axes + i, COLUMNS[i].header, false);
    if (n_values == N_VALUES) {
        char *header = plots_format("to %.4g %% s", 100.0 * target_of(summary));
        grid_header(grid, N_FIXED + set->n_axes + n_values - 1, header, false);
        free(header);
    }
    for (size_t i = 0; i < summary->n_cells; i++)
        add_cell_rows(grid, summary, i);
    add_notes(summary, grid);
    return grid;
}

void
grid_render(const grid_t *grid, table_format_t format, draft_t *draft)
{
    if (format == TABLE_MARKDOWN)
        grid_markdown(grid, draft);
    else if (format == TABLE_LATEX)
        grid_latex(grid, draft);
    else
        grid_text(grid, draft);
}

void
table_draft(const summary_t *summary, table_format_t format, draft_t *draft)
{
    if (format == TABLE_CSV) {
        summary_csv(&summary, 1, draft);
        return;
    }
    if (format == TABLE_JSON) {
        summary_json(&summary, 1, draft);
        return;
    }
    grid_t *grid = table_grid(summary);
    grid_render(grid, format, draft);
    grid_free(&grid);
}

// Summaries of all sets, the caller frees each and the array.
static summary_t **
summaries_of(const results_t *results)
{
    summary_t **summaries = plots_alloc(results->n_sets, sizeof(summary_t *));
    for (size_t i = 0; i < results->n_sets; i++)
        summaries[i] = summary_new(&results->sets[i]);
    return summaries;
}

static void
free_summaries(const results_t *results, summary_t **summaries)
{
    for (size_t i = 0; i < results->n_sets; i++)
        summary_free(&summaries[i]);
    free(summaries);
}

// The claims of all sets, beneath their tables; nothing where there are none.
static void
add_claims(const results_t *results, table_format_t format, draft_t *draft)
{
    claims_t *claims = claims_judge(results);
    if (claims->n > 0) {
        grid_t *grid = claims_grid(claims);
        draft_add(draft, "\n");
        grid_render(grid, format, draft);
        grid_free(&grid);
    }
    claims_free(&claims);
}

int
table_print(FILE *stream, const results_t *results, table_format_t format, plots_error_t *error)
{
    summary_t **summaries = summaries_of(results);
    draft_t draft = {0};
    // CSV and JSON are one document, whatever the number of sets.
    if (format == TABLE_CSV)
        summary_csv((const summary_t *const *)summaries, results->n_sets, &draft);
    else if (format == TABLE_JSON)
        summary_json((const summary_t *const *)summaries, results->n_sets, &draft);
    for (size_t i = 0; format < TABLE_CSV && i < results->n_sets; i++) {
        draft_add(&draft, i > 0 ? "\n" : "");
        table_draft(summaries[i], format, &draft);
    }
    if (format < TABLE_CSV)
        add_claims(results, format, &draft);
    errno = 0;
    int result = PLOTS_OK;
    if (fwrite(draft.text, 1, draft.length, stream) != draft.length || fflush(stream) != 0)
        result = plots_fail(error, PLOTS_IO, "cannot print the table: %s", strerror(errno));
    draft_clear(&draft);
    free_summaries(results, summaries);
    return result;
}

static int
write_table(const summary_t *summary, const char *folder, table_format_t format,
            plots_error_t *error)
{
    draft_t draft = {0};
    table_draft(summary, format, &draft);
    char *path = plots_format("%s/%s.%s", folder, summary->set->name, table_format_name(format));
    const int result = draft_write(&draft, path, error);
    free(path);
    draft_clear(&draft);
    return result;
}

int
tables_write(const results_t *results, const char *folder, plots_error_t *error)
{
    char *tables = plots_format("%s/tables", folder);
    summary_t **summaries = summaries_of(results);
    int result = draft_folder(tables, error);
    for (size_t i = 0; i < results->n_sets; i++) {
        for (table_format_t format = 0; result == PLOTS_OK && format < N_TABLE_FORMATS; format++)
            result = write_table(summaries[i], tables, format, error);
    }
    free_summaries(results, summaries);
    free(tables);
    return result;
}

table_verdict_t
table_verdict(const results_t *results)
{
    table_verdict_t verdict = {0};
    summary_t **summaries = summaries_of(results);
    for (size_t i = 0; i < results->n_sets; i++)
        count_judged(summaries[i], &verdict);
    free_summaries(results, summaries);
    return verdict;
}

#include "plots/compare.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/csv.h"
#include "plots/memory.h"

const char *
compare_verdict_name(compare_verdict_t verdict)
{
    static const char *const names[] = {
        "same", "within", "better", "worse", "untested", "untested (beyond)", "failed"};
    return names[verdict];
}

typedef struct {
    summary_t **summaries;
    size_t n;
} side_t;

static side_t
side_of(const results_t *results)
{
    side_t side = {plots_alloc(results->n_sets, sizeof(summary_t *)), results->n_sets};
    for (size_t i = 0; i < side.n; i++)
        side.summaries[i] = summary_new(&results->sets[i]);
    return side;
}

static void
side_clear(side_t *side)
{
    for (size_t i = 0; i < side->n; i++)
        summary_free(&side->summaries[i]);
    free(side->summaries);
}

// A cell of one side, with the summary it is of.
typedef struct {
    const summary_t *summary;
    const summary_cell_t *cell; // NULL: none
} place_t;

// The finished cell of the same id, or else one whose runs all failed.
static place_t
partner_of(const side_t *side, const side_t *other, const summary_t *summary,
           const summary_cell_t *cell)
{
    const bool is_single = side->n == 1 && other->n == 1;
    place_t failed = {NULL, NULL};
    for (size_t i = 0; i < other->n; i++) {
        if (!is_single && strcmp(other->summaries[i]->set->name, summary->set->name) != 0)
            continue;
        for (size_t j = 0; j < other->summaries[i]->n_cells; j++) {
            const summary_cell_t *candidate = &other->summaries[i]->cells[j];
            if (strcmp(candidate->cell, cell->cell) != 0)
                continue;
            const place_t place = {other->summaries[i], candidate};
            if (candidate->n > 0)
                return place;
            failed = place;
        }
    }
    return failed;
}

// A published mean comes without its spread: it is a number that the other side is held against.
static estimate_t
estimate_at(place_t place, quantity_t quantity)
{
    estimate_t estimate = place.cell->quantities[quantity];
    if (place.summary->set->is_published && isnan(estimate.sd)) {
        estimate.n = estimate.n > 2 ? estimate.n : 2;
        estimate.sd = 0.0;
        estimate.low = estimate.high = estimate.mean;
    }
    return estimate;
}

static compare_value_t
value_of(place_t a, place_t b, quantity_t quantity)
{
    compare_value_t value = {.a = estimate_at(a, quantity), .b = estimate_at(b, quantity)};
    // Two published numbers have no test: neither is known to vary.
    if (a.summary->set->is_published && b.summary->set->is_published)
        value =
            (compare_value_t){.a = a.cell->quantities[quantity], .b = b.cell->quantities[quantity]};
    value.ratio = statistics_ratio(value.b, value.a);
    return value;
}

static compare_failed_t
failed_of(place_t place)
{
    return (compare_failed_t){place.cell->n_failed, plots_copy(place.cell->failed)};
}

static void
add_row(compare_t *comparison, const side_t *side, const summary_t *summary, size_t index,
        place_t partner)
{
    const place_t own = {summary, &summary->cells[index]};
    comparison->rows =
        plots_resize(comparison->rows, comparison->n_rows + 1, sizeof *comparison->rows);
    char *label = summary_label(summary, index);
    compare_row_t *row = &comparison->rows[comparison->n_rows++];
    *row = (compare_row_t){.a_failed = failed_of(own),
                           .b_failed = failed_of(partner),
                           .t_s = value_of(own, partner, QUANTITY_T),
                           .accuracy = value_of(own, partner, QUANTITY_ACCURACY),
                           .is_published =
                               summary->set->is_published && partner.summary->set->is_published};
    comparison->has_published = comparison->has_published ||
                                summary->set->is_published != partner.summary->set->is_published;
    if (partner.cell->n == 0) {
        row->t_s.verdict = row->accuracy.verdict = COMPARE_FAILED;
        comparison->n_failed++;
    }
    row->label = side->n > 1 ? plots_format("%s %s", summary->set->name, label) : plots_copy(label);
    free(label);
}

static void
pair_cells(compare_t *comparison, const side_t *a, const side_t *b)
{
    for (size_t i = 0; i < a->n; i++) {
        for (size_t j = 0; j < a->summaries[i]->n_cells; j++) {
            const summary_cell_t *cell = &a->summaries[i]->cells[j];
            if (cell->n == 0)
                continue;
            const place_t partner = partner_of(a, b, a->summaries[i], cell);
            if (partner.cell != NULL)
                add_row(comparison, a, a->summaries[i], j, partner);
            else
                comparison->n_only_a++;
        }
    }
    for (size_t i = 0; i < b->n; i++) {
        for (size_t j = 0; j < b->summaries[i]->n_cells; j++) {
            const summary_cell_t *cell = &b->summaries[i]->cells[j];
            const summary_cell_t *partner = partner_of(b, a, b->summaries[i], cell).cell;
            comparison->n_only_b += cell->n > 0 && (partner == NULL || partner->n == 0);
        }
    }
}

// The values that are judged, in one order: all times, then all accuracies.
static compare_value_t *
value_at(const compare_t *comparison, size_t index)
{
    const size_t n = comparison->n_rows;
    return index < n ? &comparison->rows[index].t_s : &comparison->rows[index - n].accuracy;
}

// How much worse B is than A, as a ratio: times are worse above, accuracies below.
static log_ratio_t
worsening_of(const compare_t *comparison, size_t index)
{
    const compare_value_t *value = value_at(comparison, index);
    return index < comparison->n_rows ? statistics_log_ratio(value->b, value->a)
                                      : statistics_log_ratio(value->a, value->b);
}

static log_ratio_t
turned(log_ratio_t ratio)
{
    ratio.value = -ratio.value;
    return ratio;
}

static compare_verdict_t
verdict_of(double worse, double better, double differs)
{
    return worse < 0.05     ? COMPARE_WORSE
           : better < 0.05  ? COMPARE_BETTER
           : differs < 0.05 ? COMPARE_WITHIN
                            : COMPARE_SAME;
}

// Of what cannot be tested: whether it would be a regression if it were no chance.
static bool
is_beyond(const compare_t *comparison, size_t index)
{
    return !comparison->rows[index % comparison->n_rows].is_published &&
           worsening_of(comparison, index).value > log(1.0 + comparison->tolerance);
}

static void
count_verdict(compare_t *comparison, const compare_value_t *value)
{
    comparison->n_worse += value->verdict == COMPARE_WORSE;
    comparison->n_better += value->verdict == COMPARE_BETTER;
    comparison->n_beyond += value->verdict == COMPARE_BEYOND;
    comparison->n_untested += value->verdict == COMPARE_BEYOND ||
                              (value->verdict == COMPARE_UNTESTED && isfinite(value->ratio.mean));
}

static void
judge(compare_t *comparison)
{
    const size_t n = 2 * comparison->n_rows;
    const double bound = 1.0 + comparison->tolerance;
    double *worse = plots_alloc(n, sizeof *worse);
    double *better = plots_alloc(n, sizeof *better);
    double *differs = plots_alloc(n, sizeof *differs);
    for (size_t i = 0; i < n; i++) {
        const log_ratio_t ratio = worsening_of(comparison, i);
        worse[i] = statistics_p_above(ratio, bound);
        better[i] = statistics_p_above(turned(ratio), bound);
        const double above = statistics_p_above(ratio, 1.0);
        differs[i] = fmin(1.0, 2.0 * fmin(above, statistics_p_above(turned(ratio), 1.0)));
        differs[i] = isnan(above) ? NAN : differs[i];
    }
    statistics_holm(worse, n);
    statistics_holm(better, n);
    statistics_holm(differs, n);
    for (size_t i = 0; i < n; i++) {
        compare_value_t *value = value_at(comparison, i);
        value->p_holm = differs[i];
        if (value->verdict == COMPARE_FAILED)
            continue;
        if (!isnan(differs[i]))
            value->verdict = verdict_of(worse[i], better[i], differs[i]);
        else
            value->verdict = is_beyond(comparison, i) ? COMPARE_BEYOND : COMPARE_UNTESTED;
        count_verdict(comparison, value);
    }
    free(worse);
    free(better);
    free(differs);
}

int
compare_new(const results_t *a, const results_t *b, double tolerance, compare_t **comparison,
            plots_error_t *error)
{
    side_t left = side_of(a);
    side_t right = side_of(b);
    compare_t *made = plots_alloc(1, sizeof *made);
    made->a_name = plots_copy(a->root);
    made->b_name = plots_copy(b->root);
    made->tolerance = tolerance;
    pair_cells(made, &left, &right);
    side_clear(&left);
    side_clear(&right);
    if (made->n_rows == 0) {
        compare_free(&made);
        return plots_fail(error, PLOTS_EMPTY,
                          "nothing to compare: no cell is finished in both '%s' and '%s'", a->root,
                          b->root);
    }
    judge(made);
    *comparison = made;
    return PLOTS_OK;
}

void
compare_free(compare_t **comparison)
{
    if (*comparison == NULL)
        return;
    for (size_t i = 0; i < (*comparison)->n_rows; i++) {
        free((*comparison)->rows[i].a_failed.repeats);
        free((*comparison)->rows[i].b_failed.repeats);
        free((*comparison)->rows[i].label);
    }
    free((*comparison)->rows);
    free((*comparison)->a_name);
    free((*comparison)->b_name);
    free(*comparison);
    *comparison = NULL;
}

static void
set_comparison(grid_t *grid, size_t column, const compare_value_t *value)
{
    const estimate_t *ratio = &value->ratio;
    if (isfinite(ratio->mean) || value->verdict == COMPARE_FAILED)
        grid_set(grid, column + 2, plots_copy(compare_verdict_name(value->verdict)), NULL);
    if (!isfinite(ratio->mean))
        return;
    // Of a Raspberry Pi's time a server takes hundredths: three digits that matter there too.
    const int decimals = ratio->mean >= 0.1 ? 3 : ratio->mean >= 0.01 ? 4 : 5;
    grid_set(grid, column, plots_format("%.*f", decimals, ratio->mean),
             isfinite(ratio->low)
                 ? plots_format("[%.*f, %.*f]", decimals, ratio->low, decimals, ratio->high)
                 : NULL);
    if (isfinite(value->p_holm))
        grid_set(grid, column + 1,
                 value->p_holm < 0.001 ? plots_copy("<0.001") : plots_format("%.3f", value->p_holm),
                 NULL);
}

static void
set_mean(grid_t *grid, size_t column, double mean)
{
    if (!isfinite(mean))
        return;
    const int decimals = mean >= 100.0 ? 1 : mean >= 10.0 ? 2 : 3;
    grid_set(grid, column, plots_format("%.*f", decimals, mean), NULL);
}

// "3 failed repeats of B, not counted: 2:4 (repeat 3), 3:6 (repeats 1 2)." A cell that has none but
// failed ones is in the table as such.
static void
add_failed(const compare_t *comparison, bool is_b, draft_t *notes)
{
    draft_t list = {0};
    size_t n = 0;
    for (size_t i = 0; i < comparison->n_rows; i++) {
        const compare_row_t *row = &comparison->rows[i];
        const compare_failed_t *failed = is_b ? &row->b_failed : &row->a_failed;
        if (failed->n == 0 || (is_b && row->t_s.verdict == COMPARE_FAILED))
            continue;
        draft_add(&list, "%s%s (%s %s)", n > 0 ? ", " : "", row->label,
                  failed->n == 1 ? "repeat" : "repeats", failed->repeats);
        n += failed->n;
    }
    if (n > 0)
        draft_add(notes, "%zu failed %s of %s, not counted: %s.\n", n,
                  n == 1 ? "repeat" : "repeats", is_b ? "B" : "A", list.text);
    draft_clear(&list);
}

static void
add_notes(const compare_t *comparison, draft_t *notes)
{
    draft_add(notes,
              "Ratios with 95 %% intervals, each for itself, not adjusted. p that they are 1, and "
              "verdicts at 5 %%\nbeyond a tolerance of %.3g %%: adjusted for all cells together "
              "(Welch, Holm).\n",
              100.0 * comparison->tolerance);
    if (comparison->has_published)
        draft_add(notes, "Published means, whose spread is not known, are taken as exact.\n");
    draft_add(notes, "%zu worse, %zu better, %zu untested", comparison->n_worse,
              comparison->n_better, comparison->n_untested);
    if (comparison->n_failed > 0)
        draft_add(notes, ", %zu %s failed", comparison->n_failed,
                  comparison->n_failed == 1 ? "cell" : "cells");
    draft_add(notes, ".\n");
    if (comparison->n_failed > 0)
        draft_add(notes, "failed: finished in A, and in B all its runs failed.\n");
    add_failed(comparison, false, notes);
    add_failed(comparison, true, notes);
    if (comparison->n_beyond > 0)
        draft_add(
            notes,
            "untested (beyond): worse by more than the tolerance, but one repeat cannot tell it "
            "from chance (%zu).\n",
            comparison->n_beyond);
    if (comparison->n_only_a + comparison->n_only_b > 0)
        draft_add(notes, "Without a partner: %zu cells of A, %zu of B.\n", comparison->n_only_a,
                  comparison->n_only_b);
}

grid_t *
compare_grid(const compare_t *comparison)
{
    char *title = plots_format("A: %s, B: %s", comparison->a_name, comparison->b_name);
    static const char *const headers[] = {"cell",    "A: T s",   "B: T s",   "T: B/A", "p (Holm)",
                                          "verdict", "Acc: B/A", "p (Holm)", "verdict"};
    enum { N_HEADERS = sizeof headers / sizeof *headers };
    grid_t *grid = grid_new(title, N_HEADERS);
    free(title);
    for (size_t i = 0; i < N_HEADERS; i++)
        grid_header(grid, i, headers[i], i == 0 || i == 5 || i == 8);
    for (size_t i = 0; i < comparison->n_rows; i++) {
        const compare_row_t *row = &comparison->rows[i];
        grid_row(grid, false);
        grid_set(grid, 0, plots_copy(row->label), NULL);
        set_mean(grid, 1, row->t_s.a.mean);
        set_mean(grid, 2, row->t_s.b.mean);
        set_comparison(grid, 3, &row->t_s);
        set_comparison(grid, 6, &row->accuracy);
    }
    add_notes(comparison, &grid->notes);
    return grid;
}

static void
add_csv_value(draft_t *draft, const compare_value_t *value, const compare_row_t *row)
{
    const double numbers[] = {value->a.mean,    value->b.mean,     value->ratio.mean,
                              value->ratio.low, value->ratio.high, value->p_holm};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        draft_add(draft, ",");
        csv_add_number(draft, numbers[i]);
    }
    draft_add(draft, ",%s,%zu,%zu,%s,%s\n", compare_verdict_name(value->verdict), row->a_failed.n,
              row->b_failed.n, row->a_failed.repeats, row->b_failed.repeats);
}

static void
add_csv(const compare_t *comparison, draft_t *draft)
{
    draft_add(draft,
              "cell,quantity,a,b,ratio,ratio_low,ratio_high,p_holm,verdict,a_failed,b_failed,"
              "a_failed_repeats,b_failed_repeats\n");
    for (size_t i = 0; i < 2 * comparison->n_rows; i++) {
        const bool is_time = i < comparison->n_rows;
        const compare_row_t *row = &comparison->rows[i % comparison->n_rows];
        csv_add_text(draft, row->label);
        draft_add(draft, ",%s", quantity_name(is_time ? QUANTITY_T : QUANTITY_ACCURACY));
        add_csv_value(draft, value_at(comparison, i), row);
    }
}

static void
put_number(json_t *object, const char *key, double number)
{
    json_object_set_new(object, key, isfinite(number) ? json_real(number) : json_null());
}

static void
add_json(const compare_t *comparison, draft_t *draft)
{
    json_t *array = json_array();
    for (size_t i = 0; i < 2 * comparison->n_rows; i++) {
        const compare_value_t *value = value_at(comparison, i);
        const bool is_time = i < comparison->n_rows;
        const compare_row_t *row = &comparison->rows[i % comparison->n_rows];
        json_t *object = json_object();
        json_object_set_new(object, "cell", json_string(row->label));
        json_object_set_new(object, "quantity",
                            json_string(quantity_name(is_time ? QUANTITY_T : QUANTITY_ACCURACY)));
        put_number(object, "a", value->a.mean);
        put_number(object, "b", value->b.mean);
        put_number(object, "ratio", value->ratio.mean);
        put_number(object, "ratio_low", value->ratio.low);
        put_number(object, "ratio_high", value->ratio.high);
        put_number(object, "p_holm", value->p_holm);
        json_object_set_new(object, "verdict", json_string(compare_verdict_name(value->verdict)));
        json_object_set_new(object, "a_failed", json_integer((json_int_t)row->a_failed.n));
        json_object_set_new(object, "b_failed", json_integer((json_int_t)row->b_failed.n));
        json_object_set_new(object, "a_failed_repeats", json_string(row->a_failed.repeats));
        json_object_set_new(object, "b_failed_repeats", json_string(row->b_failed.repeats));
        json_array_append_new(array, object);
    }
    char *text = json_dumps(array, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    draft_add(draft, "%s\n", text);
    free(text);
    json_decref(array);
}

void
compare_draft(const compare_t *comparison, table_format_t format, draft_t *draft)
{
    if (format == TABLE_CSV) {
        add_csv(comparison, draft);
    } else if (format == TABLE_JSON) {
        add_json(comparison, draft);
    } else {
        grid_t *grid = compare_grid(comparison);
        grid_render(grid, format, draft);
        grid_free(&grid);
    }
}

#include "plots/claims.h"

#include <gsl/gsl_randist.h>
#include <gsl/gsl_rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/line.h"
#include "plots/memory.h"

enum { DRAWS = 4000 };

const char *
claim_verdict_name(claim_verdict_t verdict)
{
    static const char *const names[] = {"holds", "does not hold", "not enough data"};
    return names[verdict];
}

// What the judges look at.
typedef struct {
    summary_t **summaries;
    size_t n;
    line_t lines[2]; // by nodes, by cores
    gsl_rng *random;
} court_t;

static const line_t *
line_over(const court_t *court, const char *over)
{
    return &court->lines[strcmp(over, "cores") == 0 ? LINE_CORES : LINE_NODES];
}

static claim_judgement_t
open_for(const results_claim_t *claim, const char *reason)
{
    return (claim_judgement_t){claim, CLAIM_OPEN, plots_copy(reason)};
}

static bool
has_spread(const line_t *line, quantity_t quantity)
{
    for (size_t i = 0; i < line->n; i++) {
        if (isnan(line_cell(line, i)->quantities[quantity].sd))
            return false;
    }
    return line->n > 0;
}

// ---- flat ----

static const results_run_t *
run_of(const results_set_t *set, const char *cell, int repeat)
{
    for (size_t i = 0; i < set->n_runs; i++) {
        const results_run_t *run = &set->runs[i];
        if (run->is_done && run->mean_of == 1 && run->repeat == repeat &&
            strcmp(run->cell, cell) == 0)
            return run;
    }
    return NULL;
}

// Repeats of one number start from one seed in every cell, so what they end with is compared pair
// by pair: what a seed is worth falls out. n is 0 where the cells have not the same repeats.
static estimate_t
paired_difference(const line_t *line, size_t index, quantity_t quantity)
{
    const results_set_t *set = line->summary->set;
    const summary_cell_t *cell = line_cell(line, index), *base = line_cell(line, 0);
    double *differences = plots_alloc(set->n_runs, sizeof *differences);
    size_t n = 0;
    for (size_t i = 0; i < set->n_runs; i++) {
        const results_run_t *run = &set->runs[i];
        const results_run_t *other =
            strcmp(run->cell, cell->cell) == 0 && run_of(set, run->cell, run->repeat) == run
                ? run_of(set, base->cell, run->repeat)
                : NULL;
        if (other)
            differences[n++] = line_value(run, quantity) - line_value(other, quantity);
    }
    const bool is_whole = n == cell->n && n == base->n;
    const estimate_t estimate = statistics_estimate(differences, is_whole ? n : 0);
    free(differences);
    return estimate;
}

static welch_t
difference_of(const line_t *line, size_t index, quantity_t quantity)
{
    welch_t welch = statistics_welch(line_cell(line, index)->quantities[quantity],
                                     line_cell(line, 0)->quantities[quantity]);
    const estimate_t paired = quantity == QUANTITY_ACCURACY && line->axis == LINE_CORES
                                  ? paired_difference(line, index, quantity)
                                  : (estimate_t){.n = 0};
    if (paired.n >= 2) {
        welch.low = paired.low;
        welch.high = paired.high;
    }
    return welch;
}

static claim_judgement_t
judge_flat(const court_t *court, const results_claim_t *claim)
{
    const line_t *line = line_over(court, claim->over);
    const quantity_t quantity = quantity_parse(claim->quantity);
    if (quantity == N_QUANTITIES)
        return open_for(claim, "its quantity is not known");
    if (line->n < 2)
        return open_for(claim, "needs two or more sizes");
    claim_judgement_t judgement = {claim, CLAIM_HOLDS, NULL};
    welch_t worst = {0};
    size_t worst_index = 0;
    for (size_t i = 1; i < line->n; i++) {
        const welch_t welch = difference_of(line, i, quantity);
        const bool is_inside = welch.low >= -claim->tolerance && welch.high <= claim->tolerance;
        const bool is_outside = welch.low > claim->tolerance || welch.high < -claim->tolerance;
        if (is_outside)
            judgement.verdict = CLAIM_FAILS;
        else if (!is_inside && judgement.verdict == CLAIM_HOLDS)
            judgement.verdict = CLAIM_OPEN;
        if (worst_index == 0 || fabs(welch.difference) > fabs(worst.difference)) {
            worst = welch;
            worst_index = i;
        }
    }
    const summary_cell_t *cell = line_cell(line, worst_index);
    char *interval = isfinite(worst.low)
                         ? plots_format("95 %%: %+.3g to %+.3g", worst.low, worst.high)
                         : plots_copy("no interval from one repeat");
    judgement.evidence =
        plots_format("largest difference %+.3g (%s) at %.4g:%.4g, tolerance %.4g", worst.difference,
                     interval, cell->nodes, cell->cores, claim->tolerance);
    free(interval);
    return judgement;
}

// ---- by draws ----

static double
drawn_mean(gsl_rng *random, estimate_t estimate)
{
    return estimate.mean +
           estimate.sd / sqrt((double)estimate.n) * gsl_ran_tdist(random, (double)estimate.n - 1.0);
}

static double
drawn_time(const court_t *court, const line_t *line, size_t index)
{
    const estimate_t time = line_cell(line, index)->quantities[QUANTITY_T];
    // A time of three repeats drawn from so wide a distribution may come out negative: that draw
    // says nothing.
    return fmax(1e-9, drawn_mean(court->random, time));
}

static claim_judgement_t
judge_share(const results_claim_t *claim, size_t n_true, char *evidence)
{
    const double share = (double)n_true / DRAWS;
    const claim_verdict_t verdict = share >= 0.975   ? CLAIM_HOLDS
                                    : share <= 0.025 ? CLAIM_FAILS
                                                     : CLAIM_OPEN;
    char *whole = plots_format("%s; true in %.1f %% of draws", evidence, 100.0 * share);
    free(evidence);
    return (claim_judgement_t){claim, verdict, whole};
}

// What a step buys: speedup a node (or core), from the times at its ends and at the line's start.
static double
step_gain(const line_t *line, size_t index, double base, double before, double after)
{
    return (base / after - base / before) / (line_x(line, index) - line_x(line, index - 1));
}

static claim_judgement_t
judge_diminishing(const court_t *court, const results_claim_t *claim)
{
    const line_t *line = line_over(court, claim->over);
    if (line->n < 3)
        return open_for(claim, "needs three or more sizes");
    if (!has_spread(line, QUANTITY_T))
        return open_for(claim, "needs two or more repeats of every cell");
    const size_t last = line->n - 1;
    size_t n_true = 0;
    for (size_t draw = 0; draw < DRAWS; draw++) {
        const double base = drawn_time(court, line, 0);
        const double second = drawn_time(court, line, 1);
        const double before = last - 1 == 1 ? second : drawn_time(court, line, last - 1);
        const double after = drawn_time(court, line, last);
        n_true +=
            step_gain(line, last, base, before, after) < step_gain(line, 1, base, base, second);
    }
    const double base = line_cell(line, 0)->quantities[QUANTITY_T].mean;
    const double first =
        step_gain(line, 1, base, base, line_cell(line, 1)->quantities[QUANTITY_T].mean);
    const double final =
        step_gain(line, last, base, line_cell(line, last - 1)->quantities[QUANTITY_T].mean,
                  line_cell(line, last)->quantities[QUANTITY_T].mean);
    return judge_share(
        claim, n_true,
        plots_format("the first step buys %.2f of speedup each, the last %.2f", first, final));
}

// How S grows with the cluster, as a power: 1 is ideal.
static double
exponent(const line_t *line, double first, double last)
{
    const double growth = line_x(line, line->n - 1) / line_x(line, 0);
    return log(first / last) / log(growth);
}

static claim_judgement_t
judge_further(const court_t *court, const results_claim_t *claim)
{
    const line_t *line = line_over(court, claim->over);
    const line_t *other = line == &court->lines[0] ? &court->lines[1] : &court->lines[0];
    if (line->n < 2 || other->n < 2)
        return open_for(claim, "needs a line of nodes and a line of cores");
    if (!has_spread(line, QUANTITY_T) || !has_spread(other, QUANTITY_T))
        return open_for(claim, "needs two or more repeats of every cell");
    size_t n_true = 0;
    for (size_t draw = 0; draw < DRAWS; draw++)
        n_true +=
            exponent(line, drawn_time(court, line, 0), drawn_time(court, line, line->n - 1)) >
            exponent(other, drawn_time(court, other, 0), drawn_time(court, other, other->n - 1));
    const double ours = exponent(line, line_cell(line, 0)->quantities[QUANTITY_T].mean,
                                 line_cell(line, line->n - 1)->quantities[QUANTITY_T].mean);
    const double theirs = exponent(other, line_cell(other, 0)->quantities[QUANTITY_T].mean,
                                   line_cell(other, other->n - 1)->quantities[QUANTITY_T].mean);
    return judge_share(claim, n_true,
                       plots_format("speedup grows as the power %.2f of %s, %.2f of %s", ours,
                                    line->axis == LINE_CORES ? "cores" : "nodes", theirs,
                                    other->axis == LINE_CORES ? "cores" : "nodes"));
}

// ---- expected ----

static claim_judgement_t
judge_expected(const court_t *court, const results_claim_t *claim)
{
    size_t n_judged = 0;
    size_t n_beyond = 0;
    double worst = 0.0;
    for (size_t s = 0; s < court->n; s++) {
        for (size_t i = 0; i < court->summaries[s]->n_cells; i++) {
            const reference_t reference = summary_reference(court->summaries[s], i);
            for (quantity_t q = 0; q < N_QUANTITIES; q++) {
                const double value = court->summaries[s]->cells[i].quantities[q].mean;
                const double off = fabs(value / reference.values[q] - 1.0);
                const bool is_meant =
                    *claim->quantity == '\0' || strcmp(claim->quantity, quantity_name(q)) == 0;
                if (!is_meant || !isfinite(reference.tolerances[q]) || !isfinite(off))
                    continue;
                n_judged++;
                n_beyond += off > reference.tolerances[q] * (1.0 + 1e-9);
                worst = fmax(worst, off);
            }
        }
    }
    if (n_judged == 0)
        return open_for(claim, "no expected value with a tolerance was measured");
    return (claim_judgement_t){claim, n_beyond == 0 ? CLAIM_HOLDS : CLAIM_FAILS,
                               plots_format("%zu of %zu values lie within their tolerance; the "
                                            "furthest is %.1f %% off",
                                            n_judged - n_beyond, n_judged, 100.0 * worst)};
}

typedef struct {
    const char *kind;
    claim_judgement_t (*judge)(const court_t *court, const results_claim_t *claim);
} judge_t;

static const judge_t JUDGES[] = {{"flat", judge_flat},
                                 {"diminishing", judge_diminishing},
                                 {"further", judge_further},
                                 {"expected", judge_expected}};

static claim_judgement_t
judge(const court_t *court, const results_claim_t *claim)
{
    for (size_t i = 0; i < sizeof JUDGES / sizeof *JUDGES; i++) {
        if (strcmp(JUDGES[i].kind, claim->kind) == 0)
            return JUDGES[i].judge(court, claim);
    }
    return open_for(claim, "its kind is not known; known are flat, diminishing, further, expected");
}

static bool
is_judged(const claims_t *claims, const results_claim_t *claim)
{
    for (size_t i = 0; i < claims->n; i++) {
        if (strcmp(claims->judgements[i].claim->text, claim->text) == 0)
            return true;
    }
    return false;
}

static court_t
court_of(const results_t *results)
{
    court_t court = {plots_alloc(results->n_sets, sizeof(summary_t *)), results->n_sets,
                     .random = gsl_rng_alloc(gsl_rng_mt19937)};
    for (size_t i = 0; i < results->n_sets; i++)
        court.summaries[i] = summary_new(&results->sets[i]);
    const summary_t *const *summaries = (const summary_t *const *)court.summaries;
    court.lines[LINE_NODES] = line_find(summaries, court.n, LINE_NODES);
    court.lines[LINE_CORES] = line_find(summaries, court.n, LINE_CORES);
    return court;
}

static void
court_clear(court_t *court)
{
    line_clear(&court->lines[LINE_NODES]);
    line_clear(&court->lines[LINE_CORES]);
    for (size_t i = 0; i < court->n; i++)
        summary_free(&court->summaries[i]);
    free(court->summaries);
    gsl_rng_free(court->random);
}

claims_t *
claims_judge(const results_t *results)
{
    court_t court = court_of(results);
    claims_t *claims = plots_alloc(1, sizeof *claims);
    for (size_t s = 0; s < results->n_sets; s++) {
        for (size_t i = 0; i < results->sets[s].n_claims; i++) {
            const results_claim_t *claim = &results->sets[s].claims[i];
            if (is_judged(claims, claim))
                continue;
            claims->judgements =
                plots_resize(claims->judgements, claims->n + 1, sizeof *claims->judgements);
            claims->judgements[claims->n] = judge(&court, claim);
            const claim_verdict_t verdict = claims->judgements[claims->n++].verdict;
            claims->n_holding += verdict == CLAIM_HOLDS;
            claims->n_failing += verdict == CLAIM_FAILS;
            claims->n_open += verdict == CLAIM_OPEN;
        }
    }
    court_clear(&court);
    return claims;
}

void
claims_free(claims_t **claims)
{
    if (*claims == NULL)
        return;
    for (size_t i = 0; i < (*claims)->n; i++)
        free((*claims)->judgements[i].evidence);
    free((*claims)->judgements);
    free(*claims);
    *claims = NULL;
}

grid_t *
claims_grid(const claims_t *claims)
{
    grid_t *grid = grid_new("Claims", 2);
    grid_header(grid, 0, "claim", true);
    grid_header(grid, 1, "verdict", true);
    for (size_t i = 0; i < claims->n; i++) {
        const claim_judgement_t *judgement = &claims->judgements[i];
        grid_row(grid, false);
        grid_set(grid, 0, plots_copy(judgement->claim->text), NULL);
        grid_set(grid, 1, plots_copy(claim_verdict_name(judgement->verdict)), NULL);
        grid_row(grid, true);
        grid_set(grid, 0, plots_format("  %s", judgement->evidence), NULL);
    }
    draft_add(&grid->notes, "%zu hold, %zu do not, %zu lack data.\n", claims->n_holding,
              claims->n_failing, claims->n_open);
    return grid;
}

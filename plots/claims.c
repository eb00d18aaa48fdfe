#include "plots/claims.h"

#include <gsl/gsl_rng.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/blocks.h"
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
    line_t lines[2];    // by nodes, by cores
    blocks_t blocks[2]; // their times, pass by pass
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

static const blocks_t *
blocks_over(const court_t *court, const line_t *line)
{
    return &court->blocks[line->axis];
}

// A claim that asks n things holds where all do, each at its own 5 %. But it would fail too often
// if one of n were enough: so many are said to be beyond as Holm's correction leaves below 5 %,
// which errs for the whole claim as often as one interval does. Corrects the p in place.
static size_t
count_beyond(double *p, size_t n)
{
    size_t n_beyond = 0;
    statistics_holm(p, n);
    for (size_t i = 0; i < n; i++)
        n_beyond += p[i] < 0.05;
    return n_beyond;
}

// ---- flat ----

// A cell's difference from the first. Repeats of one number start from one seed in every cell, so
// accuracies are compared within them, where what a seed is worth falls out.
static welch_t
difference_of(const line_t *line, const blocks_t *accuracies, size_t index, quantity_t quantity)
{
    welch_t welch = statistics_welch(line_cell(line, index)->quantities[quantity],
                                     line_cell(line, 0)->quantities[quantity]);
    if (quantity == QUANTITY_ACCURACY && accuracies->n_passes >= 2) {
        const blocks_difference_t within = blocks_difference(accuracies, index, 0);
        welch.difference = within.value;
        welch.low = within.low;
        welch.high = within.high;
        welch.error = within.error;
        welch.degrees = accuracies->degrees;
    }
    return welch;
}

// Nothing, where a difference of equal numbers is left with the rounding of their sums.
static double
told(double difference)
{
    return fabs(difference) < 1e-12 ? 0.0 : difference;
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
    blocks_t accuracies = blocks_of(line, QUANTITY_ACCURACY);
    const size_t n = line->n - 1;
    double *beyond = plots_alloc(n, sizeof *beyond);
    welch_t worst = {0};
    size_t worst_index = 0;
    for (size_t i = 1; i < line->n; i++) {
        const welch_t welch = difference_of(line, &accuracies, i, quantity);
        const bool is_inside = welch.low >= -claim->tolerance && welch.high <= claim->tolerance;
        beyond[i - 1] = statistics_p_outside(welch.difference, welch.error, welch.degrees,
                                             -claim->tolerance, claim->tolerance);
        if (!is_inside)
            judgement.verdict = CLAIM_OPEN;
        if (worst_index == 0 || fabs(welch.difference) > fabs(worst.difference)) {
            worst = welch;
            worst_index = i;
        }
    }
    blocks_clear(&accuracies);
    if (count_beyond(beyond, n) > 0)
        judgement.verdict = CLAIM_FAILS;
    free(beyond);
    const summary_cell_t *cell = line_cell(line, worst_index);
    char *interval = isfinite(worst.low)
                         ? plots_format("95 %%: %+.3g to %+.3g", told(worst.low), told(worst.high))
                         : plots_copy("no interval from one repeat");
    char *which = n > 1 ? plots_format("largest of %zu differences", n) : plots_copy("difference");
    judgement.evidence =
        plots_format("%s %+.3g (%s) at %.4g:%.4g, tolerance %.4g", which, told(worst.difference),
                     interval, cell->nodes, cell->cores, claim->tolerance);
    free(which);
    free(interval);
    return judgement;
}

// ---- by draws ----

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

// What the last step buys beyond the first: speedup a node (or core), from the times of the line's
// cells. Each gain is stored where it is asked for.
static double
gain_of_last_step(const line_t *line, const double *times, double *first, double *last)
{
    const size_t end = line->n - 1;
    *first = (times[0] / times[1] - 1.0) / (line_x(line, 1) - line_x(line, 0));
    *last = (times[0] / times[end] - times[0] / times[end - 1]) /
            (line_x(line, end) - line_x(line, end - 1));
    return *last - *first;
}

static claim_judgement_t
judge_diminishing(const court_t *court, const results_claim_t *claim)
{
    const line_t *line = line_over(court, claim->over);
    const blocks_t *blocks = blocks_over(court, line);
    if (line->n < 3)
        return open_for(claim, "needs three or more sizes");
    if (blocks->n_passes < 2)
        return open_for(claim, "needs two or more repeats of every cell");
    double *times = plots_alloc(line->n, sizeof *times);
    double first, last;
    size_t n_true = 0;
    for (size_t draw = 0; draw < DRAWS; draw++) {
        blocks_draw(blocks, court->random, times);
        n_true += gain_of_last_step(line, times, &first, &last) < 0.0;
    }
    blocks_means(blocks, times);
    gain_of_last_step(line, times, &first, &last);
    free(times);
    return judge_share(
        claim, n_true,
        plots_format("the first step buys %.2f of speedup each, the last %.2f", first, last));
}

// How S grows with the cluster, as a power: 1 is ideal.
static double
exponent(const line_t *line, const double *times)
{
    const double growth = line_x(line, line->n - 1) / line_x(line, 0);
    return log(times[0] / times[line->n - 1]) / log(growth);
}

// That of drawn times.
static double
drawn_exponent(const court_t *court, const line_t *line, double *times)
{
    blocks_draw(blocks_over(court, line), court->random, times);
    return exponent(line, times);
}

static claim_judgement_t
judge_further(const court_t *court, const results_claim_t *claim)
{
    const line_t *line = line_over(court, claim->over);
    const line_t *other = line == &court->lines[0] ? &court->lines[1] : &court->lines[0];
    if (line->n < 2 || other->n < 2)
        return open_for(claim, "needs a line of nodes and a line of cores");
    if (blocks_over(court, line)->n_passes < 2 || blocks_over(court, other)->n_passes < 2)
        return open_for(claim, "needs two or more repeats of every cell");
    double *times = plots_alloc(line->n + other->n, sizeof *times);
    size_t n_true = 0;
    for (size_t draw = 0; draw < DRAWS; draw++)
        n_true += drawn_exponent(court, line, times) > drawn_exponent(court, other, times);
    blocks_means(blocks_over(court, line), times);
    const double ours = exponent(line, times);
    blocks_means(blocks_over(court, other), times);
    const double theirs = exponent(other, times);
    free(times);
    return judge_share(claim, n_true,
                       plots_format("speedup grows as the power %.2f of %s, %.2f of %s", ours,
                                    line->axis == LINE_CORES ? "cores" : "nodes", theirs,
                                    other->axis == LINE_CORES ? "cores" : "nodes"));
}

// ---- expected ----

// What the sets that make the claim come to.
typedef struct {
    size_t n[MATCH_OPEN + 1]; // values of each match_t, each by itself
    double *beyond;           // [n_asked] summary_p_beyond of each
    size_t n_asked;
    double worst; // the largest relative miss of a mean
    char *where;  // of which quantity and cell
} matches_t;

static void
add_match(const summary_t *summary, size_t cell, const results_claim_t *claim, quantity_t quantity,
          matches_t *matches)
{
    const reference_t reference = summary_reference(summary, cell);
    const match_t match = summary_match(summary, cell, &reference, quantity, claim->tolerance);
    const bool is_meant =
        *claim->quantity == '\0' || strcmp(claim->quantity, quantity_name(quantity)) == 0;
    if (!is_meant || match == MATCH_NOT_ASKED)
        return;
    matches->n[match]++;
    matches->beyond = plots_resize(matches->beyond, matches->n_asked + 1, sizeof *matches->beyond);
    matches->beyond[matches->n_asked++] =
        summary_p_beyond(summary, cell, &reference, quantity, claim->tolerance);
    const double off =
        summary->cells[cell].quantities[quantity].mean / reference.values[quantity] - 1.0;
    if (matches->where != NULL && !(fabs(off) > fabs(matches->worst)))
        return;
    free(matches->where);
    char *label = summary_label(summary, cell);
    matches->where = plots_format("%s of %s", quantity_name(quantity), label);
    free(label);
    matches->worst = off;
}

static bool
makes(const results_set_t *set, const results_claim_t *claim)
{
    for (size_t i = 0; i < set->n_claims; i++) {
        if (strcmp(set->claims[i].text, claim->text) == 0)
            return true;
    }
    return false;
}

static claim_judgement_t
judge_expected(const court_t *court, const results_claim_t *claim)
{
    matches_t matches = {.where = NULL};
    for (size_t s = 0; s < court->n; s++) {
        for (size_t i = 0;
             makes(court->summaries[s]->set, claim) && i < court->summaries[s]->n_cells; i++) {
            for (quantity_t q = 0; q < N_QUANTITIES; q++)
                add_match(court->summaries[s], i, claim, q, &matches);
        }
    }
    if (matches.where == NULL)
        return open_for(claim, "no expected value with a tolerance was measured");
    const size_t n_within = matches.n[MATCH_WITHIN];
    const size_t n_beyond = count_beyond(matches.beyond, matches.n_asked);
    const size_t n_open = matches.n_asked - n_within - n_beyond;
    const claim_verdict_t verdict = n_beyond > 0 ? CLAIM_FAILS
                                    : n_open > 0 ? CLAIM_OPEN
                                                 : CLAIM_HOLDS;
    // The table marks these as beyond (✗), each by itself.
    const size_t n_alone =
        matches.n[MATCH_BEYOND] > n_beyond ? matches.n[MATCH_BEYOND] - n_beyond : 0;
    char *alone = n_alone > 0
                      ? plots_format(" (%zu of them beyond by itself, but not as one of %zu)",
                                     n_alone, matches.n_asked)
                      : plots_copy("");
    char *evidence = plots_format(
        "%zu of %zu values within their tolerance, %zu beyond, %zu open%s; furthest: %s, %+.1f %%",
        n_within, matches.n_asked, n_beyond, n_open, alone, matches.where, 100.0 * matches.worst);
    free(alone);
    free(matches.beyond);
    free(matches.where);
    return (claim_judgement_t){claim, verdict, evidence};
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
    for (line_axis_t axis = LINE_NODES; axis <= LINE_CORES; axis++)
        court.blocks[axis] = blocks_of(&court.lines[axis], QUANTITY_T);
    return court;
}

static void
court_clear(court_t *court)
{
    for (line_axis_t axis = LINE_NODES; axis <= LINE_CORES; axis++) {
        blocks_clear(&court->blocks[axis]);
        line_clear(&court->lines[axis]);
    }
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

/* claims.h - findings the results are held against: each holds, fails, or is left open for want of
 * data.
 *
 * flat: `quantity` stays within `tolerance` (in its own unit) of the first cell's, along `over`;
 * holds when every difference's 95 % interval lies inside, fails when one lies outside, corrected
 * as below. Accuracies are compared within repeats (blocks.h), which share a seed; where no two
 * repeats were finished by every cell, and for other quantities, by Welch's interval of two means.
 * diminishing: the last step along `over` buys less speedup a node (or core) than the first; three
 * cells at least.
 * further: `over` scales further than the other axis: the exponent log S / log growth at the ends
 * of both lines.
 * expected: every value of expect.csv for `quantity` ("" for all) that has a tolerance, or any
 * where the claim has one for those without, is met by the sets that make the claim: holds when
 * every 95 % interval lies within it, fails when one lies beyond, corrected as below.
 *
 * A claim that is true of n values would be said to fail n times as often if any one of them, by
 * itself, were enough. So what lies outside is corrected after Holm over all values of the claim:
 * its interval's chance of error, once in forty for each end, is then the whole claim's. That it
 * holds needs no correction, since all values must be inside.
 *
 * The two in the middle are judged by how often they are true when the times are drawn anew as the
 * passes leave them uncertain (blocks.h): 97.5 % of the draws and more hold, 2.5 % and less fail.
 * Their numbers are of geometric means over the passes. */
#ifndef PLOTS_CLAIMS_H
#define PLOTS_CLAIMS_H

#include "plots/draft.h"
#include "plots/grid.h"
#include "plots/results.h"

typedef enum { CLAIM_HOLDS, CLAIM_FAILS, CLAIM_OPEN } claim_verdict_t;

// "holds", "does not hold", "not enough data".
const char *claim_verdict_name(claim_verdict_t verdict);

typedef struct {
    const results_claim_t *claim; // borrowed from the results
    claim_verdict_t verdict;
    char *evidence; // the numbers behind it, in a sentence
} claim_judgement_t;

typedef struct {
    claim_judgement_t *judgements;
    size_t n;
    size_t n_holding, n_failing, n_open;
} claims_t;

// Judges the claims of all sets, each text once; a claim about nodes and cores may need both
// sweeps.
claims_t *claims_judge(const results_t *results);
void claims_free(claims_t **claims);
// A row a claim, its evidence beneath. The caller frees it.
grid_t *claims_grid(const claims_t *claims);

#endif

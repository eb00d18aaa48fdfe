// claim.h — what an experiment is said to show, in its file.
//
//     claim = ( { name = "accuracy does not change with nodes"; kind = "flat"; quantity =
//     "accuracy";
//                 over = "nodes"; tolerance = 0.01; source = "Torres & Cruz"; } );
//
// plots/claims.h says what the kinds mean, and judges them; here they are read and written.
#ifndef RUNNER_CLAIM_H
#define RUNNER_CLAIM_H

#include "plots/draft.h"
#include "runner/spec.h"
#include "runner/text.h"

// Reads the list in place of what there is; every fault into `diag`.
void claim_read(const tree_t *list, experiment_t *experiment, diag_t *diag);

// As it is written in a file; nothing when there are none.
void claim_add_text(text_t *text, const claim_t *claims, size_t n_claims);

// As claims.csv, which plots/results.h reads.
void claim_csv(const claim_t *claims, size_t n_claims, draft_t *draft);

claim_t *claim_copy(const claim_t *claims, size_t n_claims);
void claim_free(claim_t *claims, size_t n_claims);

#endif

/* fit_rounds.h - the overhead of a line of nodes from the parts of its rounds: latency and
 * transfers (Hockney), and waiting for the slowest. rounds.csv has them apart, so each is fitted to
 * fewer terms than their sum would need. */
#ifndef PLOTS_FIT_ROUNDS_H
#define PLOTS_FIT_ROUNDS_H

#include "plots/line.h"

// Model "rounds", with draws, R² of the whole overhead and the error at the held-out largest size
// as fit_model has them; not good where rounds are missing, of too few sizes, or not as many in
// every run, as the note then says. Until fit_clear.
fit_t fit_rounds(const line_t *line);
// Whether it comes before the best of the other laws: it has more terms, so it must foretell the
// held-out largest size better by more than noise.
bool fit_rounds_leads(const fit_t *rounds, const fit_t *best);

#endif

/* laws.h - which models are tried on what, and those among them that the held-out largest size
 * cannot tell from the best.
 *
 * What is extrapolated (figure 9, forecasts, inflection points in fits.csv) rests on the best, with
 * a band that spans all of them: the choice between two models that foretell about as well is a
 * part of what is not known. Only laws that cannot turn negative are extrapolated by. */
#ifndef PLOTS_LAWS_H
#define PLOTS_LAWS_H

#include "plots/line.h"

// NULL at the end, simpler ones first: the first stands where none can be told to be better.
extern const char *const LAWS_OF_WORK[];
extern const char *const LAWS_OF_OVERHEAD[];
// Over nodes and cores at once.
extern const char *const LAWS_OF_WORK_GRID[];
extern const char *const LAWS_OF_OVERHEAD_GRID[];

// The best law comes first; where that is not good, its note says why. `n` is at least 1.
enum { LAWS_MAX = 6 };
typedef struct {
    fit_t fits[LAWS_MAX];
    size_t n;
} laws_t;

// Every finished run of the line's cells and of those that differ from them in nodes and cores
// alone, as points in both, x being the cores. Of other sets only such as were measured in the same
// way, with as many samples; of their further axes the first values. The caller frees them.
fit_point_t *laws_grid_points(const summary_t *const *summaries, size_t n_summaries,
                              const line_t *line, quantity_t quantity, size_t *n_points);
// Of points, among laws of these names. The caller clears them.
laws_t laws_of(const char *const *names, const fit_point_t *points, size_t n);
// Of a line of nodes: its work, and its overhead as a whole or by the parts of its rounds.
laws_t laws_of_work(const line_t *nodes);
laws_t laws_of_overhead(const line_t *nodes);
void laws_clear(laws_t *laws);

// A number with its interval that follows from a law of work and one of overhead.
typedef fit_value_t laws_function_t(const fit_t *work, const fit_t *overhead, void *context);
// That of the best two, its interval widened to span that of every two. NAN ends where the best
// have no freedom to tell any.
fit_value_t laws_answer(const laws_t *work, const laws_t *overhead, laws_function_t *function,
                        void *context);

#endif

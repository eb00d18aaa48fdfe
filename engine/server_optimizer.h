/* engine/server_optimizer.h - the coordinator's step from one round's model to the next.
 *
 * The mean of the workers' models says how far a round would move the model: d = before - mean.
 * The step treats d as a gradient is treated (Hsu et al. 2019, arXiv:1909.06335, and with the
 * learning rate of the workers factored out Wang et al. 2020, arXiv:1910.00643):
 *
 *     u = momentum u + d        (u starts at 0)
 *     after = before - rate u
 *
 * With momentum 0 and rate 1 it is plain averaging, and then the bits are the mean's. Elements are
 * computed in double and rounded to float once, in order, so the result depends on the rounds'
 * means alone. */
#ifndef ENGINE_SERVER_OPTIMIZER_H
#define ENGINE_SERVER_OPTIMIZER_H

#include <stddef.h>

typedef struct server_optimizer server_optimizer_t;

/* For blocks of COUNT floats; 0 <= momentum < 1, rate > 0. */
server_optimizer_t *server_optimizer_new(size_t count, double momentum, double rate);
void server_optimizer_free(server_optimizer_t **optimizer);

/* BLOCK holds the model that the round began with and receives the one that the next begins with;
 * MEAN is the round's mean. */
void server_optimizer_step(server_optimizer_t *optimizer, float *block, const float *mean);

/* u as it stands, (COUNT): to be kept, and put back where a run goes on. NULL for plain averaging.
 */
double *server_optimizer_velocity(server_optimizer_t *optimizer);

#endif

/* engine/server_optimizer.c - the coordinator's step from one round's model to the next. */
#include "engine/server_optimizer.h"

#include "engine/error.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

struct server_optimizer {
    size_t count;
    double momentum, rate;
    double *velocity; /* (count): u; NULL for plain averaging */
};

server_optimizer_t *
server_optimizer_new(size_t count, double momentum, double rate)
{
    assert(momentum >= 0 && momentum < 1 && rate > 0);
    server_optimizer_t *optimizer = engine_alloc(sizeof *optimizer);
    *optimizer = (server_optimizer_t){.count = count, .momentum = momentum, .rate = rate};
    if (momentum > 0 || rate != 1)
        optimizer->velocity = engine_alloc(count * sizeof(double));
    return optimizer;
}

void
server_optimizer_free(server_optimizer_t **optimizer)
{
    if (!*optimizer)
        return;
    free((*optimizer)->velocity);
    free(*optimizer);
    *optimizer = NULL;
}

void
server_optimizer_step(server_optimizer_t *optimizer, float *block, const float *mean)
{
    double *velocity = optimizer->velocity;
    if (!velocity) {
        memcpy(block, mean, optimizer->count * sizeof *block);
        return;
    }
    for (size_t i = 0; i < optimizer->count; i++) {
        velocity[i] = optimizer->momentum * velocity[i] + ((double)block[i] - (double)mean[i]);
        block[i] = (float)((double)block[i] - optimizer->rate * velocity[i]);
    }
}

double *
server_optimizer_velocity(server_optimizer_t *optimizer)
{
    return optimizer->velocity;
}

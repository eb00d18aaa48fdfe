#include "runner/inputs.h"

#include <stdlib.h>

#include "runner/envelope.h"
#include "runner/memory.h"
#include "runner/run_keys.h"
#include "runner/text.h"

static char *
worker_input(const run_keys_t *keys, int rank)
{
    text_t input = {0};
    char *ring = keys->coordinator ? keys_text(keys->workers[rank]) : NULL;
    envelope_begin(&input);
    envelope_add(&input, ENVELOPE_KEYS, ring);
    envelope_wipe(ring);
    return text_take(&input);
}

inputs_t
inputs_make(const cluster_t *cluster, int n_nodes, const char *attempt, const char *text,
            const char *checkpoint)
{
    inputs_t inputs = {.n_workers = n_nodes,
                       .workers = memory_new((size_t)n_nodes * sizeof *inputs.workers)};
    run_keys_t keys = {0};
    if (n_nodes > 1 && run_keys_needed(cluster))
        run_keys_make(&keys, n_nodes);
    text_t input = {0};
    char *ring = keys.coordinator ? keys_text(keys.coordinator) : NULL;
    envelope_begin(&input);
    envelope_add(&input, ENVELOPE_EXPERIMENT, text);
    envelope_add(&input, ENVELOPE_KEYS, ring);
    envelope_add(&input, ENVELOPE_ATTEMPT, attempt);
    envelope_add(&input, ENVELOPE_CHECKPOINT, checkpoint);
    envelope_wipe(ring);
    inputs.coordinator = text_take(&input);
    for (int rank = 0; rank < n_nodes; rank++)
        inputs.workers[rank] = worker_input(&keys, rank);
    run_keys_free(&keys);
    return inputs;
}

void
inputs_free(inputs_t *inputs)
{
    envelope_wipe(inputs->coordinator);
    for (int rank = 0; rank < inputs->n_workers; rank++)
        envelope_wipe(inputs->workers[rank]);
    free(inputs->workers);
    *inputs = (inputs_t){0};
}

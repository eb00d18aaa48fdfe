/* engine/network_private.h - what network.c, compile.c and step.c share. */
#ifndef ENGINE_NETWORK_PRIVATE_H
#define ENGINE_NETWORK_PRIVATE_H

#include "engine/stage.h"

struct network {
    network_spec_t spec;
    int batch_max;
    int pass_max; /* images that go through at once */
    threads_t *threads;
    size_t count; /* floats in each block */
    float *parameters;
    float *gradients; /* NULL in a network that is not trained */
    int n_tensors;
    tensor_view_t tensors[NETWORK_TENSORS_MAX];
    /* The first puts the input in place; then the layers. */
    int n_stages;
    stage_t stages[NETWORK_LAYERS_MAX + 1];
    float **scratch; /* (threads): what the stage that needs most needs */
    double *losses;  /* (pass_max) of the last pass's images */
    float **infer;   /* (threads, 2) buffers of PASS_INFER_CHUNK images each, NULL until needed */
    size_t infer_count; /* floats in each */
    bool is_profiled;
};

/* Fills stages from the spec; the blocks are there already. */
void network_compile(network_t *net);

#endif

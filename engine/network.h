/* engine/network.h - a network: a list of layers, its parameters, and one step of training.
 *
 * A network_spec_t says what the network is; network_new compiles it into stages that compute it.
 * Softmax cross-entropy follows the last layer by itself and is not in the list. All parameters lie
 * in one block of float32, always in PyTorch's layout and under PyTorch's names, whatever the
 * stages do with them: the block is what is averaged, sent and saved. Gradients lie in a second
 * block of the same layout.
 *
 *     network_spec_t spec = network_spec_lenet((image_shape_t){3, 32, 32}, 10);
 *     network_t *net = NULL;
 *     int status = network_new(&net, &spec, 32, 2, &error);
 *     network_initialize(net, seed);
 *     …                                        engine/trainer.h, engine/evaluate.h,
 * engine/model_file.h network_free(&net);
 *
 * The same parameters and the same batch give the same bits for any number of threads. */
#ifndef ENGINE_NETWORK_H
#define ENGINE_NETWORK_H

#include "engine/error.h"
#include "engine/shape.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    NETWORK_LAYERS_MAX = 64,
    NETWORK_CLASSES_MAX = 256, /* a label is one byte */
    NETWORK_NAME_BYTES = 32,
    NETWORK_TENSORS_MAX = 4 * NETWORK_LAYERS_MAX
};

typedef enum {
    LAYER_CONV = 1,   /* outputs, kernel, stride (0: 1), padding */
    LAYER_RELU,       /* nothing */
    LAYER_MAX_POOL,   /* kernel, stride (0: kernel), padding */
    LAYER_AVG_POOL,   /* kernel, stride (0: kernel), padding; padded zeros count, as in PyTorch's
                         default */
    LAYER_DENSE,      /* outputs; its input is flattened in (C, H, W) order */
    LAYER_BATCH_NORM, /* nothing; momentum 0.1 and epsilon 1e-5, PyTorch's defaults */
    LAYER_DROPOUT     /* rate: the share of inputs dropped in training, 0 <= rate < 1 */
} layer_kind_t;

typedef struct {
    layer_kind_t kind;
    int outputs; /* filters or neurons */
    int kernel;  /* side of the square window, in pixels */
    int stride;  /* in pixels; 0 takes the kind's default */
    int padding; /* in pixels on every side, of zeros */
    float rate;
    char name[NETWORK_NAME_BYTES]; /* as in PyTorch's state_dict; "" numbers it: conv1, conv2, fc1,
                                      bn1 */
} layer_spec_t;

typedef struct {
    image_shape_t input;
    int classes;
    int n_layers;
    layer_spec_t layers[NETWORK_LAYERS_MAX];
} network_spec_t;

/* A named piece of the parameter block. */
typedef struct {
    char name[NETWORK_NAME_BYTES + 16]; /* "conv1.weight" */
    int n_dims;
    int dims[4]; /* conv weight (K, C, R, S), dense weight (outputs, inputs), the rest (outputs) */
    size_t offset;   /* of the first float in the block */
    size_t count;    /* in floats */
    int layer;       /* index into the spec's list */
    bool is_trained; /* false: kept by the forward pass, not by gradients (batch-norm's running
                        statistics) */
} tensor_view_t;

typedef struct network network_t;

/* The paper's net: conv 6 of 5x5, relu, max-pool 2x2, conv 16 of 5x5, relu, max-pool 2x2, dense
 * 120, 84, classes. */
network_spec_t network_spec_lenet(image_shape_t input, int classes);
/* "conv", "relu", "max_pool", "avg_pool", "dense", "batch_norm", "dropout"; NULL and 0 for what is
 * none of these. */
const char *layer_kind_name(layer_kind_t kind);
layer_kind_t layer_kind_from_name(const char *name);
/* Whether the list fits together: 0, or ENGINE_SPEC with a sentence that names the layer by its
 * place (from 1). */
int network_spec_check(const network_spec_t *spec, engine_error_t *error);
/* The spec as one line of JSON, to be kept beside a model, and back. The caller frees the text. */
char *network_spec_encode(const network_spec_t *spec);
int network_spec_decode(network_spec_t *spec, const char *text, engine_error_t *error);

/* Compiles SPEC for batches of at most BATCH_MAX images (0: it is tested only, and has no memory
 * for training) on N_THREADS threads (the caller's is one of them). All parameters are zero until
 * network_initialize or a model file fills them. ENGINE_SPEC as network_spec_check. */
int network_new(network_t **net, const network_spec_t *spec, int batch_max, int n_threads,
                engine_error_t *error);
void network_free(network_t **net);

/* Draws the parameters as PyTorch's layers do: weights and biases uniform in +-1/sqrt(fan_in). */
void network_initialize(network_t *net, uint64_t seed);

/* The two blocks: network_parameter_count() floats each. A caller may write the parameters between
 * steps. There are no gradients (NULL) where BATCH_MAX is 0. */
float *network_parameters(network_t *net);
float *network_gradients(network_t *net);
size_t network_parameter_count(const network_t *net);

const network_spec_t *network_spec(const network_t *net);
int network_batch_max(const network_t *net);
int network_threads(const network_t *net);
int network_tensor_count(const network_t *net);
const tensor_view_t *network_tensors(const network_t *net);
/* NULL if there is none of this name. */
const tensor_view_t *network_tensor(const network_t *net, const char *name);

/* Logits (n, classes) of images x (n, C, H, W), as at evaluation: no dropout, batch-norm by its
 * running statistics. Any n >= 0: it is cut into batches inside. */
void network_forward(network_t *net, const float *x, int n, float *logits);

/* Mean loss of a batch as in training, 1 <= n <= batch_max, and its gradients, which overwrite the
 * gradient block. DX (n, C, H, W) receives the loss's gradient by the input, or is NULL. STEP picks
 * the dropout masks. */
float network_gradient(network_t *net, const float *x, const uint8_t *labels, int n, uint64_t step,
                       float *dx);

/* Where the time goes. Once switched on, each stage's passes are timed (which costs a little);
 * reading gives totals since then. The forward and backward times are wall seconds of the calling
 * thread, the update included. */
typedef struct {
    char name[64]; /* the layers it covers: "conv1+relu+max_pool" */
    double forward_s;
    double backward_s;
} network_profile_t;
void network_profile_start(network_t *net);
/* Writes at most MAX rows, returns how many there are. */
int network_profile(const network_t *net, network_profile_t *rows, int max);

#endif

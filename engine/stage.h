/* engine/stage.h - the contract between a network and the stages that compute it (inside the engine
 * only).
 *
 * network_new turns runs of layers into stages; a stage is its functions (stage_ops_t) and its data
 * (stage_t). A step of training is a list of phases: every stage's forward phases, the loss, every
 * stage's backward phases from the last to the first, then all weight phases. A phase is cut into
 * pieces, and pieces run on any thread in any order. Two kinds of cut:
 *
 * - by image (pieces == NULL): piece p works on the images pass_images(pass, p) alone. Neighbouring
 *   phases of this kind, across stages, run in one parallel region, so that a few images stay in
 *   the cache while they pass through many layers. A region that begins with a stage's gradients
 *   has them as pieces of their own: nothing in it waits for them, and the smaller the pieces, the
 *   less the threads wait for each other at the end.
 * - its own (pieces != NULL): the stage says how many pieces; the phase starts when all earlier
 *   ones have ended.
 *
 * No cut depends on the number of threads. A sum over images is kept as one partial sum a piece and
 * added up in the order of the pieces in the weight phase; that is why the bits do not depend on
 * the threads either.
 *
 * To add a layer: a row in spec.c's kinds, a file stage_NAME.c with its ops and a make function
 * listed here, a case in compile.c, a plain version in reference.c, and the four rungs of tests in
 * tests/unit/test_layers.c. */
#ifndef ENGINE_STAGE_H
#define ENGINE_STAGE_H

#include "engine/network.h"
#include "engine/sgd.h"
#include "engine/threads.h"

/* One batch, or PASS_IMAGES_MAX images of it at a time, on its way through the network: forward,
 * backward, and its share of the gradients. */
typedef struct {
    int n;                        /* images */
    int first;                    /* of them in the batch: 0 in its first pass */
    int batch;                    /* images in the batch */
    int pieces;                   /* of the phases by image */
    int partials;                 /* pieces of the batch's first pass, which has the most */
    int chunk;                    /* images a piece; the last may have fewer */
    const uint8_t *const *images; /* (n) of C*H*W bytes, or NULL and */
    const float *x;               /* (n, C, H, W) */
    const uint8_t *labels;        /* (n) */
    double *losses;               /* (n), written before the backward phases */
    uint64_t mask_seed;           /* of dropout, another one each step */
    const sgd_t *sgd;             /* NULL: gradients go to the block and nothing is updated */
} pass_t;

/* Of n images at most PASS_PIECES pieces, unless a piece would have more than PASS_CHUNK_MAX
 * images; at evaluation always PASS_INFER_CHUNK images a piece.
 *
 * A larger batch goes through the network PASS_IMAGES_MAX images at a time, so that what forward
 * leaves for backward is still near the processor; the gradients add up. Batch-norm alone needs all
 * images at once. */
enum { PASS_PIECES = 16, PASS_CHUNK_MAX = 64, PASS_INFER_CHUNK = 32, PASS_IMAGES_MAX = 64 };

static inline void
pass_images(const pass_t *pass, int piece, int *first, int *end)
{
    *first = piece * pass->chunk;
    *end = *first + pass->chunk < pass->n ? *first + pass->chunk : pass->n;
}

/* Whether the gradients of the batch are complete behind this pass. */
static inline bool
pass_is_last(const pass_t *pass)
{
    return pass->first + pass->n == pass->batch;
}

typedef struct stage stage_t;

typedef struct {
    void (*run)(stage_t *stage, const pass_t *pass, int piece, int thread);
    int (*pieces)(const stage_t *stage, const pass_t *pass); /* NULL: by image */
} phase_t;

enum { STAGE_PHASES_MAX = 2 };

typedef struct {
    /* Before a forward pass of either kind: the parameters may have changed. NULL: the stage keeps
     * no copies of them. */
    void (*renew)(stage_t *stage);
    /* y (count, out) of x (count, in) as at evaluation. */
    void (*infer)(stage_t *stage, const float *x, float *y, int count, int thread);
    phase_t forward[STAGE_PHASES_MAX];  /* stage->y from stage->x */
    phase_t backward[STAGE_PHASES_MAX]; /* stage->dx (unless NULL) from stage->dy, which it may
                                           overwrite unless there is a `gradient` */
    phase_t gradient;                   /* by image: the partial gradients from stage->dy, at the
                                           same time as backward; none: backward makes them */
    phase_t weights;                    /* gradients or updates of the parameters, in each pass;
                                           no pieces where there is nothing to do before the last */
    void (*free)(stage_t *stage);       /* of `own`; NULL: free(own) does */
} stage_ops_t;

struct stage {
    const stage_ops_t *ops;
    char name[64];
    const network_spec_t *spec;
    int layer;             /* the first it covers, and the one the parameters are of */
    image_shape_t in, out; /* of one image */
    bool has_relu;         /* a relu follows and is done here */
    int threads;           /* that pieces may run on */
    int batch_max;         /* images of a pass at most */
    size_t offset;         /* of the stage's parameters in the block */
    size_t count;          /* of those that are trained, which come first */
    float *parameters;     /* at `offset` in the block */
    float *gradients;      /* the same; NULL in a network that is not trained */
    const float *x;        /* (batch_max, in) */
    float *y;              /* (batch_max, out) */
    float *dy;             /* (batch_max, out) */
    float *dx;             /* (batch_max, in), NULL when nobody asks for it */
    size_t partial_count;  /* floats of one partial gradient: count, or a layout of its own */
    float *partials;       /* (pieces, partial_count): sums over the images of a piece */
    size_t scratch_count;  /* floats that a thread needs while it runs a piece; set by the kind */
    float **scratch;       /* (threads), with as many floats; all stages have the same ones */
    bool is_trained;       /* some of its parameters are updated in this pass */
    void *own;             /* the kind's own data */
    double forward_s, backward_s; /* profile */
};

/* What follows makes stages; each reads layer stage->layer of the spec and sets ops and own. */
typedef void make_t(stage_t *stage);
void stage_conv(stage_t *stage);
void stage_conv5(stage_t *stage);
void stage_dense(stage_t *stage);
void stage_relu(stage_t *stage);
void stage_max_pool(stage_t *stage);
void stage_avg_pool(stage_t *stage);
void stage_batch_norm(stage_t *stage);
void stage_dropout(stage_t *stage);

/* Whether layers FIRST to FIRST + 2 are what stage_conv5 does in one. */
bool stage_conv5_takes(const network_spec_t *spec, int first, image_shape_t in);

/* dy = 0 wherever relu's output y is 0. */
void stage_mask_relu(const float *y, float *dy, size_t count);
/* The `pieces` of a phase that is not worth cutting. */
int stage_one_piece(const stage_t *stage, const pass_t *pass);

/* Pieces of the phases by image, and images a piece (at least 1), for a batch of n. */
static inline int
stage_chunk(int n)
{
    int chunk = n > 0 ? (n + PASS_PIECES - 1) / PASS_PIECES : 1;
    return chunk < PASS_CHUNK_MAX ? chunk : PASS_CHUNK_MAX;
}

/* Gives the stage one partial gradient of COUNT floats a piece. */
void stage_partials(stage_t *stage, size_t count);
/* Piece p's partial gradient, to be added to: zero in the first pass. */
float *stage_partial(stage_t *stage, const pass_t *pass, int piece);
/* Floats [first, end) of all partial gradients, added up in the order of the pieces, to SUM. */
void stage_add_partials(const stage_t *stage, const pass_t *pass, size_t first, size_t end,
                        float *sum);
/* The weight phase of partial gradients that are laid out as the parameters. */
void stage_sum_partials(stage_t *stage, const pass_t *pass, int piece, int thread);
int stage_sum_pieces(const stage_t *stage, const pass_t *pass);
/* The gradients of [first, end), counted from the stage's offset, stand in the gradient block:
 * update if asked to and they are complete. */
void stage_update(stage_t *stage, const pass_t *pass, size_t first, size_t end);

#endif

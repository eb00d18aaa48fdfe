/* engine/step.c - runs the stages: one step of training, or forward alone. */
#include "engine/step.h"

#include "engine/kernels.h"
#include "engine/network_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A phase of a stage, in the order of the step. */
typedef struct {
    stage_t *stage;
    phase_t phase;
    double *seconds; /* where a profile adds its time */
} step_t;

typedef struct {
    network_t *net;
    pass_t pass;
    int n_steps;
    step_t steps[(NETWORK_LAYERS_MAX + 1) * (2 * STAGE_PHASES_MAX + 1) + 1];
    int first, end; /* of the steps in the parallel region that runs */
    bool is_split;  /* every other of its pieces is of the first step alone */
} run_t;

static double
seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void
run_piece(void *arg, int piece, int thread)
{
    run_t *run = arg;
    int first = run->first, end = run->end;
    if (run->is_split) {
        if (piece % 2)
            end = first + 1;
        else
            first++;
        piece /= 2;
    }
    for (int i = first; i < end; i++)
        run->steps[i].phase.run(run->steps[i].stage, &run->pass, piece, thread);
}

/* The steps one after the other; neighbours that are cut by image share a parallel region, except
 * in a profile. */
static void
run_steps(run_t *run)
{
    for (run->first = 0; run->first < run->n_steps; run->first = run->end) {
        step_t *step = &run->steps[run->first];
        bool is_by_image = !step->phase.pieces;
        int pieces = is_by_image ? run->pass.pieces : step->phase.pieces(step->stage, &run->pass);
        run->end = run->first + 1;
        while (is_by_image && !run->net->is_profiled && run->end < run->n_steps &&
               !run->steps[run->end].phase.pieces)
            run->end++;
        bool is_gradient = step->phase.run == step->stage->ops->gradient.run;
        run->is_split = is_gradient && run->end > run->first + 1;
        if (run->is_split)
            pieces *= 2;
        double start = run->net->is_profiled ? seconds_now() : 0;
        threads_run(run->net->threads, pieces, run_piece, run);
        if (run->net->is_profiled)
            *step->seconds += seconds_now() - start;
    }
    run->n_steps = 0;
}

static void
add_phases(run_t *run, stage_t *stage, const phase_t *phases, double *seconds)
{
    for (int i = 0; i < STAGE_PHASES_MAX && phases[i].run; i++)
        run->steps[run->n_steps++] = (step_t){stage, phases[i], seconds};
}

static void
add_backward(run_t *run, stage_t *stage)
{
    const stage_ops_t *ops = stage->ops;
    bool has_gradient = ops->gradient.run != NULL;
    if (has_gradient && stage->is_trained)
        run->steps[run->n_steps++] = (step_t){stage, ops->gradient, &stage->backward_s};
    if (stage->dx || (stage->is_trained && !has_gradient))
        add_phases(run, stage, ops->backward, &stage->backward_s);
}

/* One phase of each stage, all independent of each other, share a region; piece numbers count
 * through them. */
static void
piece_of_any(void *arg, int piece, int thread)
{
    run_t *run = arg;
    int i = 0, pieces;
    while ((pieces = run->steps[i].phase.pieces(run->steps[i].stage, &run->pass)) <= piece) {
        piece -= pieces;
        i++;
    }
    run->steps[i].phase.run(run->steps[i].stage, &run->pass, piece, thread);
}

static void
run_any(run_t *run)
{
    int pieces = 0;
    for (int i = 0; i < run->n_steps; i++)
        pieces += run->steps[i].phase.pieces(run->steps[i].stage, &run->pass);
    if (run->net->is_profiled)
        run_steps(run);
    else
        threads_run(run->net->threads, pieces, piece_of_any, run);
    run->n_steps = 0;
}

static void
renew(network_t *net)
{
    for (int s = 1; s < net->n_stages; s++)
        if (net->stages[s].ops->renew)
            net->stages[s].ops->renew(&net->stages[s]);
}

static void
update_weights(run_t *run)
{
    for (int s = 1; s < run->net->n_stages; s++) {
        stage_t *stage = &run->net->stages[s];
        if (stage->ops->weights.run && stage->is_trained)
            run->steps[run->n_steps++] = (step_t){stage, stage->ops->weights, &stage->backward_s};
    }
    run_any(run);
}

/* Which stages are trained in this pass, and which of them have to hand a gradient down. */
static void
mark_stages(network_t *net, const sgd_t *sgd, float *dx)
{
    bool is_wanted = dx != NULL;
    for (int s = 1; s < net->n_stages; s++) {
        stage_t *stage = &net->stages[s];
        float *below = s == 1 ? dx : net->stages[s - 1].dy;
        stage->dx = is_wanted ? below : NULL;
        stage->is_trained = stage->count > 0 &&
                            (!sgd || sgd_touches(sgd, stage->offset, stage->offset + stage->count));
        is_wanted = is_wanted || stage->is_trained;
    }
}

/* The losses of some images; leaves their gradient by the logits in the last stage's dy. */
static void
loss_piece(stage_t *last, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    int first, end, classes = last->spec->classes;
    pass_images(pass, piece, &first, &end);
    for (int i = first; i < end; i++) {
        ptrdiff_t row = (ptrdiff_t)i * classes;
        pass->losses[i] = softmax_loss(last->y + row, classes, pass->labels[i],
                                       1.0f / (float)pass->batch, last->dy + row);
    }
}

/* Forward, backward and weights of one pass. */
static void
run_pass(run_t *run)
{
    network_t *net = run->net;
    for (int s = 0; s < net->n_stages; s++)
        add_phases(run, &net->stages[s], net->stages[s].ops->forward, &net->stages[s].forward_s);
    stage_t *last = &net->stages[net->n_stages - 1];
    run->steps[run->n_steps++] = (step_t){last, {.run = loss_piece}, &last->forward_s};
    for (int s = net->n_stages - 1; s >= 1; s--)
        add_backward(run, &net->stages[s]);
    run_steps(run);
    update_weights(run);
}

/* A step on the whole batch, whose N images the pass has; the mean of their losses. */
static float
step(network_t *net, const pass_t *batch, float *dx)
{
    int n = batch->n;
    assert(n >= 1 && n <= net->batch_max);
    run_t run = {.net = net, .pass = *batch};
    pass_t *pass = &run.pass;
    pass->batch = n;
    pass->n = n < net->pass_max ? n : net->pass_max;
    pass->chunk = stage_chunk(pass->n);
    pass->partials = (pass->n + pass->chunk - 1) / pass->chunk;
    mark_stages(net, batch->sgd, dx);
    renew(net);
    double sum = 0;
    size_t in = image_count(net->spec.input);
    for (int first = 0; first < n; first += pass->n) {
        pass->first = first;
        pass->n = n - first < pass->n ? n - first : pass->n;
        pass->pieces = (pass->n + pass->chunk - 1) / pass->chunk;
        pass->images = batch->images ? batch->images + first : NULL;
        pass->x = batch->x ? batch->x + (size_t)first * in : NULL;
        pass->labels = batch->labels + first;
        pass->losses = net->losses;
        if (dx)
            net->stages[1].dx = dx + (size_t)first * in;
        run_pass(&run);
        for (int i = 0; i < pass->n; i++)
            sum += pass->losses[i];
    }
    return (float)(sum / n);
}

float
network_train(network_t *net, const uint8_t *const *images, const uint8_t *labels, int n,
              const sgd_t *sgd, uint64_t mask_seed)
{
    pass_t pass = {.n = n, .images = images, .labels = labels, .sgd = sgd, .mask_seed = mask_seed};
    return step(net, &pass, NULL);
}

void
network_span(network_t *net, bool begins)
{
    if (begins)
        threads_begin(net->threads);
    else
        threads_end(net->threads);
}

float
network_gradient(network_t *net, const float *x, const uint8_t *labels, int n, uint64_t mask_seed,
                 float *dx)
{
    pass_t pass = {.n = n, .x = x, .labels = labels, .mask_seed = mask_seed};
    memset(net->gradients, 0, net->count * sizeof(float));
    return step(net, &pass, dx);
}

typedef struct {
    network_t *net;
    const uint8_t *const *images;
    const float *x;
    int n;
    float *logits;
} infer_t;

static void
infer_piece(void *arg, int piece, int thread)
{
    const infer_t *infer = arg;
    network_t *net = infer->net;
    size_t in = image_count(net->spec.input);
    int first = piece * PASS_INFER_CHUNK;
    int count = infer->n - first < PASS_INFER_CHUNK ? infer->n - first : PASS_INFER_CHUNK;
    float *x = net->infer[(ptrdiff_t)2 * thread], *y = net->infer[(ptrdiff_t)2 * thread + 1];
    for (int i = 0; i < count; i++)
        if (infer->images)
            kernels()->normalize(infer->images[first + i], x + (size_t)i * in, in);
        else
            memcpy(x + (size_t)i * in, infer->x + (size_t)(first + i) * in, in * sizeof(float));
    for (int s = 1; s < net->n_stages; s++) {
        bool is_last = s == net->n_stages - 1;
        float *target = is_last ? infer->logits + (ptrdiff_t)first * net->spec.classes : y;
        net->stages[s].ops->infer(&net->stages[s], x, target, count, thread);
        y = x;
        x = target;
    }
}

static void
infer(infer_t *job)
{
    enum { PIECES = 1024 }; /* at a time */
    network_t *net = job->net;
    int buffers = 2 * threads_count(net->threads);
    if (!net->infer) {
        net->infer = engine_alloc((size_t)buffers * sizeof(float *));
        for (int i = 0; i < buffers; i++)
            net->infer[i] = engine_alloc(PASS_INFER_CHUNK * net->infer_count * sizeof(float));
    }
    renew(net);
    for (int n = job->n; n > 0; n -= PIECES * PASS_INFER_CHUNK) {
        job->n = n < PIECES * PASS_INFER_CHUNK ? n : PIECES * PASS_INFER_CHUNK;
        threads_run(net->threads, (job->n + PASS_INFER_CHUNK - 1) / PASS_INFER_CHUNK, infer_piece,
                    job);
        if (job->images)
            job->images += job->n;
        else
            job->x += (size_t)job->n * image_count(net->spec.input);
        job->logits += (ptrdiff_t)job->n * net->spec.classes;
    }
}

void
network_infer(network_t *net, const uint8_t *const *images, int n, float *logits)
{
    infer(&(infer_t){.net = net, .images = images, .n = n, .logits = logits});
}

void
network_forward(network_t *net, const float *x, int n, float *logits)
{
    infer(&(infer_t){.net = net, .x = x, .n = n, .logits = logits});
}

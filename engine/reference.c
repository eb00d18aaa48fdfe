/* engine/reference.c - the whole network once more, as plainly as it can be said, in double
 * precision.
 *
 * Letters: N images; C, H, W in; K, P, Q out; kernels of R by R; stride s, padding p. Forward and
 * backward of a layer stand side by side. Backward functions add to dx and dw. */
#include "engine/reference.h"

#include "engine/spec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const layer_spec_t *spec;
    int N;
    image_shape_t in, out;
    const float *w; /* the layer's parameters, weight then bias */
    double *dw;     /* of the same layout */
    double *x, *dx; /* (N, in) */
    double *y, *dy; /* (N, out) */
} layer_t;

static size_t
at(image_shape_t shape, int n, int c, int i, int j)
{
    return (((size_t)n * (size_t)shape.channels + (size_t)c) * (size_t)shape.height + (size_t)i) *
               (size_t)shape.width +
           (size_t)j;
}

/* Calls visit for every pair of an output (n, k, i, j) and an input (n, c, a, b) that a kernel
 * joins at (u, v). */
typedef void visit_t(const layer_t *l, size_t y, size_t x, size_t w);

static void
conv_visit(const layer_t *l, visit_t *visit)
{
    int R = l->spec->kernel, s = spec_stride(l->spec), p = l->spec->padding, C = l->in.channels;
    for (int n = 0; n < l->N; n++)
        for (int k = 0; k < l->out.channels; k++)
            for (int i = 0; i < l->out.height; i++)
                for (int j = 0; j < l->out.width; j++)
                    for (int c = 0; c < C; c++)
                        for (int u = 0; u < R; u++)
                            for (int v = 0; v < R; v++) {
                                int a = i * s + u - p, b = j * s + v - p;
                                if (a >= 0 && a < l->in.height && b >= 0 && b < l->in.width)
                                    visit(l, at(l->out, n, k, i, j), at(l->in, n, c, a, b),
                                          (size_t)(((k * C + c) * R + u) * R + v));
                            }
}

static void
product_forward(const layer_t *l, size_t y, size_t x, size_t w)
{
    l->y[y] += (double)l->w[w] * l->x[x];
}

static void
product_backward(const layer_t *l, size_t y, size_t x, size_t w)
{
    l->dw[w] += l->dy[y] * l->x[x];
    l->dx[x] += l->dy[y] * (double)l->w[w];
}

static void
dense_visit(const layer_t *l, visit_t *visit)
{
    size_t C = image_count(l->in), K = image_count(l->out);
    for (size_t n = 0; n < (size_t)l->N; n++)
        for (size_t k = 0; k < K; k++)
            for (size_t c = 0; c < C; c++)
                visit(l, n * K + k, n * C + c, k * C + c);
}

/* The bias of conv and dense follows COUNT weights. */
static void
bias_forward(const layer_t *l, size_t count)
{
    size_t pixels = (size_t)l->out.height * (size_t)l->out.width;
    for (size_t i = 0; i < (size_t)l->N * image_count(l->out); i++)
        l->y[i] = (double)l->w[count + i / pixels % (size_t)l->out.channels];
}

static void
bias_backward(const layer_t *l, size_t count)
{
    size_t pixels = (size_t)l->out.height * (size_t)l->out.width;
    for (size_t i = 0; i < (size_t)l->N * image_count(l->out); i++)
        l->dw[count + i / pixels % (size_t)l->out.channels] += l->dy[i];
}

static void
relu_forward(const layer_t *l)
{
    for (size_t i = 0; i < (size_t)l->N * image_count(l->in); i++)
        l->y[i] = l->x[i] > 0 ? l->x[i] : 0;
}

static void
relu_backward(const layer_t *l)
{
    for (size_t i = 0; i < (size_t)l->N * image_count(l->in); i++)
        l->dx[i] += l->x[i] > 0 ? l->dy[i] : 0;
}

/* Both pools, both ways. The first of equal maxima takes the gradient. */
static void
pool(const layer_t *l, bool is_backward)
{
    int R = l->spec->kernel, s = spec_stride(l->spec), p = l->spec->padding;
    bool is_max = l->spec->kind == LAYER_MAX_POOL;
    for (int n = 0; n < l->N; n++)
        for (int c = 0; c < l->in.channels; c++)
            for (int i = 0; i < l->out.height; i++)
                for (int j = 0; j < l->out.width; j++) {
                    size_t y = at(l->out, n, c, i, j), winner = SIZE_MAX;
                    double sum = 0;
                    for (int a = i * s - p; a < i * s - p + R; a++)
                        for (int b = j * s - p; b < j * s - p + R; b++) {
                            if (a < 0 || a >= l->in.height || b < 0 || b >= l->in.width)
                                continue;
                            size_t x = at(l->in, n, c, a, b);
                            sum += l->x[x];
                            if (winner == SIZE_MAX || l->x[x] > l->x[winner])
                                winner = x;
                            if (is_backward && !is_max)
                                l->dx[x] += l->dy[y] / (R * R);
                        }
                    if (is_backward && is_max)
                        l->dx[winner] += l->dy[y];
                    if (!is_backward)
                        l->y[y] = is_max ? l->x[winner] : sum / (R * R);
                }
}

/* https://arxiv.org/abs/1502.03167, algorithm 1 and the derivatives after it, for one channel. */
static void
batch_norm(const layer_t *l, int c, bool is_backward)
{
    int C = l->in.channels, H = l->in.height, W = l->in.width;
    double M = (double)l->N * H * W, mean = 0, variance = 0, dg = 0, db = 0;
    for (int n = 0; n < l->N; n++)
        for (int i = 0; i < H * W; i++)
            mean += l->x[at(l->in, n, c, 0, i)] / M;
    for (int n = 0; n < l->N; n++)
        for (int i = 0; i < H * W; i++)
            variance += pow(l->x[at(l->in, n, c, 0, i)] - mean, 2) / M;
    double scale = 1 / sqrt(variance + 1e-5), gamma = (double)l->w[c], beta = (double)l->w[C + c];
    for (int n = 0; n < l->N; n++)
        for (int i = 0; i < H * W; i++) {
            size_t x = at(l->in, n, c, 0, i);
            double z = (l->x[x] - mean) * scale;
            if (!is_backward)
                l->y[x] = gamma * z + beta;
            dg += is_backward ? l->dy[x] * z : 0;
            db += is_backward ? l->dy[x] : 0;
        }
    if (!is_backward)
        return;
    l->dw[c] += dg;
    l->dw[C + c] += db;
    for (int n = 0; n < l->N; n++)
        for (int i = 0; i < H * W; i++) {
            size_t x = at(l->in, n, c, 0, i);
            double z = (l->x[x] - mean) * scale;
            l->dx[x] += gamma * scale * (l->dy[x] - db / M - z * dg / M);
        }
}

static void
forward(const layer_t *l)
{
    size_t conv_weights = (size_t)l->out.channels * (size_t)l->in.channels *
                          (size_t)l->spec->kernel * (size_t)l->spec->kernel;
    switch (l->spec->kind) {
    case LAYER_CONV:
        bias_forward(l, conv_weights);
        conv_visit(l, product_forward);
        break;
    case LAYER_DENSE:
        bias_forward(l, image_count(l->in) * image_count(l->out));
        dense_visit(l, product_forward);
        break;
    case LAYER_RELU:
        relu_forward(l);
        break;
    case LAYER_MAX_POOL:
    case LAYER_AVG_POOL:
        pool(l, false);
        break;
    case LAYER_BATCH_NORM:
        for (int c = 0; c < l->in.channels; c++)
            batch_norm(l, c, false);
        break;
    case LAYER_DROPOUT:
        memcpy(l->y, l->x, (size_t)l->N * image_count(l->in) * sizeof(double));
        break;
    }
}

static void
backward(const layer_t *l)
{
    size_t conv_weights = (size_t)l->out.channels * (size_t)l->in.channels *
                          (size_t)l->spec->kernel * (size_t)l->spec->kernel;
    switch (l->spec->kind) {
    case LAYER_CONV:
        bias_backward(l, conv_weights);
        conv_visit(l, product_backward);
        break;
    case LAYER_DENSE:
        bias_backward(l, image_count(l->in) * image_count(l->out));
        dense_visit(l, product_backward);
        break;
    case LAYER_RELU:
        relu_backward(l);
        break;
    case LAYER_MAX_POOL:
    case LAYER_AVG_POOL:
        pool(l, true);
        break;
    case LAYER_BATCH_NORM:
        for (int c = 0; c < l->in.channels; c++)
            batch_norm(l, c, true);
        break;
    case LAYER_DROPOUT:
        memcpy(l->dx, l->dy, (size_t)l->N * image_count(l->in) * sizeof(double));
        break;
    }
}

static double
softmax(const double *logits, double *d, const uint8_t *labels, int N, int classes)
{
    double loss = 0;
    for (int n = 0; n < N; n++, logits += classes, d += classes) {
        double sum = 0;
        for (int k = 0; k < classes; k++)
            sum += exp(logits[k]);
        for (int k = 0; k < classes; k++)
            d[k] = (exp(logits[k]) / sum - (k == labels[n])) / N;
        loss += (log(sum) - logits[labels[n]]) / N;
    }
    return loss;
}

double
reference_gradient(const network_spec_t *spec, const float *parameters, const float *x,
                   const uint8_t *labels, int n, double *gradients, double *dx)
{
    layer_t layers[NETWORK_LAYERS_MAX];
    double *values[NETWORK_LAYERS_MAX + 1], *slopes[NETWORK_LAYERS_MAX + 1];
    image_shape_t shape = spec->input;
    size_t offset = 0, in = (size_t)n * image_count(shape);
    double *dw = NULL;
    values[0] = engine_alloc(in * sizeof(double));
    slopes[0] = engine_alloc(in * sizeof(double));
    for (size_t i = 0; i < in; i++)
        values[0][i] = (double)x[i];
    for (int l = 0; l < spec->n_layers; l++) {
        layer_t *layer = &layers[l];
        tensor_view_t tensors[4];
        *layer = (layer_t){.spec = &spec->layers[l], .N = n, .in = shape};
        int n_tensors = spec_layer_tensors(spec, l, shape, tensors);
        spec_layer_output(spec, l, shape, &shape, NULL);
        layer->out = shape;
        layer->w = parameters + offset;
        for (int t = 0; t < n_tensors; t++)
            offset += tensors[t].count;
        values[l + 1] = engine_alloc((size_t)n * image_count(shape) * sizeof(double));
        slopes[l + 1] = engine_alloc((size_t)n * image_count(shape) * sizeof(double));
        layer->x = values[l];
        layer->dx = slopes[l];
        layer->y = values[l + 1];
        layer->dy = slopes[l + 1];
        forward(layer);
    }
    int last = spec->n_layers;
    double loss = softmax(values[last], slopes[last], labels, n, spec->classes);
    dw = engine_alloc(offset * sizeof(double));
    for (int l = last - 1; l >= 0; l--) {
        layers[l].dw = dw + (layers[l].w - parameters);
        backward(&layers[l]);
    }
    if (gradients)
        memcpy(gradients, dw, offset * sizeof(double));
    if (dx)
        memcpy(dx, slopes[0], in * sizeof(double));
    for (int l = 0; l <= last; l++) {
        free(values[l]);
        free(slopes[l]);
    }
    free(dw);
    return loss;
}

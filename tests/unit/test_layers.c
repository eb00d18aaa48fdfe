/* tests/unit/test_layers.c - every layer against hand-worked numbers, the plain reference, finite
 * differences, and itself on other numbers of threads. */
#include "engine/network.h"
#include "engine/reference.h"
#include "engine/rng.h"
#include "engine/step.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static rng_t rng;

static network_t *
new_net(const network_spec_t *spec, int batch_max, int threads)
{
    network_t *net = NULL;
    engine_error_t error;
    if (network_new(&net, spec, batch_max, threads, &error))
        fail_msg("%s", error.text);
    network_initialize(net, 7);
    return net;
}

/* Gradient and input gradient of a batch against the reference. Errors are judged against the
 * tensor's largest value: a sum of s products of size 1 is off by some sqrt(s) 6e-8, and no sum
 * here has more than 10,000. */
static void
check_close(const char *what, const float *values, const double *expected, size_t count)
{
    double largest = 1e-2;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs(expected[i]));
    for (size_t i = 0; i < count; i++)
        if (!(fabs((double)values[i] - expected[i]) <= 1e-5 * largest))
            fail_msg("%s[%zu] = %.8g, the reference has %.8g", what, i, (double)values[i],
                     expected[i]);
}

static void
draw_inputs(const network_spec_t *spec, int n, float *x, uint8_t *labels)
{
    for (size_t i = 0; i < (size_t)n * image_count(spec->input); i++)
        x[i] = (float)(2 * rng_uniform(&rng) - 1);
    for (int i = 0; i < n; i++)
        labels[i] = (uint8_t)rng_below(&rng, (uint32_t)spec->classes);
}

static void
check_against_reference(network_t *net, const float *x, const uint8_t *labels, int n)
{
    const network_spec_t *spec = network_spec(net);
    size_t count = network_parameter_count(net), in = (size_t)n * image_count(spec->input);
    float *dx = engine_alloc(in * sizeof(float));
    double *gradients = engine_alloc(count * sizeof(double));
    double *dx_expected = engine_alloc(in * sizeof(double));
    double expected =
        reference_gradient(spec, network_parameters(net), x, labels, n, gradients, dx_expected);
    double loss = (double)network_gradient(net, x, labels, n, 0, dx);
    if (fabs(loss - expected) > 1e-5 * fmax(1, expected))
        fail_msg("loss %.9g, the reference has %.9g", loss, expected);
    for (int t = 0; t < network_tensor_count(net); t++) {
        const tensor_view_t *tensor = &network_tensors(net)[t];
        check_close(tensor->name, network_gradients(net) + tensor->offset,
                    gradients + tensor->offset, tensor->count);
    }
    check_close("dx", dx, dx_expected, in);
    free(dx);
    free(gradients);
    free(dx_expected);
}

/* A net of the layer alone, dense layers after it, on a random batch of each size up to batch_max.
 */
static void
check_layer(image_shape_t input, layer_spec_t layer, bool is_followed_by_relu, int batch_max)
{
    network_spec_t spec = {.input = input, .classes = 3};
    spec.layers[spec.n_layers++] = layer;
    if (is_followed_by_relu)
        spec.layers[spec.n_layers++] = (layer_spec_t){.kind = LAYER_RELU};
    spec.layers[spec.n_layers++] = (layer_spec_t){.kind = LAYER_DENSE, .outputs = 3};
    network_t *net = new_net(&spec, batch_max, 2);
    float *x = engine_alloc((size_t)batch_max * image_count(input) * sizeof(float));
    uint8_t *labels = engine_alloc((size_t)batch_max);
    for (int n = batch_max; n > 0; n = n * 2 / 3) {
        draw_inputs(&spec, n, x, labels);
        check_against_reference(net, x, labels, n);
    }
    free(x);
    free(labels);
    network_free(&net);
}

static int
draw(int low, int high)
{
    return low + (int)rng_below(&rng, (uint32_t)(high - low + 1));
}

static void
check_random_windows(layer_kind_t kind, int repeats)
{
    for (int i = 0; i < repeats; i++) {
        image_shape_t input = {draw(1, 5), draw(1, 17), draw(1, 17)};
        layer_spec_t layer = {.kind = kind, .outputs = draw(1, 9), .kernel = draw(1, 6)};
        layer.stride = draw(1, 4);
        layer.padding = kind == LAYER_CONV ? draw(0, 4) : draw(0, layer.kernel / 2);
        int side = layer.kernel - 2 * layer.padding;
        input.height = input.height > side ? input.height : side;
        input.width = input.width > side ? input.width : side;
        check_layer(input, layer, draw(0, 1), draw(1, 35));
    }
}

/* The convolution of the paper's figure 2 kind, worked by hand: a 4x4 image, a 2x2 kernel, no
 * padding. The classes' logits read single outputs of it. */
static void
a_convolution_worked_by_hand(void **state)
{
    (void)state;
    network_spec_t spec = {.input = {1, 4, 4},
                           .classes = 9,
                           .n_layers = 2,
                           .layers = {{.kind = LAYER_CONV, .outputs = 1, .kernel = 2},
                                      {.kind = LAYER_DENSE, .outputs = 9}}};
    const float image[16] = {1, 0, 2, 1, 0, 1, 1, 0, 2, 1, 0, 1, 1, 0, 1, 2};
    const float kernel[4] = {1, 0, -1, 2}, bias = 0.5f;
    /* For example the first: 1*1 + 0*0 + 0*-1 + 1*2 + 0.5. */
    const float expected[9] = {3.5f, 1.5f, 1.5f, 0.5f, 0.5f, 3.5f, 1.5f, 3.5f, 3.5f};
    network_t *net = new_net(&spec, 1, 1);
    float *parameters = network_parameters(net), logits[9];
    memset(parameters, 0, network_parameter_count(net) * sizeof(float));
    memcpy(parameters, kernel, sizeof kernel);
    parameters[4] = bias;
    for (int k = 0; k < 9; k++)
        parameters[5 + 9 * k + k] = 1;
    network_forward(net, image, 1, logits);
    assert_memory_equal(logits, expected, sizeof expected);
    network_free(&net);
}

static void
padding_keeps_the_image_size(void **state)
{
    (void)state;
    network_spec_t spec = {.input = {1, 5, 7},
                           .classes = 2,
                           .n_layers = 2,
                           .layers = {{.kind = LAYER_CONV, .outputs = 1, .kernel = 3, .padding = 1},
                                      {.kind = LAYER_DENSE, .outputs = 2}}};
    network_t *net = new_net(&spec, 1, 1);
    assert_int_equal(network_tensor(net, "fc1.weight")->dims[1], 5 * 7);
    network_free(&net);
}

static void
convolutions_of_random_shapes_match_the_reference(void **state)
{
    (void)state;
    check_random_windows(LAYER_CONV, 60);
    /* More than one tile of columns. */
    check_layer((image_shape_t){16, 40, 33},
                (layer_spec_t){.kind = LAYER_CONV, .outputs = 3, .kernel = 3, .padding = 1}, true,
                2);
}

static void
max_pools_of_random_shapes_match_the_reference(void **state)
{
    (void)state;
    check_random_windows(LAYER_MAX_POOL, 40);
    check_layer((image_shape_t){3, 16, 18}, (layer_spec_t){.kind = LAYER_MAX_POOL, .kernel = 2},
                false, 9);
}

static void
average_pools_of_random_shapes_match_the_reference(void **state)
{
    (void)state;
    check_random_windows(LAYER_AVG_POOL, 40);
    check_layer((image_shape_t){3, 16, 18}, (layer_spec_t){.kind = LAYER_AVG_POOL, .kernel = 2},
                false, 9);
}

static void
dense_layers_of_random_shapes_match_the_reference(void **state)
{
    (void)state;
    for (int i = 0; i < 30; i++)
        check_layer((image_shape_t){draw(1, 3), draw(1, 12), draw(1, 12)},
                    (layer_spec_t){.kind = LAYER_DENSE, .outputs = draw(1, 70)}, draw(0, 1),
                    draw(1, 40));
}

static void
batch_norm_matches_the_reference(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        check_layer((image_shape_t){draw(1, 20), draw(2, 9), draw(2, 9)},
                    (layer_spec_t){.kind = LAYER_BATCH_NORM}, draw(0, 1), draw(2, 20));
}

static void
equal_values_in_a_pool_send_the_gradient_to_the_first(void **state)
{
    (void)state;
    network_spec_t spec = network_spec_lenet((image_shape_t){3, 32, 32}, 10);
    network_t *net = new_net(&spec, 3, 1);
    float *x = engine_alloc(3 * 3072 * sizeof(float));
    uint8_t labels[3] = {1, 2, 3};
    for (size_t i = 0; i < 3 * 3072; i++)
        x[i] = i < 3072 ? 0.5f : i < 6144 ? -1 : 0; /* every window of the image is a tie */
    check_against_reference(net, x, labels, 3);
    free(x);
    network_free(&net);
}

/* The paper's net with the biases of its convolutions shifted: SHIFT makes all units active, or
 * none. */
static void
check_lenet_with_shift(float shift, image_shape_t input, int n)
{
    network_spec_t spec = network_spec_lenet(input, 10);
    network_t *net = new_net(&spec, n, 2);
    float *x = engine_alloc((size_t)n * image_count(input) * sizeof(float));
    uint8_t *labels = engine_alloc((size_t)n);
    draw_inputs(&spec, n, x, labels);
    for (int t = 0; t < network_tensor_count(net); t++) {
        const tensor_view_t *tensor = &network_tensors(net)[t];
        for (size_t i = 0; tensor->n_dims == 1 && i < tensor->count; i++)
            network_parameters(net)[tensor->offset + i] += shift;
    }
    check_against_reference(net, x, labels, n);
    free(x);
    free(labels);
    network_free(&net);
}

static void
the_papers_net_matches_the_reference_at_any_sparsity(void **state)
{
    (void)state;
    const image_shape_t paper = {3, 32, 32};
    const float shifts[] = {0, 3, -3, -0.2f, 0.1f};
    for (int i = 0; i < 5; i++)
        check_lenet_with_shift(shifts[i], paper, 3 + i);
    check_lenet_with_shift(0, paper, 32);
    check_lenet_with_shift(0, paper, 1);
}

static void
the_papers_net_matches_the_reference_on_other_images(void **state)
{
    (void)state;
    for (int i = 0; i < 12; i++)
        check_lenet_with_shift(0, (image_shape_t){draw(1, 4), draw(16, 45), draw(16, 45)},
                               draw(1, 6));
    check_lenet_with_shift(0, (image_shape_t){1, 28, 28}, 4);
}

/* Gradients add up over the passes of a large batch; the step is made once, from all of them. */
static void
a_batch_of_several_passes_matches_the_reference(void **state)
{
    (void)state;
    network_spec_t spec = {.input = {2, 14, 12},
                           .classes = 5,
                           .n_layers = 8,
                           .layers = {{.kind = LAYER_CONV, .outputs = 6, .kernel = 5},
                                      {.kind = LAYER_RELU},
                                      {.kind = LAYER_MAX_POOL, .kernel = 2},
                                      {.kind = LAYER_CONV, .outputs = 7, .kernel = 3},
                                      {.kind = LAYER_RELU},
                                      {.kind = LAYER_DENSE, .outputs = 40},
                                      {.kind = LAYER_RELU},
                                      {.kind = LAYER_DENSE, .outputs = 5}}};
    const int batches[] = {200, 131, 67, 129};
    size_t in = image_count(spec.input);
    float *x = engine_alloc(200 * in * sizeof(float));
    uint8_t *bytes = engine_alloc(200 * in), labels[200];
    const uint8_t *images[200];
    network_t *net = new_net(&spec, 200, 2);
    size_t count = network_parameter_count(net);
    float *before = engine_alloc(count * sizeof(float));
    for (size_t b = 0; b < sizeof batches / sizeof *batches; b++) {
        int n = batches[b];
        draw_inputs(&spec, n, x, labels);
        check_against_reference(net, x, labels, n);
        for (size_t i = 0; i < (size_t)n * in; i++) {
            bytes[i] = (uint8_t)rng_next(&rng);
            x[i] = ((float)bytes[i] / 255 - 0.5f) / 0.5f;
        }
        for (int i = 0; i < n; i++)
            images[i] = bytes + (size_t)i * in;
        network_gradient(net, x, labels, n, 0, NULL);
        memcpy(before, network_parameters(net), count * sizeof(float));
        sgd_t sgd = {.rate = 0.5f,
                     .momentum = 0.9f,
                     .parameters = network_parameters(net),
                     .velocity = engine_alloc(count * sizeof(float))};
        network_train(net, images, labels, n, &sgd, 0);
        for (size_t i = 0; i < count; i++)
            assert_true(fabsf(network_parameters(net)[i] -
                              (before[i] - 0.5f * network_gradients(net)[i])) <= 1e-6f);
        free(sgd.velocity);
    }
    free(x);
    free(bytes);
    free(before);
    network_free(&net);
}

/* (loss(w + h) - loss(w - h))/2h in double precision against the engine's gradient: a check that
 * does not go through anybody's idea of the derivative. */
static void
backward_matches_finite_differences(void **state)
{
    (void)state;
    network_spec_t spec = {.input = {2, 9, 8},
                           .classes = 3,
                           .n_layers = 8,
                           .layers = {{.kind = LAYER_CONV, .outputs = 3, .kernel = 3, .padding = 1},
                                      {.kind = LAYER_BATCH_NORM},
                                      {.kind = LAYER_AVG_POOL, .kernel = 2, .stride = 1},
                                      {.kind = LAYER_CONV, .outputs = 2, .kernel = 2, .stride = 2},
                                      {.kind = LAYER_MAX_POOL, .kernel = 2, .stride = 1},
                                      {.kind = LAYER_DENSE, .outputs = 5},
                                      {.kind = LAYER_RELU},
                                      {.kind = LAYER_DENSE, .outputs = 3}}};
    network_t *net = new_net(&spec, 4, 1);
    float x[4 * 2 * 9 * 8];
    uint8_t labels[4];
    draw_inputs(&spec, 4, x, labels);
    network_gradient(net, x, labels, 4, 0, NULL);
    float *parameters = network_parameters(net);
    for (int t = 0; t < network_tensor_count(net); t++) {
        const tensor_view_t *tensor = &network_tensors(net)[t];
        for (size_t i = 0; tensor->is_trained && i < tensor->count; i++) {
            float *w = &parameters[tensor->offset + i], kept = *w;
            *w = kept + 1e-3f;
            double up = reference_gradient(&spec, parameters, x, labels, 4, NULL, NULL);
            double above = (double)*w;
            *w = kept - 1e-3f;
            double down = reference_gradient(&spec, parameters, x, labels, 4, NULL, NULL);
            double slope = (up - down) / (above - (double)*w);
            *w = kept;
            double value = (double)network_gradients(net)[tensor->offset + i];
            if (fabs(value - slope) > 2e-4)
                fail_msg("%s[%zu]: %.7g, the difference quotient is %.7g", tensor->name, i, value,
                         slope);
        }
    }
    network_free(&net);
}

static void
train_some(network_t *net, int n, int steps)
{
    const network_spec_t *spec = network_spec(net);
    size_t count = image_count(spec->input);
    uint8_t *bytes = engine_alloc((size_t)n * count), *labels = engine_alloc((size_t)n);
    const uint8_t **images = engine_alloc((size_t)n * sizeof *images);
    sgd_t sgd = {
        .rate = 0.01f, .momentum = 0.9f, .decay = 1e-3f, .parameters = network_parameters(net)};
    sgd.velocity = engine_alloc(network_parameter_count(net) * sizeof(float));
    rng_seed(&rng, 5, RNG_WEIGHTS, 0);
    for (int step = 0; step < steps; step++) {
        for (size_t i = 0; i < (size_t)n * count; i++)
            bytes[i] = (uint8_t)rng_next(&rng);
        for (int i = 0; i < n; i++) {
            images[i] = bytes + (size_t)i * count;
            labels[i] = (uint8_t)rng_below(&rng, (uint32_t)spec->classes);
        }
        /* The last batch of an epoch has fewer; of one image some threads see nothing. */
        int size = step == 1 ? 1 : step == 2 ? (n + 1) / 2 : n;
        network_train(net, images, labels, size, &sgd, (uint64_t)step);
    }
    free(bytes);
    free(labels);
    free(images);
    free(sgd.velocity);
}

static void
check_same_bits(const network_spec_t *spec, int n)
{
    network_t *one = new_net(spec, n, 1);
    size_t count = network_parameter_count(one);
    train_some(one, n, 4);
    network_t *untrained = new_net(spec, 0, 2); /* has the parameters, and no memory to train */
    memcpy(network_parameters(untrained), network_parameters(one), count * sizeof(float));
    assert_null(network_gradients(untrained));
    float *x = engine_alloc(100 * image_count(spec->input) * sizeof(float));
    float logits[2][100 * 10];
    for (size_t i = 0; i < 100 * image_count(spec->input); i++)
        x[i] = (float)(2 * rng_uniform(&rng) - 1);
    network_forward(one, x, 100, logits[0]);
    network_forward(untrained, x, 100, logits[1]);
    assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
    network_free(&untrained);
    for (int threads = 2; threads <= 4; threads++) {
        network_t *net = new_net(spec, n, threads);
        train_some(net, n, 4);
        assert_memory_equal(network_parameters(net), network_parameters(one),
                            count * sizeof(float));
        network_forward(net, x, 100, logits[1]);
        assert_memory_equal(logits[0], logits[1], sizeof logits[0]);
        network_free(&net);
    }
    free(x);
    network_free(&one);
}

static void
any_number_of_threads_gives_the_same_bits(void **state)
{
    (void)state;
    network_spec_t lenet = network_spec_lenet((image_shape_t){3, 32, 32}, 10);
    network_spec_t mixed = {
        .input = {2, 13, 11},
        .classes = 10,
        .n_layers = 8,
        .layers = {{.kind = LAYER_CONV, .outputs = 20, .kernel = 3, .padding = 1},
                   {.kind = LAYER_BATCH_NORM},
                   {.kind = LAYER_RELU},
                   {.kind = LAYER_AVG_POOL, .kernel = 2},
                   {.kind = LAYER_DROPOUT, .rate = 0.3f},
                   {.kind = LAYER_DENSE, .outputs = 300},
                   {.kind = LAYER_RELU},
                   {.kind = LAYER_DENSE, .outputs = 10}}};
    const int batches[] = {1, 3, 4, 32, 65, 150};
    for (int i = 0; i < 6; i++) {
        check_same_bits(&lenet, batches[i]);
        check_same_bits(&mixed, batches[i]);
    }
}

/* Forward alone, in chunks, is the training's forward pass. */
static void
inference_agrees_with_training(void **state)
{
    (void)state;
    network_spec_t spec = network_spec_lenet((image_shape_t){3, 32, 32}, 10);
    network_t *net = new_net(&spec, 70, 1);
    float *x = engine_alloc(70 * 3072 * sizeof(float)), logits[70 * 10];
    uint8_t labels[70];
    draw_inputs(&spec, 70, x, labels);
    network_forward(net, x, 70, logits);
    double loss = 0;
    for (int n = 0; n < 70; n++)
        loss += softmax_loss(logits + (ptrdiff_t)n * 10, 10, labels[n], 1, NULL) / 70;
    double expected = (double)network_gradient(net, x, labels, 70, 0, NULL);
    assert_true(fabs(loss - expected) < 1e-5);
    free(x);
    network_free(&net);
}

static void
dropout_drops_its_share_and_keeps_the_mean(void **state)
{
    (void)state;
    network_spec_t spec = {
        .input = {1, 50, 50},
        .classes = 2,
        .n_layers = 2,
        .layers = {{.kind = LAYER_DROPOUT, .rate = 0.25f}, {.kind = LAYER_DENSE, .outputs = 2}}};
    network_t *net = new_net(&spec, 4, 1);
    float *x = engine_alloc(4 * 2500 * sizeof(float)), *dx = engine_alloc(4 * 2500 * sizeof(float));
    uint8_t labels[4] = {0, 0, 0, 0};
    int dropped = 0, dropped_again = 0, both = 0;
    for (size_t i = 0; i < 4 * 2500; i++)
        x[i] = 1;
    float *first = engine_alloc(4 * 2500 * sizeof(float));
    network_gradient(net, x, labels, 4, 1, first);
    network_gradient(net, x, labels, 4, 2, dx);
    for (size_t i = 0; i < 4 * 2500; i++) {
        dropped += first[i] == 0;
        dropped_again += dx[i] == 0;
        both += first[i] == 0 && dx[i] == 0;
    }
    assert_in_range(dropped, 2300, 2700);
    assert_in_range(dropped_again, 2300, 2700);
    assert_in_range(both, 500, 750); /* a sixteenth: the steps' masks are independent */
    free(first);
    free(x);
    free(dx);
    network_free(&net);
}

static void
dropout_does_nothing_at_evaluation(void **state)
{
    (void)state;
    network_spec_t spec = {
        .input = {1, 2, 2},
        .classes = 2,
        .n_layers = 2,
        .layers = {{.kind = LAYER_DROPOUT, .rate = 0.9f}, {.kind = LAYER_DENSE, .outputs = 2}}};
    network_t *net = new_net(&spec, 1, 1);
    float x[4] = {1, 2, 3, 4}, logits[2];
    const float *w = network_parameters(net);
    network_forward(net, x, 1, logits);
    float expected = w[0] * 1 + w[1] * 2 + w[2] * 3 + w[3] * 4 + w[8];
    assert_true(fabsf(logits[0] - expected) < 1e-5f);
    network_free(&net);
}

static int
seed_rng(void **state)
{
    (void)state;
    rng_seed(&rng, 1, RNG_WEIGHTS, 99);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup(name, seed_rng)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_convolution_worked_by_hand),
        TEST(padding_keeps_the_image_size),
        TEST(convolutions_of_random_shapes_match_the_reference),
        TEST(max_pools_of_random_shapes_match_the_reference),
        TEST(average_pools_of_random_shapes_match_the_reference),
        TEST(dense_layers_of_random_shapes_match_the_reference),
        TEST(batch_norm_matches_the_reference),
        TEST(a_batch_of_several_passes_matches_the_reference),
        TEST(equal_values_in_a_pool_send_the_gradient_to_the_first),
        TEST(the_papers_net_matches_the_reference_at_any_sparsity),
        TEST(the_papers_net_matches_the_reference_on_other_images),
        TEST(backward_matches_finite_differences),
        TEST(any_number_of_threads_gives_the_same_bits),
        TEST(inference_agrees_with_training),
        TEST(dropout_drops_its_share_and_keeps_the_mean),
        TEST(dropout_does_nothing_at_evaluation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tests/unit/test_golden.c - gradients and ten steps of losses against PyTorch's, from
 * tests/data/engine_golden.txt.
 *
 * tests/golden/make_engine.py made the numbers from the same generator as below. */
#include "engine/network.h"
#include "engine/step.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { BATCH_MAX = 5, IMAGE_MAX = 3072 };

static uint32_t noise_state;

static double
noise(void)
{
    noise_state = noise_state * 1664525u + 1013904223u;
    return (double)(noise_state >> 8) / 16777216.0;
}

typedef struct {
    const char *name;
    int batch;
    network_spec_t spec;
} golden_t;

static golden_t
golden_net(const char *name)
{
    if (strcmp(name, "lenet") == 0)
        return (golden_t){"lenet", 4, network_spec_lenet((image_shape_t){3, 32, 32}, 10)};
    return (golden_t){
        "mixed",
        5,
        {.input = {2, 13, 11},
         .classes = 3,
         .n_layers = 9,
         .layers = {{.kind = LAYER_CONV, .outputs = 5, .kernel = 3, .padding = 1},
                    {.kind = LAYER_BATCH_NORM},
                    {.kind = LAYER_RELU},
                    {.kind = LAYER_AVG_POOL, .kernel = 3, .stride = 2, .padding = 1},
                    {.kind = LAYER_CONV, .outputs = 4, .kernel = 4, .stride = 2, .padding = 2},
                    {.kind = LAYER_MAX_POOL, .kernel = 3, .stride = 1, .padding = 1},
                    {.kind = LAYER_DENSE, .outputs = 7},
                    {.kind = LAYER_RELU},
                    {.kind = LAYER_DENSE, .outputs = 3}}}};
}

static network_t *
new_net(const golden_t *golden, int threads)
{
    network_t *net = NULL;
    engine_error_t error;
    if (network_new(&net, &golden->spec, golden->batch, threads, &error))
        fail_msg("%s", error.text);
    network_initialize(net, 0);
    noise_state = 1;
    double bound = 1;
    for (int t = 0; t < network_tensor_count(net); t++) {
        const tensor_view_t *tensor = &network_tensors(net)[t];
        bool is_norm = strncmp(tensor->name, "bn", 2) == 0;
        bool is_weight = strstr(tensor->name, ".weight") != NULL;
        if (!tensor->is_trained)
            continue;
        if (is_weight && !is_norm)
            bound = sqrt(tensor->dims[0] / (double)tensor->count);
        for (size_t i = 0; i < tensor->count; i++)
            network_parameters(net)[tensor->offset + i] =
                (float)((is_weight && is_norm) + bound * (2 * noise() - 1));
    }
    return net;
}

typedef struct {
    uint8_t bytes[BATCH_MAX][IMAGE_MAX];
    const uint8_t *images[BATCH_MAX];
    float x[BATCH_MAX * IMAGE_MAX];
    uint8_t labels[BATCH_MAX];
} batch_t;

static void
draw_batch(const golden_t *golden, batch_t *batch)
{
    size_t count = image_count(golden->spec.input);
    for (int n = 0; n < golden->batch; n++) {
        batch->images[n] = batch->bytes[n];
        for (size_t i = 0; i < count; i++) {
            batch->bytes[n][i] = (uint8_t)(256 * noise());
            batch->x[(size_t)n * count + i] = ((float)batch->bytes[n][i] / 255 - 0.5f) / 0.5f;
        }
    }
    for (int n = 0; n < golden->batch; n++)
        batch->labels[n] = (uint8_t)(golden->spec.classes * noise());
}

/* One line: "gradient conv1.weight STRIDE NORM values". */
static void
check_gradient(network_t *net, char *line)
{
    char name[64];
    int stride, length;
    double norm, squares = 0, largest = 0;
    assert_int_equal(sscanf(line, "gradient %63s %d %lf%n", name, &stride, &norm, &length), 3);
    const tensor_view_t *tensor = network_tensor(net, name);
    assert_non_null(tensor);
    const float *values = network_gradients(net) + tensor->offset;
    for (size_t i = 0; i < tensor->count; i++) {
        squares += (double)values[i] * (double)values[i];
        largest = fmax(largest, fabs((double)values[i]));
    }
    if (fabs(sqrt(squares) - norm) > 1e-5 * norm + 1e-7)
        fail_msg("%s: norm %.9g, PyTorch has %.9g", name, sqrt(squares), norm);
    line += length;
    for (size_t i = 0; i < tensor->count; i += (size_t)stride) {
        double expected = strtod(line, &line), value = (double)values[i];
        if (fabs(value - expected) > 1e-5 * largest + 1e-7)
            fail_msg("%s[%zu]: %.9g, PyTorch has %.9g", name, i, value, expected);
    }
}

/* One line: "losses RATE MOMENTUM DECAY NESTEROV ten losses". Leaves the trained net. */
static network_t *
check_losses(const golden_t *golden, int threads, char *line)
{
    static batch_t batch;
    sgd_t sgd = {0};
    int nesterov, length;
    assert_int_equal(sscanf(line, "losses %f %f %f %d%n", &sgd.rate, &sgd.momentum, &sgd.decay,
                            &nesterov, &length),
                     4);
    network_t *net = new_net(golden, threads);
    sgd.is_nesterov = nesterov;
    sgd.parameters = network_parameters(net);
    sgd.velocity = engine_alloc(network_parameter_count(net) * sizeof(float));
    line += length;
    noise_state = 2;
    for (int step = 0; step < 10; step++) {
        draw_batch(golden, &batch);
        double loss =
            (double)network_train(net, batch.images, batch.labels, golden->batch, &sgd, 0);
        double expected = strtod(line, &line);
        if (fabs(loss - expected) > 2e-5 * expected)
            fail_msg("step %d: loss %.9g, PyTorch has %.9g", step, loss, expected);
    }
    free(sgd.velocity);
    return net;
}

static void
check_buffer(const network_t *net, char *line)
{
    char name[64];
    int length;
    assert_int_equal(sscanf(line, "buffer %63s%n", name, &length), 1);
    const tensor_view_t *tensor = network_tensor(net, name);
    assert_non_null(tensor);
    line += length;
    for (size_t i = 0; i < tensor->count; i++) {
        double expected = strtod(line, &line);
        double value = (double)network_parameters((network_t *)net)[tensor->offset + i];
        if (fabs(value - expected) > 1e-4 * fabs(expected) + 1e-6)
            fail_msg("%s[%zu]: %.9g, PyTorch has %.9g", name, i, value, expected);
    }
}

/* Checks every line of NAME's section that starts with KIND; returns how many. */
static int
check_section(const char *section, const char *kind, int threads)
{
    static char line[65536];
    static batch_t batch;
    golden_t golden = golden_net(section);
    network_t *net = NULL;
    int checked = 0;
    bool is_inside = false;
    FILE *file = fopen(TEST_DATA "/engine_golden.txt", "r");
    assert_non_null(file);
    while (fgets(line, sizeof line, file)) {
        char name[16];
        if (sscanf(line, "net %15s", name) == 1)
            is_inside = strcmp(name, section) == 0;
        if (!is_inside)
            continue;
        if (strcmp(kind, "losses") == 0 && strncmp(line, "losses", 6) == 0) {
            network_free(&net);
            net = check_losses(&golden, threads, line);
            checked++;
        }
        if (strcmp(kind, "losses") == 0 && strncmp(line, "buffer", 6) == 0)
            check_buffer(net, line);
        if (strcmp(kind, "gradient") == 0 && strncmp(line, "gradient", 8) == 0) {
            if (!net) {
                net = new_net(&golden, threads);
                noise_state = 2;
                draw_batch(&golden, &batch);
                network_gradient(net, batch.x, batch.labels, golden.batch, 0, NULL);
            }
            check_gradient(net, line);
            checked++;
        }
    }
    fclose(file);
    network_free(&net);
    return checked;
}

static void
gradients_of_the_papers_net_are_pytorchs(void **state)
{
    (void)state;
    assert_int_equal(check_section("lenet", "gradient", 1), 10);
}

static void
gradients_of_a_net_with_one_of_everything_are_pytorchs(void **state)
{
    (void)state;
    assert_int_equal(check_section("mixed", "gradient", 1), 10);
}

static void
ten_steps_of_the_papers_net_lose_what_pytorch_loses(void **state)
{
    (void)state;
    assert_int_equal(check_section("lenet", "losses", 1), 4);
    assert_int_equal(check_section("lenet", "losses", 3), 4);
}

static void
ten_steps_of_a_net_with_one_of_everything_lose_what_pytorch_loses(void **state)
{
    (void)state;
    assert_int_equal(check_section("mixed", "losses", 2), 4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gradients_of_the_papers_net_are_pytorchs),
        cmocka_unit_test(gradients_of_a_net_with_one_of_everything_are_pytorchs),
        cmocka_unit_test(ten_steps_of_the_papers_net_lose_what_pytorch_loses),
        cmocka_unit_test(ten_steps_of_a_net_with_one_of_everything_lose_what_pytorch_loses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tests/unit/test_trainer.c - training over ranges, evaluating, stopping, diverging. */
#include "engine/evaluate.h"
#include "engine/reference.h"
#include "engine/rng.h"
#include "engine/synthetic.h"
#include "engine/trainer.h"
#include "tests/support/folder.h"

#include <unistd.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { TRAIN = 600, TEST = 200 };
static const image_shape_t SHAPE = {3, 32, 32};
static char set_folder[128];

typedef struct {
    dataset_t *set;
    network_t *net;
    sampler_t *sampler;
    trainer_t *trainer;
} bench_t;

static void
open_bench(bench_t *bench, const network_spec_t *spec, trainer_settings_t settings, int epochs)
{
    engine_error_t error;
    *bench = (bench_t){0};
    snprintf(set_folder, sizeof set_folder, "%s/set", folder);
    if (access(set_folder, F_OK))
        assert_int_equal(
            synthetic_write(set_folder, &(synthetic_spec_t){SHAPE, 10, TRAIN, TEST, 1}, &error), 0);
    assert_int_equal(dataset_open(&bench->set, set_folder, SHAPE, 10, &error), 0);
    assert_int_equal(network_new(&bench->net, spec, settings.batch, 2, &error), 0);
    network_initialize(bench->net, 1);
    bench->sampler = sampler_new(&(sampler_spec_t){TRAIN, 1, 0, epochs, PARTITION_RESHUFFLED, 1});
    if (trainer_new(&bench->trainer, bench->net, bench->set, bench->sampler, &settings, &error))
        fail_msg("%s", error.text);
}

static void
close_bench(bench_t *bench, bool is_last)
{
    trainer_free(&bench->trainer);
    assert_null(bench->trainer);
    sampler_free(&bench->sampler);
    network_free(&bench->net);
    dataset_close(&bench->set);
    if (!is_last)
        return;
    char outer[64];
    strcpy(outer, folder);
    snprintf(folder, sizeof folder, "%.60s", set_folder);
    assert_int_equal(remove_folder(NULL), 0);
    strcpy(folder, outer);
}

static network_spec_t
small_net(void)
{
    return (network_spec_t){.input = SHAPE,
                            .classes = 10,
                            .n_layers = 4,
                            .layers = {{.kind = LAYER_AVG_POOL, .kernel = 8},
                                       {.kind = LAYER_DENSE, .outputs = 12},
                                       {.kind = LAYER_RELU},
                                       {.kind = LAYER_DENSE, .outputs = 10}}};
}

/* The range is trained again here, step by step in double, by the formula in engine/trainer.h. */
static void
check_against_formula(trainer_settings_t settings)
{
    bench_t bench;
    network_spec_t spec = small_net();
    trainer_progress_t result;
    open_bench(&bench, &spec, settings, 2);
    size_t count = network_parameter_count(bench.net), pixels = image_count(SHAPE);
    float *parameters = network_parameters(bench.net);
    float *w = engine_alloc(count * sizeof(float)),
          *x = engine_alloc((size_t)settings.batch * pixels * sizeof(float));
    double *v = engine_alloc(count * sizeof(double)), *g = engine_alloc(count * sizeof(double));
    double *exact = engine_alloc(count * sizeof(double)), sum = 0;
    uint8_t labels[64];
    uint32_t indices[64];
    for (size_t i = 0; i < count; i++)
        exact[i] = (double)(w[i] = parameters[i]);
    size_t n, end = TRAIN + 100;
    for (size_t at = 0; at < end; at += n) {
        n = sampler_take(bench.sampler, at, end, (size_t)settings.batch, indices);
        for (size_t s = 0; s < n; s++) {
            labels[s] = (uint8_t)dataset_label(bench.set, DATASET_TRAIN, indices[s]);
            for (size_t i = 0; i < pixels; i++)
                x[s * pixels + i] =
                    ((float)dataset_image(bench.set, DATASET_TRAIN, indices[s])[i] / 255 - 0.5f) /
                    0.5f;
        }
        sum += (double)n * reference_gradient(&spec, w, x, labels, (int)n, g, NULL);
        double rate = settings.learning_rate *
                      schedule_factor(&settings.schedule, sampler_epoch(bench.sampler, at), 2);
        for (size_t i = 0; i < count; i++) {
            double gradient = g[i] + settings.weight_decay * exact[i];
            v[i] = settings.momentum * v[i] + gradient;
            exact[i] -= rate * (settings.is_nesterov ? gradient + settings.momentum * v[i] : v[i]);
            w[i] = (float)exact[i];
        }
    }
    assert_int_equal(trainer_run(bench.trainer, 0, TRAIN, NULL, NULL, &result, NULL), 0);
    double loss = result.loss * TRAIN;
    assert_int_equal(trainer_run(bench.trainer, TRAIN, end, NULL, NULL, &result, NULL), 0);
    assert_int_equal(result.samples, 100);
    assert_int_equal(result.position, end);
    loss += result.loss * 100;
    assert_true(fabs(loss - sum) < 1e-4 * sum);
    for (size_t i = 0; i < count; i++)
        if (fabs((double)parameters[i] - exact[i]) > 2e-5)
            fail_msg("parameter %zu: %.8g, expected %.8g", i, (double)parameters[i], exact[i]);
    free(w);
    free(x);
    free(v);
    free(g);
    free(exact);
    close_bench(&bench, false);
}

static void
the_update_is_torch_optim_sgds(void **state)
{
    (void)state;
    check_against_formula((trainer_settings_t){.batch = 7, .learning_rate = 0.02, .momentum = 0.9});
    check_against_formula((trainer_settings_t){
        .batch = 32, .learning_rate = 0.05, .momentum = 0.8, .weight_decay = 0.01});
    check_against_formula((trainer_settings_t){.batch = 4,
                                               .learning_rate = 0.01,
                                               .momentum = 0.8,
                                               .weight_decay = 0.01,
                                               .is_nesterov = true});
    check_against_formula(
        (trainer_settings_t){.batch = 5,
                             .learning_rate = 0.03,
                             .schedule = {.kind = SCHEDULE_COSINE, .warmup_epochs = 0.3}});
    bench_t bench;
    network_spec_t spec = small_net();
    open_bench(&bench, &spec, (trainer_settings_t){.batch = 1}, 1);
    close_bench(&bench, true);
}

static void
a_stream_in_rounds_ends_with_the_bits_of_one_run(void **state)
{
    (void)state;
    bench_t whole, parts;
    network_spec_t spec = network_spec_lenet(SHAPE, 10);
    trainer_settings_t settings = {.batch = 4, .learning_rate = 0.005, .momentum = 0.9};
    trainer_progress_t result;
    open_bench(&whole, &spec, settings, 1);
    open_bench(&parts, &spec, settings, 1);
    size_t count = network_parameter_count(whole.net);
    assert_int_equal(trainer_run(whole.trainer, 0, TRAIN, NULL, NULL, &result, NULL), 0);
    for (int k = 0; k < 3; k++) {
        size_t first, end; /* of 200: whole batches */
        sampler_range(parts.sampler, k, 3, &first, &end);
        /* A checkpoint in between: another trainer that is given the velocity goes on as this one
         * would. */
        float *kept = engine_alloc(count * sizeof(float));
        memcpy(kept, trainer_velocity(parts.trainer), count * sizeof(float));
        trainer_free(&parts.trainer);
        assert_int_equal(
            trainer_new(&parts.trainer, parts.net, parts.set, parts.sampler, &settings, NULL), 0);
        memcpy(trainer_velocity(parts.trainer), kept, count * sizeof(float));
        free(kept);
        assert_int_equal(trainer_run(parts.trainer, first, end, NULL, NULL, &result, NULL), 0);
    }
    assert_memory_equal(network_parameters(whole.net), network_parameters(parts.net),
                        count * sizeof(float));
    close_bench(&whole, false);
    close_bench(&parts, true);
}

static int
stop_after_100(const trainer_progress_t *progress, void *arg)
{
    ++*(int *)arg;
    return progress->samples >= 100;
}

static void
a_callback_stops_training(void **state)
{
    (void)state;
    bench_t bench;
    network_spec_t spec = small_net();
    trainer_progress_t result;
    engine_error_t error = {""};
    int calls = 0;
    open_bench(&bench, &spec, (trainer_settings_t){.batch = 8, .learning_rate = 0.01}, 1);
    assert_int_equal(trainer_run(bench.trainer, 0, TRAIN, stop_after_100, &calls, &result, &error),
                     ENGINE_INTERRUPTED);
    assert_int_equal(result.samples, 104);
    assert_int_equal(calls, 13);
    assert_true(result.loss > 1 && result.loss < 4);
    assert_int_equal(trainer_run(bench.trainer, 50, 50, NULL, NULL, &result, &error), 0);
    assert_int_equal(result.samples, 0);
    close_bench(&bench, true);
}

static void
a_loss_that_is_no_number_ends_training(void **state)
{
    (void)state;
    bench_t bench;
    network_spec_t spec = network_spec_lenet(SHAPE, 10);
    trainer_progress_t result;
    engine_error_t error = {""};
    open_bench(&bench, &spec,
               (trainer_settings_t){.batch = 4, .learning_rate = 1e30, .momentum = 0.9}, 1);
    assert_int_equal(trainer_run(bench.trainer, 0, TRAIN, NULL, NULL, &result, &error),
                     ENGINE_DIVERGED);
    assert_non_null(strstr(error.text, "lower the learning rate"));
    assert_in_range(result.samples, 4, 100);
    close_bench(&bench, true);
}

static void
only_the_given_ranges_are_trained(void **state)
{
    (void)state;
    bench_t bench, full;
    network_spec_t spec = network_spec_lenet(SHAPE, 10);
    trainer_progress_t result;
    trainer_settings_t settings = {.batch = 4, .learning_rate = 0.01, .momentum = 0.9};
    /* Some filters of conv1, rows of fc1 that start and end inside, all of fc3. */
    const parameter_range_t ranges[] = {{75, 150}, {2872 + 1000, 2872 + 4100}, {61156, 62006}};
    open_bench(&bench, &spec, settings, 1);
    open_bench(&full, &spec, settings, 1);
    float *w = network_parameters(bench.net);
    float *before = engine_alloc(62006 * sizeof(float));
    memcpy(before, w, 62006 * sizeof(float));
    trainer_set_ranges(bench.trainer, ranges, 3);
    assert_int_equal(trainer_run(bench.trainer, 0, 4, NULL, NULL, &result, NULL), 0);
    assert_int_equal(trainer_run(full.trainer, 0, 4, NULL, NULL, &result, NULL), 0);
    size_t changed = 0;
    for (size_t i = 0; i < 62006; i++) {
        bool is_inside = false;
        for (int r = 0; r < 3; r++)
            is_inside = is_inside || (i >= ranges[r].first && i < ranges[r].end);
        if (!is_inside)
            assert_true(w[i] == before[i]);
        else if (fabsf(w[i] - network_parameters(full.net)[i]) > 1e-6f)
            fail_msg("parameter %zu is %g, not %g", i, (double)w[i],
                     (double)network_parameters(full.net)[i]);
        changed += w[i] != before[i];
    }
    assert_in_range(changed, 1000, 75 + 3100 + 850);
    /* The head alone: no gradient goes further down. */
    trainer_set_ranges(bench.trainer, &ranges[2], 1);
    memcpy(before, w, 62006 * sizeof(float));
    assert_int_equal(trainer_run(bench.trainer, 4, 40, NULL, NULL, &result, NULL), 0);
    assert_memory_equal(w, before, 61156 * sizeof(float));
    assert_memory_not_equal(w + 61156, before + 61156, 850 * sizeof(float));
    trainer_set_ranges(bench.trainer, NULL, 0);
    assert_int_equal(trainer_run(bench.trainer, 40, 80, NULL, NULL, &result, NULL), 0);
    assert_memory_not_equal(w, before, 450 * sizeof(float));
    free(before);
    close_bench(&bench, false);
    close_bench(&full, true);
}

static void
training_learns_and_evaluation_sees_it(void **state)
{
    (void)state;
    bench_t bench;
    network_spec_t spec = network_spec_lenet(SHAPE, 10);
    trainer_progress_t result;
    evaluation_t before, after;
    open_bench(&bench, &spec,
               (trainer_settings_t){.batch = 10, .learning_rate = 0.01, .momentum = 0.9}, 30);
    assert_int_equal(evaluate(bench.net, bench.set, DATASET_TRAIN, NULL, NULL, &before, NULL), 0);
    assert_int_equal(trainer_run(bench.trainer, 0, 30 * TRAIN, NULL, NULL, &result, NULL), 0);
    assert_int_equal(evaluate(bench.net, bench.set, DATASET_TRAIN, NULL, NULL, &after, NULL), 0);
    assert_true(before.loss > 2.2 && before.loss < 2.4);
    assert_true(after.loss < before.loss / 2);
    assert_true(after.accuracy > 0.8);
    assert_int_equal(after.samples, TRAIN);
    size_t sum = 0, correct = 0;
    for (int k = 0; k < 100; k++) {
        sum += after.confusion[k];
        correct += k % 11 == 0 ? after.confusion[k] : 0;
    }
    assert_int_equal(sum, TRAIN);
    assert_true(fabs((double)correct / TRAIN - after.accuracy) < 1e-12);
    evaluation_release(&before);
    evaluation_release(&after);
    assert_null(after.confusion);
    close_bench(&bench, true);
}

static int
stop_at_once(size_t done, size_t total, void *arg)
{
    assert_in_range(done, 1, total);
    ++*(int *)arg;
    return 1;
}

static void
a_callback_stops_evaluation(void **state)
{
    (void)state;
    bench_t bench;
    network_spec_t spec = small_net();
    evaluation_t evaluation;
    int calls = 0;
    open_bench(&bench, &spec, (trainer_settings_t){.batch = 1}, 1);
    assert_int_equal(
        evaluate(bench.net, bench.set, DATASET_TEST, stop_at_once, &calls, &evaluation, NULL),
        ENGINE_INTERRUPTED);
    assert_int_equal(calls, 1);
    close_bench(&bench, true);
}

static void
what_does_not_fit_is_refused(void **state)
{
    (void)state;
    bench_t bench;
    network_spec_t spec = small_net();
    engine_error_t error = {""};
    trainer_t *trainer = NULL;
    open_bench(&bench, &spec, (trainer_settings_t){.batch = 8}, 1);
    const trainer_settings_t BAD[] = {{.batch = 0},
                                      {.batch = 9},
                                      {.batch = 1, .learning_rate = -1},
                                      {.batch = 1, .learning_rate = NAN},
                                      {.batch = 1, .momentum = -0.1},
                                      {.batch = 1, .weight_decay = -1},
                                      {.batch = 1, .is_nesterov = true}};
    for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
        assert_int_equal(
            trainer_new(&trainer, bench.net, bench.set, bench.sampler, &BAD[i], &error),
            ENGINE_SPEC);
    network_t *other = NULL;
    network_spec_t grey = small_net();
    grey.input.channels = 1;
    evaluation_t evaluation;
    assert_int_equal(network_new(&other, &grey, 1, 1, &error), 0);
    assert_int_equal(trainer_new(&trainer, other, bench.set, bench.sampler,
                                 &(trainer_settings_t){.batch = 1}, &error),
                     ENGINE_MISMATCH);
    assert_string_equal(error.text,
                        "the network takes images of 1x32x32, the data set has 3x32x32");
    assert_int_equal(evaluate(other, bench.set, DATASET_TEST, NULL, NULL, &evaluation, &error),
                     ENGINE_MISMATCH);
    network_free(&other);
    assert_null(trainer);
    close_bench(&bench, true);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_update_is_torch_optim_sgds, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_stream_in_rounds_ends_with_the_bits_of_one_run,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_callback_stops_training, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_loss_that_is_no_number_ends_training, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(only_the_given_ranges_are_trained, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(training_learns_and_evaluation_sees_it, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_callback_stops_evaluation, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_refused, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

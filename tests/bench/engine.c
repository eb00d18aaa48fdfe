/* tests/bench/engine.c - the engine as one of the programs that engine.py has run in turn.
 *
 * It says "ready" and its versions, then does what each line on standard input says and answers
 * with one line: "train N" images, on from the last one in an order that is random anew each epoch
 * (seconds, processor seconds, loss), "evaluate" the test images (seconds, processor seconds,
 * accuracy), "profile N" images by stages (name, forward and backward nanoseconds a sample, …),
 * "gemm" a product of 2000 x 2000 (gigaflops), "memory" (kilobytes of its own).
 *
 *     bench_engine DATA NET BATCH THREADS   NET: lenet, conv3, mlp or wide, as in engine_torch.py
 *     bench_engine --synthetic FOLDER       writes a synthetic data set to train on */
#include "engine/evaluate.h"
#include "engine/gemm.h"
#include "engine/isa.h"
#include "engine/synthetic.h"
#include "engine/trainer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const image_shape_t SHAPE = {3, 32, 32};
enum { CLASSES = 10, EPOCHS = 1000, STAGES_MAX = 66 };

typedef struct {
    dataset_t *set;
    network_t *net;
    sampler_t *sampler;
    trainer_t *trainer;
    size_t position;
} bench_t;

static double
now(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
}

static void
check(int status, const engine_error_t *error)
{
    if (!status)
        return;
    fprintf(stderr, "bench_engine: %s\n", error->text);
    exit(1);
}

/* The paper's net and the three that the general path is measured by. */
static network_spec_t
spec_of(const char *name)
{
    network_spec_t spec = network_spec_lenet(SHAPE, CLASSES);
    if (strcmp(name, "conv3") == 0)
        spec = (network_spec_t){SHAPE,
                                CLASSES,
                                10,
                                {{.kind = LAYER_CONV, .outputs = 16, .kernel = 3, .padding = 1},
                                 {.kind = LAYER_RELU},
                                 {.kind = LAYER_MAX_POOL, .kernel = 2},
                                 {.kind = LAYER_CONV, .outputs = 32, .kernel = 3, .padding = 1},
                                 {.kind = LAYER_RELU},
                                 {.kind = LAYER_MAX_POOL, .kernel = 2},
                                 {.kind = LAYER_CONV, .outputs = 32, .kernel = 3, .padding = 1},
                                 {.kind = LAYER_RELU},
                                 {.kind = LAYER_MAX_POOL, .kernel = 2},
                                 {.kind = LAYER_DENSE, .outputs = CLASSES}}};
    if (strcmp(name, "mlp") == 0)
        spec = (network_spec_t){SHAPE,
                                CLASSES,
                                5,
                                {{.kind = LAYER_DENSE, .outputs = 512},
                                 {.kind = LAYER_RELU},
                                 {.kind = LAYER_DENSE, .outputs = 256},
                                 {.kind = LAYER_RELU},
                                 {.kind = LAYER_DENSE, .outputs = CLASSES}}};
    if (strcmp(name, "wide") == 0)
        spec = (network_spec_t){SHAPE,
                                CLASSES,
                                8,
                                {{.kind = LAYER_CONV, .outputs = 64, .kernel = 3, .padding = 1},
                                 {.kind = LAYER_BATCH_NORM},
                                 {.kind = LAYER_RELU},
                                 {.kind = LAYER_MAX_POOL, .kernel = 2},
                                 {.kind = LAYER_CONV, .outputs = 64, .kernel = 3, .padding = 1},
                                 {.kind = LAYER_RELU},
                                 {.kind = LAYER_AVG_POOL, .kernel = 4},
                                 {.kind = LAYER_DENSE, .outputs = CLASSES}}};
    return spec;
}

static void
open_bench(bench_t *bench, char **arguments)
{
    engine_error_t error;
    network_spec_t spec = spec_of(arguments[2]);
    int batch = atoi(arguments[3]), threads = atoi(arguments[4]);
    check(dataset_open(&bench->set, arguments[1], SHAPE, CLASSES, &error), &error);
    check(network_new(&bench->net, &spec, batch, threads, &error), &error);
    network_initialize(bench->net, 1);
    bench->sampler = sampler_new(&(sampler_spec_t){dataset_length(bench->set, DATASET_TRAIN), 1, 0,
                                                   EPOCHS, PARTITION_RESHUFFLED, 1});
    trainer_settings_t settings = {.batch = batch, .learning_rate = 0.001, .momentum = 0.9};
    check(trainer_new(&bench->trainer, bench->net, bench->set, bench->sampler, &settings, &error),
          &error);
}

/* The mean loss. A range that crosses the end of an epoch is a batch or two more; nobody minds. */
static double
train_on(bench_t *bench, size_t samples)
{
    engine_error_t error;
    trainer_progress_t progress;
    size_t first = bench->position;
    bench->position += samples;
    check(trainer_run(bench->trainer, first, bench->position, NULL, NULL, &progress, &error),
          &error);
    return progress.loss;
}

static void
train(bench_t *bench, size_t samples)
{
    double start = now(CLOCK_MONOTONIC), start_cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    double loss = train_on(bench, samples);
    printf("%.6f %.6f %.6f\n", now(CLOCK_MONOTONIC) - start,
           now(CLOCK_PROCESS_CPUTIME_ID) - start_cpu, loss);
}

static void
evaluate_test(bench_t *bench)
{
    engine_error_t error;
    evaluation_t evaluation;
    double start = now(CLOCK_MONOTONIC), start_cpu = now(CLOCK_PROCESS_CPUTIME_ID);
    check(evaluate(bench->net, bench->set, DATASET_TEST, NULL, NULL, &evaluation, &error), &error);
    printf("%.6f %.6f %.6f\n", now(CLOCK_MONOTONIC) - start,
           now(CLOCK_PROCESS_CPUTIME_ID) - start_cpu, evaluation.accuracy);
    evaluation_release(&evaluation);
}

static void
profile(bench_t *bench, size_t samples)
{
    network_profile_t rows[STAGES_MAX];
    network_profile_start(bench->net);
    train_on(bench, samples);
    int n = network_profile(bench->net, rows, STAGES_MAX);
    for (int i = 0; i < n; i++)
        printf("%s %.0f %.0f%s", rows[i].name, 1e9 * rows[i].forward_s / (double)samples,
               1e9 * rows[i].backward_s / (double)samples, i + 1 < n ? " " : "\n");
}

static void
measure_gemm(void)
{
    enum { N = 2000 };
    float *data = engine_alloc(3 * (size_t)N * N * sizeof(float));
    for (int i = 0; i < 2 * N * N; i++)
        data[i] = (float)(i % 7) - 3;
    double best = 0;
    for (int i = 0; i < 3; i++) {
        double start = now(CLOCK_PROCESS_CPUTIME_ID);
        gemm(N, N, N, (gemm_matrix_t){data, N, 1}, (gemm_matrix_t){data + N * N, N, 1}, false,
             data + 2 * N * N, N);
        double rate = 2e-9 * N * N * N / (now(CLOCK_PROCESS_CPUTIME_ID) - start);
        best = rate > best ? rate : best;
    }
    printf("%.1f\n", best);
    free(data);
}

static void
print_memory(void)
{
    char line[256];
    long anonymous = -1;
    FILE *file = fopen("/proc/self/status", "r");
    while (file && fgets(line, sizeof line, file))
        sscanf(line, "RssAnon: %ld", &anonymous);
    if (file)
        fclose(file);
    printf("%ld\n", anonymous);
}

int
main(int argc, char **argv)
{
    engine_error_t error;
    if (argc == 3 && strcmp(argv[1], "--synthetic") == 0) {
        check(
            synthetic_write(argv[2], &(synthetic_spec_t){SHAPE, CLASSES, 50000, 10000, 1}, &error),
            &error);
        return 0;
    }
    if (argc != 5) {
        fprintf(stderr, "usage: bench_engine DATA lenet|conv3|mlp|wide BATCH THREADS\n");
        return 2;
    }
    bench_t bench = {0};
    char line[64];
    open_bench(&bench, argv);
    printf("ready dmlx (%s, %s)\n", isa_name(isa_current()), gemm_version());
    fflush(stdout);
    while (fgets(line, sizeof line, stdin)) {
        size_t samples;
        if (sscanf(line, "train %zu", &samples) == 1)
            train(&bench, samples);
        else if (strcmp(line, "evaluate\n") == 0)
            evaluate_test(&bench);
        else if (sscanf(line, "profile %zu", &samples) == 1)
            profile(&bench, samples);
        else if (strcmp(line, "gemm\n") == 0)
            measure_gemm();
        else if (strcmp(line, "memory\n") == 0)
            print_memory();
        else
            break;
        fflush(stdout);
    }
    trainer_free(&bench.trainer);
    sampler_free(&bench.sampler);
    network_free(&bench.net);
    dataset_close(&bench.set);
    return 0;
}

// cmd_test.c — dmlx test: how good a saved model is. The paper's second script.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/evaluate.h"
#include "engine/model_file.h"
#include "runner/data_find.h"
#include "runner/host_facts.h"
#include "runner/options.h"
#include "runner/signals.h"

enum { THREADS_MAX = 64 };

static int
say(int status, const char *text)
{
    fprintf(stderr, "dmlx test: %s\n", text);
    return status;
}

// A file that dmlx wrote says of itself what network it is; any other is taken for the paper's net.
static int
read_spec(const model_file_t *file, network_spec_t *spec, engine_error_t *error)
{
    const char *text = model_file_get(file, "dmlx.network");
    if (text)
        return network_spec_decode(spec, text, error);
    *spec = network_spec_lenet((image_shape_t){3, 32, 32}, 10);
    return 0;
}

static void
print_row(const dataset_t *data, const evaluation_t *evaluation, int label)
{
    const uint32_t *row = &evaluation->confusion[label * evaluation->classes];
    uint32_t n = 0;
    for (int i = 0; i < evaluation->classes; i++)
        n += row[i];
    printf("%-12s %6.1f", dataset_class_name(data, label), n ? 100.0 * row[label] / n : 0.0);
    for (int i = 0; i < evaluation->classes; i++)
        printf(" %5" PRIu32, row[i]);
    printf("\n");
}

static void
print_evaluation(const char *path, const char *data_name, const dataset_t *data,
                 const evaluation_t *evaluation)
{
    printf("%s on %zu test images of %s\n", path, evaluation->samples, data_name);
    printf("accuracy %.4f  loss %.4f\n\n", evaluation->accuracy, evaluation->loss);
    printf("rows: true class, with its accuracy in %%; columns: predicted as\n%-12s %6s", "", "%");
    for (int i = 0; i < evaluation->classes; i++)
        printf(" %5.5s", dataset_class_name(data, i));
    printf("\n");
    for (int label = 0; label < evaluation->classes; label++)
        print_row(data, evaluation, label);
}

static int
stop_when_asked(size_t done, size_t total, void *arg)
{
    (void)done;
    (void)total;
    (void)arg;
    return signals_stop();
}

static int
test(const char *path, const model_file_t *file, const char *data_option, const char *data_asked)
{
    engine_error_t error = {{0}};
    fault_t fault = {{0}};
    network_spec_t spec;
    network_t *network = NULL;
    dataset_t *data = NULL;
    evaluation_t evaluation = {0};
    host_facts_t host;
    host_facts_read("", &host);
    int threads = host.cores < 1 ? 1 : host.cores > THREADS_MAX ? THREADS_MAX : (int)host.cores;
    const char *name = data_asked ? data_asked : model_file_get(file, "dmlx.data");
    name = name ? name : "cifar10";

    int status = STATUS_DONE;
    char *folder = data_find(name, data_option, &fault);
    if (!folder)
        status = say(STATUS_RUN_FAILED, fault.text);
    else if (read_spec(file, &spec, &error) != 0 ||
             network_new(&network, &spec, 0, threads, &error) != 0 ||
             model_file_load(file, network, network_parameters(network), &error) != 0 ||
             dataset_open(&data, folder, spec.input, spec.classes, &error) != 0)
        status = say(STATUS_RUN_FAILED, error.text);
    else if (evaluate(network, data, DATASET_TEST, stop_when_asked, NULL, &evaluation, &error) != 0)
        status = say(signals_stop() ? STATUS_INTERRUPTED : STATUS_RUN_FAILED, error.text);
    else
        print_evaluation(path, name, data, &evaluation);
    evaluation_release(&evaluation);
    dataset_close(&data);
    network_free(&network);
    free(folder);
    return status;
}

static int
run(int argc, char **argv)
{
    const char *data = NULL, *name = NULL;
    const option_t options[] = {
        {"data", 0, "DIR", OPTION_TEXT, &data,
         "where the data set lies (else $DMLX_DATA, else the cache)"},
        {"set-name", 0, "NAME", OPTION_TEXT, &name,
         "cifar10 or synthetic (else what the model was trained on)"},
        {0},
    };
    int first = options_parse(&command_test, options, argc, argv);
    if (first < 0)
        return options_exit_status(first);
    if (argc - first != 1)
        return options_usage_fault(&command_test, "name one model file");
    signals_start();
    model_file_t *file = NULL;
    engine_error_t error = {{0}};
    if (model_file_open(&file, argv[first], &error) != 0)
        return say(STATUS_RUN_FAILED, error.text);
    int status = test(argv[first], file, data, name);
    model_file_close(&file);
    return status;
}

const command_t command_test = {
    .name = "test",
    .summary = "accuracy, per class too, and the confusion matrix of a saved model",
    .usage = "[OPTION…] MODEL",
    .example = "dmlx test results/node_sweep/runs/n3-c6-r1/model.safetensors",
    .run = run,
};

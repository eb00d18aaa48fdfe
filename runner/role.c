#include "runner/role.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/evaluate.h"
#include "engine/model_file.h"
#include "runner/base64.h"
#include "runner/clock.h"
#include "runner/data_find.h"
#include "runner/envelope.h"
#include "runner/host_facts.h"
#include "runner/launch.h"
#include "runner/memory.h"
#include "runner/phase.h"
#include "runner/signals.h"
#include "runner/silence.h"
#include "runner/version.h"
#include "runner/warden.h"

enum { TEXT_LIMIT_MS = 30000 };

int
role_fail(role_t *role, int status, const char *format, ...)
{
    char text[REPORT_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    fprintf(stderr, "dmlx %s: %s\n", role->command->name, text);
    if (role->reporter.out)
        report_failed(&role->reporter, role->blamed - 1, text);
    return status;
}

int
role_start(role_t *role, const command_t *command, char **argv)
{
    role->command = command;
    role->began_s = clock_s();
    if (role->cpus > 0 || role->is_supervised) {
        warden_options_t options = {
            .name = role->cgroup,
            .cores = role->cpus,
            .period_us = role->period_us,
            .lifeline_fd = role->is_supervised ? STDIN_FILENO : -1,
            .dies_with_parent = role->is_supervised,
            .argv = argv,
        };
        warden_grant_t grant;
        fault_t fault = {{0}};
        if (warden_enter(&options, &grant, &fault) != 0)
            return role_fail(role, STATUS_CLUSTER, "%s", fault.text);
    }
    signals_start();
    role->reporter = reporter_new(stdout);
    if (role->is_json)
        role->reporter.is_text = false;
    role->diag = diag_new();
    return STATUS_DONE;
}

static int
fail_with_faults(role_t *role)
{
    diag_print(role->diag, stderr);
    char *text = diag_text(role->diag);
    report_failed(&role->reporter, REPORT_NO_RANK, text);
    free(text);
    return STATUS_BAD_SPEC;
}

void
role_know_data(const role_t *role, dataset_t *data)
{
    char stamp[DATASET_CHECKSUM_BYTES];
    const char *colon = role->data_known ? strchr(role->data_known, ':') : NULL;
    if (!colon || (size_t)(colon - role->data_known) >= sizeof stamp)
        return;
    snprintf(stamp, sizeof stamp, "%.*s", (int)(colon - role->data_known), role->data_known);
    dataset_take_checksum(data, stamp, colon + 1);
}

static bool
fits(const plan_cell_t *cell, int nodes)
{
    return cell->repeat == 1 && (nodes == 0 || cell->nodes == nodes);
}

// The cell to run: the only one there is, or the first with that many nodes.
static const plan_cell_t *
pick_cell(const role_t *role, int nodes)
{
    const plan_cell_t *found = NULL;
    int n_found = 0;
    for (size_t i = 0; i < role->plan->n_cells; i++) {
        if (!fits(&role->plan->cells[i], nodes))
            continue;
        found = found ? found : &role->plan->cells[i];
        n_found++;
    }
    return nodes == 0 && n_found > 1 ? NULL : found;
}

static int
take_cell(role_t *role, experiment_t *experiment, int nodes)
{
    host_facts_t host;
    host_facts_read("", &host);
    experiment_resolve(experiment, host.cores);
    // Whether this host has the cores is for whoever set the limit to say: we may live under it
    // already.
    role->plan = plan_new(experiment, 0, role->diag);
    if (!role->plan || (role->only && plan_only(role->plan, role->only, role->diag) != 0))
        return fail_with_faults(role);
    role->cell = pick_cell(role, nodes);
    if (!role->cell && nodes == 0)
        return role_fail(role, STATUS_USAGE,
                         "the experiment has %zu cells; pick one with --only, as in --only "
                         "'nodes=2,cores=4'",
                         role->plan->n_matrix_cells);
    if (!role->cell)
        return role_fail(role, STATUS_USAGE, "the experiment has no cell with %d node%s", nodes,
                         nodes == 1 ? "" : "s");
    plan_experiment(role->plan, role->cell, &role->experiment);
    role->text = plan_cell_text(role->plan, role->cell);

    fault_t fault = {{0}};
    const char *name = experiment_choice("train.data", role->experiment.train.data);
    role->data_folder = data_find(name, role->data, &fault);
    return role->data_folder ? STATUS_DONE : role_fail(role, STATUS_RUN_FAILED, "%s", fault.text);
}

// Takes standard input apart; *experiment is the caller's to free.
static int
read_input(role_t *role, char **experiment)
{
    fault_t fault = {{0}};
    char *text = NULL;
    if (launch_text_read(STDIN_FILENO, TEXT_LIMIT_MS, &text, &fault) != 0)
        return role_fail(role, STATUS_BAD_SPEC, "%s", fault.text);
    if (!envelope_is(text)) {
        *experiment = text;
        return STATUS_DONE;
    }
    role->ring = envelope_part(text, ENVELOPE_KEYS);
    role->attempt = envelope_part(text, ENVELOPE_ATTEMPT);
    role->checkpoint = envelope_part(text, ENVELOPE_CHECKPOINT);
    char *found = envelope_part(text, ENVELOPE_EXPERIMENT);
    *experiment = found ? found : memory_text("");
    envelope_wipe(text);
    return STATUS_DONE;
}

int
role_read_parts(role_t *role)
{
    char *experiment = NULL;
    int status = read_input(role, &experiment);
    free(experiment);
    return status;
}

int
role_keys(role_t *role, keys_t **keys)
{
    fault_t fault = {{0}};
    transport_error_t error = {{0}};
    *keys = NULL;
    if (role->keys) {
        *keys = keys_open(role->keys, &error);
        return *keys ? STATUS_DONE : role_fail(role, STATUS_USAGE, "%s", error.text);
    }
    if (!role->ring)
        return STATUS_DONE;
    *keys = run_keys_parse(role->ring, &fault);
    envelope_wipe(role->ring);
    role->ring = NULL;
    return *keys ? STATUS_DONE : role_fail(role, STATUS_CLUSTER, "%s", fault.text);
}

bool
role_checkpoint(role_t *role, checkpoint_t *checkpoint)
{
    if (!role->checkpoint)
        return false;
    size_t n_bytes = 0;
    char experiment[65];
    fault_t fault = {"it is not base64"};
    unsigned char *bytes = base64_decode(role->checkpoint, &n_bytes);
    bool is_good = bytes && checkpoint_decode(bytes, n_bytes, checkpoint, &fault) == 0;
    free(bytes);
    free(role->checkpoint);
    role->checkpoint = NULL;
    checkpoint_experiment(role->text, experiment);
    if (is_good && strcmp(checkpoint->experiment, experiment) != 0) {
        fault_set(&fault, "it is of another experiment");
        checkpoint_free(checkpoint);
        is_good = false;
    }
    if (!is_good)
        report_event(&role->reporter, "begins anew, since the checkpoint cannot be used: %s",
                     fault.text);
    return is_good;
}

void
role_report_checkpoint(role_t *role, const checkpoint_t *state, const float *parameters)
{
    size_t n_bytes = 0;
    void *bytes = checkpoint_encode(state, parameters, &n_bytes);
    report_checkpoint(&role->reporter, bytes, n_bytes);
    free(bytes);
}

int
role_read_text(role_t *role, const char *text, const char *from)
{
    spec_options_t options = {0};
    experiment_t experiment = {0};
    if (spec_read_text(text, from, &options, &experiment, role->diag) != 0)
        return fail_with_faults(role);
    int status = take_cell(role, &experiment, 0);
    experiment_free(&experiment);
    return status;
}

static void
beat(void *reporter)
{
    report_beat(reporter);
}

// A round may take ten minutes in which there is nothing to tell, while whoever reads the records
// is on another machine: without a beat a cut link or a dead host would look just like it. The
// first one comes before anything else can hang.
static void
start_to_beat(role_t *role)
{
    double interval_s = silence_interval_s(&role->experiment.cluster);
    report_beat(&role->reporter);
    role->beater = beater_new((int64_t)(1000 * interval_s), beat, &role->reporter);
}

int
role_read_file(role_t *role, const char *path, int nodes)
{
    spec_options_t options = {
        .sets = role->sets.items, .n_sets = (size_t)role->sets.n_items, .is_matrix_optional = true};
    experiment_t experiment = {0};
    int status = 0;
    if (path && strcmp(path, "-") == 0) {
        char *text = NULL;
        status = read_input(role, &text);
        if (status != STATUS_DONE)
            return status;
        status = spec_read_text(text, "standard input", &options, &experiment, role->diag);
        free(text);
    } else if (path) {
        status = spec_read_file(path, &options, &experiment, role->diag);
    } else {
        status = spec_read_text("", "--set", &options, &experiment, role->diag);
    }
    if (status != 0)
        return fail_with_faults(role);
    if (diag_n_warnings(role->diag) > 0)
        diag_print(role->diag, stderr);
    status = take_cell(role, &experiment, nodes);
    experiment_free(&experiment);
    if (status == STATUS_DONE && role->is_supervised)
        start_to_beat(role);
    return status;
}

int
role_threads(const role_t *role)
{
    return role->threads > 0 ? role->threads : (int)role->cell->threads;
}

static int
stop_when_asked(size_t done, size_t total, void *arg)
{
    (void)done;
    (void)total;
    (void)arg;
    return signals_stop();
}

// The model file's own description: enough for `dmlx test` to build the network again.
static int
report_the_model(role_t *role, const network_t *network, const float *parameters)
{
    char *layers = network_spec_encode(network_spec(network));
    const model_metadata_t metadata[] = {
        {"dmlx.version", version_text()},
        {"dmlx.network", layers},
        {"dmlx.data", experiment_choice("train.data", role->experiment.train.data)},
        {"dmlx.cell", role->cell->id},
    };
    int n_metadata = (int)(sizeof metadata / sizeof *metadata);
    size_t n_bytes = 0;
    void *bytes = model_file_encode(network, parameters, metadata, n_metadata, &n_bytes);
    report_model(&role->reporter, bytes, n_bytes);
    free(bytes);
    engine_error_t error = {{0}};
    int status = STATUS_DONE;
    if (role->model &&
        model_file_write(role->model, network, parameters, metadata, n_metadata, &error) != 0)
        status = role_fail(role, STATUS_RUN_FAILED, "%s", error.text);
    free(layers);
    return status;
}

// Tests the model as it stands; the caller releases `evaluation`.
static int
test_model(role_t *role, network_t *network, const dataset_t *data, evaluation_t *evaluation)
{
    engine_error_t error = {{0}};
    double began_s = clock_s();
    int status = evaluate(network, data, DATASET_TEST, stop_when_asked, NULL, evaluation, &error);
    if (status == ENGINE_INTERRUPTED)
        return role_fail(role, STATUS_INTERRUPTED, "interrupted during evaluation");
    if (status != 0)
        return role_fail(role, STATUS_RUN_FAILED, "%s", error.text);
    role->evaluation_s += clock_s() - began_s;
    return STATUS_DONE;
}

// How many of the tests, which are spread evenly over the rounds, are due behind a round.
static long
tests_due(const role_t *role, int round, int rounds)
{
    return (long)((int64_t)role->experiment.train.evaluations * round / rounds);
}

int
role_seek_target(role_t *role, network_t *network, const dataset_t *data, checkpoint_t *state)
{
    double target = role->experiment.train.target_accuracy;
    if (target <= 0 || isfinite(state->time_to_accuracy_s) || state->round >= state->rounds ||
        tests_due(role, state->round, state->rounds) ==
            tests_due(role, state->round - 1, state->rounds))
        return STATUS_DONE;
    evaluation_t evaluation = {0};
    phase_enter("evaluating", state->round);
    int status = test_model(role, network, data, &evaluation);
    if (status == STATUS_DONE && evaluation.accuracy >= target)
        state->time_to_accuracy_s = state->t_s;
    evaluation_release(&evaluation);
    return status;
}

int
role_finish(role_t *role, network_t *network, const dataset_t *data, result_report_t *result)
{
    evaluation_t evaluation = {0};
    int status = test_model(role, network, data, &evaluation);
    if (status != STATUS_DONE)
        return status;
    double target = role->experiment.train.target_accuracy;
    result->evaluation_s = role->evaluation_s;
    result->accuracy = evaluation.accuracy;
    result->loss = evaluation.loss;
    result->target_accuracy = target > 0 ? target : NAN;
    if (target > 0 && isnan(result->time_to_accuracy_s) && evaluation.accuracy >= target)
        result->time_to_accuracy_s = result->t_s;
    evaluation_release(&evaluation);
    model_hash(network, network_parameters(network), result->model_sha256);
    dataset_checksum(data, result->data_xxh128);
    snprintf(result->data, sizeof result->data, "%s",
             experiment_choice("train.data", role->experiment.train.data));
    report_result(&role->reporter, result);
    return report_the_model(role, network, network_parameters(network));
}

void
role_close(role_t *role)
{
    beater_free(role->beater);
    free(role->text);
    envelope_wipe(role->ring);
    free(role->attempt);
    free(role->checkpoint);
    free(role->data_folder);
    experiment_free(&role->experiment);
    plan_free(role->plan);
    diag_free(role->diag);
}

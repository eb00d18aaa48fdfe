// cmd_train.c — the standalone role: one host trains alone, no network.
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runner/clock.h"
#include "runner/memory.h"
#include "runner/phase.h"
#include "runner/record.h"
#include "runner/role.h"
#include "runner/trainee.h"

// The state before the first round: a new one, or that of an earlier attempt. Its sums run over all
// rounds.
static int
open_state(role_t *role, trainee_t *trainee, checkpoint_t *state)
{
    size_t n = network_parameter_count(trainee->network);
    bool has_velocities = trainee_tells_velocity(&role->experiment);
    if (!role_checkpoint(role, state)) {
        *state = (checkpoint_t){.rounds = trainee->rounds,
                                .parts = 1,
                                .nodes = 1,
                                .n_parameters = n,
                                .train_loss = NAN,
                                .time_to_accuracy_s = NAN};
        state->sums = memory_new(sizeof *state->sums);
    } else if (state->n_parameters != n || state->nodes != 1 || state->rounds != trainee->rounds ||
               (state->velocities != NULL) != has_velocities) {
        return role_fail(role, STATUS_RUN_FAILED,
                         "the checkpoint of attempt '%s' is of another network; remove it",
                         state->attempt);
    } else {
        report_event(&role->reporter, "resumed behind round %d of attempt %s", state->round,
                     state->attempt);
        memcpy(network_parameters(trainee->network), state->parameters, n * sizeof(float));
        if (has_velocities)
            trainee_restore(trainee, state->velocities);
        state->parts++;
    }
    snprintf(state->attempt, sizeof state->attempt, "%s", role->attempt ? role->attempt : "");
    checkpoint_experiment(role->text, state->experiment);
    if (has_velocities && !state->velocities)
        state->velocities = memory_new(n * sizeof(float));
    return STATUS_DONE;
}

static void
add_up(checkpoint_t *state, int round, const worker_row_t *row, double t_s)
{
    state->round = round;
    state->t_s = t_s;
    state->samples += row->samples;
    state->train_loss = row->loss;
    state->sums->compute_s += row->compute_s;
    state->sums->cpu_s += row->cpu_s;
    state->sums->throttled_s += row->throttled_s;
    state->sums->cores_limit = row->cores_limit;
}

// T is zero at FIRST_S.
static int
train_round(role_t *role, trainee_t *trainee, checkpoint_t *state, double first_s, int round)
{
    worker_row_t row = {0};
    fault_t fault = {{0}};
    phase_enter("training", round);
    int status = trainee_round(trainee, round - 1, 0, &row, &fault);
    if (status == -2)
        return role_fail(role, STATUS_INTERRUPTED, "interrupted in round %d", round);
    if (status != 0)
        return role_fail(role, STATUS_RUN_FAILED, "%s", fault.text);
    row.send_s = 0;
    row.sent_bytes = 0;
    add_up(state, round, &row, clock_s() - first_s - role->evaluation_s);
    round_report_t report = {.round = round,
                             .rounds = trainee->rounds,
                             .round_s = row.compute_s,
                             .elapsed_s = state->t_s,
                             .n_workers = 1,
                             .workers = &row};
    phase_enter("writing", round);
    report_round(&role->reporter, &report);
    status = role_seek_target(role, trainee->network, trainee->data, state);
    if (status != STATUS_DONE)
        return status;
    if (role->experiment.cluster.checkpoint && round < trainee->rounds) {
        if (state->velocities)
            memcpy(state->velocities, trainer_velocity(trainee->trainer),
                   state->n_parameters * sizeof(float));
        role_report_checkpoint(role, state, network_parameters(trainee->network));
    }
    trainee_look(trainee);
    return role->reporter.is_broken
               ? role_fail(role, STATUS_RUN_FAILED, "nobody reads the records any more")
               : STATUS_DONE;
}

// Trains round by round, as a worker would, so that progress is told; the parameters and the
// momentum simply carry over. T is the time of the training loop without tests of the model, and O
// is nought by definition. It is not the sum of what the rounds computed: with rounds of a few
// steps a CPU limit has its say between them.
static int
train(role_t *role, trainee_t *trainee, result_report_t *result)
{
    checkpoint_t state = {0};
    int status = open_state(role, trainee, &state);
    if (status == STATUS_DONE)
        report_started(&role->reporter, 1, result->startup_s = clock_s() - role->began_s);
    double first_s = clock_s() - state.t_s; // earlier attempts' part counts
    for (int round = state.round + 1; round <= trainee->rounds && status == STATUS_DONE; round++)
        status = train_round(role, trainee, &state, first_s, round);
    if (status == STATUS_DONE) {
        result->t_s = result->work_s = state.t_s;
        result->samples = state.samples;
        result->train_loss = state.train_loss;
        result->time_to_accuracy_s = state.time_to_accuracy_s;
        result->throttled_s = state.sums->throttled_s;
        result->cores_limit = state.sums->cores_limit;
        result->cores_granted = state.sums->cpu_s / state.sums->compute_s;
        result->sent_bytes = result->received_bytes = 0;
        result->parts = state.parts;
    }
    checkpoint_free(&state);
    phase_enter("writing", trainee->rounds + 1);
    return status;
}

static void
print_profile(const network_t *network)
{
    network_profile_t rows[NETWORK_LAYERS_MAX];
    int n_rows = network_profile(network, rows, NETWORK_LAYERS_MAX);
    fprintf(stderr, "%-32s %10s %10s\n", "layers", "forward s", "backward s");
    for (int i = 0; i < n_rows; i++)
        fprintf(stderr, "%-32s %10.3f %10.3f\n", rows[i].name, rows[i].forward_s,
                rows[i].backward_s);
}

static int
run_role(role_t *role, const char *path)
{
    int status = role_read_file(role, path, path ? 0 : 1);
    if (status != STATUS_DONE)
        return status;
    if (role->cell->nodes != 1)
        return role_fail(role, STATUS_USAGE,
                         "cell %s is of %ld nodes, and this trains on one; use 'dmlx run', or pick "
                         "a cell of one node with --only",
                         role->cell->id, role->cell->nodes);
    trainee_t trainee;
    fault_t fault = {{0}};
    phase_name("standalone");
    phase_enter("loading", 0);
    if (trainee_open(&trainee, &role->experiment, role->data_folder, 1, 0, role_threads(role),
                     &fault) != 0)
        return role_fail(role, STATUS_RUN_FAILED, "%s", fault.text);
    role_know_data(role, trainee.data);
    if (role->is_profiled)
        network_profile_start(trainee.network);
    result_report_t result = result_unknown();
    status = train(role, &trainee, &result);
    if (status == STATUS_DONE)
        status = role_finish(role, trainee.network, trainee.data, &result);
    if (role->is_profiled)
        print_profile(trainee.network);
    trainee_close(&trainee);
    return status;
}

static int
run(int argc, char **argv)
{
    role_t role = {0};
    const option_t options[] = {
        {"set", 's', "KEY=VALUE", OPTION_LIST, &role.sets, "change a setting: train.epochs=1"},
        {"only", 0, "CELL", OPTION_TEXT, &role.only, "which cell of the matrix: 'nodes=1,cores=2'"},
        {"data", 0, "DIR", OPTION_TEXT, &role.data,
         "where the data set lies (else $DMLX_DATA, else the cache)"},
        {"model", 'm', "FILE", OPTION_TEXT, &role.model, "keep the trained model there"},
        {"threads", 0, "N", OPTION_INTEGER, &role.threads,
         "threads to train on (else as many as the cell's cores)"},
        {"cpus", 0, "X", OPTION_REAL, &role.cpus, "limit to so many cores; 0.5 is half a core"},
        {"period-us", 0, "N", OPTION_INTEGER, &role.period_us, "period of that limit"},
        {"cgroup", 0, "NAME", OPTION_TEXT, &role.cgroup, "name of the control group it makes"},
        {"records", 0, NULL, OPTION_FLAG, &role.is_json, "JSON records even on a terminal"},
        {"profile", 0, NULL, OPTION_FLAG, &role.is_profiled, "print the time spent in each layer"},
        {"data-known", 0, "STAMP:XXH128", OPTION_TEXT, &role.data_known, NULL},
        {"supervised", 0, NULL, OPTION_FLAG, &role.is_supervised, NULL},
        {0},
    };
    int first = options_parse(&command_train, options, argc, argv);
    if (first < 0)
        return options_exit_status(first);
    if (argc - first > 1)
        return options_usage_fault(&command_train, "one experiment file at a time, not '%s' too",
                                   argv[first + 1]);
    int status = role_start(&role, &command_train, argv);
    if (status == STATUS_DONE)
        status = run_role(&role, first < argc ? argv[first] : NULL);
    role_close(&role);
    return status;
}

const command_t command_train = {
    .name = "train",
    .summary = "train on this host alone (the standalone role)",
    .usage = "[OPTION…] [CFG|-]",
    .example = "dmlx train experiments/paper.cfg --model lenet.safetensors",
    .run = run,
};

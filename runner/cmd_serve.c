// cmd_serve.c — the coordinator: sends the model out, averages what comes back, says how it went.
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/clock.h"
#include "runner/memory.h"
#include "runner/phase.h"
#include "runner/record.h"
#include "runner/server.h"
#include "runner/signals.h"
#include "runner/trainee.h"
#include "runner/version.h"
#include "transport/start.h"

static void
tell_event(void *context, const coordinator_event_t *event)
{
    server_t *server = context;
    fprintf(stderr, "%s\n", event->text);
    if (event->is_drop)
        report_event(&server->role->reporter, "%s", event->text);
}

// A worker is ready when it runs this version on the same data.
static bool
judge_ready(void *context, const coordinator_peer_t *peer, const char *facts,
            transport_error_t *why)
{
    server_t *server = context;
    json_t *object = json_loads(facts, 0, NULL);
    const char *checksum = json_string_value(json_object_get(object, "data_xxh128"));
    const char *version = json_string_value(json_object_get(object, "version"));
    bool is_fit = false;
    if (!checksum || !version) {
        transport_fail(why, TRANSPORT_REFUSED,
                       "worker %u '%s' on '%s' does not say what data it has", peer->rank,
                       peer->identity, peer->host);
    } else if (strcmp(version, version_text()) != 0) {
        transport_fail(
            why, TRANSPORT_REFUSED,
            "worker %u '%s' on '%s' runs dmlx %s and the coordinator %s; install the same",
            peer->rank, peer->identity, peer->host, version, version_text());
    } else if (strcmp(checksum, server->checksum) != 0) {
        transport_fail(why, TRANSPORT_REFUSED,
                       "worker %u '%s' on '%s' has other data (xxh128 %s) than the coordinator "
                       "(xxh128 %s); copy one data set to all hosts",
                       peer->rank, peer->identity, peer->host, checksum, server->checksum);
    } else {
        is_fit = true;
        joined_report_t joined = {.rank = (int)peer->rank};
        snprintf(joined.identity, sizeof joined.identity, "%s", peer->identity);
        snprintf(joined.host, sizeof joined.host, "%s", peer->host);
        report_joined(&server->role->reporter, &joined);
    }
    json_decref(object);
    return is_fit;
}

// What the rows of all rounds come to. DESIGN.md, section 6: W is the mean over the workers.
static void
sum_up(server_t *server)
{
    result_report_t *result = &server->result;
    const checkpoint_t *state = &server->state;
    result->t_s = state->t_s;
    result->samples = state->samples;
    result->train_loss = state->train_loss;
    result->time_to_accuracy_s = state->time_to_accuracy_s;
    result->parts = state->parts;
    transport_counters_t counters = coordinator_counters(server->coordinator);
    result->sent_bytes = server->resumed.sent_bytes + (int64_t)counters.sent_bytes;
    result->received_bytes = server->resumed.received_bytes + (int64_t)counters.received_bytes;
    result->work_s = result->cores_granted = result->cores_limit = result->throttled_s = 0;
    for (int rank = 0; rank < server->nodes; rank++) {
        const checkpoint_sums_t *sum = &state->sums[rank];
        result->work_s += sum->compute_s / server->nodes;
        result->throttled_s += sum->throttled_s / server->nodes;
        result->cores_limit += sum->cores_limit;
        if (sum->compute_s > 0)
            result->cores_granted += sum->cpu_s / sum->compute_s;
    }
}

static int
serve(server_t *server)
{
    int status = server_join(server);
    if (status != STATUS_DONE)
        return status;
    server->result.startup_s = clock_s() - server->role->began_s;
    report_started(&server->role->reporter, server->nodes, server->result.startup_s);
    server->first_s = clock_s();
    for (int round = server->resumed.round + 1; round <= server->rounds && status == STATUS_DONE;
         round++)
        status = server_round(server, round);
    if (status != STATUS_DONE)
        return status;
    coordinator_fault_t fault;
    if (coordinator_done(server->coordinator, "", &fault) != 0)
        fprintf(stderr, "%s\n", fault.error.text); // the run is complete all the same
    sum_up(server);
    phase_enter("writing", server->rounds + 1);
    return role_finish(server->role, server->network, server->data, &server->result);
}

// The names that `dmlx run` starts its workers by, so that a rank and a log mean the same process.
// By hand whoever comes first is rank 0.
static char **
expected_identities(const server_t *server)
{
    if (!server->role->is_supervised)
        return NULL;
    char **names = memory_new((size_t)(server->nodes + 1) * sizeof *names);
    for (int rank = 0; rank < server->nodes; rank++)
        names[rank] = memory_format("worker-%d", rank);
    return names;
}

// The state before the first round: a new one, or that of an earlier attempt.
static int
open_state(server_t *server)
{
    role_t *role = server->role;
    size_t n = network_parameter_count(server->network), nodes = (size_t)server->nodes;
    bool has_velocities = trainee_tells_velocity(&role->experiment);
    bool has_own = role->experiment.train.server_momentum > 0;
    checkpoint_t *state = &server->state;
    if (role_checkpoint(role, state)) {
        if (state->n_parameters != n || state->nodes != server->nodes ||
            state->rounds != server->rounds || (state->velocities != NULL) != has_velocities ||
            (state->server_velocity != NULL) != has_own)
            return role_fail(role, STATUS_RUN_FAILED,
                             "the checkpoint of attempt '%s' is of another network; remove it",
                             state->attempt);
        report_event(&role->reporter, "resumed behind round %d of attempt %s", state->round,
                     state->attempt);
        memcpy(network_parameters(server->network), state->parameters, n * sizeof(float));
        state->parts++;
        server->resumed = *state; // for its numbers: the blocks are the state's
    } else {
        *state = (checkpoint_t){.rounds = server->rounds,
                                .parts = 1,
                                .nodes = server->nodes,
                                .n_parameters = n,
                                .train_loss = NAN,
                                .time_to_accuracy_s = NAN};
        state->sums = memory_new(nodes * sizeof *state->sums);
        if (has_velocities)
            state->velocities = memory_new(nodes * n * sizeof(float));
        if (has_own)
            state->server_velocity = memory_new(n * sizeof(double));
    }
    free(state->parameters);
    state->parameters = NULL; // the network has them
    if (has_velocities) {
        server->velocities = memory_new(nodes * n * sizeof(float));
        memcpy(server->velocities, state->velocities, nodes * n * sizeof(float));
    }
    for (size_t rank = 0; rank < nodes; rank++)
        server->lacks_velocity[rank] = state->round > 0;
    return STATUS_DONE;
}

// What takes the model from round to round.
static void
open_step(server_t *server)
{
    const experiment_t *experiment = &server->role->experiment;
    size_t n = server->state.n_parameters;
    bool has_velocity = trainee_averages_velocity(experiment);
    server->n_block = has_velocity ? 2 * n : n;
    server->block = memory_new(server->n_block * sizeof *server->block);
    memcpy(server->block, network_parameters(server->network), n * sizeof *server->block);
    if (has_velocity) // after a round all workers have the same
        memcpy(server->block + n, server->state.velocities, n * sizeof *server->block);
    server->average = average_new(server->n_block);
    server->optimizer = server_optimizer_new(n, experiment->train.server_momentum,
                                             experiment->train.server_learning_rate);
    if (server->state.server_velocity)
        memcpy(server_optimizer_velocity(server->optimizer), server->state.server_velocity,
               n * sizeof(double));
}

// Data, network and state: what the first round needs.
static int
load(server_t *server)
{
    role_t *role = server->role;
    fault_t fault = {{0}};
    engine_error_t error = {{0}};
    if (trainee_open_data(&role->experiment, role->data_folder, &server->data, &fault) != 0)
        return role_fail(role, STATUS_RUN_FAILED, "%s", fault.text);
    role_know_data(role, server->data);
    dataset_checksum(server->data, server->checksum);
    network_spec_t spec = experiment_network(&role->experiment);
    if (network_new(&server->network, &spec, 0, 1, &error) != 0)
        return role_fail(role, STATUS_BAD_SPEC, "%s", error.text);
    network_initialize(server->network, (uint64_t)role->experiment.train.seed);
    server->rounds = trainee_rounds(&role->experiment, server->nodes,
                                    dataset_length(server->data, DATASET_TRAIN));
    int status = open_state(server);
    if (status != STATUS_DONE)
        return status;
    open_step(server);
    snprintf(server->state.attempt, sizeof server->state.attempt, "%s", server->run);
    checkpoint_experiment(role->text, server->state.experiment);
    return STATUS_DONE;
}

// Says where it listens before it loads anything: workers are started meanwhile, and what they say
// waits in the socket.
static int
listen_to_workers(server_t *server, const char *endpoint)
{
    role_t *role = server->role;
    transport_error_t refusal = {{0}};
    int status = role_keys(role, &server->keys);
    if (status != STATUS_DONE)
        return status;
    const cluster_t *cluster = &role->experiment.cluster;
    if (role->attempt && *role->attempt)
        snprintf(server->run, sizeof server->run, "%s", role->attempt);
    else
        record_attempt_id(server->run);
    coordinator_config_t config = coordinator_config();
    config.endpoint = endpoint;
    config.run = server->run;
    config.keys = server->keys;
    config.n_workers = (uint32_t)server->nodes;
    char **identities = expected_identities(server);
    config.identities = (const char *const *)identities;
    config.join_ms = (int64_t)(1000 * cluster->join_s);
    config.round_ms = (int64_t)(1000 * cluster->round_s);
    config.silence_ms = (int64_t)(1000 * cluster->silence_s);
    config.stop_fd = signals_fd();
    config.context = server;
    config.ready = judge_ready;
    config.event = tell_event;
    server->coordinator = coordinator_new(&config, &refusal);
    for (char **name = identities; name && *name; name++)
        free(*name);
    free(identities);
    if (!server->coordinator)
        return role_fail(role, STATUS_CLUSTER, "%s", refusal.text);
    report_listening(&role->reporter, coordinator_endpoint(server->coordinator));
    return STATUS_DONE;
}

static int
run_role(role_t *role, const char *path, const char *endpoint)
{
    int status = role_read_file(role, path, role->nodes);
    if (status != STATUS_DONE)
        return status;
    size_t nodes = (size_t)role->cell->nodes;
    server_t server = {.role = role, .nodes = (int)nodes, .result = result_unknown()};
    server.rows = memory_new(nodes * sizeof *server.rows);
    server.lacks_velocity = memory_new(nodes * sizeof *server.lacks_velocity);
    server.n_losses = memory_new(nodes * sizeof *server.n_losses);
    const cluster_t *cluster = &role->experiment.cluster;
    phase_name("coordinator");
    char *own = memory_format("tcp://%s:%ld", cluster->address, cluster->port);

    transport_start();
    status = listen_to_workers(&server, endpoint ? endpoint : own);
    if (status == STATUS_DONE)
        status = load(&server);
    if (status == STATUS_DONE)
        status = serve(&server);
    coordinator_free(server.coordinator);
    average_free(&server.average);
    server_optimizer_free(&server.optimizer);
    free(server.block);
    network_free(&server.network);
    dataset_close(&server.data);
    keys_free(server.keys);
    checkpoint_free(&server.state);
    free(own);
    free(server.rows);
    free(server.velocities);
    free(server.lacks_velocity);
    free(server.n_losses);
    return status;
}

static int
run(int argc, char **argv)
{
    role_t role = {0};
    const char *endpoint = NULL;
    const option_t options[] = {
        {"nodes", 'n', "N", OPTION_INTEGER, &role.nodes, "how many workers to wait for"},
        {"listen", 'l', "ENDPOINT", OPTION_TEXT, &endpoint,
         "where to listen (else cluster.address and port): tcp://127.0.0.1:7070"},
        {"set", 's', "KEY=VALUE", OPTION_LIST, &role.sets, "change a setting: train.epochs=1"},
        {"only", 0, "CELL", OPTION_TEXT, &role.only, "which cell of the matrix: 'nodes=3,cores=2'"},
        {"data", 0, "DIR", OPTION_TEXT, &role.data,
         "where the data set lies (else $DMLX_DATA, else the cache)"},
        {"keys", 'k', "FILE", OPTION_TEXT, &role.keys,
         "its key ring, as 'dmlx keys' makes it; also fd:N or env:NAME"},
        {"model", 'm', "FILE", OPTION_TEXT, &role.model, "keep the trained model there"},
        {"records", 0, NULL, OPTION_FLAG, &role.is_json, "JSON records even on a terminal"},
        {"data-known", 0, "STAMP:XXH128", OPTION_TEXT, &role.data_known, NULL},
        {"supervised", 0, NULL, OPTION_FLAG, &role.is_supervised, NULL},
        {0},
    };
    int first = options_parse(&command_serve, options, argc, argv);
    if (first < 0)
        return options_exit_status(first);
    if (argc - first > 1)
        return options_usage_fault(&command_serve, "one experiment file at a time, not '%s' too",
                                   argv[first + 1]);
    int status = role_start(&role, &command_serve, argv);
    if (status == STATUS_DONE)
        status = run_role(&role, first < argc ? argv[first] : NULL, endpoint);
    role_close(&role);
    return status;
}

const command_t command_serve = {
    .name = "serve",
    .summary = "coordinate workers: send the model out, average what comes back",
    .usage = "[OPTION…] [CFG|-]",
    .example = "dmlx serve --nodes 2 experiments/node_sweep.cfg --listen tcp://127.0.0.1:7070",
    .run = run,
};

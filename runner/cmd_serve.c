// cmd_serve.c — the coordinator: sends the model out, averages what comes back, says how it went.
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "engine/average.h"
#include "runner/clock.h"
#include "runner/memory.h"
#include "runner/record.h"
#include "runner/role.h"
#include "runner/signals.h"
#include "runner/trainee.h"
#include "runner/version.h"
#include "transport/coordinator.h"
#include "transport/start.h"

enum { EVALUATION_BATCH = 64 };

typedef struct server {
    role_t *role;
    coordinator_t *coordinator;
    dataset_t *data;
    char checksum[DATASET_CHECKSUM_BYTES]; // of our data: every worker's must be the same
    network_t *network;
    average_t *average;
    int nodes, rounds;
    worker_row_t *rows; // (nodes) of the round under way
    int n_rows;
    double *cpu_s, *compute_s, *throttled_s, *cores_limit; // (nodes) over all rounds
    result_report_t result;
} server_t;

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

static bool
take_update(void *context, const coordinator_update_t *update, transport_error_t *why)
{
    server_t *server = context;
    worker_row_t row = {0};
    if (update->n != network_parameter_count(server->network) ||
        worker_row_parse(update->meta, &row) != 0 || row.samples < 0) {
        transport_fail(why, TRANSPORT_REFUSED,
                       "worker %u '%s' sent an update of %zu floats that does not fit the network",
                       update->rank, update->peer->identity, update->n);
        return false;
    }
    parameter_range_t share = trainee_share(&server->role->experiment, update->n, server->nodes,
                                            (int)update->rank);
    if (share.end - share.first == update->n)
        average_add(server->average, update->array, (double)row.samples);
    else
        average_add_range(server->average, update->array, 1, share.first, share.end);
    row.rank = (int)update->rank;
    row.send_s = fmax(0, update->arrived_s - row.compute_s);
    row.sent_bytes = (int64_t)update->received_bytes;
    server->rows[server->n_rows++] = row;
    server->compute_s[row.rank] += row.compute_s;
    server->cpu_s[row.rank] += row.cpu_s;
    server->throttled_s[row.rank] += row.throttled_s;
    server->cores_limit[row.rank] = row.cores_limit;
    return true;
}

// Applies the experiment's on_loss. Returns 0 when the round may go on.
static int
take_loss(server_t *server, const coordinator_fault_t *fault)
{
    const cluster_t *cluster = &server->role->experiment.cluster;
    if (fault->rank == COORDINATOR_NO_RANK || cluster->on_loss == ON_LOSS_FAIL)
        return -1;
    report_event(&server->role->reporter, "%s", fault->error.text);
    if (cluster->on_loss == ON_LOSS_RESPAWN) {
        coordinator_readmit(server->coordinator, fault->rank);
        return 0;
    }
    coordinator_drop(server->coordinator, fault->rank);
    return coordinator_workers(server->coordinator) >= (uint32_t)cluster->min_workers ? 0 : -1;
}

// Words the end of a wait that did not end well, and tells the workers.
static int
fail_wait(server_t *server, int code, const coordinator_fault_t *fault)
{
    if (code == TRANSPORT_STOPPED) {
        coordinator_abort(server->coordinator, "the coordinator was interrupted");
        return role_fail(server->role, STATUS_INTERRUPTED, "interrupted");
    }
    coordinator_abort(server->coordinator, fault->error.text);
    return role_fail(server->role, STATUS_RUN_FAILED, "%s", fault->error.text);
}

static int
join(server_t *server)
{
    coordinator_fault_t fault = {.rank = COORDINATOR_NO_RANK};
    int code = coordinator_join(server->coordinator, server->role->text, &fault);
    while (code == TRANSPORT_LOST && take_loss(server, &fault) == 0)
        code = coordinator_join(server->coordinator, server->role->text, &fault);
    return code == 0 ? STATUS_DONE : fail_wait(server, code, &fault);
}

static int
run_round(server_t *server, int round, double first_s)
{
    coordinator_fault_t fault = {.rank = COORDINATOR_NO_RANK};
    float *parameters = network_parameters(server->network);
    size_t n = network_parameter_count(server->network);
    average_clear(server->average);
    server->n_rows = 0;
    double began_s = clock_s();
    int code = coordinator_round(server->coordinator, (uint32_t)round, parameters, n, take_update,
                                 server, &fault);
    while (code == TRANSPORT_LOST && take_loss(server, &fault) == 0)
        code = coordinator_resume(server->coordinator, &fault);
    if (code != 0)
        return fail_wait(server, code, &fault);
    double last_s = clock_s();
    average_finish(server->average, parameters);
    double ended_s = clock_s();

    round_report_t report = {
        .round = round,
        .rounds = server->rounds,
        .round_s = ended_s - began_s,
        .aggregate_s = coordinator_times(server->coordinator).take_s + ended_s - last_s,
        .elapsed_s = ended_s - first_s,
        .n_workers = server->n_rows,
        .workers = server->rows,
    };
    server->result.t_s = report.elapsed_s;
    double loss = 0, samples = 0;
    for (int i = 0; i < server->n_rows; i++) {
        loss += server->rows[i].loss * (double)server->rows[i].samples;
        samples += (double)server->rows[i].samples;
    }
    server->result.samples += (int64_t)samples;
    server->result.train_loss = loss / samples;
    report_round(&server->role->reporter, &report);
    return server->role->reporter.is_broken
               ? role_fail(server->role, STATUS_RUN_FAILED, "nobody reads the records any more")
               : STATUS_DONE;
}

// What the rows of all rounds come to. DESIGN.md, section 6: W is the mean over the workers.
static void
sum_up(server_t *server)
{
    result_report_t *result = &server->result;
    transport_counters_t counters = coordinator_counters(server->coordinator);
    result->sent_bytes = (int64_t)counters.sent_bytes;
    result->received_bytes = (int64_t)counters.received_bytes;
    result->work_s = result->cores_granted = result->cores_limit = result->throttled_s = 0;
    for (int rank = 0; rank < server->nodes; rank++) {
        result->work_s += server->compute_s[rank] / server->nodes;
        result->throttled_s += server->throttled_s[rank] / server->nodes;
        result->cores_limit += server->cores_limit[rank];
        if (server->compute_s[rank] > 0)
            result->cores_granted += server->cpu_s[rank] / server->compute_s[rank];
    }
}

static int
serve(server_t *server)
{
    report_listening(&server->role->reporter, coordinator_endpoint(server->coordinator));
    int status = join(server);
    if (status != STATUS_DONE)
        return status;
    server->result.samples = 0;
    server->result.startup_s = clock_s() - server->role->began_s;
    report_started(&server->role->reporter, server->nodes, server->result.startup_s);
    double first_s = clock_s();
    for (int round = 1; round <= server->rounds && status == STATUS_DONE; round++)
        status = run_round(server, round, first_s);
    if (status != STATUS_DONE)
        return status;
    coordinator_fault_t fault;
    if (coordinator_done(server->coordinator, "", &fault) != 0)
        fprintf(stderr, "%s\n", fault.error.text); // the run is complete all the same
    sum_up(server);
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

static int
open_server(server_t *server, const char *endpoint)
{
    role_t *role = server->role;
    fault_t fault = {{0}};
    engine_error_t error = {{0}};
    transport_error_t refusal = {{0}};
    if (trainee_open_data(&role->experiment, role->data_folder, &server->data, &fault) != 0)
        return role_fail(role, STATUS_RUN_FAILED, "%s", fault.text);
    dataset_checksum(server->data, server->checksum);
    network_spec_t spec = experiment_network(&role->experiment);
    if (network_new(&server->network, &spec, EVALUATION_BATCH, 1, &error) != 0)
        return role_fail(role, STATUS_BAD_SPEC, "%s", error.text);
    network_initialize(server->network, (uint64_t)role->experiment.train.seed);
    server->average = average_new(network_parameter_count(server->network));
    server->rounds = trainee_rounds(&role->experiment, server->nodes,
                                    dataset_length(server->data, DATASET_TRAIN));

    const cluster_t *cluster = &role->experiment.cluster;
    char run[48];
    record_attempt_id(run);
    coordinator_config_t config = coordinator_config();
    config.endpoint = endpoint;
    config.run = run;
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
    return server->coordinator ? STATUS_DONE : role_fail(role, STATUS_CLUSTER, "%s", refusal.text);
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
    server.cpu_s = memory_new(4 * nodes * sizeof *server.cpu_s);
    server.compute_s = server.cpu_s + nodes;
    server.throttled_s = server.cpu_s + 2 * nodes;
    server.cores_limit = server.cpu_s + 3 * nodes;
    const cluster_t *cluster = &role->experiment.cluster;
    char *own = memory_format("tcp://%s:%ld", cluster->address, cluster->port);

    transport_start();
    status = open_server(&server, endpoint ? endpoint : own);
    if (status == STATUS_DONE)
        status = serve(&server);
    coordinator_free(server.coordinator);
    average_free(&server.average);
    network_free(&server.network);
    dataset_close(&server.data);
    free(own);
    free(server.rows);
    free(server.cpu_s);
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
        {"model", 'm', "FILE", OPTION_TEXT, &role.model, "keep the trained model there"},
        {"records", 0, NULL, OPTION_FLAG, &role.is_json, "JSON records even on a terminal"},
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

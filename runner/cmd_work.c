// cmd_work.c — a worker: trains its share of each round on the model it is sent.
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/clock.h"
#include "runner/memory.h"
#include "runner/phase.h"
#include "runner/role.h"
#include "runner/signals.h"
#include "runner/trainee.h"
#include "runner/version.h"
#include "transport/start.h"
#include "transport/worker.h"

// In tests of the model between rounds, too, a worker has nothing to do.
enum { LEAST_IDLE_S = 3600, LOSSES = 4 };

typedef struct work {
    role_t *role;
    worker_t *worker;
    host_facts_t host;
    trainee_t trainee;
    bool is_open;
    int rank;
    keys_t *keys;
    float *update; // (2n) parameters and velocity, when both are told
} work_t;

// Ends for a signal. The coordinator hears of it at once, as of any worker that gives up, and need
// not wait for the limit of silence; before it has welcomed us there is nobody to tell.
static int
leave(work_t *work)
{
    transport_error_t ignored;
    char why[128];
    snprintf(why, sizeof why, "ended by signal %d (%s)", signals_first(),
             strsignal(signals_first()));
    worker_error(work->worker, why, &ignored);
    return role_fail(work->role, STATUS_INTERRUPTED, "%s", why);
}

// Words what the transport said. Being told to end by a coordinator that gave up is no fault of
// ours.
static int
fail_transport(work_t *work, int code, const transport_error_t *error)
{
    if (code == TRANSPORT_STOPPED)
        return leave(work);
    return role_fail(work->role, STATUS_RUN_FAILED, "%s",
                     error->text[0] ? error->text : transport_strerror(code));
}

// No coordinator, or none that wants this worker: nothing has run that could have failed.
static int
fail_to_join(work_t *work, int code, const transport_error_t *error)
{
    if (code == TRANSPORT_TIMEOUT || code == TRANSPORT_REFUSED)
        return role_fail(work->role, STATUS_CLUSTER, "%s", error->text);
    return fail_transport(work, code, error);
}

static int
give_up(work_t *work, const char *why)
{
    transport_error_t ignored;
    worker_error(work->worker, why, &ignored);
    return role_fail(work->role, STATUS_RUN_FAILED, "%s", why);
}

static char *
ready_facts(const work_t *work)
{
    char checksum[DATASET_CHECKSUM_BYTES];
    dataset_checksum(work->trainee.data, checksum);
    json_t *facts =
        json_pack("{s:s, s:s, s:s, s:i, s:f}", "version", version_text(), "data_xxh128", checksum,
                  "cpu", work->host.cpu, "threads", network_threads(work->trainee.network),
                  "cores_limit", work->trainee.limit.cores);
    char *text = json_dumps(facts, JSON_COMPACT);
    json_decref(facts);
    return text ? text : memory_text("{}");
}

// How long others may take while we wait: each of them until it is given up, and a new one to come
// and do the round again, some times over. The coordinator has limits for all of that; this one
// only finds a coordinator that lives and does nothing.
static int64_t
patience_ms(const cluster_t *cluster)
{
    return (int64_t)fmin(1000 * fmax(LEAST_IDLE_S, LOSSES * (cluster->join_s + cluster->round_s)),
                         1e12);
}

static int
is_unwanted(const void *worker)
{
    return worker_interrupted(worker);
}

// From the first word to the coordinator to being ready for rounds.
static int
join(work_t *work)
{
    transport_error_t error = {{0}};
    worker_welcome_t welcome;
    phase_enter("joining", 0);
    int code = worker_join(work->worker, &welcome, &error);
    if (code != 0)
        return fail_to_join(work, code, &error);
    work->rank = (int)welcome.rank;
    phase_enter("loading", 0);
    int status = role_read_text(work->role, welcome.text, "the coordinator's experiment");
    if (status != STATUS_DONE) {
        char *faults = diag_text(work->role->diag);
        give_up(work, faults[0] ? faults : "the data set is not here");
        free(faults);
        return status;
    }
    worker_wait_for(work->worker, patience_ms(&work->role->experiment.cluster));
    fault_t fault = {{0}};
    if (trainee_open(&work->trainee, &work->role->experiment, work->role->data_folder,
                     (int)work->role->cell->nodes, work->rank, role_threads(work->role),
                     &fault) != 0)
        return give_up(work, fault.text);
    work->is_open = true;
    role_know_data(work->role, work->trainee.data);
    work->trainee.is_unwanted = is_unwanted;
    work->trainee.context = work->worker;
    char *facts = ready_facts(work);
    code = worker_ready(work->worker, facts, &error);
    free(facts);
    return code == 0 ? STATUS_DONE : fail_transport(work, code, &error);
}

// A task of round 0 hands out states: for each worker that lacks its own the rank, as a float, and
// its velocity. Everybody says that it has heard.
static int
take_state(work_t *work, const worker_task_t *task)
{
    size_t n = network_parameter_count(work->trainee.network);
    if (task->n % (n + 1) != 0)
        return give_up(work, "the coordinator's state is of another network");
    for (const float *at = task->parameters; at < task->parameters + task->n; at += n + 1)
        if (at[0] == (float)work->rank)
            trainee_restore(&work->trainee, at + 1);
    transport_error_t error = {{0}};
    int code = worker_update(work->worker, "", NULL, 0, &error);
    return code == 0 ? STATUS_DONE : give_up(work, error.text);
}

// What goes home: the parameters, and behind them the velocity where it is wanted.
static const float *
update_array(work_t *work, size_t *n)
{
    float *parameters = network_parameters(work->trainee.network);
    if (!work->trainee.undo)
        return parameters;
    if (!work->update)
        work->update = memory_new(2 * *n * sizeof *work->update);
    memcpy(work->update, parameters, *n * sizeof *parameters);
    memcpy(work->update + *n, trainer_velocity(work->trainee.trainer), *n * sizeof *parameters);
    *n *= 2;
    return work->update;
}

static int
do_round(work_t *work, const worker_task_t *task, double wait_s)
{
    network_t *network = work->trainee.network;
    size_t n = network_parameter_count(network);
    if (task->round == 0)
        return take_state(work, task);
    bool has_velocity = trainee_averages_velocity(&work->role->experiment);
    if (task->n != (has_velocity ? 2 * n : n))
        return give_up(work, "the coordinator's model is of another network");
    memcpy(network_parameters(network), task->parameters, n * sizeof(float));
    if (has_velocity)
        memcpy(trainer_velocity(work->trainee.trainer), task->parameters + n, n * sizeof(float));

    worker_row_t row = {.rank = work->rank};
    fault_t fault = {{0}};
    phase_enter("training", (int)task->round);
    int status = trainee_round(&work->trainee, (int)task->round - 1, wait_s, &row, &fault);
    if (status == -2)
        return leave(work);
    if (status == -3)
        return STATUS_DONE; // what is wanted instead is told by worker_next
    if (status != 0)
        return give_up(work, fault.text);
    transport_error_t error = {{0}};
    phase_enter("sending", (int)task->round);
    char *meta = worker_row_text(&row);
    const float *array = update_array(work, &n);
    int code = worker_update(work->worker, meta, array, n, &error);
    free(meta);
    fprintf(stderr, "round %u: %lld samples in %.3f s, loss %.4f\n", task->round,
            (long long)row.samples, row.compute_s, row.loss);
    trainee_look(&work->trainee);
    return code == 0 ? STATUS_DONE : give_up(work, error.text);
}

static int
work_rounds(work_t *work)
{
    int status = join(work);
    while (status == STATUS_DONE) {
        transport_error_t error = {{0}};
        worker_task_t task;
        double began_s = clock_s();
        int code = worker_next(work->worker, &task, &error);
        if (code != 0)
            return fail_transport(work, code, &error);
        if (task.kind == WORKER_DONE)
            break;
        status = do_round(work, &task, clock_s() - began_s);
    }
    return status;
}

static char *
own_identity(const work_t *work)
{
    char *identity = memory_format("%.40s-%ld", work->host.name, (long)getpid());
    for (char *at = identity; *at; at++)
        if (!((*at >= 'a' && *at <= 'z') || (*at >= 'A' && *at <= 'Z') ||
              (*at >= '0' && *at <= '9') || *at == '-' || *at == '.'))
            *at = '_';
    return identity;
}

static int
run_role(role_t *role, const char *endpoint, const char *identity)
{
    work_t work = {.role = role};
    int status = role->is_supervised ? role_read_parts(role) : STATUS_DONE;
    if (status == STATUS_DONE)
        status = role_keys(role, &work.keys);
    if (status != STATUS_DONE)
        return status;
    host_facts_read("", &work.host);
    char *own = own_identity(&work);
    transport_start();
    worker_config_t config = worker_config();
    config.endpoint = endpoint;
    config.identity = identity ? identity : work.keys ? keys_name(work.keys) : own;
    config.keys = work.keys;
    if (role->wait_s > 0)
        config.join_ms = (int64_t)fmin(1000 * role->wait_s + 1, 1e9);
    phase_name(config.identity);
    config.host = work.host.name;
    config.stop_fd = signals_fd();
    transport_error_t error = {{0}};
    work.worker = worker_new(&config, &error);
    status = work.worker ? work_rounds(&work) : role_fail(role, STATUS_USAGE, "%s", error.text);
    worker_free(work.worker);
    keys_free(work.keys);
    free(work.update);
    if (work.is_open)
        trainee_close(&work.trainee);
    free(own);
    return status;
}

static int
run(int argc, char **argv)
{
    role_t role = {0};
    const char *identity = NULL;
    const option_t options[] = {
        {"identity", 'i', "NAME", OPTION_TEXT, &identity,
         "this worker's name (else that of its keys, or host and process)"},
        {"keys", 'k', "FILE", OPTION_TEXT, &role.keys,
         "its key ring, as 'dmlx keys' makes it; also fd:N or env:NAME"},
        {"wait", 'w', "SECONDS", OPTION_REAL, &role.wait_s,
         "how long the coordinator may take to answer (else 60)"},
        {"data", 0, "DIR", OPTION_TEXT, &role.data,
         "where the data set lies (else $DMLX_DATA, else the cache)"},
        {"threads", 0, "N", OPTION_INTEGER, &role.threads,
         "threads to train on (else as many as the cell's cores)"},
        {"cpus", 0, "X", OPTION_REAL, &role.cpus, "limit to so many cores; 0.5 is half a core"},
        {"period-us", 0, "N", OPTION_INTEGER, &role.period_us, "period of that limit"},
        {"cgroup", 0, "NAME", OPTION_TEXT, &role.cgroup, "name of the control group it makes"},
        {"data-known", 0, "STAMP:XXH128", OPTION_TEXT, &role.data_known, NULL},
        {"supervised", 0, NULL, OPTION_FLAG, &role.is_supervised, NULL},
        {0},
    };
    int first = options_parse(&command_work, options, argc, argv);
    if (first < 0)
        return options_exit_status(first);
    if (argc - first != 1)
        return options_usage_fault(&command_work, "%s",
                                   argc == first ? "which coordinator? give its endpoint"
                                                 : "one coordinator at a time");
    int status = role_start(&role, &command_work, argv);
    role.reporter.is_text = true; // a worker's records travel in its updates, not on its output
    if (status == STATUS_DONE)
        status = run_role(&role, argv[first], identity);
    role_close(&role);
    return status;
}

const command_t command_work = {
    .name = "work",
    .summary = "work for a coordinator: train a share of each round",
    .usage = "[OPTION…] ENDPOINT",
    .example = "dmlx work tcp://127.0.0.1:7070",
    .run = run,
};

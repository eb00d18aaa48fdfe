// cmd_work.c — a worker: trains its share of each round on the model it is sent.
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "runner/clock.h"
#include "runner/memory.h"
#include "runner/role.h"
#include "runner/signals.h"
#include "runner/trainee.h"
#include "runner/version.h"
#include "transport/start.h"
#include "transport/worker.h"

typedef struct work {
    role_t *role;
    worker_t *worker;
    host_facts_t host;
    trainee_t trainee;
    bool is_open;
    int rank;
} work_t;

// Words what the transport said. Being told to end by a coordinator that gave up is no fault of
// ours.
static int
fail_transport(work_t *work, int code, const transport_error_t *error)
{
    int status = code == TRANSPORT_STOPPED ? STATUS_INTERRUPTED : STATUS_RUN_FAILED;
    return role_fail(work->role, status, "%s",
                     error->text[0] ? error->text : transport_strerror(code));
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

// From the first word to the coordinator to being ready for rounds.
static int
join(work_t *work)
{
    transport_error_t error = {{0}};
    worker_welcome_t welcome;
    int code = worker_join(work->worker, &welcome, &error);
    if (code != 0)
        return fail_transport(work, code, &error);
    work->rank = (int)welcome.rank;
    int status = role_read_text(work->role, welcome.text, "the coordinator's experiment");
    if (status != STATUS_DONE) {
        char *faults = diag_text(work->role->diag);
        give_up(work, faults[0] ? faults : "the data set is not here");
        free(faults);
        return status;
    }
    fault_t fault = {{0}};
    if (trainee_open(&work->trainee, &work->role->experiment, work->role->data_folder,
                     (int)work->role->cell->nodes, work->rank, role_threads(work->role),
                     &fault) != 0)
        return give_up(work, fault.text);
    work->is_open = true;
    char *facts = ready_facts(work);
    code = worker_ready(work->worker, facts, &error);
    free(facts);
    return code == 0 ? STATUS_DONE : fail_transport(work, code, &error);
}

static int
do_round(work_t *work, const worker_task_t *task, double wait_s)
{
    network_t *network = work->trainee.network;
    size_t n = network_parameter_count(network);
    if (task->n != n)
        return give_up(work, "the coordinator's model is of another network");
    float *parameters = network_parameters(network);
    for (size_t i = 0; i < n; i++)
        parameters[i] = task->parameters[i];

    worker_row_t row = {.rank = work->rank};
    fault_t fault = {{0}};
    int status = trainee_round(&work->trainee, (int)task->round - 1, wait_s, &row, &fault);
    if (status == -2)
        return role_fail(work->role, STATUS_INTERRUPTED, "interrupted in round %u", task->round);
    if (status != 0)
        return give_up(work, fault.text);
    transport_error_t error = {{0}};
    char *meta = worker_row_text(&row);
    int code = worker_update(work->worker, meta, parameters, n, &error);
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
    host_facts_read("", &work.host);
    char *own = own_identity(&work);
    transport_start();
    worker_config_t config = worker_config();
    config.endpoint = endpoint;
    config.identity = identity ? identity : own;
    config.host = work.host.name;
    config.stop_fd = signals_fd();
    transport_error_t error = {{0}};
    work.worker = worker_new(&config, &error);
    int status = work.worker ? work_rounds(&work) : role_fail(role, STATUS_USAGE, "%s", error.text);
    worker_free(work.worker);
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
         "this worker's name (else host and process)"},
        {"data", 0, "DIR", OPTION_TEXT, &role.data,
         "where the data set lies (else $DMLX_DATA, else the cache)"},
        {"threads", 0, "N", OPTION_INTEGER, &role.threads,
         "threads to train on (else as many as the cell's cores)"},
        {"cpus", 0, "X", OPTION_REAL, &role.cpus, "limit to so many cores; 0.5 is half a core"},
        {"period-us", 0, "N", OPTION_INTEGER, &role.period_us, "period of that limit"},
        {"cgroup", 0, "NAME", OPTION_TEXT, &role.cgroup, "name of the control group it makes"},
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

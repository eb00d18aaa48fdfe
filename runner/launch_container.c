// launch_container.c — a cell's processes as containers of one engine, docker or podman.
//
// The engine's own client is the process at our pipes: `docker run -i` passes standard streams and
// signals on, and a role that loses its standard input ends by itself. Containers share the host's
// network: they are on one machine, so the coordinator listens on loopback, and no bridge, no
// address translation and no open port is needed.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/container.h"
#include "runner/keeper.h"
#include "runner/launch_hosts.h"
#include "runner/launch_pipes.h"
#include "runner/limits.h"
#include "runner/memory.h"
#include "runner/process.h"

// What prepare() found for the cells.
static char data_source[1024];              // where the engine finds the data: a folder of its host
static char engine_host[LAUNCH_HOST_BYTES]; // its host's name; "": it does not tell

static container_engine_t
engine_of(const cluster_t *cluster)
{
    return (container_engine_t){.program =
                                    cluster->launcher == LAUNCHER_PODMAN ? "podman" : "docker",
                                .context = cluster->context};
}

static int
container_prepare(const cluster_t *cluster, const launch_need_t *need, fault_t *fault)
{
    container_engine_t engine = engine_of(cluster);
    engine.say = need->say;
    engine.long_ms_max = (int)(1000 * cluster->copy_s);
    char *image = container_image(cluster);
    int status = container_check(&engine, cluster, image, fault);
    free(image);
    if (status != 0)
        return LAUNCH_DENIED;
    if (*cluster->context && !*cluster->data_folder) {
        fault_set(fault,
                  "the engine of context '%s' cannot mount this machine's data; name the folder it "
                  "has there in cluster.data_folder",
                  cluster->context);
        return LAUNCH_DENIED;
    }
    snprintf(data_source, sizeof data_source, "%s",
             *cluster->data_folder ? cluster->data_folder : need->data_folder);
    static const char *const podman[] = {"info", "--format", "{{.Host.CPUs}} {{.Host.Hostname}}",
                                         NULL};
    static const char *const docker[] = {"info", "--format", "{{.NCPU}} {{.Name}}", NULL};
    char *text = NULL;
    fault_t why = {{0}};
    if (container_call(&engine, cluster->launcher == LAUNCHER_PODMAN ? podman : docker, NULL,
                       CONTAINER_CALL_MS, &text, &why) != 0) {
        container_deny(&engine, &why, fault);
        return LAUNCH_DENIED;
    }
    double cores = 0;
    *engine_host = 0;
    sscanf(text, "%lf %255s", &cores, engine_host);
    free(text);
    if (need->cores_a_node <= cores)
        return 0;
    fault_set(fault, "the engine's host has %g cores, and a node is to have %g; take fewer", cores,
              need->cores_a_node);
    return LAUNCH_DENIED;
}

static int
container_command(void *context, const launch_cell_t *cell, int rank, const char *endpoint,
                  launch_command_t *command, fault_t *fault)
{
    const cluster_t *cluster = context;
    container_engine_t engine = engine_of(cluster);
    char name[LIMITS_NAME_BYTES], prefix[LIMITS_NAME_BYTES];
    launch_argv_t argv;
    (void)fault;
    launch_group_name(cell, rank, name, sizeof name);
    launch_group_name(cell, LAUNCH_CELL, prefix, sizeof prefix);
    container_begin(&engine, command);
    bool trains = rank != LAUNCH_COORDINATOR || cell->n_nodes == 1;
    container_role_t role = {.run_id = cell->run_id,
                             .name = name,
                             .cell = prefix,
                             .data = data_source,
                             .cpu_limit = trains ? cell->cpu_limit : 0,
                             .period_us = cell->period_us,
                             .is_attended = true};
    container_add_run(&role, cluster, command);
    launch_argv_build(&argv, cell, rank, "dmlx", endpoint, false);
    launch_argv_data(&argv, "/data");
    for (int i = 1; i < argv.n; i++)
        launch_command_addf(command, "%s", argv.argv[i]);
    snprintf(command->host, sizeof command->host, "%s", engine_host);
    return 0;
}

// What a client left behind that was killed before it could pass the end on.
static int
container_finish(void *context, const launch_cell_t *cell, fault_t *fault)
{
    container_engine_t engine = engine_of(context);
    char label[LIMITS_NAME_BYTES + 16], prefix[LIMITS_NAME_BYTES];
    launch_group_name(cell, LAUNCH_CELL, prefix, sizeof prefix);
    snprintf(label, sizeof label, "dmlx.cell=%s", prefix);
    return container_remove(&engine, "container", label, 5000, fault) < 0 ? LAUNCH_FAILED : 0;
}

static int
container_start(const cluster_t *cluster, const launch_cell_t *cell, launch_t **launch,
                fault_t *fault)
{
    static const launch_pipes_t how = {.command = container_command, .finish = container_finish};
    return launch_pipes_start(&how, (void *)(size_t)cluster, cell, launch, fault);
}

static int
container_clean(const cluster_t *cluster, const char *run_id, int timeout_ms, fault_t *fault)
{
    container_engine_t engine = engine_of(cluster);
    char label[KEEPER_ID_BYTES + 16];
    snprintf(label, sizeof label, "%s=%s", CONTAINER_RUN_LABEL, run_id);
    int status = launch_clean_here(run_id, timeout_ms / 2, fault);
    fault_t why = {{0}};
    int n_found;
    long long until_ms = process_clock_ms() + timeout_ms / 2;
    // A client that was killed may have asked for one more that comes behind the first look.
    do
        n_found = container_remove(&engine, "container", label, timeout_ms / 2, &why);
    while (n_found > 0 && process_clock_ms() < until_ms);
    if (n_found == 0)
        return status;
    fault_set(fault,
              "not every container of run '%s' on %s%s%s would go (%s); look for those with the "
              "label %s",
              run_id, engine.program, *engine.context ? " of context " : "", engine.context,
              n_found < 0 ? why.text : "there was more each time", label);
    return LAUNCH_FAILED;
}

#define CONTAINER_LAUNCHER(word, text)                                                             \
    {                                                                                              \
        .name = word, .summary = text, .prepare = container_prepare,                               \
        .hosts = launch_container_hosts, .start = container_start, .stream = launch_pipes_stream,  \
        .fd = launch_pipes_fd, .host = launch_pipes_host, .respawn = launch_pipes_respawn,         \
        .stop = launch_pipes_stop, .clean_ms_max = CONTAINER_CALL_MS, .clean = container_clean,    \
    }

const launcher_t launcher_docker = CONTAINER_LAUNCHER("docker", "containers of one docker engine");
const launcher_t launcher_podman = CONTAINER_LAUNCHER("podman", "containers of one podman");

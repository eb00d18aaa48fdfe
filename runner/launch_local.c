// launch_local.c — a cell's processes on this machine: the default, and the shortest launcher.
#include <stdio.h>
#include <stdlib.h>

#include "runner/launch_pipes.h"
#include "runner/limits.h"
#include "runner/links.h"
#include "runner/memory.h"

// What the cell's processes have in common.
typedef struct local {
    links_t *links; // NULL: they talk over the loopback
    long port;
} local_t;

static int
local_prepare(const cluster_t *cluster, const launch_need_t *need, fault_t *fault)
{
    if (need->is_limited && !limits_available(fault))
        return LAUNCH_DENIED;
    if (need->link_mbit > 0 && !links_available(need->link_mbit, fault))
        return LAUNCH_DENIED;
    return need->link_mbit > 0 ? 0 : launch_check_port(cluster, need, fault);
}

// The role itself, which puts itself under its limit.
static int
local_command(void *context, const launch_cell_t *cell, int rank, const char *endpoint,
              launch_command_t *command, fault_t *fault)
{
    const local_t *local = context;
    (void)fault;
    launch_argv_t argv;
    launch_argv_build(&argv, cell, rank, "dmlx", endpoint, true);
    for (int i = 0; i < argv.n; i++)
        launch_command_addf(command, "%s", argv.argv[i]);
    if (cell->data_known) {
        launch_command_add(command, "--data-known");
        launch_command_add(command, cell->data_known);
    }
    if (local->links)
        command->network_fd = links_fd(local->links, rank);
    if (local->links && rank == LAUNCH_COORDINATOR) {
        char address[LINKS_ADDRESS_BYTES];
        links_address(LINKS_COORDINATOR, address);
        launch_command_add(command, "--listen");
        launch_command_addf(command, "tcp://%s:%ld", address, local->port);
    }
    command->program = cell->program ? cell->program : "/proc/self/exe";
    return 0;
}

// Keeps what went through the links beside the logs.
static int
local_finish(void *context, const launch_cell_t *cell, fault_t *fault)
{
    const local_t *local = context;
    (void)fault;
    if (!local->links)
        return 0;
    char *path = memory_format("%s/links.log", cell->folder);
    char *counters = links_counters(local->links);
    FILE *file = fopen(path, "we");
    if (file) {
        fputs(counters, file);
        fclose(file);
    }
    free(counters);
    free(path);
    return 0;
}

static void
local_free(void *context)
{
    local_t *local = context;
    links_free(&local->links);
    free(local);
}

static int
local_start(const cluster_t *cluster, const launch_cell_t *cell, launch_t **launch, fault_t *fault)
{
    static const launch_pipes_t how = {
        .command = local_command, .finish = local_finish, .free = local_free};
    local_t *local = memory_new(sizeof *local);
    local->port = cluster->port;
    // One node talks to nobody.
    if (cluster->link_mbit > 0 && cell->n_nodes > 1) {
        local->links = links_new(cell->n_nodes, cluster->link_mbit, fault);
        if (!local->links) {
            local_free(local);
            return LAUNCH_FAILED;
        }
    }
    return launch_pipes_start(&how, local, cell, launch, fault);
}

static int
local_clean(const cluster_t *cluster, const char *run_id, int timeout_ms, fault_t *fault)
{
    (void)cluster;
    return launch_clean_here(run_id, timeout_ms, fault);
}

const launcher_t launcher_local = {
    .name = "local",
    .summary = "processes on this machine",
    .prepare = local_prepare,
    .start = local_start,
    .stream = launch_pipes_stream,
    .fd = launch_pipes_fd,
    .host = launch_pipes_host,
    .respawn = launch_pipes_respawn,
    .stop = launch_pipes_stop,
    .clean = local_clean,
};

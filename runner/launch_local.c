// launch_local.c — a cell's processes on this machine: the default, and the shortest launcher.
#include "runner/launch_pipes.h"
#include "runner/limits.h"

static int
local_prepare(const cluster_t *cluster, const launch_need_t *need, fault_t *fault)
{
    (void)cluster;
    if (need->is_limited && !limits_available(fault))
        return LAUNCH_DENIED;
    return 0;
}

// The role itself, which puts itself under its limit.
static int
local_command(void *context, const launch_cell_t *cell, int rank, const char *endpoint,
              launch_command_t *command, fault_t *fault)
{
    (void)context;
    (void)fault;
    launch_argv_t argv;
    launch_argv_build(&argv, cell, rank, "dmlx", endpoint, true);
    for (int i = 0; i < argv.n; i++)
        launch_command_addf(command, "%s", argv.argv[i]);
    command->program = cell->program ? cell->program : "/proc/self/exe";
    return 0;
}

static int
local_start(const cluster_t *cluster, const launch_cell_t *cell, launch_t **launch, fault_t *fault)
{
    static const launch_pipes_t how = {.command = local_command};
    (void)cluster;
    return launch_pipes_start(&how, NULL, cell, launch, fault);
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
    .respawn = launch_pipes_respawn,
    .stop = launch_pipes_stop,
    .clean = local_clean,
};

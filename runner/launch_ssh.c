// launch_ssh.c — a cell's processes on hosts reached by the system's OpenSSH.
//
// A role's standard streams are those of an ssh client here: the text and the keys go in, records
// and log come out, and the end of the connection is the end of the role's lifeline. So nothing is
// installed on a host but a copy of this program in the user's cache folder, and nothing stays.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/fleet.h"
#include "runner/keeper.h"
#include "runner/launch_pipes.h"
#include "runner/memory.h"
#include "runner/text.h"

// The connections of this process, for all cells of a run: logging in anew for each would cost
// seconds. Made by prepare(), closed by clean().
static fleet_t *fleet;
static const char **lent; // names of those that cells may be lent, which prepare() has seen to
static int n_lent_max;

static bool
runs_here(const cluster_t *cluster)
{
    return strcmp(cluster->coordinator, "here") == 0;
}

// Whether each cell's coordinator is on a host that the cell is lent for it.
static bool
is_lent_too(const cluster_t *cluster)
{
    return strcmp(cluster->coordinator, "own") == 0;
}

// What a host must be able to do, now that it has answered. What it cannot becomes its fault.
static void
judge(const cluster_t *cluster, const launch_need_t *need, fleet_host_t *host)
{
    const host_survey_t *survey = &host->survey;
    if (*host->fault.text)
        return;
    if (need->is_limited && !*survey->limit)
        fault_set(&host->fault, "host '%s' cannot limit CPU: %s", host->name, survey->limit_fault);
    else if (need->cores_a_node > survey->facts.cores + 1e-9)
        fault_set(&host->fault,
                  "host '%s' has %g cores, and a node is to have %g; take fewer cores a node",
                  host->name, survey->facts.cores, need->cores_a_node);
    else if (!*survey->data_xxh128)
        fault_set(&host->fault, "host '%s' has no data set: %s", host->name, survey->data_fault);
    else if (strcmp(survey->data_xxh128, need->data_xxh128) != 0)
        fault_set(&host->fault,
                  "host '%s' has other data (xxh128 %s) than this machine (xxh128 %s); leave "
                  "cluster.data_folder out and it is copied",
                  host->name, survey->data_xxh128, need->data_xxh128);
    else if (is_lent_too(cluster) && need->n_nodes > 1 && !survey->is_port_free)
        launch_deny_port(cluster, host->name, &host->fault);
}

// Whether there is a place for the coordinator of more than one node.
static int
check_coordinator(const cluster_t *cluster, const launch_need_t *need, fault_t *fault)
{
    if (need->n_nodes == 1 || is_lent_too(cluster))
        return 0;
    if (runs_here(cluster))
        return launch_check_port(cluster, need, fault);
    const fleet_host_t *host = fleet_find(fleet, cluster->coordinator);
    fault_t why = host->fault;
    if (!*why.text && !host->survey.is_port_free)
        launch_deny_port(cluster, host->name, &why);
    return *why.text ? launch_fall_short(need, 1, &why, fault) : 0;
}

// Takes those of the hosts that can be lent, and tells of the others.
static int
choose_hosts(const cluster_t *cluster, const launch_need_t *need, int n_asked, fault_t *fault)
{
    const fault_t *first = NULL;
    lent = memory_resize(lent, ((size_t)n_asked + 1) * sizeof *lent);
    n_lent_max = 0;
    for (int i = 0; i < n_asked; i++) {
        const fleet_host_t *host = fleet_find(fleet, cluster->hosts.items[i]);
        if (!*host->fault.text)
            lent[n_lent_max++] = cluster->hosts.items[i];
        else if (!first)
            first = &host->fault;
        else if (need->say)
            need->say(host->fault.text);
    }
    int n_nodes_max = n_lent_max;
    if (is_lent_too(cluster) && n_lent_max > 1)
        n_nodes_max--; // its coordinator
    if (!first)
        return 0;
    if (n_nodes_max < need->n_nodes || !need->shortfall)
        return launch_fall_short(need, n_nodes_max, first, fault);
    if (need->say)
        need->say(first->text);
    return 0;
}

static int
ssh_prepare(const cluster_t *cluster, const launch_need_t *need, fault_t *fault)
{
    static char data_xxh128[40]; // borrowed by the fleet
    const char **names = memory_new(((size_t)need->n_hosts + 2) * sizeof *names);
    int n = 0;
    for (; n < need->n_hosts && (size_t)n < cluster->hosts.n_items; n++)
        names[n] = cluster->hosts.items[n];
    int n_asked = n;
    if (!runs_here(cluster) && !is_lent_too(cluster))
        names[n++] = cluster->coordinator;
    snprintf(data_xxh128, sizeof data_xxh128, "%s", need->data_xxh128);
    fleet_close(&fleet);
    fleet = fleet_open(cluster, need->run_id, data_xxh128, names, n, fault);
    free(names);
    if (!fleet)
        return LAUNCH_DENIED;
    fleet->say = need->say;
    fleet_install(fleet);
    // The synthetic set is made on each host when it is first asked for.
    if (!*cluster->data_folder && strcmp(need->data_name, "synthetic") != 0)
        fleet_copy_data(fleet, need->data_folder);
    survey_question_t question = {.data_name = need->data_name, .port = cluster->port};
    fleet_survey(fleet, &question);
    for (int i = 0; i < fleet->n_hosts; i++)
        judge(cluster, need, &fleet->hosts[i]);
    int status = choose_hosts(cluster, need, n_asked, fault);
    return status == 0 ? check_coordinator(cluster, need, fault) : status;
}

static int
ssh_pool(const cluster_t *cluster, const char *const **names)
{
    (void)cluster;
    *names = lent;
    return n_lent_max;
}

// --- commands ------------------------------------------------------------------------------------

// The address that workers reach the coordinator at. The one that a host's sshd sees is right
// wherever no address is translated on the way; elsewhere the cfg says it.
static const char *
coordinator_address(const cluster_t *cluster, const launch_cell_t *cell, const fleet_host_t *host)
{
    if (strcmp(cluster->address, "127.0.0.1") != 0)
        return cluster->address;
    return host ? host->address : fleet_find(fleet, cell->hosts[0])->our_address;
}

// The host a process runs on; NULL: this one.
static fleet_host_t *
place_of(const cluster_t *cluster, const launch_cell_t *cell, int rank)
{
    if (rank == LAUNCH_COORDINATOR && cell->n_nodes > 1 && !is_lent_too(cluster))
        return runs_here(cluster) ? NULL : fleet_find(fleet, cluster->coordinator);
    if (rank == LAUNCH_COORDINATOR)
        return fleet_find(fleet, cell->hosts[cell->n_nodes > 1 ? cell->n_nodes : 0]);
    return fleet_find(fleet, cell->hosts[rank]);
}

// One word for the remote shell: the role's command line, marked with the run's id.
static char *
remote_line(const launch_cell_t *cell, const fleet_host_t *host, const launch_argv_t *argv)
{
    text_t text = {0};
    char *program = fleet_quoted(host->program);
    text_add(&text, "exec env %s=%s %s", KEEPER_VARIABLE, cell->run_id, program);
    for (int i = 1; i < argv->n; i++) {
        char *quoted = fleet_quoted(argv->argv[i]);
        text_add(&text, " %s", quoted);
        free(quoted);
    }
    free(program);
    return text_take(&text);
}

static int
ssh_command(void *context, const launch_cell_t *cell, int rank, const char *endpoint,
            launch_command_t *command, fault_t *fault)
{
    const cluster_t *cluster = context;
    const fleet_host_t *host = place_of(cluster, cell, rank);
    launch_argv_t argv;
    char listen[160];
    (void)fault;
    launch_argv_build(&argv, cell, rank, "dmlx", endpoint, true);
    if (rank == LAUNCH_COORDINATOR && cell->n_nodes > 1 && argv.n + 2 < LAUNCH_ARGS_MAX) {
        snprintf(listen, sizeof listen, "tcp://%.100s:%ld",
                 coordinator_address(cluster, cell, host), cluster->port);
        argv.argv[argv.n++] = "--listen";
        argv.argv[argv.n++] = listen;
        argv.argv[argv.n] = NULL;
    }
    if (!host) {
        for (int i = 0; i < argv.n; i++)
            launch_command_addf(command, "%s", argv.argv[i]);
        command->program = cell->program ? cell->program : "/proc/self/exe";
        return 0;
    }
    launch_argv_data(&argv, host->data_folder       ? host->data_folder
                            : *cluster->data_folder ? cluster->data_folder
                                                    : NULL);
    const char *words[32];
    fleet_words(fleet, host, words);
    launch_command_add_all(command, words);
    char *line = remote_line(cell, host, &argv);
    launch_command_addf(command, "%s", line);
    free(line);
    snprintf(command->host, sizeof command->host, "%s", host->name);
    return 0;
}

static int
ssh_start(const cluster_t *cluster, const launch_cell_t *cell, launch_t **launch, fault_t *fault)
{
    static const launch_pipes_t how = {.command = ssh_command};
    return launch_pipes_start(&how, (void *)(size_t)cluster, cell, launch, fault);
}

static int
ssh_clean(const cluster_t *cluster, const char *run_id, int timeout_ms, fault_t *fault)
{
    (void)cluster;
    fleet_close(&fleet);
    free(lent);
    lent = NULL;
    return launch_clean_here(run_id, timeout_ms, fault);
}

const launcher_t launcher_ssh = {
    .name = "ssh",
    .summary = "processes on hosts reached by OpenSSH",
    .prepare = ssh_prepare,
    .pool = ssh_pool,
    .start = ssh_start,
    .stream = launch_pipes_stream,
    .fd = launch_pipes_fd,
    .host = launch_pipes_host,
    .respawn = launch_pipes_respawn,
    .stop = launch_pipes_stop,
    .clean = ssh_clean,
};

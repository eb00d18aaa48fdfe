// launch_slurm.c — a cell as one Slurm allocation: salloc gets it, srun starts each role in it.
//
// srun passes standard streams on, so a role is told what it needs as everywhere. The coordinator
// runs beside `dmlx run`, on the submitting host. Slurm gives whole cores; the share of one that a
// cell may ask for is enforced by the role's own control group.
#include <arpa/inet.h>
#include <math.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runner/container.h"
#include "runner/keeper.h"
#include "runner/launch_hosts.h"
#include "runner/launch_pipes.h"
#include "runner/memory.h"
#include "runner/process.h"

enum { ADDRESS_BYTES = 64, PATH_BYTES = 4096, CANCEL_MS = 5000 };

typedef struct allocation {
    const cluster_t *cluster;
    char id[32];
    char *nodes; // a host name a line
    char address[ADDRESS_BYTES];
} allocation_t;

static char program_path[PATH_BYTES]; // of dmlx on the nodes
static char data_folder[PATH_BYTES];
static int n_nodes_up; // that have the cores of a node of ours

// Slurm's programs are called as engines are: words in, text out.
static int
call(const char *program, const char *const *words, int timeout_ms, char **output, fault_t *fault)
{
    container_engine_t engine = {.program = program, .context = ""};
    return container_call(&engine, words, NULL, timeout_ms, output, fault);
}

static int
count_lines(const char *text)
{
    int n = *text != 0;
    for (; *text; text++)
        n += *text == '\n' && text[1];
    return n;
}

static int
slurm_prepare(const cluster_t *cluster, const launch_need_t *need, fault_t *fault)
{
    fault_t why = {{0}};
    char *nodes = NULL;
    static const char *const words[] = {"-h", "-N",    "-t", "idle,alloc,mix,comp",
                                        "-o", "%N %c", NULL};
    if (call("sinfo", words, CONTAINER_CALL_MS, &nodes, &why) != 0)
        return launch_slurm_deny(&why, fault);
    n_nodes_up = 0;
    for (char *line = strtok(nodes, "\n"); line; line = strtok(NULL, "\n")) {
        int cores = 0;
        if (sscanf(line, "%*s %d", &cores) == 1 && cores + 1e-9 >= need->cores_a_node)
            n_nodes_up++;
    }
    free(nodes);
    if (n_nodes_up < need->n_nodes) {
        fault_set(&why,
                  "slurm has %d nodes up with %g cores, and a cell asks for %d; 'sinfo' shows them",
                  n_nodes_up, ceil(need->cores_a_node), need->n_nodes);
        if (launch_fall_short(need, n_nodes_up, &why, fault) != 0)
            return LAUNCH_DENIED;
    }
    ssize_t n = readlink("/proc/self/exe", program_path, sizeof program_path - 1);
    program_path[n > 0 ? n : 0] = 0;
    if (*cluster->program)
        snprintf(program_path, sizeof program_path, "%s", cluster->program);
    snprintf(data_folder, sizeof data_folder, "%s",
             *cluster->data_folder ? cluster->data_folder : need->data_folder);
    return launch_check_port(cluster, need, fault);
}

// Slurm chooses the nodes; we only keep from asking for more than there are.
static int
slurm_pool(const cluster_t *cluster, const char *const **names)
{
    (void)cluster;
    *names = NULL;
    return n_nodes_up;
}

// Our address on the way to a node: what the kernel would send from. Nothing is sent.
static bool
own_address(const char *node, char address[ADDRESS_BYTES])
{
    struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_DGRAM}, *found = NULL;
    if (getaddrinfo(node, "9", &hints, &found) != 0)
        return false;
    struct sockaddr_in ours;
    socklen_t n = sizeof ours;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    bool is_known = fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) == 0 &&
                    getsockname(fd, (struct sockaddr *)&ours, &n) == 0 &&
                    inet_ntop(AF_INET, &ours.sin_addr, address, ADDRESS_BYTES);
    if (fd >= 0)
        close(fd);
    freeaddrinfo(found);
    return is_known;
}

// The address of a node as Slurm knows it, which name services may not.
static void
find_address(allocation_t *allocation)
{
    char first[256] = "";
    snprintf(first, sizeof first, "%.*s", (int)strcspn(allocation->nodes, "\n"), allocation->nodes);
    char *text = NULL;
    const char *words[] = {"show", "node", first, NULL};
    if (call("scontrol", words, CONTAINER_CALL_MS, &text, NULL) == 0) {
        const char *at = strstr(text, "NodeAddr=");
        if (at)
            snprintf(first, sizeof first, "%.*s", (int)strcspn(at + 9, " \n"), at + 9);
    }
    free(text);
    if (strcmp(allocation->cluster->address, "127.0.0.1") != 0)
        snprintf(allocation->address, ADDRESS_BYTES, "%.63s", allocation->cluster->address);
    else if (!own_address(first, allocation->address))
        snprintf(allocation->address, ADDRESS_BYTES, "127.0.0.1");
}

static void
job_name(const launch_cell_t *cell, char name[256])
{
    launch_group_name(cell, LAUNCH_CELL, name, 256);
    name[strlen(name) - 1] = 0;
}

// For calls that a signal ends: who waits is told by the row.
static void
say_nothing(const char *text)
{
    (void)text;
}

// Waits for the nodes as long as a cell may take to start. What ends salloc before that, a signal
// or the limit, may leave its job in the queue, and nobody has told us the job's id. Should it not
// go here, slurm_clean tells, which asks again when the run ends.
static int
queue(const launch_cell_t *cell, const char *name, const char *const *words, fault_t *why)
{
    container_engine_t salloc = {.program = "salloc", .context = "", .say = say_nothing};
    int status = container_call(&salloc, words, NULL, cell->start_ms_max + 5000, NULL, why);
    const char *cancel[] = {"--quiet", "-n", name, NULL};
    if (status < 0)
        call("scancel", cancel, CANCEL_MS, NULL, NULL);
    return status;
}

// Gets the nodes; they are ours until scancel. salloc tells the id on standard error.
static int
allocate(allocation_t *allocation, const launch_cell_t *cell, fault_t *fault)
{
    char name[256], nodes[32], cores[32], minutes[32], wait[32];
    fault_t why = {{0}};
    job_name(cell, name);
    snprintf(nodes, sizeof nodes, "-N%d", cell->n_nodes);
    snprintf(cores, sizeof cores, "-c%d", cell->n_threads > 0 ? cell->n_threads : 1);
    snprintf(minutes, sizeof minutes, "-t%.0f", ceil(allocation->cluster->cell_s / 60));
    snprintf(wait, sizeof wait, "--immediate=%d", cell->start_ms_max / 1000 + 1);
    const char *words[40] = {
        "--no-shell", "--quiet", "--ntasks-per-node=1", "-J", name, nodes, cores, minutes, wait};
    int n = 9;
    if (allocation->cluster->jobs > 1)
        words[n++] = "--exclusive"; // no cell beside another on a node of many cores
    for (size_t i = 0; i < allocation->cluster->options.n_items && n < 38; i++)
        words[n++] = allocation->cluster->options.items[i];
    if (queue(cell, name, words, &why) != 0) {
        fault_set(fault,
                  "slurm gives no allocation of %d nodes for '%s' within %d s: %s; where jobs "
                  "queue for longer, set cluster.timeout.join_s",
                  cell->n_nodes, cell->name, cell->start_ms_max / 1000 + 1, why.text);
        return LAUNCH_FAILED;
    }
    char *job = NULL;
    const char *find[] = {"-h", "-n", name, "-o", "%i %N", NULL};
    char list[1024];
    int status = call("squeue", find, CONTAINER_CALL_MS, &job, &why);
    if (status == 0 && sscanf(job, "%31s %1023s", allocation->id, list) == 2) {
        const char *show[] = {"show", "hostnames", list, NULL};
        status = call("scontrol", show, CONTAINER_CALL_MS, &allocation->nodes, &why);
    } else {
        status = -1;
    }
    free(job);
    if (status != 0 || count_lines(allocation->nodes) < cell->n_nodes) {
        fault_set(fault,
                  "slurm lost the allocation of '%s': %s; 'sacct --name=%s' and slurmctld's log "
                  "tell why",
                  cell->name, *why.text ? why.text : "squeue does not list its nodes", name);
        return LAUNCH_FAILED;
    }
    find_address(allocation);
    return 0;
}

static void
node_name(const allocation_t *allocation, int index, char *name, size_t n_bytes)
{
    const char *at = allocation->nodes;
    for (int i = 0; i < index && at; i++)
        at = strchr(at, '\n') ? strchr(at, '\n') + 1 : at;
    snprintf(name, n_bytes, "%.*s", (int)strcspn(at, "\n"), at);
}

static int
slurm_command(void *context, const launch_cell_t *cell, int rank, const char *endpoint,
              launch_command_t *command, fault_t *fault)
{
    const allocation_t *allocation = context;
    launch_argv_t argv;
    char listen[160];
    (void)fault;
    launch_argv_build(&argv, cell, rank, "dmlx", endpoint, true);
    if (rank == LAUNCH_COORDINATOR && cell->n_nodes > 1) {
        snprintf(listen, sizeof listen, "tcp://%s:%ld", allocation->address,
                 allocation->cluster->port);
        for (int i = 0; i < argv.n; i++)
            launch_command_addf(command, "%s", argv.argv[i]);
        launch_command_add(command, "--listen");
        launch_command_addf(command, "%s", listen);
        command->program = cell->program ? cell->program : "/proc/self/exe";
        return 0;
    }
    launch_argv_data(&argv, data_folder);
    node_name(allocation, rank < 0 ? 0 : rank, command->host, sizeof command->host);
    launch_command_add(command, "srun");
    launch_command_addf(command, "--jobid=%s", allocation->id);
    launch_command_addf(command, "--nodelist=%s", command->host);
    launch_command_add(command, "--overlap");
    launch_command_add(command, "--quiet");
    launch_command_add(command, "--kill-on-bad-exit=1");
    launch_command_add(command, "-N1");
    launch_command_add(command, "-n1");
    launch_command_addf(command, "-c%d", cell->n_threads > 0 ? cell->n_threads : 1);
    launch_command_add(command, "--chdir=/");
    launch_command_addf(command, "%s", program_path);
    for (int i = 1; i < argv.n; i++)
        launch_command_addf(command, "%s", argv.argv[i]);
    return 0;
}

static int
slurm_finish(void *context, const launch_cell_t *cell, fault_t *fault)
{
    const allocation_t *allocation = context;
    const char *words[] = {"--quiet", allocation->id, NULL};
    fault_t why = {{0}};
    if (!*allocation->id || call("scancel", words, CANCEL_MS, NULL, &why) == 0)
        return 0;
    fault_set(fault, "slurm's job %s of '%s' would not go: %s", allocation->id, cell->name,
              why.text);
    return LAUNCH_FAILED;
}

static void
slurm_free(void *context)
{
    allocation_t *allocation = context;
    free(allocation->nodes);
    free(allocation);
}

static int
slurm_start(const cluster_t *cluster, const launch_cell_t *cell, launch_t **launch, fault_t *fault)
{
    static const launch_pipes_t how = {
        .command = slurm_command, .finish = slurm_finish, .free = slurm_free};
    allocation_t *allocation = memory_new(sizeof *allocation);
    allocation->cluster = cluster;
    int status = allocate(allocation, cell, fault);
    if (status != 0) {
        slurm_finish(allocation, cell, NULL);
        slurm_free(allocation);
        return status;
    }
    return launch_pipes_start(&how, allocation, cell, launch, fault);
}

// Jobs are found by their names, which begin with the run's id.
static int
slurm_clean(const cluster_t *cluster, const char *run_id, int timeout_ms, fault_t *fault)
{
    (void)cluster;
    static const char *const words[] = {"-h", "-o", "%i %j", NULL};
    int status = launch_clean_here(run_id, timeout_ms / 2, fault);
    char *jobs = NULL, prefix[KEEPER_ID_BYTES + 16];
    fault_t why = {{0}};
    snprintf(prefix, sizeof prefix, "dmlx-%s-", run_id);
    bool is_told = call("squeue", words, timeout_ms / 4, &jobs, &why) == 0;
    if (is_told) {
        for (char *line = strtok(jobs, "\n"); line; line = strtok(NULL, "\n")) {
            char *name = strchr(line, ' ');
            if (!name || strncmp(name + 1, prefix, strlen(prefix)) != 0)
                continue;
            *name = 0;
            const char *cancel[] = {"--quiet", line, NULL};
            is_told = call("scancel", cancel, timeout_ms / 4, NULL, &why) == 0 && is_told;
        }
    }
    free(jobs);
    if (is_told)
        return status;
    fault_set(
        fault,
        "not every job of run '%s' could be cancelled within %d ms (%s); look for those whose "
        "name begins with '%s'",
        run_id, timeout_ms, why.text, prefix);
    return LAUNCH_FAILED;
}

const launcher_t launcher_slurm = {
    .name = "slurm",
    .summary = "one Slurm allocation a cell",
    .prepare = slurm_prepare,
    .pool = slurm_pool,
    .hosts = launch_slurm_hosts,
    .start = slurm_start,
    .stream = launch_pipes_stream,
    .fd = launch_pipes_fd,
    .host = launch_pipes_host,
    .respawn = launch_pipes_respawn,
    .stop = launch_pipes_stop,
    .clean_ms_max = CONTAINER_CALL_MS,
    .clean = slurm_clean,
};

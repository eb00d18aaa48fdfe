// launch_swarm.c — a cell as one stack of a Docker swarm, the paper's way: one stack file a cell.
//
// A service has no standard input that we could hold, so what a role is told comes as a secret, in
// the same frame, and its container runs `dmlx … <secret`. Nor is there a client whose end tells
// of a role's: one shell here deploys the stack, follows the coordinator's log, which is the record
// channel, and looks once a second how the tasks fare. It stands for all of the cell.
//
// Which node a worker runs on is decided here, by label, and written into the stack file: one
// worker a node, and a fault can name the node before anything is deployed.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/container.h"
#include "runner/keeper.h"
#include "runner/launch_hosts.h"
#include "runner/launch_pipes.h"
#include "runner/memory.h"
#include "runner/process.h"
#include "runner/remains.h"
#include "runner/swarm_spread.h"
#include "runner/swarm_watch.sh.h"
#include "runner/text.h"
#include "runner/version.h"

enum { NODES_MAX = 10000, REMOVE_LIMIT_MS = 60000, MANAGERS_MAX = 16, SILENT_S_MAX = 60 };

// What prepare() found: the nodes that workers may be placed on, the first of which cells are lent,
// and the image they run.
static char **nodes;
static int n_nodes, n_lent_max;
static char *image;
static bool has_data_in_image;

static container_engine_t
engine_of(const cluster_t *cluster)
{
    return (container_engine_t){.program = "docker", .context = cluster->context};
}

// For what is done before the run, with somebody waiting.
static container_engine_t
engine_heard(const cluster_t *cluster, const launch_need_t *need)
{
    container_engine_t engine = engine_of(cluster);
    engine.say = need->say;
    engine.long_ms_max = (int)(1000 * cluster->copy_s);
    return engine;
}

// --- before the run ------------------------------------------------------------------------------

static void
forget_nodes(void)
{
    for (int i = 0; i < n_nodes; i++)
        free(nodes[i]);
    free(nodes);
    nodes = NULL;
    n_nodes = 0;
}

// The nodes with the label that can take a task; `others` lists those that cannot. Where cells run
// side by side, a manager cannot: another cell's coordinator may be there.
static int
find_nodes(const cluster_t *cluster, bool with_managers, text_t *others, fault_t *fault)
{
    container_engine_t engine = engine_of(cluster);
    char *filter = memory_format("node.label=%s", cluster->label);
    const char *words[] = {"node",
                           "ls",
                           "--format",
                           "{{.Hostname}} {{.Status}} {{.Availability}} {{.ManagerStatus}}",
                           *cluster->label ? "--filter" : NULL,
                           filter,
                           NULL};
    fault_t why = {{0}};
    char *list = NULL;
    int status = container_call(&engine, words, NULL, CONTAINER_CALL_MS, &list, &why);
    free(filter);
    if (status != 0)
        return launch_swarm_deny(cluster, &why, fault);
    forget_nodes();
    nodes = memory_new(NODES_MAX * sizeof *nodes);
    for (char *line = strtok(list, "\n"); line; line = strtok(NULL, "\n")) {
        char name[256], state[32], availability[32], manager[32] = "";
        if (sscanf(line, "%255s %31s %31s %31s", name, state, availability, manager) < 3)
            continue;
        if (*manager && !with_managers)
            text_add(others, ", '%s' is a manager, where coordinators are", name);
        else if (strcmp(state, "Ready") == 0 && strcmp(availability, "Active") == 0 &&
                 n_nodes < NODES_MAX)
            nodes[n_nodes++] = memory_text(name);
        else
            text_add(others, ", '%s' is %s and %s", name, state, availability);
    }
    free(list);
    return 0;
}

// The image with the data set as one more layer, which every node pulls once. Its name carries the
// data's checksum.
static int
add_data_to_image(const cluster_t *cluster, const launch_need_t *need, fault_t *fault)
{
    container_engine_t engine = engine_heard(cluster, need);
    // With the revision, so that data are not laid over an image of another build.
    char *with_data =
        memory_format("%s-%s-data-%.16s", image, version_revision(), need->data_xxh128);
    const char *inspect[] = {"image", "inspect", "--format", "{{.Id}}", with_data, NULL};
    const char *pull[] = {"pull", "-q", with_data, NULL};
    int status = -1;
    if (*cluster->registry &&
        container_call(&engine, pull, NULL, container_long_ms(&engine), NULL, NULL) == 0)
        status = 0;
    if (status != 0 && !*cluster->registry &&
        container_call(&engine, inspect, NULL, CONTAINER_CALL_MS, NULL, NULL) == 0)
        status = 0;
    if (status != 0) {
        char *script =
            memory_format("printf 'FROM %s\\nCOPY . /data\\n' | docker %s %s build -q -t %s -f - "
                          "\"$0\" >/dev/null",
                          image, *cluster->context ? "--context" : "", cluster->context, with_data);
        container_engine_t shell = {.program = "sh", .context = "", .say = need->say};
        container_say(&engine, "the data set becomes a layer of the image '%s'%s", with_data,
                      *cluster->registry ? ", and goes to the registry" : "");
        const char *build[] = {"-c", script, need->data_folder, NULL};
        status = container_call(&shell, build, NULL, container_long_ms(&engine), NULL, fault);
        const char *push[] = {"push", "-q", with_data, NULL};
        if (status == 0 && *cluster->registry)
            status = container_call(&engine, push, NULL, container_long_ms(&engine), NULL, fault);
        free(script);
    }
    if (status == 0) {
        free(image);
        image = with_data;
        has_data_in_image = true;
        return 0;
    }
    fault_t why = *fault;
    fault_set(fault, "the image '%s' with the data set cannot be made: %s", with_data, why.text);
    free(with_data);
    return LAUNCH_DENIED;
}

static void
drop_node(int index)
{
    free(nodes[index]);
    memmove(nodes + index, nodes + index + 1, (size_t)(--n_nodes - index) * sizeof *nodes);
}

static bool
is_same_architecture(const char *of_node, const char *of_image)
{
    return strcmp(of_node, of_image) == 0 ||
           (strcmp(of_node, "x86_64") == 0 && strcmp(of_image, "amd64") == 0) ||
           (strcmp(of_node, "aarch64") == 0 && strcmp(of_image, "arm64") == 0);
}

// Drops the nodes that cannot run the image. `fault` names all of them, "" when there is none.
static int
check_architectures(const cluster_t *cluster, fault_t *fault)
{
    container_engine_t engine = engine_of(cluster);
    char *wanted = NULL, *found = NULL;
    const char *of_image[] = {"image", "inspect", "--format", "{{.Architecture}}", image, NULL};
    if (container_call(&engine, of_image, NULL, CONTAINER_CALL_MS, &wanted, fault) != 0)
        return LAUNCH_DENIED;
    const char **words = memory_new(((size_t)n_nodes + 8) * sizeof *words);
    words[0] = "node";
    words[1] = "inspect";
    words[2] = "--format";
    words[3] = "{{.Description.Platform.Architecture}}";
    for (int i = 0; i < n_nodes; i++)
        words[4 + i] = nodes[i];
    int status = container_call(&engine, words, NULL, CONTAINER_CALL_MS, &found, fault);
    int index = 0;
    text_t list = {0};
    for (char *arch = status == 0 ? strtok(found, "\n") : NULL; arch && index < n_nodes;
         arch = strtok(NULL, "\n")) {
        if (is_same_architecture(arch, wanted) || (*cluster->registry && !has_data_in_image)) {
            index++;
            continue;
        }
        text_add(&list, "%snode '%s' is %s", list.n_bytes > 0 ? ", " : "", nodes[index], arch);
        drop_node(index);
    }
    char *unlike = text_take(&list);
    if (*unlike && has_data_in_image)
        fault_set(fault,
                  "%s and the image with the data set is for %s; in a swarm of several "
                  "architectures the data lie on every node, where cluster.data_folder says",
                  unlike, wanted);
    else if (*unlike)
        fault_set(fault,
                  "%s and the image '%s' is for %s; build it for both by 'dmlx image --source … "
                  "--platform linux/amd64,linux/arm64'",
                  unlike, image, wanted);
    free(unlike);
    free(words);
    free(wanted);
    free(found);
    return status == 0 ? 0 : LAUNCH_DENIED;
}

// Decides what is lent of the nodes that are left. `why` is of the first that is not, "" if none.
static int
choose_nodes(const launch_need_t *need, const fault_t *why, fault_t *fault)
{
    n_lent_max = need->n_hosts < n_nodes ? need->n_hosts : n_nodes;
    if (!*why->text)
        return 0;
    if (n_nodes < need->n_nodes || !need->shortfall)
        return launch_fall_short(need, n_nodes, why, fault);
    if (need->say)
        need->say(why->text);
    return 0;
}

static int
swarm_prepare(const cluster_t *cluster, const launch_need_t *need, fault_t *fault)
{
    container_engine_t engine = engine_heard(cluster, need);
    if (need->is_respawning) {
        fault_set(fault, "the launcher swarm does not start a lost worker again; write "
                         "cluster.on_loss = \"fail\" or \"continue\"");
        return LAUNCH_DENIED;
    }
    text_t others = {0};
    bool with_managers = cluster->jobs == 1 || need->n_nodes == 1;
    int status = find_nodes(cluster, with_managers, &others, fault);
    char *unfit = text_take(&others);
    fault_t why = {{0}};
    if (status == 0 && n_nodes < need->n_nodes) {
        fault_set(&why,
                  "%d node%s of the swarm %s '%s' and can take a worker, and a cell asks for %d%s; "
                  "label more: docker node update --label-add %s NODE",
                  n_nodes, n_nodes == 1 ? "" : "s", *cluster->label ? "carry the label" : "are up",
                  cluster->label, need->n_nodes, unfit,
                  *cluster->label ? cluster->label : "KEY=VALUE");
        status = launch_fall_short(need, n_nodes, &why, fault);
    }
    free(unfit);
    free(image);
    image = container_image(cluster);
    has_data_in_image = false;
    if (status == 0 && container_check(&engine, cluster, image, fault) != 0)
        status = LAUNCH_DENIED;
    if (status == 0 && !*cluster->data_folder)
        status = add_data_to_image(cluster, need, fault);
    fault_t unlike = {{0}};
    if (status == 0 && check_architectures(cluster, &unlike) != 0) {
        fault_set(fault, "%s", unlike.text);
        status = LAUNCH_DENIED;
    }
    return status == 0 ? choose_nodes(need, &unlike, fault) : status;
}

// Leaves out the nodes that the image did not get to. A coordinator may be placed on any manager.
static int
take_spread(const launch_need_t *need, const swarm_spread_t *spread, const fault_t *lost,
            fault_t *fault)
{
    bool is_manager_lost = false;
    for (int i = n_lent_max; i < spread->n_nodes; i++)
        is_manager_lost = is_manager_lost || *spread->faults[i].text;
    for (int i = n_lent_max - 1; i >= 0; i--)
        if (*spread->faults[i].text) {
            drop_node(i);
            n_lent_max--;
        }
    int n_nodes_max = is_manager_lost && n_lent_max > 1 ? 1 : n_lent_max;
    if (*lost->text && (n_nodes_max < need->n_nodes || !need->shortfall))
        return launch_fall_short(need, n_nodes_max, lost, fault);
    return 0;
}

// The nodes that the cells' tasks will be placed on: the first of those for workers, and any that
// may take a coordinator.
static int
swarm_supply(const cluster_t *cluster, const launch_need_t *need, fault_t *fault)
{
    container_engine_t engine = engine_heard(cluster, need);
    static const char *const managers[] = {
        "node",     "ls",
        "--filter", "role=manager",
        "--format", "{{.Hostname}} {{.Status}} {{.Availability}}",
        NULL};
    char *list = NULL;
    fault_t why = {{0}};
    if (container_call(&engine, managers, NULL, CONTAINER_CALL_MS, &list, &why) != 0)
        return launch_swarm_deny(cluster, &why, fault);
    const char **names = memory_new((size_t)(n_lent_max + MANAGERS_MAX) * sizeof *names);
    int n = 0;
    for (; n < n_lent_max; n++)
        names[n] = nodes[n];
    for (char *line = need->n_nodes > 1 ? strtok(list, "\n") : NULL;
         line && n < n_lent_max + MANAGERS_MAX; line = strtok(NULL, "\n")) {
        char *end = strstr(line, " Ready Active");
        if (!end)
            continue;
        *end = 0;
        bool is_known = false;
        for (int i = 0; i < n; i++)
            is_known = is_known || strcmp(names[i], line) == 0;
        if (!is_known)
            names[n++] = line;
    }
    swarm_spread_t spread = {.engine = &engine,
                             .run_id = need->run_id,
                             .image = image,
                             .data_folder = has_data_in_image ? "" : cluster->data_folder,
                             .registry = cluster->registry,
                             .nodes = names,
                             .n_nodes = n,
                             .faults = memory_new((size_t)n * sizeof *spread.faults)};
    fault_t lost = {{0}};
    int status = swarm_spread(&spread, &lost);
    if (status == 0)
        status = take_spread(need, &spread, &lost, fault);
    else
        *fault = lost;
    free(spread.faults);
    free(names);
    free(list);
    return status == 0 ? 0 : LAUNCH_DENIED;
}

static int
swarm_pool(const cluster_t *cluster, const char *const **names)
{
    (void)cluster;
    *names = (const char *const *)nodes;
    return n_lent_max;
}

// --- the stack file ------------------------------------------------------------------------------

// A cell's stack, and the folder of the files it is deployed from.
typedef struct stack {
    const cluster_t *cluster;
    char name[64];
    char *folder;
    char *log_folder;
} stack_t;

// Service names have 63 bytes in all, so the stack's is a hash (FNV-1a) of run and cell.
static void
stack_name(const launch_cell_t *cell, char name[64])
{
    char group[256];
    launch_group_name(cell, LAUNCH_CELL, group, sizeof group);
    unsigned hash = 2166136261u;
    for (const char *at = group; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    snprintf(name, 64, "dmlx-%08x", hash);
}

static int
port_of(const cluster_t *cluster)
{
    return cluster->port > 0 ? (int)cluster->port : CONTAINER_PORT;
}

// The role's command line, which a shell gives its secret as standard input.
static void
add_command(text_t *text, const cluster_t *cluster, const launch_cell_t *cell, int rank,
            const char *process)
{
    char endpoint[128];
    launch_argv_t argv;
    snprintf(endpoint, sizeof endpoint, "tcp://coordinator:%d", port_of(cluster));
    launch_argv_build(&argv, cell, rank, "/usr/bin/dmlx", endpoint, false);
    launch_argv_data(&argv, "/data");
    text_add(text, "    entrypoint: [\"/bin/sh\", \"-c\"]\n    command: [\"exec");
    for (int i = 0; i < argv.n; i++)
        text_add(text, " %s", argv.argv[i]);
    if (rank == LAUNCH_COORDINATOR && cell->n_nodes > 1)
        text_add(text, " --listen tcp://*:%d", port_of(cluster));
    text_add(text, " </run/secrets/%s\"]\n", process);
}

// RES_OPTIONS: a worker that begins before its coordinator asks for a name that docker's resolver
// does not know yet, and passes on to the host's name servers. Where those cannot be reached nobody
// answers, and the C library would wait for 5 s before the worker may ask again.
static void
add_service(text_t *text, const cluster_t *cluster, const launch_cell_t *cell, int rank)
{
    char process[LAUNCH_NAME_BYTES];
    bool trains = rank != LAUNCH_COORDINATOR || cell->n_nodes == 1;
    launch_process_name(cell, rank, process);
    // Which a role tells as its own: for a coordinator nobody else knows what manager it is on.
    text_add(text, "  %s:\n    image: %s\n    hostname: \"{{.Node.Hostname}}\"\n", process, image);
    add_command(text, cluster, cell, rank, process);
    text_add(text,
             "    environment:\n      %s: \"%s\"\n      XDG_CACHE_HOME: /cache\n"
             "      RES_OPTIONS: \"timeout:1 attempts:1\"\n"
             "    user: \"65534:65534\"\n    read_only: true\n    cap_drop: [ALL]\n"
             "    tmpfs: [/tmp]\n    stop_grace_period: 3s\n    networks: [experiment]\n"
             "    secrets: [%s]\n    labels: { %s: \"%s\" }\n",
             KEEPER_VARIABLE, cell->run_id, process, CONTAINER_RUN_LABEL, cell->run_id);
    if (!has_data_in_image && *cluster->data_folder)
        text_add(text, "    volumes: [\"%s:/data:ro\"]\n", cluster->data_folder);
    text_add(text,
             "    deploy:\n      endpoint_mode: dnsrr\n      restart_policy: { condition: none }\n"
             "      labels: { %s: \"%s\" }\n",
             CONTAINER_RUN_LABEL, cell->run_id);
    if (trains)
        text_add(text, "      placement: { constraints: [\"node.hostname == %s\"] }\n",
                 cell->hosts ? cell->hosts[rank < 0 ? 0 : rank] : "NODE");
    else
        text_add(text, "      placement: { constraints: [\"node.role == manager\"] }\n");
    if (trains)
        swarm_add_limits(text, cell->cpu_limit, cluster->memory_mb);
}

static const char kept[] = "The files of the secrets hold the cell's experiment and\n"
                           "# keys made for this one attempt; they are gone with it.";
static const char drafted[] = "A draft, not to be deployed: dmlx run writes it anew with\n"
                              "# its id for RUN, a host of the swarm for NODE, the image that "
                              "holds the data, and the secrets.";

static char *
stack_text(const cluster_t *cluster, const launch_cell_t *cell, const char *about)
{
    text_t text = {0};
    text_add(&text, "# %s: one cell as a stack. %s\nversion: \"3.8\"\nservices:\n", cell->name,
             about);
    int n_workers = cell->n_nodes > 1 ? cell->n_nodes : 0;
    for (int rank = LAUNCH_COORDINATOR; rank < n_workers; rank++)
        add_service(&text, cluster, cell, rank);
    text_add(&text,
             "networks:\n  experiment:\n    driver: overlay\n    labels: { %s: \"%s\" }\n"
             "secrets:\n",
             CONTAINER_RUN_LABEL, cell->run_id);
    for (int rank = LAUNCH_COORDINATOR; rank < n_workers; rank++) {
        char process[LAUNCH_NAME_BYTES];
        launch_process_name(cell, rank, process);
        text_add(&text, "  %s: { file: ./%s, labels: { %s: \"%s\" } }\n", process, process,
                 CONTAINER_RUN_LABEL, cell->run_id);
    }
    return text_take(&text);
}

static int
write_file(const char *folder, const char *name, const char *text, int mode, fault_t *fault)
{
    char *path = memory_format("%s/%s", folder, name);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    size_t n = strlen(text);
    bool is_written = fd >= 0 && write(fd, text, n) == (ssize_t)n;
    if (fd >= 0 && close(fd) != 0)
        is_written = false;
    if (!is_written)
        fault_set(fault, "'%s' cannot be written: %s", path, strerror(errno));
    free(path);
    return is_written ? 0 : LAUNCH_FAILED;
}

static int
write_secrets(const launch_cell_t *cell, const char *folder, fault_t *fault)
{
    int status = 0, n_workers = cell->n_nodes > 1 ? cell->n_nodes : 0;
    for (int rank = LAUNCH_COORDINATOR; rank < n_workers && status == 0; rank++) {
        char process[LAUNCH_NAME_BYTES];
        const char *text = rank == LAUNCH_COORDINATOR ? cell->text
                           : cell->worker_texts       ? cell->worker_texts[rank]
                                                      : NULL;
        launch_process_name(cell, rank, process);
        char *frame = text ? launch_text_frame(text) : memory_text("\n");
        status = write_file(folder, process, frame, 0600, fault);
        memset(frame, 0, strlen(frame));
        free(frame);
    }
    return status;
}

static int
swarm_draft(const cluster_t *cluster, const launch_cell_t *cell, fault_t *fault)
{
    if (!image)
        image = container_image(cluster);
    char *text = stack_text(cluster, cell, drafted);
    int status = write_file(cell->folder, "stack.yml", text, 0644, fault);
    free(text);
    return status;
}

// --- the shell that stands for the cell ----------------------------------------------------------

static int
swarm_command(void *context, const launch_cell_t *cell, int rank, const char *endpoint,
              launch_command_t *command, fault_t *fault)
{
    const stack_t *stack = context;
    (void)rank;
    (void)endpoint;
    (void)fault;
    launch_command_add(command, "sh");
    launch_command_add(command, "-c");
    launch_command_add(command, swarm_watch);
    launch_command_add(command, "sh");
    launch_command_add(command, stack->cluster->context);
    launch_command_add(command, stack->name);
    launch_command_add(command, stack->folder);
    launch_command_addf(command, "%d", cell->n_nodes > 1 ? cell->n_nodes : 0);
    launch_command_addf(command, "%s", cell->folder);
    launch_command_add(command, stack->cluster->on_loss == ON_LOSS_FAIL ? "1" : "0");
    launch_command_addf(command, "%d", SILENT_S_MAX);
    snprintf(command->host, sizeof command->host, "swarm%s%s", *stack->cluster->context ? " " : "",
             stack->cluster->context);
    return 0;
}

// Where a worker was placed. The coordinator is on whichever manager the swarm chose.
static const char *
swarm_host(const launch_t *launch, int rank)
{
    const launch_cell_t *cell = launch_pipes_cell(launch);
    return rank >= 0 && cell->hosts ? cell->hosts[rank]
                                    : launch_pipes_host(launch, LAUNCH_COORDINATOR);
}

static int
swarm_finish(void *context, const launch_cell_t *cell, fault_t *fault)
{
    const stack_t *stack = context;
    char label[128];
    (void)cell;
    remains_remove_tree(stack->folder);
    snprintf(label, sizeof label, "com.docker.stack.namespace=%s", stack->name);
    fault_t why = {{0}};
    container_engine_t engine = engine_of(stack->cluster);
    if (container_remove_stack(&engine, label, REMOVE_LIMIT_MS, &why) >= 0)
        return 0;
    fault_set(fault, "the stack '%s' would not go: %s", stack->name, why.text);
    return LAUNCH_FAILED;
}

static void
swarm_free(void *context)
{
    stack_t *stack = context;
    remains_remove_tree(stack->folder);
    free(stack->folder);
    free(stack);
}

static int
swarm_start(const cluster_t *cluster, const launch_cell_t *cell, launch_t **launch, fault_t *fault)
{
    static const launch_pipes_t how = {
        .command = swarm_command, .finish = swarm_finish, .free = swarm_free, .is_alone = true};
    const char *temporary = getenv("TMPDIR");
    stack_t *stack = memory_new(sizeof *stack);
    stack->cluster = cluster;
    stack_name(cell, stack->name);
    // Named by the run's id, so that the keeper finds it: secrets lie in there.
    stack->folder =
        memory_format("%s/dmlx-%s-%s", temporary && *temporary == '/' ? temporary : "/tmp",
                      cell->run_id, stack->name);
    remains_remove_tree(stack->folder);
    char *text = stack_text(cluster, cell, kept);
    int status = 0;
    if (mkdir(stack->folder, 0700) != 0) {
        fault_set(fault, "no folder '%s' for the stack's files: %s", stack->folder,
                  strerror(errno));
        status = LAUNCH_FAILED;
    }
    if (status == 0)
        status = write_file(cell->folder, "stack.yml", text, 0644, fault);
    if (status == 0)
        status = write_file(stack->folder, "stack.yml", text, 0600, fault);
    if (status == 0)
        status = write_secrets(cell, stack->folder, fault);
    free(text);
    if (status != 0) {
        swarm_free(stack);
        return status;
    }
    return launch_pipes_start(&how, stack, cell, launch, fault);
}

static int
swarm_clean(const cluster_t *cluster, const char *run_id, int timeout_ms, fault_t *fault)
{
    char label[KEEPER_ID_BYTES + 16];
    long long until_ms = process_clock_ms() + timeout_ms, left_ms = timeout_ms;
    int status = launch_clean_here(run_id, timeout_ms / 2, fault);
    snprintf(label, sizeof label, "%s=%s", CONTAINER_RUN_LABEL, run_id);
    container_engine_t engine = engine_of(cluster);
    fault_t why = {{0}};
    int n_found;
    // Until there is nothing to be found: what a deploy that was cut off asked for last may come
    // behind the first look.
    do {
        n_found = container_remove_stack(&engine, label, (int)left_ms, &why);
        left_ms = until_ms - process_clock_ms();
    } while (n_found > 0 && left_ms > 0);
    forget_nodes();
    if (n_found == 0)
        return status;
    fault_set(fault,
              "not everything of run '%s' on the swarm%s%s would go (%s); look for "
              "services, secrets and networks with the label %s",
              run_id, *cluster->context ? " of context " : "", cluster->context,
              n_found < 0 ? why.text : "there was more each time", label);
    return LAUNCH_FAILED;
}

const launcher_t launcher_swarm = {
    .name = "swarm",
    .summary = "services of a Docker swarm, one stack file a cell",
    .prepare = swarm_prepare,
    .supply = swarm_supply,
    .pool = swarm_pool,
    .hosts = launch_swarm_hosts,
    .start = swarm_start,
    .stream = launch_pipes_stream,
    .fd = launch_pipes_fd,
    .host = swarm_host,
    .places_coordinator = true,
    .stop = launch_pipes_stop,
    .draft = swarm_draft,
    .clean_ms_max = REMOVE_LIMIT_MS,
    .clean = swarm_clean,
};

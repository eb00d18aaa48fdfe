// launch_hosts.c — the hosts of a cluster as the service behind a launcher knows them: for
// `dmlx doctor`.
#include "runner/launch_hosts.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "runner/container.h"
#include "runner/keeper.h"
#include "runner/memory.h"
#include "runner/swarm_spread.h"
#include "runner/text.h"

enum { NODES_MAX = 10000, PATH_BYTES = 4096 };

static const launch_host_t unknown = {
    .survey = {.temperature_c = NAN,
               .clock_mhz = NAN,
               .throttle_flags = -1,
               .is_port_free = true}, // of another network, or nobody's
    .clock_offset_s = NAN};

static double
now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

// How far off a clock is for certain that was read at some moment between two of ours: what a
// service runs begins when it likes.
static double
certain_offset(double clock_s, double from_s, double to_s)
{
    return clock_s < from_s ? clock_s - from_s : clock_s > to_s ? clock_s - to_s : 0;
}

// dmlx was asked in a container that has a worker's limits: whether they hold is what it read back.
// A CPU limit that does not would stop each worker, which looks too. True where one was asked for
// and holds.
static bool
judge_limits(const cluster_t *cluster, const survey_question_t *question, launch_host_t *host)
{
    static const double tolerance = 0.01; // quotas are whole microseconds
    host_survey_t *survey = &host->survey;
    double wanted = question->cpu_limit, found = survey->limited_cores;
    bool holds = wanted > 0 && fabs(found - wanted) <= tolerance * wanted;
    *survey->limit = *survey->limit_fault = 0;
    if (wanted <= 0)
        strcpy(survey->limit, "-"); // not asked for
    else if (holds)
        strcpy(survey->limit, survey->limited_by);
    else if (found > 0)
        snprintf(survey->limit_fault, sizeof survey->limit_fault,
                 "a container that was to have %g cores finds a limit of %g", wanted, found);
    else
        snprintf(survey->limit_fault, sizeof survey->limit_fault,
                 "a container that was to have %g cores finds no limit; 'docker info' or 'podman "
                 "info' there tells what its kernel lacks",
                 wanted);
    int64_t memory_bytes = (int64_t)cluster->memory_mb << 20;
    if (memory_bytes > 0 &&
        (survey->limited_memory_bytes == 0 || survey->limited_memory_bytes > memory_bytes))
        fault_set(&host->fault,
                  "host '%s' does not limit memory: a container that was to have %ld MiB finds no "
                  "such limit",
                  survey->facts.name, cluster->memory_mb);
    return holds;
}

// --- a swarm ---

int
launch_swarm_deny(const cluster_t *cluster, const fault_t *why, fault_t *fault)
{
    fault_set(fault, "no swarm answers%s%s%s: %s; cluster.context must lead to a manager",
              *cluster->context ? " by context '" : "", cluster->context,
              *cluster->context ? "'" : "", why->text);
    return LAUNCH_DENIED;
}

// The rows of the table, and what the nodes were asked.
typedef struct swarm_nodes {
    launch_host_t *hosts; // (n)
    int n;
    const char **names; // (n_asked) of those that take tasks
    int *index;         // (n_asked) in hosts
    int n_asked;
} swarm_nodes_t;

static void
take_node(const char *line, swarm_nodes_t *nodes)
{
    launch_host_t host = unknown;
    host_survey_t *survey = &host.survey;
    char state[20], availability[20], role[20], version[32];
    long long nano_cpus, memory_bytes;
    if (sscanf(line, "%255s %19s %19s %19s %31s %lld %lld %31s", survey->facts.name, state,
               availability, role, survey->facts.arch, &nano_cpus, &memory_bytes, version) != 8)
        return;
    snprintf(host.state, sizeof host.state, "%s %s %s", state, availability, role);
    snprintf(survey->engine, sizeof survey->engine, "docker %.*s", (int)strcspn(version, "+-"),
             version);
    survey->facts.cores = 1e-9 * (double)nano_cpus;
    survey->facts.memory_bytes = memory_bytes;
    if (strcmp(state, "ready") != 0)
        fault_set(&host.fault,
                  "node '%s' of the swarm is %s; is it on, on this network, and does dockerd run?",
                  survey->facts.name, state);
    else if (strcmp(availability, "active") != 0)
        fault_set(&host.fault,
                  "node '%s' of the swarm takes no tasks (%s); docker node update "
                  "--availability active %s",
                  survey->facts.name, availability, survey->facts.name);
    else
        nodes->index[nodes->n_asked++] = nodes->n;
    nodes->hosts[nodes->n++] = host;
}

// What dmlx said in a container there. The swarm's own words stand for what a container cannot see.
static void
take_facts(const char *answer, const cluster_t *cluster, const survey_question_t *question,
           double from_s, launch_host_t *host)
{
    host_survey_t survey = unknown.survey;
    if (!answer || host_survey_parse(answer, &survey) != 0)
        return;
    strcpy(survey.facts.name, host->survey.facts.name);
    strcpy(survey.facts.arch, host->survey.facts.arch);
    strcpy(survey.engine, host->survey.engine);
    survey.facts.cores = host->survey.facts.cores;
    survey.facts.memory_bytes = host->survey.facts.memory_bytes;
    if (!*cluster->data_folder) // it is in the image that the run makes
        survey.data_fault[0] = 0;
    host->survey = survey;
    host->is_asked = true;
    host->clock_offset_s = certain_offset(survey.clock_s, from_s, now_s());
    judge_limits(cluster, question, host);
}

static char *
facts_command(const cluster_t *cluster, const survey_question_t *question)
{
    text_t text = {0};
    text_add(&text, "\"doctor\", \"--facts\"");
    if (*cluster->registry)
        text_add(&text, ", \"--registry\", \"%s\"", cluster->registry);
    if (*cluster->data_folder)
        text_add(&text, ", \"--data\", \"/data\", \"--data-name\", \"%s\"", question->data_name);
    return text_take(&text);
}

// Asks the nodes that take tasks by a task on each. Without an image there is nothing to run: that
// is for prepare() to tell.
static void
ask_swarm(const container_engine_t *engine, const cluster_t *cluster,
          const survey_question_t *question, swarm_nodes_t *nodes)
{
    char *image = container_image(cluster);
    size_t n = (size_t)nodes->n_asked + 1;
    char *command = facts_command(cluster, question);
    swarm_spread_t spread = {.engine = engine,
                             .run_id = question->run_id,
                             .image = image,
                             .registry = cluster->registry,
                             .data_folder = cluster->data_folder,
                             .nodes = nodes->names,
                             .n_nodes = nodes->n_asked,
                             .cpu_limit = question->cpu_limit,
                             .memory_mb = cluster->memory_mb,
                             .command = command,
                             .faults = memory_new(n * sizeof *spread.faults),
                             .answers = memory_new(n * sizeof *spread.answers)};
    for (int i = 0; i < nodes->n_asked; i++)
        nodes->names[i] = nodes->hosts[nodes->index[i]].survey.facts.name;
    double from_s = now_s();
    fault_t why;
    if (nodes->n_asked > 0 && container_check(engine, cluster, image, &why) == 0)
        swarm_spread(&spread, &why);
    for (int i = 0; i < nodes->n_asked; i++) {
        launch_host_t *host = &nodes->hosts[nodes->index[i]];
        host->fault = spread.faults[i];
        host->is_misleading = *host->fault.text;
        take_facts(spread.answers[i], cluster, question, from_s, host);
        free(spread.answers[i]);
    }
    free(spread.answers);
    free(spread.faults);
    free(command);
    free(image);
}

int
launch_swarm_hosts(const cluster_t *cluster, const survey_question_t *question, launch_tell_t *tell,
                   void *context, fault_t *fault)
{
    container_engine_t engine = {.program = "docker",
                                 .context = cluster->context,
                                 .say = question->say,
                                 .long_ms_max = (int)(1000 * cluster->copy_s)};
    static const char *const list[] = {"node", "ls", "-q", NULL};
    char *ids = NULL, *rows = NULL, *rest = NULL;
    fault_t why = {{0}};
    if (container_call(&engine, list, NULL, CONTAINER_CALL_MS, &ids, &why) != 0)
        return launch_swarm_deny(cluster, &why, fault);
    const char **words = memory_new((NODES_MAX + 8) * sizeof *words);
    int n = 0;
    words[n++] = "node";
    words[n++] = "inspect";
    words[n++] = "--format";
    words[n++] = "{{.Description.Hostname}} {{.Status.State}} {{.Spec.Availability}} "
                 "{{.Spec.Role}} {{.Description.Platform.Architecture}} "
                 "{{.Description.Resources.NanoCPUs}} {{.Description.Resources.MemoryBytes}} "
                 "{{.Description.Engine.EngineVersion}}";
    for (char *id = strtok(ids, "\n"); id && n < NODES_MAX; id = strtok(NULL, "\n"))
        words[n++] = id;
    int status = container_call(&engine, words, NULL, CONTAINER_CALL_MS, &rows, &why);
    swarm_nodes_t nodes = {.hosts = memory_new((size_t)n * sizeof *nodes.hosts),
                           .names = memory_new((size_t)n * sizeof *nodes.names),
                           .index = memory_new((size_t)n * sizeof *nodes.index)};
    for (char *line = status == 0 ? strtok_r(rows, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest))
        take_node(line, &nodes);
    ask_swarm(&engine, cluster, question, &nodes);
    for (int i = 0; i < nodes.n; i++)
        tell(&nodes.hosts[i], context);
    free(nodes.hosts);
    free(nodes.names);
    free(nodes.index);
    free(words);
    free(rows);
    free(ids);
    return status == 0 ? 0 : launch_swarm_deny(cluster, &why, fault);
}

// --- one engine ---

// The engine as it tells itself; false where it does not.
static bool
take_engine(const char *row, const container_engine_t *engine, launch_host_t *host)
{
    char version[32];
    long long memory_bytes;
    host_survey_t *survey = &host->survey;
    bool is_podman = strcmp(engine->program, "podman") == 0;
    if (sscanf(row, "%255s %31s %lf %lld %31s", survey->facts.name, survey->facts.arch,
               &survey->facts.cores, &memory_bytes, version) != 5)
        return false;
    if (*engine->context)
        snprintf(host->state, sizeof host->state, "by %s '%.40s'",
                 is_podman ? "connection" : "context", engine->context);
    else
        strcpy(host->state, "by default");
    snprintf(survey->engine, sizeof survey->engine, "%s %.*s", engine->program,
             (int)strcspn(version, "+-"), version);
    survey->facts.memory_bytes = memory_bytes;
    return true;
}

// What dmlx said in a container there.
static void
take_container(const char *answer, const cluster_t *cluster, const survey_question_t *question,
               double from_s, launch_host_t *host)
{
    host_survey_t survey = unknown.survey;
    if (host_survey_parse(answer, &survey) != 0) {
        host->is_misleading = true;
        fault_set(&host->fault, "a container on host '%s' answers what is no survey: '%.60s'",
                  host->survey.facts.name, answer);
        return;
    }
    strcpy(survey.facts.name, host->survey.facts.name);
    strcpy(survey.engine, host->survey.engine);
    if (survey.limited_memory_bytes > 0 && survey.limited_memory_bytes < survey.facts.memory_bytes)
        survey.facts.memory_bytes = survey.limited_memory_bytes;
    host->survey = survey;
    host->is_asked = host->coordinates = true;
    host->clock_offset_s = certain_offset(survey.clock_s, from_s, now_s());
    if (judge_limits(cluster, question, host)) // its cores are the limit's, in whole microseconds
        host->survey.facts.cores = fmax(host->survey.facts.cores, question->cpu_limit);
}

// Why a worker's container would not run there.
static void
deny_container(const char *image, const char *data, const fault_t *why, launch_host_t *host)
{
    const char *name = host->survey.facts.name;
    host->is_misleading = true;
    if (container_lacks_folder(why->text))
        fault_set(&host->fault, "host '%s' has no folder '%s' (%s); correct cluster.data_folder",
                  name, data, why->text);
    else
        fault_set(&host->fault, "the image '%s' does not run on host '%s' as a worker would: %s",
                  image, name, why->text);
}

// Has dmlx look from within a container that is like a worker's in all but its command.
static void
ask_container(const container_engine_t *engine, const cluster_t *cluster,
              const survey_question_t *question, const char *data, launch_host_t *host)
{
    char name[KEEPER_ID_BYTES + 16], *answer = NULL, *image = container_image(cluster);
    launch_command_t command = {.n = 0};
    snprintf(name, sizeof name, "dmlx-%s-doctor", question->run_id);
    container_role_t role = {.run_id = question->run_id,
                             .name = name,
                             .data = data,
                             .cpu_limit = question->cpu_limit,
                             .period_us = (int)(1000 * cluster->period_ms)};
    container_add_run(&role, cluster, &command);
    const char *words[] = {"doctor",      "--facts",
                           "--data",      "/data",
                           "--data-name", question->data_name ? question->data_name : "synthetic",
                           NULL};
    launch_command_add_all(&command, words);
    launch_command_addf(&command, "--port=%ld", question->port);
    if (question->registry && *question->registry)
        launch_command_addf(&command, "--registry=%s", question->registry);
    double from_s = now_s();
    fault_t why = {{0}};
    if (container_call(engine, command.argv, NULL, 3 * CONTAINER_CALL_MS, &answer, &why) == 0)
        take_container(answer, cluster, question, from_s, host);
    else
        deny_container(image, data, &why, host);
    launch_command_free(&command);
    free(answer);
    free(image);
}

int
launch_container_hosts(const cluster_t *cluster, const survey_question_t *question,
                       launch_tell_t *tell, void *context, fault_t *fault)
{
    bool is_podman = cluster->launcher == LAUNCHER_PODMAN;
    container_engine_t engine = {.program = is_podman ? "podman" : "docker",
                                 .context = cluster->context,
                                 .say = question->say,
                                 .long_ms_max = (int)(1000 * cluster->copy_s)};
    static const char *const docker[] = {
        "info", "--format",
        "{{.Name}} {{.Architecture}} {{.NCPU}} {{.MemTotal}} {{.ServerVersion}}", NULL};
    static const char *const podman[] = {
        "info", "--format",
        "{{.Host.Hostname}} {{.Host.Arch}} {{.Host.CPUs}} {{.Host.MemTotal}} {{.Version.Version}}",
        NULL};
    char *row = NULL, *image = container_image(cluster);
    launch_host_t host = unknown;
    fault_t why = {{0}};
    int status =
        container_call(&engine, is_podman ? podman : docker, NULL, CONTAINER_CALL_MS, &row, &why);
    const char *data = *cluster->data_folder ? cluster->data_folder
                       : *cluster->context   ? NULL // which prepare() refuses
                                             : question->data_folder;
    if (status == 0 && take_engine(row, &engine, &host)) {
        tell(&host, context);
        // Without an image there is nothing to run: that is for prepare() to tell.
        if (data && container_check(&engine, cluster, image, &why) == 0) {
            strcpy(host.state, "in a container");
            ask_container(&engine, cluster, question, data, &host);
            tell(&host, context);
        }
    } else if (status != 0) {
        container_deny(&engine, &why, fault);
    }
    free(image);
    free(row);
    return status == 0 ? 0 : LAUNCH_DENIED;
}

// --- slurm ---

int
launch_slurm_deny(const fault_t *why, fault_t *fault)
{
    fault_set(fault, "slurm does not answer: %s; is slurmctld up, and SLURM_CONF right?",
              why->text);
    return LAUNCH_DENIED;
}

// What all nodes said, and when.
typedef struct answers {
    char *text; // a line of JSON each; NULL: nothing
    double from_s, to_s;
} answers_t;

static int
call(const char *program, const char *const *words, int timeout_ms, char **output, fault_t *fault)
{
    container_engine_t engine = {.program = program, .context = ""};
    return container_call(&engine, words, NULL, timeout_ms, output, fault);
}

// Has each of the nodes say what it can do; a line of JSON from each that can. `list` is as
// "w1,w2".
static char *
ask_nodes(const cluster_t *cluster, const survey_question_t *question, const char *list, int n,
          fault_t *fault)
{
    char name[KEEPER_ID_BYTES + 16], nodes[32], tasks[32], names[4096],
        program[PATH_BYTES] = "/proc/self/exe";
    ssize_t n_path = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n_path > 0 ? n_path : 0] = 0;
    const char *folder = *cluster->data_folder ? cluster->data_folder : question->data_folder;
    snprintf(nodes, sizeof nodes, "-N%d", n);
    snprintf(tasks, sizeof tasks, "-n%d", n);
    snprintf(names, sizeof names, "--nodelist=%s", list);
    // A node that cannot is to be told apart from all that can: no status of its own.
    const char *script = "\"$0\" doctor --facts --engines --registry \"$3\" --data-name \"$1\" "
                         "${2:+--data \"$2\"} 2>/dev/null || :";
    snprintf(name, sizeof name, "dmlx-%s-doctor", question->run_id); // as clean() looks for it
    const char *words[32] = {"-J",
                             name,
                             "--quiet",
                             "--immediate=10",
                             "--chdir=/",
                             nodes,
                             tasks,
                             names,
                             "--overcommit",
                             "sh",
                             "-c",
                             script,
                             *cluster->program ? cluster->program : program,
                             question->data_name ? question->data_name : "synthetic",
                             folder ? folder : "",
                             question->registry ? question->registry : "",
                             NULL};
    char *answers = NULL;
    container_engine_t srun = {.program = "srun", .context = "", .say = question->say};
    if (container_call(&srun, words, NULL, 3 * CONTAINER_CALL_MS, &answers, fault) != 0)
        return NULL;
    return answers;
}

// Fills in what the node itself said. False: it said nothing.
static bool
take_answer(const answers_t *answers, launch_host_t *host)
{
    for (const char *line = answers->text; line && *line; line = strchr(line, '\n')) {
        host_survey_t survey = unknown.survey;
        line += *line == '\n';
        if (host_survey_parse(line, &survey) != 0 ||
            strcmp(survey.facts.name, host->survey.facts.name) != 0)
            continue;
        host->survey = survey;
        host->is_asked = true;
        host->clock_offset_s = certain_offset(survey.clock_s, answers->from_s, answers->to_s);
        return true;
    }
    return false;
}

static void
tell_slurm_node(char *line, const answers_t *answers, const fault_t *why, launch_tell_t *tell,
                void *context)
{
    launch_host_t host = unknown;
    host_survey_t *survey = &host.survey;
    double memory_mb;
    if (sscanf(line, "%255s %63s %lf %lf", survey->facts.name, host.state, &survey->facts.cores,
               &memory_mb) != 4)
        return;
    survey->facts.memory_bytes = (int64_t)(memory_mb * (1 << 20));
    bool is_idle = strcmp(host.state, "idle") == 0;
    if (is_idle && !take_answer(answers, &host)) {
        host.is_misleading = true;
        fault_set(&host.fault,
                  "dmlx does not run on node '%s'%s%s; install it at the same path there, or name "
                  "its path in cluster.program",
                  survey->facts.name, *why->text ? ": " : "", why->text);
    } else if (!is_idle && strncmp(host.state, "alloc", 5) != 0 &&
               strncmp(host.state, "mix", 3) != 0)
        fault_set(&host.fault, "node '%s' of slurm is %s; 'scontrol show node %s' tells why",
                  survey->facts.name, host.state, survey->facts.name);
    tell(&host, context);
}

int
launch_slurm_hosts(const cluster_t *cluster, const survey_question_t *question, launch_tell_t *tell,
                   void *context, fault_t *fault)
{
    static const char *const idle[] = {"-h", "-N", "-t", "idle", "-o", "%N", NULL};
    static const char *const all[] = {"-h", "-N", "-o", "%N %T %c %m", NULL};
    char *names = NULL, *rows = NULL;
    answers_t answers = {.from_s = now_s()};
    fault_t why = {{0}};
    if (call("sinfo", idle, CONTAINER_CALL_MS, &names, &why) != 0 ||
        call("sinfo", all, CONTAINER_CALL_MS, &rows, &why) != 0) {
        free(names);
        return launch_slurm_deny(&why, fault);
    }
    int n = *names != '\0';
    for (char *at = names; *at; at++) {
        n += *at == '\n';
        *at = *at == '\n' ? ',' : *at;
    }
    if (n > 0)
        answers.text = ask_nodes(cluster, question, names, n, &why);
    answers.to_s = now_s();
    char *rest = rows;
    for (char *line; (line = strtok_r(rest, "\n", &rest));)
        tell_slurm_node(line, &answers, &why, tell, context);
    free(names);
    free(rows);
    free(answers.text);
    return 0;
}

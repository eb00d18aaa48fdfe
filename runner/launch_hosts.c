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
#include "runner/memory.h"

enum { NODES_MAX = 10000, PATH_BYTES = 4096 };

// --- a swarm ---

static void
tell_node(char *line, launch_tell_t *tell, void *context)
{
    launch_host_t host = {.survey = {.temperature_c = NAN, .clock_mhz = NAN, .is_throttled = -1},
                          .clock_offset_s = NAN};
    host_survey_t *survey = &host.survey;
    char state[20], availability[20], role[20], version[32];
    long long nano_cpus, memory_bytes;
    survey->is_port_free = true; // of the overlay network, which is a cell's own
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
    tell(&host, context);
}

int
launch_swarm_hosts(const cluster_t *cluster, const survey_question_t *question, launch_tell_t *tell,
                   void *context, fault_t *fault)
{
    container_engine_t engine = {.program = "docker", .context = cluster->context};
    static const char *const list[] = {"node", "ls", "-q", NULL};
    char *ids = NULL, *rows = NULL;
    (void)question; // the nodes cannot be asked without running something there
    if (container_call(&engine, list, NULL, CONTAINER_CALL_MS, &ids, fault) != 0)
        return LAUNCH_DENIED;
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
    int status = container_call(&engine, words, NULL, CONTAINER_CALL_MS, &rows, fault);
    char *rest = rows;
    for (char *line; status == 0 && (line = strtok_r(rest, "\n", &rest));)
        tell_node(line, tell, context);
    free(words);
    free(rows);
    free(ids);
    return status == 0 ? 0 : LAUNCH_DENIED;
}

// --- slurm ---

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
    char nodes[32], tasks[32], names[4096], program[PATH_BYTES] = "/proc/self/exe";
    ssize_t n_path = readlink("/proc/self/exe", program, sizeof program - 1);
    program[n_path > 0 ? n_path : 0] = 0;
    const char *folder = *cluster->data_folder ? cluster->data_folder : question->data_folder;
    snprintf(nodes, sizeof nodes, "-N%d", n);
    snprintf(tasks, sizeof tasks, "-n%d", n);
    snprintf(names, sizeof names, "--nodelist=%s", list);
    // A node that cannot is to be told apart from all that can: no status of its own.
    const char *script = "\"$0\" doctor --facts --engines --registry \"$3\" --data-name \"$1\" "
                         "${2:+--data \"$2\"} 2>/dev/null || :";
    const char *words[32] = {"-J",
                             "dmlx-doctor",
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
    if (call("srun", words, 3 * CONTAINER_CALL_MS, &answers, fault) != 0)
        return NULL;
    return answers;
}

// Fills in what the node itself said. False: it said nothing.
static bool
take_answer(const char *answers, launch_host_t *host)
{
    for (const char *line = answers; line && *line; line = strchr(line, '\n')) {
        host_survey_t survey = {.is_port_free = true};
        line += *line == '\n';
        if (host_survey_parse(line, &survey) != 0 ||
            strcmp(survey.facts.name, host->survey.facts.name) != 0)
            continue;
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        host->survey = survey;
        host->is_asked = true;
        host->clock_offset_s = survey.clock_s - ((double)now.tv_sec + 1e-9 * (double)now.tv_nsec);
        return true;
    }
    return false;
}

static void
tell_slurm_node(char *line, const char *answers, const fault_t *why, launch_tell_t *tell,
                void *context)
{
    launch_host_t host = {.survey = {.temperature_c = NAN, .clock_mhz = NAN, .is_throttled = -1},
                          .clock_offset_s = NAN};
    host_survey_t *survey = &host.survey;
    double memory_mb;
    survey->is_port_free = true;
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
    char *names = NULL, *rows = NULL, *answers = NULL;
    fault_t why = {{0}};
    if (call("sinfo", idle, CONTAINER_CALL_MS, &names, fault) != 0 ||
        call("sinfo", all, CONTAINER_CALL_MS, &rows, fault) != 0) {
        free(names);
        return LAUNCH_DENIED;
    }
    int n = *names != '\0';
    for (char *at = names; *at; at++) {
        n += *at == '\n';
        *at = *at == '\n' ? ',' : *at;
    }
    if (n > 0)
        answers = ask_nodes(cluster, question, names, n, &why);
    char *rest = rows;
    for (char *line; (line = strtok_r(rest, "\n", &rest));)
        tell_slurm_node(line, answers ? answers : "", &why, tell, context);
    free(names);
    free(rows);
    free(answers);
    return 0;
}

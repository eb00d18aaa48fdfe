#include "runner/swarm_spread.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/keeper.h"
#include "runner/memory.h"
#include "runner/process.h"
#include "runner/remains.h"
#include "runner/signals.h"
#include "runner/text.h"

enum {
    LOOK_MS = 300,           // between two looks at the tasks
    QUIET_MS = 3000,         // what is there already is there by then, and nothing is said
    SAY_MS = 60000,          // between two sentences about nodes still waited for
    REMOVE_LIMIT_MS = 60000, // for the stack to go
};

typedef struct spread {
    const swarm_spread_t *how;
    char stack[64];
    bool *has_image; // (n_nodes)
    int n_ready, n_lost;
    fault_t lost;                // why the first of them is
    long long began_ms, said_ms; // said_ms 0: nothing yet
} spread_t;

void
swarm_add_limits(text_t *text, double cpu_limit, long memory_mb)
{
    if (cpu_limit <= 0 && memory_mb <= 0)
        return;
    text_add(text, "      resources:\n        limits: {");
    if (cpu_limit > 0)
        text_add(text, " cpus: \"%.4g\"%s", cpu_limit, memory_mb > 0 ? "," : "");
    if (memory_mb > 0)
        text_add(text, " memory: %ldM", memory_mb);
    text_add(text, " }\n");
}

// On the host's network: a stack without a word about networks gets an overlay of its own.
static char *
stack_text(const swarm_spread_t *how)
{
    text_t text = {0};
    text_add(&text, "version: \"3.8\"\nservices:\n");
    for (int i = 0; i < how->n_nodes; i++) {
        text_add(&text,
                 "  node-%d:\n    image: %s\n    entrypoint: [\"/usr/bin/dmlx\"]\n"
                 "    command: [%s]\n    user: \"65534:65534\"\n    read_only: true\n"
                 "    cap_drop: [ALL]\n    networks: [host]\n    environment: { %s: \"%s\" }\n"
                 "    labels: { %s: \"%s\" }\n",
                 i, how->image, how->command ? how->command : "\"--version\"", KEEPER_VARIABLE,
                 how->run_id, CONTAINER_RUN_LABEL, how->run_id);
        if (*how->data_folder)
            text_add(&text, "    volumes: [\"%s:/data:ro\"]\n", how->data_folder);
        text_add(&text,
                 "    deploy:\n      restart_policy: { condition: none }\n"
                 "      labels: { %s: \"%s\" }\n"
                 "      placement: { constraints: [\"node.hostname == %s\"] }\n",
                 CONTAINER_RUN_LABEL, how->run_id, how->nodes[i]);
        swarm_add_limits(&text, how->cpu_limit, how->memory_mb);
    }
    text_add(&text, "networks:\n  host: { external: true, name: host }\n");
    return text_take(&text);
}

// Deploys the stack from a file in a folder that carries the run's id.
static int
deploy(const spread_t *spread, fault_t *fault)
{
    const char *temporary = getenv("TMPDIR");
    char *folder =
        memory_format("%s/dmlx-%s-spread", temporary && *temporary == '/' ? temporary : "/tmp",
                      spread->how->run_id);
    char *path = memory_format("%s/stack.yml", folder);
    char *text = stack_text(spread->how);
    int status = -1;
    remains_remove_tree(folder);
    FILE *file = mkdir(folder, 0700) == 0 ? fopen(path, "we") : NULL;
    bool is_written = file && fputs(text, file) >= 0;
    if (file && fclose(file) != 0)
        is_written = false;
    const char *words[] = {
        "stack", "deploy", "--resolve-image", "never", "-c", path, (char *)(size_t)spread->stack,
        NULL};
    if (is_written)
        status = container_call(spread->how->engine, words, NULL, CONTAINER_CALL_MS, NULL, fault);
    else
        fault_set(fault, "'%s' cannot be written", path);
    remains_remove_tree(folder);
    free(text);
    free(path);
    free(folder);
    return status == 0 ? 0 : -1;
}

// What the swarm says of a task that did not come about, with the node and what to do.
static void
word_failure(const swarm_spread_t *how, const char *node, const char *state, const char *why,
             fault_t *fault)
{
    if (strstr(why, "No such image") && *how->registry)
        fault_set(fault,
                  "node '%s' cannot pull the image '%s' (%s); it must reach the registry '%s', and "
                  "have it among the insecure-registries of its daemon.json unless it has a "
                  "certificate",
                  node, how->image, why, how->registry);
    else if (strstr(why, "No such image"))
        fault_set(fault,
                  "node '%s' has no image '%s' (%s); load it there, or name a registry in "
                  "cluster.registry that 'dmlx image --push' puts it into",
                  node, how->image, why);
    else if (container_lacks_folder(why))
        fault_set(fault, "node '%s' has no folder '%s' (%s); correct cluster.data_folder", node,
                  how->data_folder, why);
    else
        fault_set(fault, "the image '%s' does not run on node '%s' (%s: %s)", how->image, node,
                  state, *why ? why : "it said nothing");
}

static void
lose(spread_t *spread, long index, const fault_t *why)
{
    container_say(spread->how->engine, "%s", why->text);
    if (spread->n_lost++ == 0)
        spread->lost = *why;
    spread->how->faults[index] = *why;
}

// A line of `docker stack ps`: NAME|STATE …|ERROR.
static void
take_task(spread_t *spread, char *line)
{
    const swarm_spread_t *how = spread->how;
    char *state = strchr(line, '|'), *why = state ? strchr(state + 1, '|') : NULL;
    const char *number = strstr(line, "_node-");
    if (!why || !number || number > state)
        return;
    *state++ = *why++ = 0;
    long index = strtol(number + strlen("_node-"), NULL, 10);
    if (index < 0 || index >= how->n_nodes || spread->has_image[index] || *how->faults[index].text)
        return;
    if (strncmp(state, "Complete", 8) == 0) {
        spread->has_image[index] = true;
        spread->n_ready++;
        if (spread->said_ms > 0)
            container_say(how->engine, "node '%s' has the image after %.0f s", how->nodes[index],
                          1e-3 * (double)(process_clock_ms() - spread->began_ms));
        return;
    }
    bool is_lost = strncmp(state, "Failed", 6) == 0 || strncmp(state, "Rejected", 8) == 0 ||
                   strncmp(state, "Orphaned", 8) == 0 || strncmp(state, "Shutdown", 8) == 0 ||
                   (strncmp(state, "Pending", 7) == 0 && strstr(why, "no suitable node"));
    state[strcspn(state, " ")] = 0;
    if (!is_lost)
        return;
    fault_t fault;
    word_failure(how, how->nodes[index], state, why, &fault);
    lose(spread, index, &fault);
}

static int
look(spread_t *spread, fault_t *fault)
{
    const char *words[] = {
        "stack",       "ps", "--no-trunc", "--format", "{{.Name}}|{{.CurrentState}}|{{.Error}}",
        spread->stack, NULL};
    char *list = NULL;
    if (container_call(spread->how->engine, words, NULL, CONTAINER_CALL_MS, &list, fault) != 0)
        return -1;
    char *rest = NULL;
    for (char *line = strtok_r(list, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        take_task(spread, line);
    free(list);
    return 0;
}

// "'w1', 'w2'": those still waited for. The caller frees it.
static char *
missing(const spread_t *spread)
{
    text_t text = {0};
    int n = 0;
    for (int i = 0; i < spread->how->n_nodes; i++)
        if (!spread->has_image[i] && !*spread->how->faults[i].text)
            text_add(&text, "%s'%s'", n++ > 0 ? ", " : "", spread->how->nodes[i]);
    return text_take(&text);
}

static void
say_progress(spread_t *spread)
{
    long long now_ms = process_clock_ms();
    bool is_due = spread->said_ms == 0 ? now_ms - spread->began_ms >= QUIET_MS
                                       : now_ms - spread->said_ms >= SAY_MS;
    if (!is_due)
        return;
    char *names = missing(spread);
    container_say(spread->how->engine, "the image '%s' is pulled by %s", spread->how->image, names);
    spread->said_ms = now_ms;
    free(names);
}

// The time is over for those that are still waited for.
static void
lose_missing(spread_t *spread, int limit_ms)
{
    fault_t why;
    char *names = missing(spread);
    fault_set(&why,
              "the image '%s' is not on %s after %.3g s; give it more by cluster.timeout.copy_s, "
              "or see why it takes so long",
              spread->how->image, names, 1e-3 * limit_ms);
    free(names);
    if (spread->n_lost == 0)
        spread->lost = why;
    for (int i = 0; i < spread->how->n_nodes; i++)
        if (!spread->has_image[i] && !*spread->how->faults[i].text) {
            spread->how->faults[i] = why;
            spread->n_lost++;
        }
}

static int
await(spread_t *spread, fault_t *fault)
{
    int limit_ms = container_long_ms(spread->how->engine);
    struct pollfd signal = {.fd = signals_fd(), .events = POLLIN};
    while (spread->n_ready + spread->n_lost < spread->how->n_nodes) {
        if (signals_stop()) {
            fault_set(fault, "interrupted");
            return -1;
        }
        if (look(spread, fault) != 0)
            return -1;
        if (process_clock_ms() - spread->began_ms > limit_ms) {
            lose_missing(spread, limit_ms);
        } else if (spread->n_ready + spread->n_lost < spread->how->n_nodes) {
            say_progress(spread);
            poll(&signal, 1, LOOK_MS);
        }
    }
    *fault = spread->lost;
    return spread->n_ready > 0 ? 0 : -1;
}

// Fetches what the tasks printed; a node whose words do not come said nothing.
static void
take_answers(const spread_t *spread)
{
    const swarm_spread_t *how = spread->how;
    for (int i = 0; i < how->n_nodes && how->answers; i++) {
        if (!spread->has_image[i])
            continue;
        char *service = memory_format("%s_node-%d", spread->stack, i);
        const char *words[] = {"service", "logs", "--raw", service, NULL};
        container_call(how->engine, words, NULL, CONTAINER_CALL_MS, &how->answers[i], NULL);
        free(service);
    }
}

int
swarm_spread(const swarm_spread_t *self, fault_t *fault)
{
    spread_t spread = {.how = self, .began_ms = process_clock_ms()};
    unsigned hash = 2166136261u; // FNV-1a, as a cell's stack has it: names are short
    for (const char *at = self->run_id; *at; at++)
        hash = (hash ^ (unsigned char)*at) * 16777619u;
    snprintf(spread.stack, sizeof spread.stack, "dmlx-%08x-spread", hash);
    spread.has_image = memory_new((size_t)self->n_nodes * sizeof *spread.has_image);
    int status = deploy(&spread, fault);
    if (status == 0)
        status = await(&spread, fault);
    if (status == 0)
        take_answers(&spread);
    // Also what an interrupted deploy may have made; it goes whatever signal came.
    container_engine_t remover = *self->engine;
    remover.say = NULL;
    char label[128];
    fault_t why = {{0}};
    snprintf(label, sizeof label, "com.docker.stack.namespace=%s", spread.stack);
    if (container_remove_stack(&remover, label, REMOVE_LIMIT_MS, &why) < 0 && status == 0) {
        fault_set(fault, "the stack '%s' would not go: %s", spread.stack, why.text);
        status = -1;
    }
    free(spread.has_image);
    return status;
}

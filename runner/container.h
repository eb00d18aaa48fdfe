// container.h — a container engine by its own command line, docker or podman, and the image that
// dmlx runs from.
#ifndef RUNNER_CONTAINER_H
#define RUNNER_CONTAINER_H

#include <stdbool.h>

#include "runner/fault.h"
#include "runner/launch_pipes.h"
#include "runner/spec.h"

enum { CONTAINER_PORT = 7070, CONTAINER_CALL_MS = 20000, CONTAINER_LONG_MS = 600000 };

// The labels that everything a run makes carries.
#define CONTAINER_RUN_LABEL "dmlx.run"

// Which engine, and by which context or connection.
typedef struct container_engine {
    const char *program; // "docker", "podman"
    const char *context; // "": the default one
    // Told, in a sentence, what is begun that may take minutes; a signal ends a call then. NULL:
    // calls go on whatever signal came, as those that clean up must.
    launch_say_t *say;
    int long_ms_max; // of what may take minutes; 0: CONTAINER_LONG_MS
} container_engine_t;

// Runs "docker WORDS…" and gives what it printed, without the last newline; the caller frees it.
// `input` goes to its standard input from a file of that name, or NULL. Returns its exit status, or
// -1 when it did not end in time, was given up for a signal, or cannot be started; `fault` then,
// and for a status other than 0, holds the last thing it complained about. `output` may be NULL.
int container_call(const container_engine_t *engine, const char *const *words, const char *input,
                   int timeout_ms, char **output, fault_t *fault);

// Tells a sentence of what is begun to whoever waits, if anybody does.
void container_say(const container_engine_t *engine, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// The limit of a call that moves an image.
int container_long_ms(const container_engine_t *engine);

// What a container of a role has: a worker's, or one that finds out what a worker would find.
typedef struct container_role {
    const char *run_id; // keeper_run_id
    const char *name;   // of the container
    const char *cell;   // the prefix of all names of its cell; NULL: of none
    const char *data;   // folder on the engine's host, which must be there; "": it needs none
    double cpu_limit;   // in real cores; 0: none
    int period_us;      // of the quota; 0: LIMITS_PERIOD_US
    bool is_attended;   // has a standard input
} container_role_t;

// Adds "run … IMAGE", to be followed by the role's own words. The role is borrowed until then.
void container_add_run(const container_role_t *role, const cluster_t *cluster,
                       launch_command_t *command);

// Whether an engine, by its complaint, did not find the folder that it was to mount.
bool container_lacks_folder(const char *complaint);

// Adds "docker --context X" to a command.
void container_begin(const container_engine_t *engine, launch_command_t *command);

// Removes what carries a label, of one kind ("container", "service", "secret", "network").
// Returns how many were asked to go, -1 when the engine refuses.
int container_remove(const container_engine_t *engine, const char *kind, const char *label,
                     int timeout_ms, fault_t *fault);

// Removes a swarm's services, secrets and networks that carry a label, and asks again until the
// manager has let go of them, networks last: one goes when the last of its tasks has. Each kind is
// asked for at least once, with a second for that. Returns how many were found; -1: something would
// not go in time.
int container_remove_stack(const container_engine_t *engine, const char *label, int timeout_ms,
                           fault_t *fault);

// What an image says of the dmlx in it: version and revision, "0.1.0+abc1234", so that another
// build of the same version is told apart. The caller frees it.
char *container_build(void);

// The image's name: cluster.image, else dmlx:VERSION, behind cluster.registry. The caller frees it.
char *container_image(const cluster_t *cluster);

// The architecture of the engine's host in the words of images, "amd64" or "arm64", and the host's
// name; each may be "". -1: it does not answer.
int container_arch(const container_engine_t *engine, char arch[64], char host[256], fault_t *fault);

// The engine does not answer, for the reason given: the words for that, with what to do.
void container_deny(const container_engine_t *engine, const fault_t *why, fault_t *fault);

// Checks that the engine answers and has the image, in this version; pulls it where a registry is
// named. -1: the fault says what is missing and what to do.
int container_check(const container_engine_t *engine, const cluster_t *cluster, const char *image,
                    fault_t *fault);

#endif

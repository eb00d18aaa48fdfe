// launch_pipes.h — a cell whose processes each hang on pipes of ours: a role itself, or the client
// (ssh, docker run, srun) that passes a role's standard streams on.
//
// A launcher of this kind says what the command of each process is; starting, framing, records,
// ends, respawn and stop are the same for all of them. Its table of functions takes stream, fd,
// respawn and stop from here, and its start() ends with launch_pipes_start.
#ifndef RUNNER_LAUNCH_PIPES_H
#define RUNNER_LAUNCH_PIPES_H

#include "runner/launch.h"

enum { LAUNCH_WORDS_MAX = 160, LAUNCH_HOST_BYTES = 256 };

// A command line in the making. Zeroed to begin with.
typedef struct launch_command {
    const char *argv[LAUNCH_WORDS_MAX + 1]; // NULL ends
    int n;
    const char *program; // what is executed; NULL: argv[0]
    char *made[LAUNCH_WORDS_MAX];
    int n_made;
    int network_fd;               // network namespace that it runs in; 0: ours
    char host[LAUNCH_HOST_BYTES]; // where the role runs, for messages; "": this host
} launch_command_t;

// Adds a word; the text stays borrowed until the process was started.
void launch_command_add(launch_command_t *command, const char *word);
// Adds a word that is made here and owned by the command.
void launch_command_addf(launch_command_t *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void launch_command_add_all(launch_command_t *command, const char *const *words);
void launch_command_free(launch_command_t *command);

// How one launcher differs from the others.
typedef struct launch_pipes {
    // Fills in the command that runs the process of that rank. `endpoint` is what the coordinator
    // said it listens at. LAUNCH_DENIED, LAUNCH_FAILED: the fault says why. Required.
    int (*command)(void *context, const launch_cell_t *cell, int rank, const char *endpoint,
                   launch_command_t *command, fault_t *fault);

    // Called once when all processes have ended: removes what they left. Not required.
    int (*finish)(void *context, const launch_cell_t *cell, fault_t *fault);

    // Frees the context; called last. Not required.
    void (*free)(void *context);

    // One process stands for the whole cell, whose text it does not take: no workers are started.
    bool is_alone;
} launch_pipes_t;

// As start() of launcher_t. `how` must live as long as the launch; `context` belongs to the launch
// from here on, whatever is returned.
int launch_pipes_start(const launch_pipes_t *how, void *context, const launch_cell_t *cell,
                       launch_t **launch, fault_t *fault);

// What a launcher's table takes as its own.
int launch_pipes_stream(launch_t *launch, int timeout_ms, launch_event_t *event, fault_t *fault);
int launch_pipes_fd(const launch_t *launch);
const char *launch_pipes_host(const launch_t *launch, int rank);
const launch_cell_t *launch_pipes_cell(const launch_t *launch); // what it was started for
int launch_pipes_respawn(launch_t *launch, int rank, fault_t *fault);
int launch_pipes_stop(launch_t **launch, int grace_ms, fault_t *fault);

// Ends what this host has of a run, as clean() must: processes by their mark, groups, folders.
int launch_clean_here(const char *run_id, int timeout_ms, fault_t *fault);

#endif

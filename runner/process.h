// process.h — a child process: started with its pipes and log, watched, ended. By id, always.
//
//     process_t child;
//     process_options_t options = {.argv = argv, .log_path = "worker-1.log", .pipe_out = true};
//     process_start(&options, &child, &fault);
//     … poll child.pidfd (readable: it has ended) and child.out_fd …
//     process_wait(&child, 1000, &fault);   // or process_stop(&child, 1000, &fault)
//     process_close(&child);
//
// A child leads a session of its own: Ctrl-C on our terminal does not reach it, and its process
// group (the same id) is it and what it forked. Its death is bound to ours: the kernel sends it
// `death_signal` when the thread that started it ends, so start children from the main thread.
// No descriptor of ours leaks into it but those named here. Waiting is by pidfd: no polling for
// exits, no sleeping, and no race with an id that the kernel has given to somebody else.
#ifndef RUNNER_PROCESS_H
#define RUNNER_PROCESS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "runner/fault.h"

enum { PROCESS_NAME_BYTES = 128 };

enum {
    PROCESS_SYSTEM = -1, // the kernel refused: no such program, no memory, no descriptors
    PROCESS_TIMEOUT = -2 // it is still running
};

typedef struct process_options {
    const char *name;               // in messages: "worker-1"; NULL: argv[0]
    const char *program;            // a path, or a name in PATH; NULL: argv[0]
    const char *const *argv;        // NULL ends
    const char *const *environment; // "NAME=value" on top of ours; NULL ends; may be NULL
    const char *folder;             // to start in; NULL: ours
    const char *log_path;           // standard error is appended there; NULL: ours
    bool pipe_in;                   // a pipe to its standard input, else /dev/null
    bool pipe_out;                  // a pipe from its standard output, else as standard error
    int death_signal;               // sent to it when we die; 0: none
    int network_fd;                 // network namespace that it runs in; 0: ours
} process_options_t;

typedef struct process {
    pid_t pid;                     // 0: not started, or closed
    int pidfd;                     // readable once it has ended; -1
    int in_fd;                     // writes to its standard input; -1 without pipe_in
    int out_fd;                    // reads its standard output, non-blocking; -1 without pipe_out
    bool has_ended;                // `status` is valid
    int status;                    // as waitpid gives it
    char name[PROCESS_NAME_BYTES]; // for messages
} process_t;

// A process_t that is not started: safe to stop, wait for and close.
process_t process_none(void);

// Starts it. Returns after the program took over (exec), so a missing program is told here.
// PROCESS_SYSTEM: nothing runs; `process` is process_none().
int process_start(const process_options_t *options, process_t *process, fault_t *fault);

// Waits until it has ended and takes its status. Blocks at most timeout_ms; 0 only looks.
// PROCESS_TIMEOUT: it still runs.
int process_wait(process_t *process, int timeout_ms, fault_t *fault);

// Ends it: TERM, and after grace_ms KILL to its whole group. Blocks at most grace_ms and a second.
// Fine if it has ended already; what it left in its group is killed then too.
int process_stop(process_t *process, int grace_ms, fault_t *fault);

// Sends a signal if it still runs. Never blocks.
void process_signal(const process_t *process, int signal_number);

// Closes the pipes and the pidfd; afterwards it is process_none(). Does not end the process:
// stop it first.
void process_close(process_t *process);

// Closes its standard input, which tells many programs to end.
void process_close_in(process_t *process);
// Closes our end of its standard output: it is not kept waiting for a reader.
void process_close_out(process_t *process);

// Writes all of it to the descriptor, which may be non-blocking. Blocks at most timeout_ms.
// PROCESS_SYSTEM when the other end is closed; no SIGPIPE is raised.
int process_write(int fd, const void *bytes, size_t n_bytes, int timeout_ms, fault_t *fault);

// "exited with status 3", "was killed by signal 9 (Killed)": for a sentence about a wait status.
const char *process_status_text(int status, char *text, size_t n_bytes);
// What a shell would return: the exit status, or 128 + signal.
int process_exit_status(int status);

// When the process was started, in clock ticks since boot; 0 when there is none. Id and start
// together name a process for good.
unsigned long long process_started(pid_t pid);

// Ids of this user's processes that carry the mark "NAME=value", or with "NAME=" the variable with
// any value, in the environment they were started with. The caller and zombies are left out.
// Returns how many there are in all. Root sees everybody's.
int process_marked(const char *mark, pid_t *pids, int n_max);
bool process_is_marked(pid_t pid, const char *mark);

// The value of a variable in a process's environment; false: none, `value` is untouched then.
bool process_variable(pid_t pid, const char *name, char *value, size_t n_bytes);

// Milliseconds of the monotonic clock: for time limits.
long long process_clock_ms(void);

#endif

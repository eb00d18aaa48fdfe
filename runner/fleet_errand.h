// fleet_errand.h — one command a host, on all hosts of a fleet at once; the inside of fleet.h.
#ifndef RUNNER_FLEET_ERRAND_H
#define RUNNER_FLEET_ERRAND_H

#include "runner/fleet.h"

typedef struct fleet_errand {
    const char *what;   // for "host 'w1' could not …"
    const char *advice; // what to do then
    // What is brought to the hosts, for "… is copied to 'w1'": the limit is cluster.timeout.copy_s
    // then. NULL: nothing.
    const char *copies;
    int limit_ms; // for all hosts together
    // Whether the host is to do it; NULL: all are.
    bool (*wants)(const fleet_host_t *host);
    // The command there, one word for the remote shell; the caller frees it.
    char *(*remote)(const fleet_t *fleet, const fleet_host_t *host);
    // Takes what a command that ended well has printed; may set the host's fault. NULL: nothing.
    void (*take)(fleet_t *fleet, fleet_host_t *host, const char *heard);
} fleet_errand_t;

// Runs `sh -c SCRIPT` here for every host that has no fault yet, in which "$@" is the ssh command
// line with the errand's command behind it. What goes wrong becomes the host's fault. Blocks at
// most the errand's limit.
void fleet_on_all(fleet_t *fleet, const fleet_errand_t *errand, const char *script);

// The command, one word for a remote shell, that takes its standard input as FOLDER/NAME: a program
// of n_bytes, or with -1 an archive of the data set. Neither is there before it is whole, and no
// part of it afterwards. The name needs no quotes. The caller frees it.
char *fleet_take_command(const char *folder, const char *name, long long n_bytes);

// The command that a session begins with: it tells what the host is and what its cache has, up to
// a line "end", and stays until the end of its standard input. The caller frees it.
char *fleet_hello_command(const char *program_hash, long long program_bytes,
                          const char *data_xxh128);

#endif

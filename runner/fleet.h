// fleet.h — hosts reached by the system's OpenSSH: one connection each, kept for the whole run.
//
// The connection is an ssh in master mode; every later command (a role, a copy) goes through it
// without a further login. Names, users, keys, jump hosts and agents are the user's own
// ssh_config's affair. The master is our child and dies with us; the remote end of each command
// sees the end of its standard input then.
//
//     fleet_t *fleet = fleet_open(&cluster, run_id, names, n, &fault);   connects to all at once
//     fleet_install(fleet, &cluster); fleet_copy_data(…); fleet_survey(…);
//     for each host: host->fault.text, "" when all is well
//     fleet_close(&fleet);
//
// What goes wrong on a host stands in its fault, names the host, and says what to do; the following
// steps leave that host out. A signal (signals.h) ends each step.
#ifndef RUNNER_FLEET_H
#define RUNNER_FLEET_H

#include <stdbool.h>

#include "runner/fault.h"
#include "runner/host_survey.h"
#include "runner/launch.h"
#include "runner/process.h"
#include "runner/spec.h"

typedef struct fleet_host {
    char name[256];       // as ssh takes it
    process_t master;     // holds the connection
    char *socket;         // that further commands go through
    char arch[32];        // as uname -m tells it
    char cache[512];      // its folder for programs and data, ${XDG_CACHE_HOME:-~/.cache}/dmlx
    char address[64];     // its own, as sshd sees it
    char our_address[64]; // ours, as sshd sees it
    char *program;        // path of dmlx there
    char *data_folder;    // of the data set there; NULL: the roles look for themselves
    bool has_program, has_data; // in the cache, when we came
    bool has_survey;
    double asked_s;        // our clock, seconds since 1970, when it was last asked for something
    double clock_offset_s; // its clock less ours, with the way there: a tenth of a second
    host_survey_t survey;
    fault_t fault; // the first thing that went wrong; "" when nothing did
} fleet_host_t;

typedef struct fleet {
    char *folder; // of sockets and logs, "dmlx-<run>-ssh" in $TMPDIR
    char program_hash[17];
    long long program_bytes;
    const char *data_xxh128; // "": none is asked for
    const cluster_t *cluster;
    launch_say_t *say; // told of copies; NULL: nobody listens
    fleet_host_t *hosts;
    int n_hosts;
} fleet_t;

// Connects to every host, each only once. `cluster` and `data_xxh128` stay borrowed. NULL: not even
// a folder for sockets could be made. Blocks at most 15 s.
fleet_t *fleet_open(const cluster_t *cluster, const char *run_id, const char *data_xxh128,
                    const char *const *names, int n_names, fault_t *fault);
void fleet_close(fleet_t **fleet);

fleet_host_t *fleet_find(fleet_t *fleet, const char *name);

// Sees to it that every host has this version: cluster.program, or a copy in its cache.
void fleet_install(fleet_t *fleet);

// Copies the folder's files to hosts that have no data set of that checksum. May take minutes, at
// most cluster.timeout.copy_s.
void fleet_copy_data(fleet_t *fleet, const char *folder);

// Asks every host what it can do. The data's folder is each host's own.
void fleet_survey(fleet_t *fleet, const survey_question_t *question);

// The words that run a command line on the host, to stand before it; NULL ends. Borrowed until
// fleet_close; `words` has room for 24.
void fleet_words(const fleet_t *fleet, const fleet_host_t *host, const char **words);

// A word quoted for a POSIX shell; the caller frees it.
char *fleet_quoted(const char *word);

#endif

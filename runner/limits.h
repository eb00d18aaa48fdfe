// limits.h — how much CPU a tree of processes may use: a control group with a quota.
//
// A limit is a number of real cores, 0.3 or 2.5, enforced by the kernel as a quota in each short
// period. The group is made in cgroup v1's cpu controller or in cgroup v2, whichever the host has
// it in, below the group we live in; where v2 forbids that (a group may not hold processes and
// controlled groups at once) beside it, further up, as long as no limit set on us is left behind.
// A person without the right to make groups can still get one from systemd (`systemd-run --user
// --scope`), which wraps a command instead: see limits_scope_argv.
//
//     limits_host_t host;                         // where groups can be made
//     limits_group_t group;
//     limits_probe("", &host, &fault);
//     limits_create(&host, "dmlx-…-worker-1", 0.3, 0, &group, &fault);
//     limits_join(&group, 0, &fault);             // this process, and all it forks from now on
//     … limits_measure(&group, &usage); …
//     limits_remove(&group, 2000, &fault);        // kills what is left in it
//
// What the kernel granted is read back: group.cores is the quota as it stands, not as asked.
// A group is plain data, so a forked process can use its parent's. Names begin with "dmlx-" and
// the run's id (keeper.h), so that leftovers can be told from anybody else's groups.
//
// All paths start at `root`, "" for the host itself; tests hand in a folder that imitates one.
#ifndef RUNNER_LIMITS_H
#define RUNNER_LIMITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "runner/fault.h"

enum {
    LIMITS_PATH_BYTES = 1024,
    LIMITS_NAME_BYTES = 160,
    LIMITS_PERIOD_US = 10000 // default: gaps of 7 ms at a third of a core; the kernel's 100 ms
                             // period makes gaps of up to 62 ms, which a round would notice
};

enum {
    LIMITS_DENIED = -1, // this host or user cannot; the fault says what to do
    LIMITS_IO = -2,     // a file of the kernel's did not do what it does
    LIMITS_BUSY = -3    // processes did not leave the group in time
};

typedef enum { LIMITS_NONE, LIMITS_V1, LIMITS_V2, LIMITS_SCOPE } limits_kind_t;

// Where this process can make groups. Plain; nothing to free.
typedef struct limits_host {
    limits_kind_t kind;
    char root[LIMITS_PATH_BYTES];  // what every path starts with: "" for the host itself
    char cpu[LIMITS_PATH_BYTES];   // folder that new groups are made in; empty for LIMITS_SCOPE
    char usage[LIMITS_PATH_BYTES]; // v1: the same in cpuacct, empty when there is none; v2: as cpu
} limits_host_t;

typedef struct limits_group {
    limits_kind_t kind;
    char name[LIMITS_NAME_BYTES];
    char cpu[LIMITS_PATH_BYTES];   // the group's folder, with its quota
    char usage[LIMITS_PATH_BYTES]; // the folder that counts CPU time; empty when there is none
    double cores;                  // the quota as read back, in real cores
    int period_us;                 // as read back
} limits_group_t;

// Counters since the group was made. What the host does not tell is -1.
typedef struct limits_usage {
    double cpu_s;       // CPU time of every process that was ever in the group
    double throttled_s; // time in which some runnable thread had to wait for the next period
    long periods;       // periods in which the group wanted to run
    long throttled;     // of those, periods in which the quota was used up
} limits_usage_t;

// Finds out where groups can be made, by /proc/self/mountinfo and /proc/self/cgroup. Prefers v1
// when the cpu controller is mounted there, since then v2 cannot have it; LIMITS_SCOPE only when
// neither lets us write. Starts at most one helper (systemd-run), waits 5 s for it at most.
// LIMITS_DENIED: nothing works; the fault tells why, and what would help. May move this process
// into a group of its own below the present one, where v2 leaves no other way (a container).
int limits_probe(const char *root, limits_host_t *host, fault_t *fault);

// True when a limit can really be enforced here: a group is made, its quota read back, and it is
// removed. Otherwise `why` holds the sentence for the user. For the check before a run.
bool limits_available(fault_t *why);

// Makes the group and sets its quota. `period_us` 0: LIMITS_PERIOD_US, made longer where the quota
// would fall below the kernel's least, 1 ms. A group of that name is taken over if it is empty.
// Not for LIMITS_SCOPE. On failure nothing is left behind and `group` is untouched.
int limits_create(const limits_host_t *host, const char *name, double cores, int period_us,
                  limits_group_t *group, fault_t *fault);

// Moves a process into the group, 0 for the caller. What it forked before stays where it is.
int limits_join(const limits_group_t *group, pid_t pid, fault_t *fault);

// The group this process is in, with the tightest quota from there up to the root of what we can
// see. `group->cores` is 0 when nothing limits us. For a process started in a scope or container.
int limits_current(const char *root, limits_group_t *group, fault_t *fault);

// The least memory limit of the group this process is in and of those around it, in bytes; 0: none
// that can be seen.
int64_t limits_memory(const char *root);

// Reads the counters. -1 in each field that the host does not tell; never fails.
void limits_measure(const limits_group_t *group, limits_usage_t *usage);

// Processes in the group, at most `n_max`; returns how many there are in all.
int limits_members(const limits_group_t *group, pid_t *pids, int n_max);

// Kills what is left in the group (by cgroup.kill, or by the ids in cgroup.procs), waits until it
// is empty and removes it. Fine when it is gone already. LIMITS_BUSY after timeout_ms.
int limits_remove(const limits_group_t *group, int timeout_ms, fault_t *fault);

// Visits the groups whose names start with `prefix`, wherever in the hierarchy, in no order (cores
// not filled in); `visit` may remove them. In v1 one that stands in cpuacct alone is visited too.
void limits_each(const char *root, const char *prefix,
                 void (*visit)(const limits_group_t *group, void *context), void *context);

// The command that runs `argv` in a scope of systemd's with that limit: NULL-terminated, to be
// freed as one block with free(); the texts in it that are argv's stay borrowed.
const char **limits_scope_argv(const char *name, double cores, int period_us,
                               const char *const *argv);

#endif

// warden.h — a role that splits in two: the work, and a small guard that outlives it.
//
// A role started with --cpus or --supervised calls warden_enter first thing, before any thread.
// It forks: the parent is the warden, which makes the control group, and afterwards does nothing
// but wait; the child goes on as the role, inside the group. What holds from then on:
//
//   - TERM, INT and HUP sent to the warden reach the child once, and CONT after them, so that one
//     that was stopped hears them. (A terminal's Ctrl-C reaches both by itself and is not sent
//     twice.)
//   - The supervisor's end, however it comes, is seen as the end of the lifeline (standard input,
//     whose writer the supervisor holds; over ssh, the connection) or as the death of our parent.
//     Then the child gets TERM and, grace_ms later, KILL.
//   - When the child has ended, what it left in the group is killed, the group removed, and the
//     warden ends as the child did: the same exit status, or the same signal.
//   - If the warden itself is killed, the kernel kills the child.
//
// Where only systemd can make a group, the warden is started anew inside a scope and goes on there.
#ifndef RUNNER_WARDEN_H
#define RUNNER_WARDEN_H

#include <stdbool.h>

#include "runner/fault.h"
#include "runner/limits.h"

enum { WARDEN_GRACE_MS = 2000 };

enum {
    WARDEN_DENIED = -1, // no limit can be set here; the fault says what to do
    WARDEN_SYSTEM = -2  // no process, no descriptor
};

typedef struct warden_options {
    const char *name;      // of the group, "dmlx-…"; NULL: made from our own id
    double cores;          // 0: no limit, only the guard
    int period_us;         // 0: LIMITS_PERIOD_US
    int lifeline_fd;       // whose end means the supervisor is gone; -1: none. Nothing is read
    bool dies_with_parent; // the death of our parent counts as the supervisor's
    int grace_ms;          // between TERM and KILL; 0: WARDEN_GRACE_MS
    char *const *argv;     // the role's command line from the command on ("work", …), NULL ends:
                           // to start anew in a scope
} warden_options_t;

// What the child was granted. Plain; kept by the role to be told in its rows.
typedef struct warden_grant {
    bool is_limited;
    limits_group_t group; // group.cores as read back from the kernel
} warden_grant_t;

// Splits. Returns 0 in the child, and only there: the warden never returns. Negative: nothing was
// split, the fault says why. Call before any thread is started or signal handler set.
int warden_enter(const warden_options_t *options, warden_grant_t *grant, fault_t *fault);

#endif

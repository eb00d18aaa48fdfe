// silence.h — pure: for how long nothing was heard of a coordinator, and whether that is too long.
//
// Who is judged by silence must have been listened for: time in which the listener itself stood
// still (a machine that slept, a stopped process) counts as one second at most. Times are seconds
// of clock_s().
//
//     silence_t silence = silence_begin(now_s);
//     silence_pass(&silence, now_s)                 often, and before what came is read
//     silence_hear(&silence, is_beat)               for every line that came
//     silence_judge(&silence, cluster, is_told, …)  when there is nothing to read
#ifndef RUNNER_SILENCE_H
#define RUNNER_SILENCE_H

#include <stdbool.h>

#include "runner/spec.h"

typedef struct silence {
    double looked_s; // when silence_pass was called last
    double quiet_s;  // since anything came
    double news_s;   // since something came that is no beat
    bool is_heard;   // whether anything ever came
    bool beats;      // whether a beat did: a role that beats is held to it
} silence_t;

typedef enum {
    SILENCE_NONE,   // all is well
    SILENCE_DEAD,   // not even a beat: it hangs, or there is no way to it
    SILENCE_NO_NEWS // it lives, and tells nothing
} silence_verdict_t;

silence_t silence_begin(double now_s);
void silence_pass(silence_t *silence, double now_s);
void silence_hear(silence_t *silence, bool is_beat);

// How often a coordinator beats, and how long nothing at all may come from one that does.
double silence_interval_s(const cluster_t *cluster);
double silence_limit_s(const cluster_t *cluster);

// `is_told`: all that counts has come, and nobody waits for beats any more. *limit_s is the limit
// that ran out; untouched when none did.
silence_verdict_t silence_judge(const silence_t *silence, const cluster_t *cluster, bool is_told,
                                double *limit_s);

// Whether more beats are missing than a busy machine explains, though the limit is not over: others
// that lost the coordinator have good reason then.
bool silence_is_suspicious(const silence_t *silence, const cluster_t *cluster);

#endif

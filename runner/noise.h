// noise.h — whether others used this host while a run was measured.
//
//     noise_t noise;
//     noise_begin(&noise);
//     …the run, all of its processes reaped…
//     if (noise_end(&noise, text)) …note `text` in the row…
//
// A run is called noisy when, from its start to its end,
//   - the hypervisor gave 2 % or more of the host's CPU time to other guests (steal),
//   - processes that are not ours used 10 % or more of it: what core_speed = "auto" leaves to the
//     host, so that anything beyond was taken from the run, or
//   - the host held its clock back for heat or a weak supply.
// It is noted, never dropped: which runs count is not for the machine to choose.
//
// It sees this host only, and tells its own processes by having reaped them, so it is for the
// launcher local, where one run is measured at a time (cluster.jobs): another one's processes would
// count as our own.
#ifndef RUNNER_NOISE_H
#define RUNNER_NOISE_H

#include <stdbool.h>

#include "runner/host_facts.h"

enum { NOISE_TEXT_BYTES = 96 };

typedef struct noise {
    host_sample_t before;
    double began_s; // monotonic
    double own_s;   // CPU seconds of this process and those it reaped, until then
} noise_t;

void noise_begin(noise_t *noise);
bool noise_end(const noise_t *noise, char text[NOISE_TEXT_BYTES]);

// The judgement alone: samples before and after, seconds between them, CPU seconds of our own in
// between, and the host's cores. `text` is "noisy: steal 8 %, others 23 % of the host, throttled",
// or "" with false. What is not known is not held against the run.
bool noise_judge(const host_sample_t *before, const host_sample_t *after, double wall_s,
                 double own_s, int n_cpus, char text[NOISE_TEXT_BYTES]);

#endif

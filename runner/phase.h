// phase.h — where a role is, so that a test can hold it just there.
//
// Faults must be tried in every phase, and a test that sleeps and hopes tries them in any. With
// DMLX_TEST_PAUSE="worker-1:training:3:FILE" in its environment, the process of that name stops
// itself (SIGSTOP) when it comes to that phase of that round, having written its id into FILE; once
// only, since FILE is then there: a process that is started in its place runs through. Several such
// places are separated by commas. Without the variable this costs one look at a pointer.
//
//     worker      joining, loading (round 0), training, sending
//     coordinator joining (round 0), averaging, evaluating, writing
//     standalone  loading (round 0), training, evaluating, writing
//     run         writing
//
// "writing" of the round behind the last is the result and the model.
#ifndef RUNNER_PHASE_H
#define RUNNER_PHASE_H

// Who this process is; borrowed. Call before any other thread is started.
void phase_name(const char *name);

// Says that the phase begins.
void phase_enter(const char *phase, int round);

#endif

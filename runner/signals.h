// signals.h — Ctrl-C and its kin, owned in one place.
//
// The first INT, TERM or HUP asks the program to end in good order; whoever waits polls signals_fd
// or looks at signals_stop. A second INT ends it at once: what watches over the run (keeper.h,
// warden.h) cleans up then. SIGPIPE is ignored: writes tell by themselves.
#ifndef RUNNER_SIGNALS_H
#define RUNNER_SIGNALS_H

#include <stdbool.h>

// Installs the handlers. Call once, from the main thread, before any other thread is started.
void signals_start(void);

// Whether a signal has asked for the end. Cheap enough for inner loops.
bool signals_stop(void);

// Readable for good once a signal has asked for the end.
int signals_fd(void);

// The signal that came first, 0 for none.
int signals_first(void);

#endif

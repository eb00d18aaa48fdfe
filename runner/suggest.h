// suggest.h — the nearest known name: `unknown setting 'momentun'; did you mean 'momentum'?`
#ifndef RUNNER_SUGGEST_H
#define RUNNER_SUGGEST_H

// The name nearest to `typed`, or NULL when none is near enough to be what was meant: a third of
// its letters (at least one) may be missing, added, wrong or swapped with their neighbour. Letter
// case costs nothing, nor does '-' for '_'. Of equally near names the first wins. `names` ends with
// NULL; the result is borrowed from it.
const char *suggest_nearest(const char *typed, const char *const *names);

#endif

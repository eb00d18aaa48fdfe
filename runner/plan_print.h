// plan_print.h — a plan as a person reads it: `dmlx check`.
#ifndef RUNNER_PLAN_PRINT_H
#define RUNNER_PLAN_PRINT_H

#include <stdio.h>

#include "runner/pace.h"
#include "runner/plan.h"

// What is run, in order. `path` is the experiment's file; `pace` may be NULL: then no times are
// told.
void plan_print(FILE *out, const plan_t *plan, const char *path, const pace_t *pace);

#endif

// limits_quota.h — reading quotas back, shared by limits.c and limits_probe.c.
#ifndef RUNNER_LIMITS_QUOTA_H
#define RUNNER_LIMITS_QUOTA_H

#include "runner/limits.h"

// The quota of one group in cores; 0 when it has none. *period_us is untouched then.
double quota_read(limits_kind_t kind, const char *folder, int *period_us);

// The least quota from that folder up to the top of what we can see of the hierarchy: a group never
// gets more than those around it. 0: no limit anywhere.
double quota_tightest(limits_kind_t kind, const char *folder, int *period_us);

#endif

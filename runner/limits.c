#define _GNU_SOURCE // pidfd_open
#include "runner/limits.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runner/kernel_file.h"
#include "runner/limits_quota.h"
#include "runner/process.h"

enum {
    QUOTA_US_MIN = 1000,     // the kernel's least quota
    PERIOD_US_MAX = 1000000, // and its longest period
    MEMBERS_MAX = 256,       // that are waited for at once
    RETRY_MS = 2             // between two looks at a group that no event tells about
};

// A quota in the kernel's two numbers.
typedef struct quota {
    long quota_us, period_us;
} quota_t;

static quota_t
quota_of(double cores, int period_us)
{
    quota_t quota = {.period_us = period_us > 0 ? period_us : LIMITS_PERIOD_US};
    if (cores * (double)quota.period_us < QUOTA_US_MIN)
        quota.period_us = (long)(QUOTA_US_MIN / cores + 0.5);
    if (quota.period_us > PERIOD_US_MAX)
        quota.period_us = PERIOD_US_MAX;
    quota.quota_us = (long)(cores * (double)quota.period_us + 0.5);
    if (quota.quota_us < QUOTA_US_MIN)
        quota.quota_us = QUOTA_US_MIN;
    return quota;
}

static int
write_quota(limits_kind_t kind, const char *folder, quota_t quota)
{
    char text[64];
    if (kind == LIMITS_V2) {
        snprintf(text, sizeof text, "%ld %ld", quota.quota_us, quota.period_us);
        return kernel_file_write(folder, "cpu.max", text);
    }
    // In this order: the old quota, none, goes with every period.
    snprintf(text, sizeof text, "%ld", quota.period_us);
    if (kernel_file_write(folder, "cpu.cfs_period_us", text) != 0)
        return -1;
    snprintf(text, sizeof text, "%ld", quota.quota_us);
    return kernel_file_write(folder, "cpu.cfs_quota_us", text);
}

static bool
has_members(const char *folder)
{
    char text[16];
    return kernel_file_read(folder, "cgroup.procs", text, sizeof text) == 0 && *text;
}

// An empty group of that name is replaced, so that its counters start at zero.
static int
make_folder(const char *folder)
{
    if (mkdir(folder, 0755) == 0)
        return 0;
    if (errno != EEXIST)
        return -1;
    if (has_members(folder)) {
        errno = EBUSY;
        return -1;
    }
    return rmdir(folder) != 0 || mkdir(folder, 0755) == 0 ? 0 : -1;
}

static int
place_group(const limits_host_t *host, const char *name, limits_group_t *group, fault_t *fault)
{
    *group = (limits_group_t){.kind = host->kind};
    int n_name = snprintf(group->name, sizeof group->name, "%s", name);
    int n_cpu = snprintf(group->cpu, sizeof group->cpu, "%s/%s", host->cpu, name);
    int n_usage = 0;
    if (*host->usage)
        n_usage = snprintf(group->usage, sizeof group->usage, "%s/%s", host->usage, name);
    if (n_name >= LIMITS_NAME_BYTES || n_cpu >= LIMITS_PATH_BYTES || n_usage >= LIMITS_PATH_BYTES ||
        strchr(name, '/')) {
        fault_set(fault, "'%s' is no name for a control group", name);
        return LIMITS_IO;
    }
    return 0;
}

static int
fail_create(const limits_group_t *group, const char *what, double cores, fault_t *fault)
{
    int reason = errno;
    if (reason == EINVAL && group->kind == LIMITS_V1)
        fault_set(fault,
                  "a limit of %g cores is more than the group '%s' lies in may have; raise that "
                  "limit, or ask for less",
                  cores, group->cpu);
    else if (reason == EBUSY)
        fault_set(fault, "the control group '%s' is in use by processes of another run",
                  group->cpu);
    else
        fault_set(fault, "the control group '%s' %s: %s", group->cpu, what, strerror(reason));
    return reason == EBUSY ? LIMITS_BUSY
           : reason == EACCES || reason == EPERM || reason == EROFS || reason == EINVAL
               ? LIMITS_DENIED
               : LIMITS_IO;
}

int
limits_create(const limits_host_t *host, const char *name, double cores, int period_us,
              limits_group_t *group, fault_t *fault)
{
    limits_group_t made;
    if (place_group(host, name, &made, fault) != 0)
        return LIMITS_IO;
    if (make_folder(made.cpu) != 0)
        return fail_create(&made, "cannot be made", cores, fault);
    if (*made.usage && make_folder(made.usage) != 0)
        *made.usage = 0; // counting is missed, not needed: the limit holds without
    int status = 0;
    if (write_quota(made.kind, made.cpu, quota_of(cores, period_us)) != 0)
        status = fail_create(&made, "takes no quota", cores, fault);
    else if ((made.cores = quota_tightest(made.kind, made.cpu, &made.period_us)) <= 0)
        status = fail_create(&made, "does not tell its quota", cores, fault);
    if (status != 0) {
        rmdir(made.cpu);
        if (*made.usage)
            rmdir(made.usage);
        return status;
    }
    *group = made;
    return 0;
}

int
limits_join(const limits_group_t *group, pid_t pid, fault_t *fault)
{
    char text[32];
    snprintf(text, sizeof text, "%d", (int)(pid ? pid : getpid()));
    if (kernel_file_write(group->cpu, "cgroup.procs", text) != 0) {
        fault_set(fault, "the control group '%s' does not take process %s: %s", group->cpu, text,
                  strerror(errno));
        return errno == EACCES || errno == EPERM ? LIMITS_DENIED : LIMITS_IO;
    }
    if (*group->usage && strcmp(group->usage, group->cpu) != 0)
        kernel_file_write(group->usage, "cgroup.procs", text);
    return 0;
}

void
limits_measure(const limits_group_t *group, limits_usage_t *usage)
{
    *usage = (limits_usage_t){-1, -1, -1, -1};
    usage->periods = (long)kernel_file_field(group->cpu, "cpu.stat", "nr_periods", -1);
    usage->throttled = (long)kernel_file_field(group->cpu, "cpu.stat", "nr_throttled", -1);
    bool is_v1 = group->kind == LIMITS_V1;
    double throttled =
        kernel_file_field(group->cpu, "cpu.stat", is_v1 ? "throttled_time" : "throttled_usec", -1);
    double used = -1;
    if (is_v1 && *group->usage)
        used = kernel_file_number(group->usage, "cpuacct.usage", -1);
    else if (!is_v1)
        used = kernel_file_field(group->cpu, "cpu.stat", "usage_usec", -1);
    double unit_s = is_v1 ? 1e-9 : 1e-6;
    usage->throttled_s = throttled < 0 ? -1 : throttled * unit_s;
    usage->cpu_s = used < 0 ? -1 : used * unit_s;
}

static int
members_in(const char *folder, pid_t *pids, int n_max)
{
    char path[LIMITS_PATH_BYTES + 16];
    snprintf(path, sizeof path, "%s/cgroup.procs", folder);
    FILE *file = fopen(path, "re");
    int n = 0;
    for (int pid; file && fscanf(file, "%d", &pid) == 1; n++)
        if (n < n_max)
            pids[n] = pid;
    if (file)
        fclose(file);
    return n;
}

int
limits_members(const limits_group_t *group, pid_t *pids, int n_max)
{
    return members_in(group->cpu, pids, n_max);
}

// Kills what is in the folder and waits for the ends of those it killed, until `until_ms`.
static void
empty_folder(const char *folder, long long until_ms)
{
    pid_t pids[MEMBERS_MAX];
    struct pollfd ends[MEMBERS_MAX];
    int n = members_in(folder, pids, MEMBERS_MAX);
    n = n < MEMBERS_MAX ? n : MEMBERS_MAX;
    for (int i = 0; i < n; i++)
        ends[i] =
            (struct pollfd){.fd = pids[i] > 0 ? pidfd_open(pids[i], 0) : -1, .events = POLLIN};
    // The kernel kills the whole group at once where it can, those being forked included.
    if (n > 0 && kernel_file_write(folder, "cgroup.kill", "1") != 0)
        for (int i = 0; i < n; i++)
            if (ends[i].fd >= 0 && pids[i] != getpid())
                pidfd_send_signal(ends[i].fd, SIGKILL, NULL, 0);
    for (int i = 0; i < n; i++) {
        long long left_ms = until_ms - process_clock_ms();
        if (ends[i].fd < 0)
            continue;
        if (left_ms > 0 && pids[i] != getpid())
            poll(&ends[i], 1, (int)left_ms);
        close(ends[i].fd);
    }
}

static int
remove_folder(const char *folder, int timeout_ms)
{
    long long until_ms = process_clock_ms() + timeout_ms;
    for (;;) {
        if (!*folder || rmdir(folder) == 0 || errno == ENOENT)
            return 0;
        if (process_clock_ms() >= until_ms)
            return -1;
        empty_folder(folder, until_ms);
        // A killed process leaves its group a moment after its end is told; v1 has no event for it.
        if (rmdir(folder) != 0 && errno != ENOENT)
            nanosleep(&(struct timespec){.tv_nsec = RETRY_MS * 1000000L}, NULL);
    }
}

int
limits_remove(const limits_group_t *group, int timeout_ms, fault_t *fault)
{
    bool is_gone = remove_folder(group->cpu, timeout_ms) == 0;
    if (strcmp(group->usage, group->cpu) != 0)
        remove_folder(group->usage, timeout_ms);
    if (is_gone)
        return 0;
    pid_t pid = 0;
    int n = limits_members(group, &pid, 1);
    fault_set(fault, "the control group '%s' cannot be removed within %d ms: %s, %d processes (%d)",
              group->cpu, timeout_ms, strerror(errno), n, (int)pid);
    return LIMITS_BUSY;
}

// limits_probe.c — where a control group can be made, and what limits us already.
#define _GNU_SOURCE // wait statuses beside fork
#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/keeper.h"
#include "runner/kernel_file.h"
#include "runner/limits.h"
#include "runner/limits_quota.h"
#include "runner/memory.h"
#include "runner/process.h"

enum {
    PROC_FILE_BYTES = 64 << 10,
    SCOPE_WAIT_MS = 5000,
    REMOVE_WAIT_MS = 1000,
    SCOPE_ARGS = 10,
    PIDS_MAX = 4096,
    DEPTH_MAX = 12 // of the hierarchy, where groups are looked for
};

double
quota_read(limits_kind_t kind, const char *folder, int *period_us)
{
    long quota = 0, period = 0;
    char text[64];
    if (kind == LIMITS_V1) {
        quota = (long)kernel_file_number(folder, "cpu.cfs_quota_us", -1);
        period = (long)kernel_file_number(folder, "cpu.cfs_period_us", -1);
    } else if (kernel_file_read(folder, "cpu.max", text, sizeof text) == 0) {
        sscanf(text, "%ld %ld", &quota, &period); // "max 100000" reads nothing
    }
    if (quota <= 0 || period <= 0)
        return 0;
    *period_us = (int)period;
    return (double)quota / (double)period;
}

// Cuts the last part of the path off. False when nothing of the hierarchy is above: the folder
// that it is mounted on lies in one that is no group.
static bool
go_up(char *folder)
{
    char text[8], parent[LIMITS_PATH_BYTES];
    snprintf(parent, sizeof parent, "%s", folder);
    char *last = strrchr(parent, '/');
    if (!last || last == parent)
        return false;
    *last = 0;
    if (kernel_file_read(parent, "cgroup.procs", text, sizeof text) != 0)
        return false;
    strcpy(folder, parent);
    return true;
}

double
quota_tightest(limits_kind_t kind, const char *folder, int *period_us)
{
    char at[LIMITS_PATH_BYTES];
    snprintf(at, sizeof at, "%s", folder);
    double least = 0;
    do {
        int period;
        double cores = quota_read(kind, at, &period);
        if (cores > 0 && (least <= 0 || cores < least)) {
            least = cores;
            *period_us = period;
        }
    } while (go_up(at));
    return least;
}

// The line's fields from a mountinfo: "36 35 98:0 ROOT POINT opts … - TYPE source SUPER".
typedef struct mount {
    char root[LIMITS_PATH_BYTES], point[LIMITS_PATH_BYTES], type[32], super[256];
} mount_t;

static bool
parse_mount(const char *line, mount_t *mount)
{
    const char *dash = strstr(line, " - ");
    return dash && sscanf(line, "%*s %*s %*s %1023s %1023s", mount->root, mount->point) == 2 &&
           sscanf(dash, " - %31s %*s %255s", mount->type, mount->super) == 2;
}

// Finds the mount of v1's `controller`, or of v2 with NULL.
static bool
find_mount(const char *root, const char *controller, mount_t *mount)
{
    char *text = memory_new(PROC_FILE_BYTES);
    kernel_file_read(root, "/proc/self/mountinfo", text, PROC_FILE_BYTES);
    bool is_found = false;
    char *rest = text;
    for (char *line; !is_found && (line = strsep(&rest, "\n"));)
        if (parse_mount(line, mount))
            is_found = controller ? strcmp(mount->type, "cgroup") == 0 &&
                                        kernel_file_has_word(mount->super, controller, ",")
                                  : strcmp(mount->type, "cgroup2") == 0;
    free(text);
    return is_found;
}

// Our path in the hierarchy of v1's `controller`, or of v2 with NULL.
static bool
find_path(const char *root, const char *controller, char path[LIMITS_PATH_BYTES])
{
    char text[PROC_FILE_BYTES];
    kernel_file_read(root, "/proc/self/cgroup", text, sizeof text);
    char *rest = text;
    for (char *line; (line = strsep(&rest, "\n"));) {
        char *id = strsep(&line, ":"), *controllers = strsep(&line, ":");
        if (!controllers || !line)
            continue;
        bool is_it = controller ? kernel_file_has_word(controllers, controller, ",")
                                : strcmp(id, "0") == 0 && !*controllers;
        if (is_it && snprintf(path, LIMITS_PATH_BYTES, "%s", line) < LIMITS_PATH_BYTES)
            return true;
    }
    return false;
}

// Our group's folder in that hierarchy. In a container without a cgroup namespace the path counts
// from the host's top while the mount shows only a part of it: that part's name is cut off.
static bool
find_folder(const char *root, const char *controller, char folder[LIMITS_PATH_BYTES])
{
    mount_t mount;
    char path[LIMITS_PATH_BYTES];
    if (!find_mount(root, controller, &mount) || !find_path(root, controller, path))
        return false;
    const char *below = path;
    size_t n_root = strlen(mount.root);
    if (n_root > 1 && strncmp(path, mount.root, n_root) == 0)
        below = path + n_root;
    else if (n_root > 1)
        below = "";
    if (strcmp(below, "/") == 0)
        below = "";
    int n = snprintf(folder, LIMITS_PATH_BYTES, "%s%s%s", root, mount.point, below);
    char text[8];
    return n < LIMITS_PATH_BYTES &&
           kernel_file_read(folder, "cgroup.procs", text, sizeof text) == 0;
}

static int
deny(fault_t *fault, const char *why)
{
    fault_set(fault,
              "no CPU limit can be set: %s; run as root, have the cpu controller delegated to you "
              "(systemctl edit user@.service: [Service] Delegate=cpu), or set "
              "cluster.enforce = false",
              why);
    return LIMITS_DENIED;
}

static int
probe_v1(limits_host_t *host, fault_t *fault)
{
    fault_t why;
    host->kind = LIMITS_V1;
    if (!find_folder(host->root, "cpuacct", host->usage))
        *host->usage = 0;
    if (access(host->cpu, W_OK) == 0)
        return 0;
    fault_set(&why, "'%s' cannot be written (%s)", host->cpu, strerror(errno));
    return deny(fault, why.text);
}

// True when groups made in that folder have a cpu controller, which is switched on if need be.
static bool
gives_cpu(const char *folder)
{
    char words[256];
    if (access(folder, W_OK) != 0 ||
        kernel_file_read(folder, "cgroup.controllers", words, sizeof words) != 0 ||
        !kernel_file_has_word(words, "cpu", " "))
        return false;
    if (kernel_file_read(folder, "cgroup.subtree_control", words, sizeof words) == 0 &&
        kernel_file_has_word(words, "cpu", " "))
        return true;
    return kernel_file_write(folder, "cgroup.subtree_control", "+cpu") == 0;
}

// A v2 group that holds processes cannot have controlled groups below it. Where our own group is
// all we may write (a container, a delegated scope), those in it move to a leaf below it first.
static bool
move_in(const char *folder)
{
    char leaf[LIMITS_PATH_BYTES], text[32];
    limits_group_t group = {.kind = LIMITS_V2};
    snprintf(group.cpu, sizeof group.cpu, "%s", folder);
    int n_path = snprintf(leaf, sizeof leaf, "%s/dmlx-inner", folder);
    if (n_path >= LIMITS_PATH_BYTES || (mkdir(leaf, 0755) != 0 && errno != EEXIST))
        return false;
    pid_t *pids = memory_new(PIDS_MAX * sizeof *pids);
    int n = limits_members(&group, pids, PIDS_MAX);
    for (int i = 0; i < n && i < PIDS_MAX; i++) {
        snprintf(text, sizeof text, "%d", (int)pids[i]);
        kernel_file_write(leaf, "cgroup.procs", text);
    }
    free(pids);
    return gives_cpu(folder);
}

static int
probe_v2(limits_host_t *host, fault_t *fault)
{
    host->kind = LIMITS_V2;
    char own[LIMITS_PATH_BYTES];
    strcpy(own, host->cpu);
    int period_us;
    bool is_found = gives_cpu(host->cpu);
    // Further up only as long as no limit of our own is left behind by it.
    while (!is_found && quota_read(LIMITS_V2, host->cpu, &period_us) <= 0 && go_up(host->cpu))
        is_found = gives_cpu(host->cpu);
    if (!is_found) {
        strcpy(host->cpu, own);
        is_found = access(own, W_OK) == 0 && move_in(own);
    }
    strcpy(host->usage, host->cpu);
    if (is_found)
        return 0;
    fault_t why;
    fault_set(&why, "neither the control group '%s' nor one above it lets us give groups a quota",
              own);
    return deny(fault, why.text);
}

const char **
limits_scope_argv(const char *name, double cores, int period_us, const char *const *argv)
{
    size_t n_argv = 0, n = 0;
    while (argv[n_argv])
        n_argv++;
    size_t n_bytes = (SCOPE_ARGS + n_argv + 1) * sizeof(char *);
    const char **made = memory_new(n_bytes + 3 * LIMITS_PATH_BYTES);
    char *unit = (char *)made + n_bytes;
    char *quota = unit + LIMITS_PATH_BYTES;
    char *period = quota + LIMITS_PATH_BYTES;
    double percent = 100 * cores;
    snprintf(unit, LIMITS_PATH_BYTES, "--unit=%s", name);
    snprintf(quota, LIMITS_PATH_BYTES, "CPUQuota=%.2f%%", percent < 0.01 ? 0.01 : percent);
    snprintf(period, LIMITS_PATH_BYTES, "CPUQuotaPeriodSec=%dus",
             period_us > 0 ? period_us : LIMITS_PERIOD_US);
    made[n++] = "systemd-run";
    if (geteuid() != 0)
        made[n++] = "--user";
    const char *fixed[] = {"--scope", "--quiet", "--collect", unit, "-p", quota, "-p", period};
    for (size_t i = 0; i < sizeof fixed / sizeof *fixed; i++)
        made[n++] = fixed[i];
    for (size_t i = 0; i < n_argv; i++)
        made[n++] = argv[i];
    return made;
}

// Reads a pipe to its end or the limit.
static void
read_answer(int fd, char *text, size_t n_bytes)
{
    long long until_ms = process_clock_ms() + SCOPE_WAIT_MS;
    size_t n = 0;
    for (;;) {
        long long left_ms = until_ms - process_clock_ms();
        struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
        if (left_ms <= 0 || poll(&poll_fd, 1, (int)left_ms) <= 0)
            break;
        ssize_t n_read = read(fd, text + n, n_bytes - 1 - n);
        if (n_read <= 0)
            break;
        n += (size_t)n_read;
    }
    text[n] = 0;
}

// Has systemd make a scope of half a core, in which the quota is read back: only trying tells
// whether the cpu controller is delegated to us.
static int
probe_scope(limits_host_t *host, const fault_t *why, fault_t *fault)
{
    char name[LIMITS_NAME_BYTES], answer[64] = "", folder[LIMITS_PATH_BYTES];
    struct stat systemd;
    snprintf(folder, sizeof folder, "%.900s/run/systemd/system", host->root);
    if (stat(folder, &systemd) != 0) {
        *fault = *why;
        return LIMITS_DENIED;
    }
    snprintf(name, sizeof name, "dmlx-probe-%d", (int)getpid());
    const char *command[] = {
        "sh", "-c", "cat \"/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)/cpu.max\"", NULL};
    const char **argv = limits_scope_argv(name, 0.5, 0, command);
    process_options_t options = {.argv = argv, .pipe_out = true, .log_path = "/dev/null"};
    process_t helper;
    if (process_start(&options, &helper, NULL) == 0) {
        read_answer(helper.out_fd, answer, sizeof answer);
        process_stop(&helper, REMOVE_WAIT_MS, NULL);
        process_close(&helper);
    }
    free(argv);
    long quota, period;
    if (sscanf(answer, "%ld %ld", &quota, &period) == 2 && quota * 2 == period) {
        *host->cpu = *host->usage = 0;
        host->kind = LIMITS_SCOPE;
        return 0;
    }
    *fault = *why;
    return LIMITS_DENIED;
}

int
limits_probe(const char *root, limits_host_t *host, fault_t *fault)
{
    limits_host_t found = {LIMITS_NONE, "", "", ""};
    fault_t why, nowhere;
    snprintf(found.root, sizeof found.root, "%s", root);
    int status = LIMITS_DENIED;
    if (find_folder(root, "cpu", found.cpu))
        status = probe_v1(&found, &why);
    else if (find_folder(root, NULL, found.cpu))
        status = probe_v2(&found, &why);
    else
        deny(&why, "this system has no control groups with a cpu controller");
    if (status != 0)
        status = probe_scope(&found, &why, fault ? fault : &nowhere);
    if (status == 0)
        *host = found;
    return status;
}

// A process of its own tries to get in, since being let make a group does not mean being let join.
static int
try_join(const limits_group_t *group, fault_t *fault)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(limits_join(group, 0, NULL) == 0 ? 0 : 1);
    int status = -1;
    if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
        fault_t why;
        fault_set(&why, "the control group '%s' takes no processes of ours", group->cpu);
        return deny(fault, why.text);
    }
    return 0;
}

bool
limits_available(fault_t *why)
{
    limits_host_t host;
    if (limits_probe("", &host, why) != 0)
        return false;
    if (host.kind == LIMITS_SCOPE)
        return true;
    limits_group_t group;
    char name[LIMITS_NAME_BYTES], id[KEEPER_ID_BYTES];
    // Process ids alone are not unique where pid namespaces share one hierarchy.
    keeper_own_id(id);
    snprintf(name, sizeof name, "dmlx-%s-probe", id);
    if (limits_create(&host, name, 0.5, 0, &group, why) != 0)
        return false;
    int status = try_join(&group, why);
    limits_remove(&group, REMOVE_WAIT_MS, NULL);
    return status == 0;
}

int
limits_current(const char *root, limits_group_t *group, fault_t *fault)
{
    limits_group_t found = {.kind = LIMITS_NONE};
    if (find_folder(root, "cpu", found.cpu)) {
        found.kind = LIMITS_V1;
        if (!find_folder(root, "cpuacct", found.usage))
            *found.usage = 0;
    } else if (find_folder(root, NULL, found.cpu)) {
        found.kind = LIMITS_V2;
        strcpy(found.usage, found.cpu);
    } else {
        fault_set(fault, "this system has no control groups with a cpu controller");
        return LIMITS_DENIED;
    }
    const char *last = strrchr(found.cpu, '/');
    snprintf(found.name, sizeof found.name, "%.100s", last ? last + 1 : found.cpu);
    found.cores = quota_tightest(found.kind, found.cpu, &found.period_us);
    *group = found;
    return 0;
}

int64_t
limits_memory(const char *root)
{
    static const double unlimited = 0x1p62; // v1's word for none is just under 2^63
    char folder[LIMITS_PATH_BYTES];
    bool is_v1 = find_folder(root, "memory", folder);
    if (!is_v1 && !find_folder(root, NULL, folder))
        return 0;
    double least = unlimited;
    do {
        double own = kernel_file_number(folder, is_v1 ? "memory.limit_in_bytes" : "memory.max",
                                        unlimited); // "max" is no number
        least = own < least ? own : least;
    } while (go_up(folder));
    return least < unlimited ? (int64_t)least : 0;
}

// A walk through a hierarchy.
typedef struct walk {
    limits_kind_t kind;
    const char *top, *usage_top; // where the hierarchies begin; usage_top is "" where there is none
    const char *prefix;
    void (*visit)(const limits_group_t *group, void *context);
    void *context;
} walk_t;

static void
visit_group(const walk_t *walk, const char *folder, const char *name)
{
    limits_group_t group = {.kind = walk->kind};
    const char *below = folder + strlen(walk->top);
    int n_cpu = snprintf(group.cpu, sizeof group.cpu, "%s/%s", folder, name);
    int n_usage = 0;
    if (*walk->usage_top)
        n_usage =
            snprintf(group.usage, sizeof group.usage, "%s%s/%s", walk->usage_top, below, name);
    int n_name = snprintf(group.name, sizeof group.name, "%s", name);
    if (n_cpu < LIMITS_PATH_BYTES && n_usage < LIMITS_PATH_BYTES && n_name < LIMITS_NAME_BYTES)
        walk->visit(&group, walk->context);
}

static void
walk_folder(const walk_t *walk, const char *path, int depth)
{
    DIR *folder = depth < DEPTH_MAX ? opendir(path) : NULL;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char below[LIMITS_PATH_BYTES];
        if (entry->d_type != DT_DIR || *entry->d_name == '.')
            continue;
        if (strncmp(entry->d_name, walk->prefix, strlen(walk->prefix)) == 0)
            visit_group(walk, path, entry->d_name);
        else if (snprintf(below, sizeof below, "%s/%s", path, entry->d_name) < LIMITS_PATH_BYTES)
            walk_folder(walk, below, depth + 1);
    }
    if (folder)
        closedir(folder);
}

void
limits_each(const char *root, const char *prefix,
            void (*visit)(const limits_group_t *group, void *context), void *context)
{
    mount_t cpu, usage;
    char top[LIMITS_PATH_BYTES * 2], usage_top[LIMITS_PATH_BYTES * 2] = "";
    bool is_v1 = find_mount(root, "cpu", &cpu);
    if (!is_v1 && !find_mount(root, NULL, &cpu))
        return;
    snprintf(top, sizeof top, "%s%s", root, cpu.point);
    if (is_v1 && find_mount(root, "cpuacct", &usage))
        snprintf(usage_top, sizeof usage_top, "%s%s", root, usage.point);
    walk_t walk = {
        is_v1 ? LIMITS_V1 : LIMITS_V2, top, is_v1 ? usage_top : top, prefix, visit, context};
    walk_folder(&walk, top, 0);
    if (*usage_top && strcmp(usage_top, top) != 0) {
        walk.top = usage_top;
        walk_folder(&walk, usage_top, 0);
    }
}

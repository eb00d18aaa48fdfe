// remains.c — what a run leaves on this host, found by the run's id and removed: keeper_clean_run,
// keeper_sweep and the ids themselves.
#define _GNU_SOURCE // pidfd_open, nftw's flags
#include "runner/remains.h"

#include <dirent.h>
#include <ftw.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "runner/keeper.h"
#include "runner/kernel_file.h"
#include "runner/limits.h"
#include "runner/process.h"

enum {
    GRACE_MS = 800, // between TERM and KILL
    PIDS_MAX = 1024,
    DEAD_MAX = 64, // dead runs that one sweep looks after
    OPEN_MAX = 16, // descriptors of a tree's walk
    OLD_S = 60,    // age of an empty group whose run cannot be judged
    GROUP_WAIT_MS = 1000
};

// --- ids ---------------------------------------------------------------------------------------

// FNV-1a: short, and the same on every machine.
static unsigned
hash_text(const char *text)
{
    unsigned hash = 2166136261u;
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 16777619u;
    return hash;
}

// This boot of this host, and this namespace of process ids: where a pid means what it says.
static unsigned
own_host(void)
{
    char boot[64], place[128];
    struct stat namespace = {0};
    kernel_file_read("", "/proc/sys/kernel/random/boot_id", boot, sizeof boot);
    stat("/proc/self/ns/pid", &namespace);
    snprintf(place, sizeof place, "%s %llu", boot, (unsigned long long)namespace.st_ino);
    return hash_text(place);
}

void
keeper_own_id(char id[KEEPER_ID_BYTES])
{
    snprintf(id, KEEPER_ID_BYTES, "%08x-%d-%llu", own_host(), (int)getpid(),
             process_started(getpid()));
}

// Reads the id at the start of a text, and where it ends. False: it is none.
static bool
parse_id(const char *text, char id[KEEPER_ID_BYTES], const char **end)
{
    unsigned host;
    int pid, n = 0;
    unsigned long long started;
    if (sscanf(text, "%8x-%d-%llu%n", &host, &pid, &started, &n) != 3 || n >= KEEPER_ID_BYTES)
        return false;
    snprintf(id, KEEPER_ID_BYTES, "%.*s", n, text);
    *end = text + n;
    return pid > 0;
}

static bool
is_of_this_host(const char *run_id)
{
    return (unsigned)strtoul(run_id, NULL, 16) == own_host();
}

bool
keeper_is_dead(const char *run_id)
{
    char id[KEEPER_ID_BYTES];
    const char *end;
    unsigned host;
    int pid;
    unsigned long long started;
    if (!parse_id(run_id, id, &end) || *end || !is_of_this_host(run_id))
        return false;
    return sscanf(id, "%8x-%d-%llu", &host, &pid, &started) == 3 && process_started(pid) != started;
}

// --- processes ---------------------------------------------------------------------------------

// Sends the signal to all that carry the mark and waits for their ends. Returns how many there
// were. A pidfd is opened before the mark is looked at again, so no stranger is hit.
static int
signal_marked(const char *mark, int number, int wait_ms)
{
    pid_t pids[PIDS_MAX];
    int n = process_marked(mark, pids, PIDS_MAX), n_known = n < PIDS_MAX ? n : PIDS_MAX;
    long long until_ms = process_clock_ms() + wait_ms;
    struct pollfd ends[PIDS_MAX];
    for (int i = 0; i < n_known; i++) {
        ends[i] = (struct pollfd){.fd = pidfd_open(pids[i], 0), .events = POLLIN};
        if (ends[i].fd >= 0 && process_is_marked(pids[i], mark)) {
            pidfd_send_signal(ends[i].fd, number, NULL, 0);
            pidfd_send_signal(ends[i].fd, SIGCONT, NULL, 0);
        }
    }
    for (int i = 0; i < n_known; i++) {
        long long left_ms = until_ms - process_clock_ms();
        if (ends[i].fd < 0)
            continue;
        poll(&ends[i], 1, left_ms > 0 ? (int)left_ms : 0);
        close(ends[i].fd);
    }
    return n;
}

// TERM to all, then KILL until none is left: one may fork while another is looked at.
static int
end_marked(const char *mark, long long until_ms)
{
    int n_ended = signal_marked(mark, SIGTERM, GRACE_MS);
    while (signal_marked(mark, SIGKILL, GRACE_MS) > 0)
        if (process_clock_ms() > until_ms)
            return -1;
    return n_ended;
}

// --- groups ------------------------------------------------------------------------------------

typedef struct removal {
    long long until_ms;
    int n_removed;
    bool has_failed;
} removal_t;

static void
remove_group(const limits_group_t *group, void *context)
{
    removal_t *removal = context;
    long long left_ms = removal->until_ms - process_clock_ms();
    if (limits_remove(group, left_ms > 0 ? (int)left_ms : 0, NULL) == 0)
        removal->n_removed++;
    else
        removal->has_failed = true;
}

// --- folders -----------------------------------------------------------------------------------

static int
remove_entry(const char *path, const struct stat *status, int kind, struct FTW *where)
{
    (void)status;
    (void)kind;
    (void)where;
    return remove(path);
}

int
remains_remove_tree(const char *path)
{
    struct stat status;
    if (lstat(path, &status) != 0)
        return 0;
    return nftw(path, remove_entry, OPEN_MAX, FTW_DEPTH | FTW_PHYS | FTW_MOUNT) == 0 ? 1 : -1;
}

static const char *
temporary_folder(void)
{
    const char *folder = getenv("TMPDIR");
    return folder && *folder == '/' ? folder : "/tmp";
}

// Calls `visit` with each entry of $TMPDIR that starts with the prefix and is ours.
static void
each_folder(const char *prefix, void (*visit)(const char *path, const char *name, void *context),
            void *context)
{
    DIR *folder = opendir(temporary_folder());
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char path[2048];
        struct stat status;
        snprintf(path, sizeof path, "%s/%s", temporary_folder(), entry->d_name);
        if (strncmp(entry->d_name, prefix, strlen(prefix)) == 0 && lstat(path, &status) == 0 &&
            S_ISDIR(status.st_mode) && status.st_uid == geteuid())
            visit(path, entry->d_name, context);
    }
    if (folder)
        closedir(folder);
}

static void
remove_folder(const char *path, const char *name, void *context)
{
    (void)name;
    removal_t *removal = context;
    if (remains_remove_tree(path) > 0)
        removal->n_removed++;
    else
        removal->has_failed = true;
}

int
keeper_clean_run(const char *run_id, int timeout_ms)
{
    char mark[KEEPER_ID_BYTES + 32], prefix[KEEPER_ID_BYTES + 32];
    snprintf(mark, sizeof mark, "%s=%s", KEEPER_VARIABLE, run_id);
    snprintf(prefix, sizeof prefix, "dmlx-%s-", run_id);
    removal_t removal = {.until_ms = process_clock_ms() + timeout_ms};
    int n_ended = end_marked(mark, removal.until_ms);
    limits_each("", prefix, remove_group, &removal);
    each_folder(prefix, remove_folder, &removal);
    return n_ended < 0 || removal.has_failed ? -1 : n_ended + removal.n_removed;
}

// --- the sweep ---------------------------------------------------------------------------------

typedef struct dead {
    char ids[DEAD_MAX][KEEPER_ID_BYTES];
    int n;
} dead_t;

static void
add_if_dead(dead_t *dead, const char *text)
{
    char id[KEEPER_ID_BYTES];
    const char *end;
    if (dead->n == DEAD_MAX || !parse_id(text, id, &end) || !keeper_is_dead(id))
        return;
    for (int i = 0; i < dead->n; i++)
        if (strcmp(dead->ids[i], id) == 0)
            return;
    strcpy(dead->ids[dead->n++], id);
}

// A run of another boot or namespace cannot be judged; but its group, empty for a minute, holds
// nobody, and the kernel refuses to remove it if it does.
static void
remove_if_abandoned(const limits_group_t *group)
{
    struct stat status;
    pid_t pid;
    if (stat(group->cpu, &status) == 0 && time(NULL) - status.st_mtime > OLD_S &&
        limits_members(group, &pid, 1) == 0) {
        rmdir(group->cpu);
        if (*group->usage)
            rmdir(group->usage);
    }
}

static void
judge_group(const limits_group_t *group, void *context)
{
    const char *id = group->name + strlen("dmlx-");
    char parsed[KEEPER_ID_BYTES];
    const char *end;
    if (parse_id(id, parsed, &end) && !is_of_this_host(parsed))
        remove_if_abandoned(group);
    add_if_dead(context, id);
}

static void
judge_folder(const char *path, const char *name, void *context)
{
    (void)path;
    add_if_dead(context, name + strlen("dmlx-"));
}

static void
judge_processes(dead_t *dead)
{
    pid_t pids[PIDS_MAX];
    char id[KEEPER_ID_BYTES];
    int n = process_marked(KEEPER_VARIABLE "=", pids, PIDS_MAX);
    for (int i = 0; i < n && i < PIDS_MAX; i++)
        if (process_variable(pids[i], KEEPER_VARIABLE, id, sizeof id))
            add_if_dead(dead, id);
}

int
keeper_sweep(void)
{
    dead_t *dead = calloc(1, sizeof *dead);
    if (!dead)
        abort();
    judge_processes(dead);
    limits_each("", "dmlx-", judge_group, dead);
    each_folder("dmlx-", judge_folder, dead);
    long long until_ms = process_clock_ms() + KEEPER_LIMIT_MS;
    int n_removed = 0;
    for (int i = 0; i < dead->n && process_clock_ms() < until_ms; i++) {
        int n = keeper_clean_run(dead->ids[i], GROUP_WAIT_MS);
        n_removed += n > 0 ? n : 0;
    }
    free(dead);
    return n_removed;
}

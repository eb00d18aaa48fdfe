#define _GNU_SOURCE // pidfd_open, close_range, prctl
#include "runner/keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "runner/memory.h"
#include "runner/process.h"
#include "runner/remains.h"

enum {
    FAREWELL_WAIT_MS = 1000,
    LINE_BYTES = 4096,
    LAST_RESORT_MS = 16000, // a clean hook that hangs does not make the keeper a leftover itself
    FOLDERS_MAX = 256
};

struct keeper {
    char run_id[KEEPER_ID_BYTES];
    pid_t pid;
    int pidfd;
    int farewell_fd; // the only writer of the keeper's pipe
};

// What the keeper itself knows.
typedef struct kept {
    const char *run_id;
    keeper_clean_t clean;
    int clean_ms_max;
    void *context;
    char *folders[FOLDERS_MAX];
    int n_folders;
    bool has_farewell;
} kept_t;

// A last part that begins with "dmlx-": the keeper removes whole trees, so it is told only its own.
static bool
is_our_folder(const char *path)
{
    const char *last = strrchr(path, '/');
    return *path == '/' && last && strncmp(last + 1, "dmlx-", 5) == 0 && !strchr(path, '\n');
}

static void
take_line(kept_t *kept, const char *line)
{
    if (strcmp(line, "farewell") == 0)
        kept->has_farewell = true;
    else if (strncmp(line, "folder ", 7) == 0 && is_our_folder(line + 7) &&
             kept->n_folders < FOLDERS_MAX)
        kept->folders[kept->n_folders++] = memory_text(line + 7);
}

// Reads lines until the pipe's end, however long that takes: it is the life of `dmlx run`.
static void
hear(kept_t *kept, int fd)
{
    FILE *lines = fdopen(fd, "r");
    char line[LINE_BYTES];
    while (lines && fgets(line, sizeof line, lines)) {
        line[strcspn(line, "\n")] = 0;
        take_line(kept, line);
    }
}

static void
clean_up(const kept_t *kept)
{
    long long until_ms = process_clock_ms() + KEEPER_LIMIT_MS;
    alarm((unsigned)(KEEPER_LIMIT_MS + kept->clean_ms_max + LAST_RESORT_MS) / 1000);
    keeper_clean_run(kept->run_id, KEEPER_LIMIT_MS * 3 / 4);
    for (int i = 0; i < kept->n_folders; i++)
        remains_remove_tree(kept->folders[i]);
    long long left_ms = until_ms - process_clock_ms();
    if (left_ms < kept->clean_ms_max)
        left_ms = kept->clean_ms_max;
    if (kept->clean)
        kept->clean(kept->run_id, left_ms > 0 ? (int)left_ms : 0, kept->context);
}

// Lets go of everything of `dmlx run`: its terminal, its folder, its descriptors. A keeper that
// held the output open would hang whoever reads it.
static void
stand_apart(int fd)
{
    setsid();
    prctl(PR_SET_NAME, "dmlx-keeper");
    for (int number = 1; number < NSIG; number++)
        signal(number, number == SIGALRM || number == SIGCHLD ? SIG_DFL : SIG_IGN);
    int null = open("/dev/null", O_RDWR);
    for (int standard = 0; standard <= 2; standard++)
        dup2(null, standard);
    if (fd > 3)
        close_range(3, (unsigned)fd - 1, 0);
    close_range((unsigned)fd + 1, ~0U, 0);
    if (chdir("/") != 0)
        _exit(1);
}

static void
be_keeper(kept_t *kept, int fd)
{
    stand_apart(fd);
    hear(kept, fd);
    if (!kept->has_farewell)
        clean_up(kept);
    _exit(0);
}

keeper_t *
keeper_start(keeper_clean_t clean, int clean_ms_max, void *context, fault_t *fault)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        fault_set(fault, "no pipe to the keeper: %s", strerror(errno));
        return NULL;
    }
    // Its number is above the standard ones even when those are closed.
    int reader = fcntl(ends[0], F_DUPFD_CLOEXEC, 3), writer = fcntl(ends[1], F_DUPFD_CLOEXEC, 3);
    close(ends[0]);
    close(ends[1]);
    keeper_t *self = memory_new(sizeof *self);
    keeper_own_id(self->run_id);
    self->farewell_fd = writer;
    self->pid = fork();
    if (self->pid == 0) {
        close(writer);
        kept_t kept = {.run_id = self->run_id,
                       .clean = clean,
                       .clean_ms_max = clean_ms_max,
                       .context = context};
        be_keeper(&kept, reader);
    }
    close(reader);
    self->pidfd = self->pid > 0 ? pidfd_open(self->pid, 0) : -1;
    if (self->pidfd < 0) {
        fault_set(fault, "no process for the keeper: %s", strerror(errno));
        close(writer);
        free(self);
        return NULL;
    }
    return self;
}

const char *
keeper_run_id(const keeper_t *keeper)
{
    return keeper->run_id;
}

int
keeper_add_folder(keeper_t *keeper, const char *path)
{
    char line[LINE_BYTES];
    int n = snprintf(line, sizeof line, "folder %s\n", path);
    if (!is_our_folder(path) || n >= LINE_BYTES)
        return -1;
    return process_write(keeper->farewell_fd, line, (size_t)n, FAREWELL_WAIT_MS, NULL) == 0 ? 0
                                                                                            : -1;
}

int
keeper_fd(const keeper_t *keeper)
{
    return keeper->pidfd;
}

void
keeper_end(keeper_t **keeper)
{
    keeper_t *self = *keeper;
    if (!self)
        return;
    static const char farewell[] = "farewell\n";
    process_write(self->farewell_fd, farewell, sizeof farewell - 1, FAREWELL_WAIT_MS, NULL);
    close(self->farewell_fd);
    struct pollfd end = {.fd = self->pidfd, .events = POLLIN};
    while (poll(&end, 1, FAREWELL_WAIT_MS) < 0 && errno == EINTR)
        ;
    if (!end.revents)
        kill(self->pid, SIGKILL);
    waitpid(self->pid, NULL, 0);
    close(self->pidfd);
    free(self);
    *keeper = NULL;
}

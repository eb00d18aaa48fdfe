#define _GNU_SOURCE // pipe2
#include "plots/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "plots/draft.h"
#include "plots/figure.h"
#include "plots/memory.h"

enum { N_FORMATS = 3, WORDS_BYTES_MAX = 4096, NO_PROGRAM = 127 };

static const char *const FORMATS[N_FORMATS] = {"svg", "png", "pdf"};

// What the child does between fork and exec: nothing but calls that are safe there. The alarm
// outlives the exec, so the limit holds even if the parent is killed.
static void
become_gnuplot(const char *folder, char **arguments, int words)
{
    const struct sigaction by_default = {.sa_handler = SIG_DFL};
    sigaction(SIGALRM, &by_default, NULL);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    const int nothing = open("/dev/null", O_RDWR);
    if (nothing < 0 || dup2(nothing, STDIN_FILENO) < 0 || dup2(nothing, STDOUT_FILENO) < 0 ||
        dup2(words, STDERR_FILENO) < 0 || chdir(folder) != 0)
        _exit(NO_PROGRAM - 1);
    alarm(GNUPLOT_TIMEOUT_S);
    execvp(arguments[0], arguments);
    _exit(errno == ENOENT ? NO_PROGRAM : NO_PROGRAM - 1);
}

// Everything the child says, up to a limit; the rest is read and dropped, so that it never blocks.
static void
listen_to(int words, draft_t *said)
{
    char bytes[1024];
    for (;;) {
        const ssize_t n = read(words, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return;
        const size_t room = WORDS_BYTES_MAX - said->length;
        draft_add_bytes(said, bytes, (size_t)n < room ? (size_t)n : room);
    }
}

// Runs gnuplot to its end. The wait status, or −1 when it could not be started.
static int
run(const char *folder, char **arguments, draft_t *said)
{
    int words[2];
    if (pipe2(words, O_CLOEXEC) != 0)
        return -1;
    const pid_t child = fork();
    if (child == 0)
        become_gnuplot(folder, arguments, words[1]);
    close(words[1]);
    int status = -1;
    if (child > 0) {
        listen_to(words[0], said);
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            ;
    }
    close(words[0]);
    return status;
}

// gnuplot's complaint in one line: it shows the line at fault, a caret under it, then the sentence.
static char *
complaint_of(const draft_t *said)
{
    char *line = plots_copy(said->text);
    for (char *c = line; *c != '\0'; c++) {
        if (*c == '\n' || *c == '\t')
            *c = ' ';
    }
    size_t to = 0;
    for (size_t from = 0; line[from] != '\0'; from++) {
        if (line[from] != ' ' || (to > 0 && line[to - 1] != ' '))
            line[to++] = line[from];
    }
    line[to] = '\0';
    return line;
}

static int
judge(int status, const char *script, const draft_t *said, plots_error_t *error)
{
    if (status == 0)
        return PLOTS_OK;
    if (status == -1)
        return plots_fail(error, PLOTS_GNUPLOT, "cannot start gnuplot: %s", strerror(errno));
    if (WIFEXITED(status) && WEXITSTATUS(status) == NO_PROGRAM)
        return plots_fail(
            error, PLOTS_NO_GNUPLOT,
            "gnuplot is not installed: CSV and scripts are written, pictures are not; "
            "install gnuplot-nox and plot again");
    if (WIFSIGNALED(status))
        return plots_fail(error, PLOTS_GNUPLOT, "gnuplot ended by signal %d on '%s'%s",
                          WTERMSIG(status), script,
                          WTERMSIG(status) == SIGALRM ? ": it took more than a minute" : "");
    char *complaint = complaint_of(said);
    const int result =
        plots_fail(error, PLOTS_GNUPLOT, "gnuplot refused '%s': %.300s", script, complaint);
    free(complaint);
    return result;
}

// Takes the picture from aside to its name, or away when it is not to be kept.
static int
settle(const char *folder, const char *aside, const char *name, bool is_kept, plots_error_t *error)
{
    char *from = plots_format("%s/%s", folder, aside);
    char *to = plots_format("%s/%s", folder, name);
    int result = PLOTS_OK;
    if (is_kept) {
        const int file = open(from, O_RDONLY | O_CLOEXEC);
        const bool is_synced = file >= 0 && fsync(file) == 0;
        if (!is_synced || rename(from, to) != 0)
            result = plots_fail(error, PLOTS_IO, "cannot write '%s': %s", to, strerror(errno));
        if (file >= 0)
            close(file);
    }
    if (!is_kept || result != PLOTS_OK)
        unlink(from);
    free(from);
    free(to);
    return result;
}

int
gnuplot_draw(const char *folder, const char *script, unsigned formats, plots_error_t *error)
{
    char program[] = "gnuplot";
    char option[] = "-e";
    char *scripts = plots_copy(script);
    const int stem = (int)strcspn(script, ".");
    char *arguments[2 + 3 * N_FORMATS] = {program};
    char *asides[N_FORMATS] = {NULL};
    size_t n = 1;
    for (size_t i = 0; i < N_FORMATS; i++) {
        if (!(formats >> i & 1u))
            continue;
        asides[i] = plots_format(".%.*s.%ld.%s", stem, script, (long)getpid(), FORMATS[i]);
        arguments[n++] = option;
        arguments[n++] = plots_format("format='%s'; target='%s'", FORMATS[i], asides[i]);
        arguments[n++] = scripts;
    }
    draft_t said = {0};
    int result = PLOTS_OK;
    if (n > 1)
        result = judge(run(folder, arguments, &said), script, &said, error);
    const bool is_kept = result == PLOTS_OK;
    for (size_t i = 0; i < N_FORMATS; i++) {
        if (asides[i] == NULL)
            continue;
        char *name = plots_format("%.*s.%s", stem, script, FORMATS[i]);
        const int settled = settle(folder, asides[i], name, is_kept, error);
        result = result == PLOTS_OK ? settled : result;
        free(name);
        free(asides[i]);
    }
    for (size_t i = 2; i < n; i += 3)
        free(arguments[i]);
    free(scripts);
    draft_clear(&said);
    return result;
}

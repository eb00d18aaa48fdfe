#include "runner/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>

#include "runner/command.h"

static atomic_int first_signal; // lock-free: a handler may set it, in whichever thread it runs
static int pipe_fds[2] = {-1, -1};

static void
on_signal(int number)
{
    int saved = errno;
    if (first_signal && number == SIGINT)
        _exit(STATUS_INTERRUPTED);
    int none = 0;
    if (atomic_compare_exchange_strong(&first_signal, &none, number)) {
        // A pipe that cannot take the byte is readable already, which is all that is wanted.
        ssize_t n = write(pipe_fds[1], "", 1);
        (void)n;
    }
    errno = saved;
}

void
signals_start(void)
{
    if (pipe_fds[0] >= 0 || pipe(pipe_fds) != 0)
        return;
    for (int i = 0; i < 2; i++) {
        fcntl(pipe_fds[i], F_SETFD, FD_CLOEXEC);
        fcntl(pipe_fds[i], F_SETFL, O_NONBLOCK);
    }
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

bool
signals_stop(void)
{
    return first_signal != 0;
}

int
signals_fd(void)
{
    return pipe_fds[0];
}

int
signals_first(void)
{
    return first_signal;
}

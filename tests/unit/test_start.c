/* What a process does once: the library's threads end with it, whatever signals come meanwhile. */
#include "transport/link.h"
#include "transport/start.h"

#include <dirent.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

enum { PATIENCE_MS = 20000 };

static volatile sig_atomic_t n_signals;

/* Threads of this process that libzmq has made, by the names it gives them. */
static int
count_library_threads(void)
{
    int n = 0;
    DIR *tasks = opendir("/proc/self/task");
    assert_non_null(tasks);
    for (struct dirent *task; (task = readdir(tasks));) {
        char path[300], name[16] = "";
        snprintf(path, sizeof path, "/proc/self/task/%s/comm", task->d_name);
        FILE *comm = fopen(path, "r");
        n += comm && fgets(name, sizeof name, comm) && strncmp(name, "ZMQbg", 5) == 0;
        if (comm)
            fclose(comm);
    }
    closedir(tasks);
    return n;
}

static void
on_alarm(int number)
{
    (void)number;
    n_signals++;
}

/* At the very end: 0 when signals came, and no thread of the library is left. */
static void
judge(void)
{
    int n;
    int64_t until_ms = link_now_ms() + PATIENCE_MS;
    while ((n = count_library_threads()) > 0 && link_now_ms() < until_ms)
        poll(NULL, 0, 1); /* one that was joined is listed a moment longer */
    _exit(n > 0 ? 1 : n_signals == 0 ? 2 : 0);
}

/* Ends with a message that nobody takes, for which the library waits as long as it may linger, and
 * with a signal every few milliseconds. */
static void
end_under_signals(void)
{
    atexit(judge); /* the first that is registered is called last */
    transport_start();
    zsock_t *push = zsock_new(ZMQ_PUSH);
    zsock_set_linger(push, LINK_LINGER_MS);
    zmq_connect(zsock_resolve(push), "tcp://127.0.0.1:1");
    zmq_send(zsock_resolve(push), "x", 1, ZMQ_DONTWAIT);
    zsock_destroy(&push);
    int64_t until_ms = link_now_ms() + PATIENCE_MS;
    while (count_library_threads() == 0) { /* each names itself, some time after its start */
        if (link_now_ms() >= until_ms)
            _exit(3); /* they have other names now, and there is nothing to count */
        poll(NULL, 0, 1);
    }
    struct sigaction action = {.sa_handler = on_alarm};
    sigaction(SIGALRM, &action, NULL);
    struct itimerval often = {.it_interval.tv_usec = 5000, .it_value.tv_usec = 5000};
    setitimer(ITIMER_REAL, &often, NULL);
    exit(0);
}

static void
signals_do_not_leave_the_librarys_threads_behind(void **state)
{
    (void)state;
    int status = -1;
    pid_t child = fork();
    if (child == 0)
        end_under_signals();
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signals_do_not_leave_the_librarys_threads_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

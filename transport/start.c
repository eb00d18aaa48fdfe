#include "transport/start.h"

#include <czmq.h>
#include <pthread.h>
#include <signal.h>

static void
start_once(void)
{
    zsys_handler_set(NULL); /* before zsys_init, which would take SIGINT and SIGTERM */
    zsys_init();
    atexit(transport_stop);   /* before czmq's own, which a signal cuts short */
    zsys_set_logstream(NULL); /* its default is stdout */
}

void
transport_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_once);
}

/* The end of the context waits for the library's threads, and for what was said last to leave
 * (LINK_LINGER_MS). A signal that is handled meanwhile would have it give up both. */
void
transport_stop(void)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    zsys_shutdown();
    pthread_sigmask(SIG_SETMASK, &before, NULL);
}

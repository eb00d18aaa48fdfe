#include "transport/start.h"

#include <czmq.h>
#include <pthread.h>

static void
start_once(void)
{
    zsys_handler_set(NULL); /* before zsys_init, which would take SIGINT and SIGTERM */
    zsys_init();
    zsys_set_logstream(NULL); /* its default is stdout */
}

void
transport_start(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_once);
}

void
transport_stop(void)
{
    zsys_shutdown();
}

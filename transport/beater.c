#include "transport/beater.h"
#include "transport/memory.h"

#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

struct beater {
    pthread_t thread;
    pthread_mutex_t lock; /* guards is_closing */
    pthread_cond_t closing;
    bool is_closing;
    int64_t every_ms;
    void (*act)(void *argument);
    void *argument;
};

static void
add_ms(struct timespec *time, int64_t ms)
{
    int64_t ns = time->tv_nsec + ms % 1000 * 1000000;
    time->tv_sec += (time_t)(ms / 1000 + ns / 1000000000);
    time->tv_nsec = (long)(ns % 1000000000);
}

/* Sleeps until it is time again; false when it is time to end. */
static bool
rest(beater_t *beater)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    add_ms(&until, beater->every_ms);
    pthread_mutex_lock(&beater->lock);
    int result = 0;
    while (!beater->is_closing && result == 0)
        result = pthread_cond_timedwait(&beater->closing, &beater->lock, &until);
    bool is_closing = beater->is_closing;
    pthread_mutex_unlock(&beater->lock);
    return !is_closing;
}

static void *
run(void *argument)
{
    beater_t *beater = argument;
    do
        beater->act(beater->argument);
    while (rest(beater));
    return NULL;
}

beater_t *
beater_new(int64_t every_ms, void (*act)(void *argument), void *argument)
{
    beater_t *beater = transport_alloc(sizeof *beater);
    *beater = (beater_t){.every_ms = every_ms > 0 ? every_ms : 1, .act = act, .argument = argument};
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&beater->closing, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&beater->lock, NULL);
    pthread_attr_t small;
    pthread_attr_init(&small);
    pthread_attr_setstacksize(&small, 256 * 1024);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all,
                    &before); /* inherited: signals are for the caller's threads */
    if (pthread_create(&beater->thread, &small, run, beater) != 0)
        abort(); /* no memory for a stack */
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&small);
    return beater;
}

void
beater_free(beater_t *beater)
{
    if (!beater)
        return;
    pthread_mutex_lock(&beater->lock);
    beater->is_closing = true;
    pthread_cond_signal(&beater->closing);
    pthread_mutex_unlock(&beater->lock);
    pthread_join(beater->thread, NULL);
    pthread_cond_destroy(&beater->closing);
    pthread_mutex_destroy(&beater->lock);
    free(beater);
}

/* tests/bench/round_trip.c - how long a cache line takes from one core to another and back.
 *
 * It says "ready" and its version, then answers each line on standard input with one: the lowest of
 * some means, in nanoseconds, between the first two processors that it may use. Threads that share
 * work meet at that price, several times a step; on a virtual machine it changes as the host moves
 * the processors about: two threads of one core, two cores that share a cache, two that don't. */
#define _GNU_SOURCE // sched_getaffinity, pthread_setaffinity_np
#include <pthread.h>
#include <sched.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { ROUNDS = 2000, TRIES = 20, STOP = -1 };

typedef struct {
    alignas(128) atomic_int ball; /* odd: the other one's turn */
    int processors[2];
} court_t;

static void
stay_on(int processor)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET((size_t)processor, &set);
    pthread_setaffinity_np(pthread_self(), sizeof set, &set);
}

static void *
play_back(void *arg)
{
    court_t *court = arg;
    stay_on(court->processors[1]);
    int ball;
    while ((ball = atomic_load(&court->ball)) != STOP)
        if (ball % 2)
            atomic_store(&court->ball, ball + 1);
    return NULL;
}

static double
now_ns(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return 1e9 * (double)time.tv_sec + (double)time.tv_nsec;
}

static double
mean_round_ns(court_t *court)
{
    double start = now_ns();
    for (int ball = 0; ball < 2 * ROUNDS; ball += 2) {
        atomic_store(&court->ball, ball + 1);
        while (atomic_load(&court->ball) != ball + 2)
            ;
    }
    return (now_ns() - start) / ROUNDS;
}

static double
round_trip_ns(court_t *court)
{
    pthread_t other;
    double least = 0;
    atomic_store(&court->ball, 0);
    if (pthread_create(&other, NULL, play_back, court)) {
        fprintf(stderr, "bench_round_trip: no thread to be had\n");
        exit(1);
    }
    for (int i = 0; i < TRIES; i++) {
        double mean = mean_round_ns(court);
        least = i == 0 || mean < least ? mean : least;
    }
    atomic_store(&court->ball, STOP);
    pthread_join(other, NULL);
    return least;
}

int
main(void)
{
    court_t court = {0};
    cpu_set_t allowed;
    int found = 0;
    if (sched_getaffinity(0, sizeof allowed, &allowed) == 0)
        for (int i = 0; i < CPU_SETSIZE && found < 2; i++)
            if (CPU_ISSET((size_t)i, &allowed))
                court.processors[found++] = i;
    if (found < 2) {
        fprintf(stderr, "bench_round_trip: needs two processors\n");
        return 1;
    }
    stay_on(court.processors[0]);
    printf("ready 1\n");
    fflush(stdout);
    for (char line[16]; fgets(line, sizeof line, stdin);) {
        printf("%.1f\n", round_trip_ns(&court));
        fflush(stdout);
    }
    return 0;
}

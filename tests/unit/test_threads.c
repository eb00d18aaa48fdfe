/* tests/unit/test_threads.c - work in pieces, whoever takes them. */
#include "engine/threads.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PIECES = 1000, THREADS_MAX = 5 };

typedef struct {
    atomic_int done[PIECES];
    atomic_bool is_held[THREADS_MAX];
    atomic_int faults;
    long long sums[PIECES];
} work_t;

static void
count_piece(void *arg, int piece, int thread)
{
    work_t *work = arg;
    /* One piece at a time holds a thread's number. */
    if (atomic_exchange(&work->is_held[thread], true))
        atomic_fetch_add(&work->faults, 1);
    atomic_fetch_add(&work->done[piece], 1);
    long long sum = 0;
    for (int i = 0; i < piece % 7 * 100; i++)
        sum += i;
    work->sums[piece] = sum;
    atomic_store(&work->is_held[thread], false);
}

static void
every_piece_is_done_once_before_the_run_returns(void **state)
{
    (void)state;
    static work_t work;
    for (int n = 1; n <= THREADS_MAX; n++) {
        threads_t *threads = threads_new(n);
        assert_int_equal(threads_count(threads), n);
        for (int run = 0; run < 50; run++) {
            int pieces = run * 20;
            memset(&work, 0, sizeof work);
            threads_run(threads, pieces, count_piece, &work);
            for (int piece = 0; piece < PIECES; piece++)
                assert_int_equal(atomic_load(&work.done[piece]), piece < pieces);
            assert_int_equal(atomic_load(&work.faults), 0);
        }
        threads_free(&threads);
        assert_null(threads);
        threads_free(&threads);
    }
}

static void
add_one(void *arg, int piece, int thread)
{
    (void)thread;
    ((int *)arg)[piece]++;
}

/* Plain memory written by helpers is seen by the caller and by the next run; short runs one after
 * another are where a late helper would take a piece of the wrong run. */
static void
many_short_runs_see_each_others_writes(void **state)
{
    (void)state;
    int counts[4] = {0};
    threads_t *threads = threads_new(4);
    for (int run = 0; run < 20000; run++) {
        threads_run(threads, 1 + run % 4, add_one, counts);
        assert_int_equal(counts[0], run + 1);
    }
    assert_int_equal(counts[1], 15000);
    assert_int_equal(counts[2], 10000);
    assert_int_equal(counts[3], 5000);
    threads_free(&threads);
}

static void
a_pool_that_never_ran_ends(void **state)
{
    (void)state;
    for (int i = 0; i < 50; i++) {
        threads_t *threads = threads_new(3);
        threads_free(&threads);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_is_done_once_before_the_run_returns),
        cmocka_unit_test(many_short_runs_see_each_others_writes),
        cmocka_unit_test(a_pool_that_never_ran_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

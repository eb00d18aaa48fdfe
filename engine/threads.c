/* engine/threads.c - a pool of threads for work that is cut into fixed pieces.
 *
 * One 64-bit ticket holds everything a thread needs to take a piece: generation << 32 | pieces <<
 * 16 | next piece. A compare-and-swap that moves `next` can only succeed while the generation it
 * was read in is still running, and the run cannot end before that piece is done; so whoever wins
 * it may use `work` and `arg` as they stand, and a helper that wakes up late finds the ticket used
 * up. */
#include "engine/threads.h"

#include "engine/error.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

/* Looks at the ticket before sleeping: about 20 microseconds, a little more than the gaps between
 * the regions of a small step, and far less than a scheduler's slice. */
enum { SPINS = 600 };

typedef struct {
    threads_t *pool;
    int index;
    pthread_t id;
} helper_t;

struct threads {
    int count;
    helper_t *helpers; /* (count - 1) */
    _Atomic uint64_t ticket;
    _Atomic(threads_work_t *) work;
    _Atomic(void *) arg;
    atomic_int done;     /* pieces finished in this generation */
    atomic_int sleepers; /* helpers that need a signal to see a new ticket */
    atomic_bool is_caller_asleep;
    atomic_bool is_stopping;
    /* Of the caller alone: a signal to a helper that cannot get a core is wasted, so after one that
     * no helper answered in time the next runs do without, twice as many each time. */
    int unanswered; /* signals in a row */
    int quiet_runs; /* still to come */
    pthread_mutex_t lock;
    pthread_cond_t wake;     /* to helpers */
    pthread_cond_t finished; /* to the caller */
};

static inline void
relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__) || defined(__arm__)
    __asm__ volatile("yield");
#endif
}

/* Takes and does pieces until the ticket is used up; returns that ticket, and in *TAKEN how many.
 */
static uint64_t
take_pieces(threads_t *pool, int thread, int *taken)
{
    uint64_t ticket = atomic_load(&pool->ticket);
    *taken = 0;
    for (;;) {
        int next = (int)(ticket & 0xffff), pieces = (int)(ticket >> 16 & 0xffff);
        if (next >= pieces)
            return ticket;
        threads_work_t *work = atomic_load_explicit(&pool->work, memory_order_relaxed);
        void *arg = atomic_load_explicit(&pool->arg, memory_order_relaxed);
        if (!atomic_compare_exchange_weak(&pool->ticket, &ticket, ticket + 1))
            continue;
        work(arg, next, thread);
        ++*taken;
        if (atomic_fetch_add(&pool->done, 1) + 1 == pieces &&
            atomic_load(&pool->is_caller_asleep)) {
            pthread_mutex_lock(&pool->lock);
            pthread_cond_signal(&pool->finished);
            pthread_mutex_unlock(&pool->lock);
        }
        ticket = atomic_load(&pool->ticket);
    }
}

/* Returns when the ticket is no longer SEEN or the pool is stopping. */
static void
wait_for_ticket(threads_t *pool, uint64_t seen)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load_explicit(&pool->ticket, memory_order_relaxed) != seen)
            return;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(&pool->ticket) == seen && !atomic_load(&pool->is_stopping))
        pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->lock);
}

static void *
helper_main(void *arg)
{
    helper_t *helper = arg;
    int taken;
    while (!atomic_load(&helper->pool->is_stopping))
        wait_for_ticket(helper->pool, take_pieces(helper->pool, helper->index, &taken));
    return NULL;
}

threads_t *
threads_new(int n_threads)
{
    assert(n_threads >= 1);
    threads_t *pool = engine_alloc(sizeof *pool);
    pool->count = n_threads;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->finished, NULL);
    pool->helpers = engine_alloc((size_t)n_threads * sizeof(helper_t));
    for (int i = 1; i < n_threads; i++) {
        pool->helpers[i - 1] = (helper_t){.pool = pool, .index = i};
        /* Without a thread the process is as good as out of memory. */
        if (pthread_create(&pool->helpers[i - 1].id, NULL, helper_main, &pool->helpers[i - 1]))
            abort();
    }
    return pool;
}

void
threads_free(threads_t **threads)
{
    threads_t *pool = *threads;
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->is_stopping, true);
    pthread_cond_broadcast(&pool->wake);
    pthread_mutex_unlock(&pool->lock);
    for (int i = 1; i < pool->count; i++)
        pthread_join(pool->helpers[i - 1].id, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_cond_destroy(&pool->finished);
    pthread_mutex_destroy(&pool->lock);
    free(pool->helpers);
    free(pool);
    *threads = NULL;
}

int
threads_count(const threads_t *threads)
{
    return threads->count;
}

static void
wait_for_pieces(threads_t *pool, int n_pieces)
{
    for (int i = 0; i < SPINS; i++) {
        if (atomic_load(&pool->done) == n_pieces)
            return;
        relax();
    }
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->is_caller_asleep, true);
    while (atomic_load(&pool->done) != n_pieces)
        pthread_cond_wait(&pool->finished, &pool->lock);
    atomic_store(&pool->is_caller_asleep, false);
    pthread_mutex_unlock(&pool->lock);
}

/* Whether this run signals the helpers that sleep. */
static bool
is_worth_a_signal(threads_t *pool)
{
    if (atomic_load(&pool->sleepers) == 0)
        return false;
    if (pool->quiet_runs == 0)
        return true;
    pool->quiet_runs--;
    return false;
}

static void
learn_from_answer(threads_t *pool, bool has_signalled, bool is_answered)
{
    enum { UNANSWERED_MAX = 6 };
    if (is_answered)
        pool->unanswered = pool->quiet_runs = 0;
    else if (has_signalled) {
        pool->unanswered += pool->unanswered < UNANSWERED_MAX;
        pool->quiet_runs = (1 << pool->unanswered) - 1;
    }
}

void
threads_run(threads_t *pool, int n_pieces, threads_work_t *work, void *arg)
{
    assert(n_pieces <= 0xffff);
    if (pool->count == 1 || n_pieces <= 1) {
        for (int piece = 0; piece < n_pieces; piece++)
            work(arg, piece, 0);
        return;
    }
    atomic_store_explicit(&pool->work, work, memory_order_relaxed);
    atomic_store_explicit(&pool->arg, arg, memory_order_relaxed);
    atomic_store(&pool->done, 0);
    uint64_t generation = (atomic_load(&pool->ticket) >> 32) + 1;
    atomic_store(&pool->ticket, generation << 32 | (uint64_t)n_pieces << 16);
    bool is_signalled = is_worth_a_signal(pool);
    if (is_signalled) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
    }
    int taken;
    take_pieces(pool, 0, &taken);
    learn_from_answer(pool, is_signalled, taken < n_pieces);
    wait_for_pieces(pool, n_pieces);
}

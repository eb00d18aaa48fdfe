/* engine/threads.c - a pool of threads for work that is cut into fixed pieces.
 *
 * A run deals its pieces out in blocks, one a thread: the same piece of the next run, and of the
 * run after the next, falls to the same thread, which has that piece's images or weights in its
 * cache. A thread that is done with its block takes from the far end of the others'.
 *
 * One 64-bit ticket holds what is left of a block: generation << 32 | end << 16 | next. A
 * compare-and-swap that moves `next` or `end` can only succeed while the generation it was read in
 * is still running, and the run cannot end before that piece is done; so whoever wins it may use
 * `work` and `arg` as they stand, and a helper that wakes up late finds the tickets used up. */
#include "engine/threads.h"

#include "engine/error.h"
#include "engine/worth.h"

#include <assert.h>
#include <pthread.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <time.h>

/* How long a thread looks on before it sleeps: somewhat longer than one piece of a small step, and
 * far less than a scheduler's slice. To fall asleep and be woken costs about as much. */
enum { SPIN_NS = 50000 };

/* Runs between looks at the clock. */
enum { RUNS_A_LOOK = 32 };

enum { CACHE_LINE = 64 };

typedef struct {
    alignas(CACHE_LINE) _Atomic uint64_t ticket; /* what is left of its block */
    threads_t *pool;
    int index;
    pthread_t id; /* of a helper; member 0 is the caller */
} member_t;

struct threads {
    int count;
    member_t *members; /* (count) */
    _Atomic(threads_work_t *) work;
    _Atomic(void *) arg;
    alignas(CACHE_LINE) _Atomic uint32_t
        generation;                      /* of the last run; changes when all is dealt */
    alignas(CACHE_LINE) atomic_int left; /* pieces of this run that are not done */
    alignas(CACHE_LINE)
        atomic_int sleepers; /* helpers that need a signal to see a new generation */
    atomic_bool is_caller_asleep;
    atomic_bool is_stopping;
    /* Of the caller alone: a signal to a helper that cannot get a core is wasted, so after one that
     * no helper answered in time the next runs do without, twice as many each time. */
    int unanswered; /* signals in a row */
    int quiet_runs; /* still to come */
    bool is_in_span;
    worth_t worth;
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

static int64_t
clock_ns(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return (int64_t)time.tv_sec * 1000000000 + time.tv_nsec;
}

typedef struct {
    int looks;
    int64_t end_ns;
} spin_t;

/* Whether to look once more; false SPIN_NS after the first call. */
static inline bool
spin_on(spin_t *spin)
{
    enum { LOOKS_A_TIME = 16 };
    relax();
    if (++spin->looks % LOOKS_A_TIME)
        return true;
    int64_t now = clock_ns(CLOCK_MONOTONIC);
    if (spin->looks == LOOKS_A_TIME)
        spin->end_ns = now + SPIN_NS;
    return now < spin->end_ns;
}

/* TAKEN pieces are done; whoever reports the last ones wakes the caller. */
static void
report(threads_t *pool, int taken)
{
    if (atomic_fetch_sub(&pool->left, taken) != taken || !atomic_load(&pool->is_caller_asleep))
        return;
    pthread_mutex_lock(&pool->lock);
    pthread_cond_signal(&pool->finished);
    pthread_mutex_unlock(&pool->lock);
}

/* Takes and does pieces of OWNER's block as THREAD, from its near end if it is the owner, until
 * there are none; returns how many. They are reported together, for each report fetches a line of
 * the cache that another thread has written. */
static int
take_block(threads_t *pool, int owner, int thread)
{
    _Atomic uint64_t *place = &pool->members[owner].ticket;
    uint64_t ticket = atomic_load(place);
    bool is_owner = owner == thread;
    int taken = 0;
    for (;;) {
        int next = (int)(ticket & 0xffff), end = (int)(ticket >> 16 & 0xffff);
        if (next >= end)
            break;
        threads_work_t *work = atomic_load_explicit(&pool->work, memory_order_relaxed);
        void *arg = atomic_load_explicit(&pool->arg, memory_order_relaxed);
        if (!atomic_compare_exchange_weak(place, &ticket,
                                          is_owner ? ticket + 1 : ticket - (1 << 16)))
            continue;
        work(arg, is_owner ? next : end - 1, thread);
        taken++;
        ticket = atomic_load(place);
    }
    if (taken)
        report(pool, taken);
    return taken;
}

/* Its own block first, then the others'. */
static int
take_pieces(threads_t *pool, int thread)
{
    int taken = 0;
    for (int i = 0; i < pool->count; i++)
        taken += take_block(pool, (thread + i) % pool->count, thread);
    return taken;
}

/* Returns when the generation is no longer SEEN or the pool is stopping. */
static void
wait_for_run(threads_t *pool, uint32_t seen)
{
    spin_t spin = {0};
    do {
        if (atomic_load_explicit(&pool->generation, memory_order_relaxed) != seen)
            return;
    } while (spin_on(&spin));
    pthread_mutex_lock(&pool->lock);
    atomic_fetch_add(&pool->sleepers, 1);
    while (atomic_load(&pool->generation) == seen && !atomic_load(&pool->is_stopping))
        pthread_cond_wait(&pool->wake, &pool->lock);
    atomic_fetch_sub(&pool->sleepers, 1);
    pthread_mutex_unlock(&pool->lock);
}

static void *
helper_main(void *arg)
{
    member_t *helper = arg;
    while (!atomic_load(&helper->pool->is_stopping)) {
        uint32_t seen = atomic_load(&helper->pool->generation);
        take_pieces(helper->pool, helper->index);
        wait_for_run(helper->pool, seen);
    }
    return NULL;
}

threads_t *
threads_new(int n_threads)
{
    assert(n_threads >= 1);
    threads_t *pool = engine_alloc(sizeof *pool);
    pool->count = n_threads;
    worth_init(&pool->worth, n_threads);
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wake, NULL);
    pthread_cond_init(&pool->finished, NULL);
    pool->members = engine_alloc((size_t)n_threads * sizeof(member_t));
    for (int i = 0; i < n_threads; i++) {
        member_t *member = &pool->members[i];
        member->pool = pool;
        member->index = i;
    }
    /* Without a thread the process is as good as out of memory. */
    for (int i = 1; i < n_threads; i++)
        if (pthread_create(&pool->members[i].id, NULL, helper_main, &pool->members[i]))
            abort();
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
        pthread_join(pool->members[i].id, NULL);
    pthread_cond_destroy(&pool->wake);
    pthread_cond_destroy(&pool->finished);
    pthread_mutex_destroy(&pool->lock);
    free(pool->members);
    free(pool);
    *threads = NULL;
}

int
threads_count(const threads_t *threads)
{
    return threads->count;
}

static void
wait_for_pieces(threads_t *pool)
{
    spin_t spin = {0};
    do {
        if (atomic_load(&pool->left) == 0)
            return;
    } while (spin_on(&spin));
    pthread_mutex_lock(&pool->lock);
    atomic_store(&pool->is_caller_asleep, true);
    while (atomic_load(&pool->left) != 0)
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

static double
seconds_by(clockid_t clock)
{
    return 1e-9 * (double)clock_ns(clock);
}

void
threads_begin(threads_t *pool)
{
    pool->is_in_span = pool->count > 1;
    if (pool->is_in_span)
        worth_begin(&pool->worth, seconds_by(CLOCK_MONOTONIC),
                    seconds_by(CLOCK_PROCESS_CPUTIME_ID));
}

void
threads_end(threads_t *pool)
{
    if (pool->is_in_span)
        worth_end(&pool->worth, seconds_by(CLOCK_MONOTONIC), seconds_by(CLOCK_PROCESS_CPUTIME_ID));
    pool->is_in_span = false;
}

static void
watch(threads_t *pool)
{
    if (++pool->worth.runs % RUNS_A_LOOK)
        return;
    double now = seconds_by(CLOCK_MONOTONIC);
    if (worth_is_due(&pool->worth, now))
        worth_judge(&pool->worth, now, seconds_by(CLOCK_PROCESS_CPUTIME_ID));
}

/* Blocks as even as can be; the caller, who is there already, has the larger ones. */
static void
deal(threads_t *pool, int n_pieces)
{
    uint32_t generation = atomic_load(&pool->generation) + 1;
    int count = pool->count, end = 0;
    for (int i = 0; i < count; i++) {
        int next = end;
        end = ((i + 1) * n_pieces + count - 1) / count;
        atomic_store(&pool->members[i].ticket,
                     (uint64_t)generation << 32 | (uint64_t)end << 16 | (uint64_t)next);
    }
    atomic_store(&pool->generation, generation);
}

void
threads_run(threads_t *pool, int n_pieces, threads_work_t *work, void *arg)
{
    assert(n_pieces <= 0xffff);
    if (pool->is_in_span)
        watch(pool);
    if (pool->count == 1 || n_pieces <= 1 || pool->worth.way == WORTH_ALONE) {
        for (int piece = 0; piece < n_pieces; piece++)
            work(arg, piece, 0);
        return;
    }
    atomic_store_explicit(&pool->work, work, memory_order_relaxed);
    atomic_store_explicit(&pool->arg, arg, memory_order_relaxed);
    atomic_store(&pool->left, n_pieces);
    deal(pool, n_pieces);
    bool is_signalled = is_worth_a_signal(pool);
    if (is_signalled) {
        pthread_mutex_lock(&pool->lock);
        pthread_cond_broadcast(&pool->wake);
        pthread_mutex_unlock(&pool->lock);
    }
    int taken = take_pieces(pool, 0);
    learn_from_answer(pool, is_signalled, taken < n_pieces);
    wait_for_pieces(pool);
}

/* engine/threads.h - a pool of threads for work that is cut into fixed pieces.
 *
 * The cut is the caller's and must not depend on the number of threads; then neither do the
 * results, whoever takes which piece. Piece p of a run falls to the same thread as piece p of the
 * last one of as many pieces, unless that thread is behind: then one that has nothing left to do
 * takes it. So a helper that is preempted, throttled or still asleep holds up nothing but the piece
 * it is in; if no helper comes, the caller does everything itself. Waiting is a brief spin and then
 * sleep, and where helpers do not pay, the caller goes on without them (engine/worth.h). */
#ifndef ENGINE_THREADS_H
#define ENGINE_THREADS_H

typedef struct threads threads_t;

/* PIECE counts from 0; THREAD is in [0, threads_count) and held by one piece at a time: a scratch
 * buffer's index. */
typedef void threads_work_t(void *arg, int piece, int thread);

/* N_THREADS >= 1, the caller's included. */
threads_t *threads_new(int n_threads);
void threads_free(threads_t **threads);
int threads_count(const threads_t *threads);

/* Runs work(arg, 0 … n_pieces-1) and returns when all are done. One caller at a time. */
void threads_run(threads_t *threads, int n_pieces, threads_work_t *work, void *arg);

/* Between these two, runs repeat, as the steps of training do, and the pool watches whether its
 * helpers are worth their processor time. Elsewhere it leaves things as they are. */
void threads_begin(threads_t *threads);
void threads_end(threads_t *threads);

#endif

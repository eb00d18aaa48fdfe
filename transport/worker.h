/* worker.h — the side that gets the model and gives an update.
 *
 * One SUB and one PUSH socket, and a thread that beats and, while the caller trains, listens. Usual
 * order:
 *
 *     worker_config_t config = worker_config();
 *     config.endpoint = "tcp://10.0.0.1:7070"; config.identity = "node7"; config.host = "node7";
 *     worker_t *worker = worker_new(&config, &error);
 *     worker_join(worker, &welcome, &error);            // rank and the experiment's text
 *     … load the data …
 *     worker_ready(worker, facts, &error);
 *     while (worker_next(worker, &task, &error) == 0 && task.kind == WORKER_ROUND) {
 *         … train; worker_interrupted(worker) tells between steps whether it is still worth it …
 *         worker_update(worker, meta, array, n, &error);
 *     }
 *     worker_free(worker);
 *
 * All functions belong to one thread, except worker_interrupted. */
#ifndef TRANSPORT_WORKER_H
#define TRANSPORT_WORKER_H

#include "transport/drop.h"
#include "transport/error.h"
#include "transport/keys.h"
#include "transport/wire.h"
#include <stddef.h>
#include <stdint.h>

typedef struct worker worker_t;

typedef struct {
    const char *endpoint;   /* as coordinator_endpoint gave it, with an address that leads there */
    const char *run;        /* the run it was started for; NULL: whichever answers */
    const char *identity;   /* 1 to WIRE_IDENTITY_BYTES_MAX of A-Z a-z 0-9 . _ -, one worker each;
                               with keys, their name */
    const char *host;       /* for messages; up to WIRE_HOST_BYTES_MAX printable characters */
    const char *facts;      /* opaque text for the coordinator's caller; NULL: empty */
    const keys_t *keys;     /* borrowed until worker_free; NULL: no CURVE */
    int64_t join_ms;        /* until the WELCOME */
    int64_t idle_ms;        /* the longest wait for the next ROUND of a coordinator that is alive */
    size_t frame_bytes_max; /* the largest frame either way */
    int stop_fd;            /* readable: every wait ends at once with TRANSPORT_STOPPED; -1: none */
} worker_config_t;

/* Defaults: 60 s to join, 1 h idle, 64 MiB a frame, no stop_fd. How long the coordinator may be
 * silent comes in WELCOME. */
worker_config_t worker_config(void);

/* Starts to connect; nobody needs to be there yet. NULL and a sentence when the configuration won't
 * do. */
worker_t *worker_new(const worker_config_t *config, transport_error_t *error);
/* Accepts NULL. What was sent last has 250 ms to leave. */
void worker_free(worker_t *worker);

typedef struct {
    uint32_t rank;
    const char *run;  /* borrowed until worker_free, as is text */
    const char *text; /* opaque: the experiment */
} worker_welcome_t;

/* Asks, again and again, until it is welcome. TRANSPORT_TIMEOUT after join_ms, TRANSPORT_REFUSED
 * with the coordinator's sentence, TRANSPORT_STOPPED. */
int worker_join(worker_t *worker, worker_welcome_t *welcome, transport_error_t *error);

/* Says that it can begin; facts is opaque text, judged by the coordinator's caller (a refusal comes
 * out of worker_next). */
int worker_ready(worker_t *worker, const char *facts, transport_error_t *error);

typedef struct {
    enum { WORKER_ROUND, WORKER_DONE } kind;
    uint32_t round;
    const float *parameters; /* (n), host byte order, all finite, 4-byte aligned; borrowed until
                                worker_next or _free */
    size_t n;
    const char *text; /* of DONE; borrowed likewise; never NULL */
} worker_task_t;

/* Sets idle_ms (above 0) to what the experiment's text says. From the thread that calls
 * worker_next. */
void worker_wait_for(worker_t *worker, int64_t idle_ms);

/* Waits for the next task. TRANSPORT_ABORTED with the coordinator's reason, TRANSPORT_LOST when it
 * has been silent for the limit, TRANSPORT_TIMEOUT after idle_ms, TRANSPORT_STOPPED. The task is
 * untouched on failure. */
int worker_next(worker_t *worker, worker_task_t *task, transport_error_t *error);

/* Answers the ROUND that worker_next gave last; meta and array (n) are copied, and said again if
 * they get lost on the way. Returns at once. TRANSPORT_INVALID when array holds NaN or infinity or
 * is too large (nothing is sent: tell the coordinator by worker_error), or when there is no ROUND
 * to answer. */
int worker_update(worker_t *worker, const char *meta, const float *array, size_t n,
                  transport_error_t *error);

/* Tells the coordinator that this worker gives up, and why. It counts as lost from then on. */
int worker_error(worker_t *worker, const char *why, transport_error_t *error);

/* 0 while the round under way is still wanted; else what worker_next would return at once
 * (TRANSPORT_ABORTED, _LOST, _STOPPED, or TRANSPORT_REFUSED when another ROUND has taken its
 * place). A read of one atomic: for the inner loop. */
int worker_interrupted(const worker_t *worker);

transport_counters_t worker_counters(worker_t *worker);

#endif

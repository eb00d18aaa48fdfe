/* coordinator.h — the side that sends the model out and takes the updates in.
 *
 * One PUB and one PULL socket. It moves arrays of floats and texts and does not know what they
 * mean. The guarantees it keeps are numbered in README.md. Usual order:
 *
 *     coordinator_config_t config = coordinator_config();
 *     config.endpoint = "tcp://127.0.0.1:0"; config.run = "…"; config.n_workers = 3;
 *     coordinator_t *coordinator = coordinator_new(&config, &error);
 *     … coordinator_endpoint(coordinator) goes to the workers …
 *     code = coordinator_join(coordinator, experiment_text, &fault);
 *     for each round: code = coordinator_round(coordinator, number, parameters, n, take, context,
 * &fault); coordinator_done(coordinator, "", &fault); coordinator_free(coordinator);
 *
 * When a worker is lost, join and round return TRANSPORT_LOST with its name in fault. Nothing was
 * undone: what `take` got stays counted. The caller says what shall be, and goes on where it stood:
 *
 *     fail       coordinator_abort(coordinator, fault.error.text, …)
 *     continue   coordinator_drop(coordinator, fault.rank);    then coordinator_resume(coordinator,
 * &fault) respawn    coordinator_readmit(coordinator, fault.rank); then
 * coordinator_resume(coordinator, &fault)
 *
 * After readmit, resume waits for a newer incarnation of that worker, welcomes it, and sends it the
 * round under way; the sum is that of an undisturbed run. To do a whole round again (other parts of
 * the data, say), call coordinator_round once more: it is a new turn, and updates of the old one no
 * longer count.
 *
 * All functions belong to one thread. A thread of the coordinator's own beats, so that workers know
 * it is alive while the caller averages, evaluates or writes. */
#ifndef TRANSPORT_COORDINATOR_H
#define TRANSPORT_COORDINATOR_H

#include "transport/drop.h"
#include "transport/error.h"
#include "transport/keys.h"
#include "transport/wire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COORDINATOR_NO_RANK UINT32_MAX

typedef struct coordinator coordinator_t;

/* A worker as it introduced itself. Valid during the call that hands it out. */
typedef struct {
    uint32_t rank;        /* COORDINATOR_NO_RANK when it has none */
    uint64_t incarnation; /* a later start of the same identity has a larger one */
    const char *identity;
    const char *host;
    const char *facts; /* opaque text of its HELLO */
} coordinator_peer_t;

/* Something worth a line in the log: a drop, a worker that came or went. For drops it comes for the
 * first 16 of a reason and then whenever their count has doubled; coordinator_counters has them
 * all. */
typedef struct {
    bool is_drop;
    drop_t reason;  /* if is_drop */
    uint64_t count; /* drops of that reason so far */
    uint32_t rank;  /* COORDINATOR_NO_RANK when not known */
    uint32_t round;
    char text[512]; /* the whole sentence */
} coordinator_event_t;

/* An update whose turn in rank order has come. Pointers are valid during the call. */
typedef struct {
    uint32_t rank;
    uint32_t round;
    const coordinator_peer_t *peer;
    const char *meta;   /* opaque text */
    const float *array; /* (n), host byte order, all finite; NULL when n is 0 */
    size_t n;
    double arrived_s; /* after the broadcast of this turn */
    size_t received_bytes;
} coordinator_update_t;

/* Takes one update. False, with a sentence in why: that worker counts as lost, and is told so. */
typedef bool coordinator_take_fn(void *context, const coordinator_update_t *update,
                                 transport_error_t *why);

/* Why a wait ended otherwise than well. error.text is the whole sentence: worker, host, phase,
 * limit. */
typedef struct {
    transport_error_t error;
    uint32_t rank; /* COORDINATOR_NO_RANK unless a worker is to blame */
    char identity[WIRE_IDENTITY_BYTES_MAX + 1];
    char host[WIRE_HOST_BYTES_MAX + 1];
    const char *phase; /* "joining", "loading", "waiting", "training", "ending" */
    uint32_t round;
    int64_t after_ms; /* since the start of that phase for that worker */
    int64_t limit_ms; /* the limit that ran out, 0 when none did */
} coordinator_fault_t;

typedef struct {
    /* tcp://ADDRESS:PORT (PORT for PUB, PORT+1 for PULL; port 0: any two that are free), ipc://PATH
     * or inproc://NAME. An address that is not loopback needs keys. */
    const char *endpoint;
    const char *run; /* id of this attempt, printable, at most WIRE_RUN_BYTES_MAX; messages of
                        others are dropped */
    uint32_t n_workers;
    const char *const *identities; /* (n_workers) by rank, borrowed until coordinator_new returns;
                                      NULL: whoever comes */
    const keys_t *keys;            /* borrowed until coordinator_free; NULL: no CURVE */
    int64_t join_ms;               /* from join (or readmit) until a worker is READY */
    int64_t round_ms;              /* from a ROUND being sent to a worker until its UPDATE */
    int64_t silence_ms; /* without any sign of life from a worker; workers use the same for us */
    size_t frame_bytes_max; /* the largest frame either way; workers have the same */
    int stop_fd;            /* readable: every wait ends at once with TRANSPORT_STOPPED; -1: none */
    void *context;          /* for the two calls below */
    /* Judges a READY: false, with a sentence in why, refuses the worker. NULL: all are welcome. */
    bool (*ready)(void *context, const coordinator_peer_t *peer, const char *facts,
                  transport_error_t *why);
    void (*event)(void *context, const coordinator_event_t *event); /* NULL: nobody listens */
} coordinator_config_t;

/* Defaults: 60 s to join, 10 min a round, 3 s of silence, 64 MiB a frame, no stop_fd. */
coordinator_config_t coordinator_config(void);

/* Binds and starts to beat. NULL and a sentence when the endpoint, run, identities or keys won't
 * do. */
coordinator_t *coordinator_new(const coordinator_config_t *config, transport_error_t *error);
/* Accepts NULL. Does not tell the workers: coordinator_done or coordinator_abort does.
 * What was sent last has 250 ms to leave, behind the caller's back or at the latest when the
 * process ends. */
void coordinator_free(coordinator_t *coordinator);

/* What workers connect to, with the port that was found; `*` and 0.0.0.0 stay as they are.
 * Borrowed. */
const char *coordinator_endpoint(const coordinator_t *coordinator);

/* Waits until n_workers workers are READY; each HELLO is answered with its rank and text (copied).
 * A worker refused by `ready` ends the wait with TRANSPORT_REFUSED, one that vanished while
 * loading, or did not come within the limit, with TRANSPORT_LOST; after coordinator_drop or
 * _readmit, call it again to go on. Blocks at most join_ms. */
int coordinator_join(coordinator_t *coordinator, const char *text, coordinator_fault_t *fault);

/* Broadcasts parameters (n) to every worker and hands their updates to take in rank order, each as
 * soon as all lower ranks are in; what comes early is held. 0 once every worker's update was taken.
 * TRANSPORT_LOST as told above, TRANSPORT_INVALID when parameters hold NaN or infinity (nothing is
 * sent), TRANSPORT_STOPPED. Blocks at most round_ms. */
int coordinator_round(coordinator_t *coordinator, uint32_t number, const float *parameters,
                      size_t n, coordinator_take_fn *take, void *context,
                      coordinator_fault_t *fault);

/* Goes on with the round that returned TRANSPORT_LOST, with the same take and context. Same results
 * and limits, and join_ms more for a worker being readmitted. */
int coordinator_resume(coordinator_t *coordinator, coordinator_fault_t *fault);

/* Gives the rank up for good. Its worker, should it come back, is told to end, and its updates are
 * late; one that came in before counts. */
void coordinator_drop(coordinator_t *coordinator, uint32_t rank);
/* Opens the rank to a newer incarnation of the same identity (or to anyone, if no identities were
 * given). Does not wait. How often is for the caller to limit: a worker that dies each time it
 * starts would keep a run going for ever. */
void coordinator_readmit(coordinator_t *coordinator, uint32_t rank);

/* Tells every worker that the run is over, saying it again until each has heard or silence_ms is
 * over. 0, or TRANSPORT_LOST naming the first that did not hear; the run is complete either way. */
int coordinator_done(coordinator_t *coordinator, const char *text, coordinator_fault_t *fault);
/* The same with a reason; waits at most 1 s, and not at all for who was lost. */
void coordinator_abort(coordinator_t *coordinator, const char *why);

/* Times of the last turn, in seconds. */
typedef struct {
    double fan_out_s;      /* handing the broadcast to the sockets */
    double first_update_s; /* from the broadcast to the first update */
    double fan_in_s;       /* from the first update to the last */
    double take_s;         /* inside take, all workers together */
} coordinator_times_t;

transport_counters_t coordinator_counters(const coordinator_t *coordinator);
coordinator_times_t coordinator_times(const coordinator_t *coordinator);
/* How many workers take part: not lost, not dropped. */
uint32_t coordinator_workers(const coordinator_t *coordinator);
/* False when that rank has nobody at the moment. peer's texts are borrowed until the next call that
 * waits. */
bool coordinator_peer(const coordinator_t *coordinator, uint32_t rank, coordinator_peer_t *peer);

#endif

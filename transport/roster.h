/* roster.h — who has which rank, how each fares, and the coordinator's insides. Not a door:
 * open.c, coordinator.c, say.c and inbox.c share it.
 *
 * A place goes EMPTY -> LOADING (welcomed) -> ACTIVE (READY) and, when something happens to its
 * worker, -> LOST. Only the caller leads out of LOST: to GONE (drop) or back to EMPTY (readmit). */
#ifndef TRANSPORT_ROSTER_H
#define TRANSPORT_ROSTER_H

#include "transport/coordinator.h"
#include "transport/beater.h"
#include "transport/gate.h"
#include "transport/link.h"
#include <pthread.h>
#include <stdatomic.h>

typedef enum { PLACE_EMPTY, PLACE_LOADING, PLACE_ACTIVE, PLACE_LOST, PLACE_GONE } place_state_t;

typedef struct {
    place_state_t state;
    uint32_t rank;
    char *identity; /* NULL: not known yet */
    char *host;     /* of who was here last; never NULL, as facts */
    char *facts;
    const char *key;      /* public key that identity must come with; NULL: no keys */
    uint64_t incarnation; /* of who is or was here last */
    uint64_t sequence;    /* of its last message */
    int64_t heard_ms;     /* when there was a sign of life */
    int64_t since_ms;     /* when its phase began */
    int64_t deadline_ms;  /* when its phase must have ended; 0: it has no end */
    int64_t said_ms;      /* when it was last told something again */
    bool is_answered;     /* its update for this turn has come */
    bool has_left;        /* it has heard DONE or ABORT */
    parcel_t *update;     /* held until its turn in rank order; NULL: none */
    int loss;             /* LOST: a transport code */
    int64_t lost_after_ms, lost_limit_ms;
    const char *lost_phase;
    char *why; /* LOST, GONE: the reason; NULL before */
} place_t;

struct coordinator {
    coordinator_config_t config; /* identities and the like are not looked at after _new */
    char endpoint[LINK_ENDPOINT_BYTES_MAX];
    char run[WIRE_RUN_BYTES_MAX + 1];
    gate_t *gate;
    zsock_t *publish, *pull;
    void *publish_handle, *pull_handle; /* the library's own sockets under them */
    void *publish_events,
        *pull_events; /* what becomes of their connections; read by the beating thread */
    atomic_ulong n_refused[DROP_REASONS]; /* connections turned away so far */
    unsigned long n_refused_told[DROP_REASONS];

    beater_t *beater;
    pthread_mutex_t speak; /* guards publish, sequence, turn and the sent counters */
    uint64_t sequence;
    uint32_t turn;
    transport_counters_t counters;

    place_t *places; /* (n) by rank */
    uint32_t n;
    uint32_t n_lost; /* in state LOST */
    char *text;      /* of WELCOME; NULL before join */

    bool in_round;
    uint32_t round;
    zmq_msg_t parameters; /* of this turn, to be said again; empty before the first */
    uint32_t n_parameters;
    uint32_t next_rank; /* whose update take gets next */
    coordinator_take_fn *take;
    void *take_context;
    double turn_start_s, first_update_s, last_update_s;
    coordinator_times_t times;

    wire_kind_t ending; /* DONE or ABORT once said, else 0 */
    char *ending_text;
    int64_t ending_deadline_ms;
    int64_t next_check_ms; /* when a limit may have run out */
};

/* "worker 3 (w3 on node7)" into text. */
void place_name(const place_t *place, char *text, size_t bytes);

/* What the place is at: a phase as in coordinator_fault_t. */
const char *place_phase(const coordinator_t *coordinator, const place_t *place);

/* Whether the round cannot end without hearing from this place. */
bool place_is_awaited(const coordinator_t *coordinator, const place_t *place);

/* Starts a phase that must end within limit_ms (0: it need not). */
void place_begin(coordinator_t *coordinator, place_t *place, place_state_t state, int64_t limit_ms);

/* Its worker is lost, for that reason; limit_ms is what ran out, or 0. */
void place_lose(coordinator_t *coordinator, place_t *place, int code, int64_t limit_ms,
                const char *format, ...) __attribute__((format(printf, 5, 6)));

/* Moves a lost (or any) place out of the caller's way: GONE or EMPTY. */
void place_clear(coordinator_t *coordinator, place_t *place, place_state_t state);

/* Loses whoever let a limit run out, and notes when to look next. */
void roster_check(coordinator_t *coordinator);

/* Before a wait: what came while nobody looked counts as heard now, for all that is known. */
void roster_refresh(coordinator_t *coordinator);

/* The first lost place into fault; its code. */
int roster_fault(const coordinator_t *coordinator, coordinator_fault_t *fault);

/* Lets go of the update that is held. */
void place_forget_update(place_t *place);

/* Sends a message to all (peer 0) or one; array is by reference. */
void say(coordinator_t *coordinator, wire_message_t *message, zmq_msg_t *array);
/* Whether it is time to say something to this worker again; counts it. What it asks for in between
 * it will ask for once more. */
bool may_repeat(coordinator_t *coordinator, place_t *place);
void say_welcome(coordinator_t *coordinator, place_t *place);
/* The round under way, to that worker alone. */
void say_round(coordinator_t *coordinator, place_t *place);
/* That ROUND, to everybody. */
wire_message_t say_round_message(const coordinator_t *coordinator);
/* With speak held; a broadcast counts once for each of n_readers. */
void say_locked(coordinator_t *coordinator, wire_message_t *message, zmq_msg_t *array,
                uint32_t n_readers);
/* The beating thread's work: a BEAT, and a look at what became of connections. */
void say_beat(void *coordinator);
void say_ending(coordinator_t *coordinator, uint64_t peer);
void say_abort(coordinator_t *coordinator, uint64_t peer, const char *why);

/* Tells the caller's event function, if there is one. */
void tell(coordinator_t *coordinator, uint32_t rank, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Takes what has come, at most n_max messages; returns how many. */
int inbox_drain(coordinator_t *coordinator, int n_max);

/* Counts the connections that were refused since it was last called. */
void inbox_note_refused(coordinator_t *coordinator);

/* A message did not count: remembers and, now and then, tells. */
void inbox_drop(coordinator_t *coordinator, drop_t reason, uint32_t rank, const char *what);

#endif

/* ears.h — a worker's insides, and how it hears and answers. Not a door: worker.c and ears.c share
 * it. */
#ifndef TRANSPORT_EARS_H
#define TRANSPORT_EARS_H

#include "transport/beater.h"
#include "transport/gate.h"
#include "transport/link.h"
#include "transport/worker.h"
#include <pthread.h>
#include <stdatomic.h>

/* Two locks. `hear` goes with the SUB socket: the caller's thread holds it all through worker_join
 * and worker_next; when it does not, the beating thread takes it now and then, so that an ABORT or
 * silence is noticed while the caller trains. `speak` goes with the PUSH socket and is held for
 * moments. Who wants both takes hear first. */
struct worker {
    worker_config_t config; /* texts are not looked at after _new */
    char *endpoint, *identity, *host, *facts;
    uint64_t incarnation;
    zsock_t *subscribe, *push;
    void *subscribe_handle, *push_handle;
    beater_t *beater;  /* NULL before WELCOME */
    void *events;      /* what becomes of the PUSH socket's connections, until WELCOME */
    bool is_connected; /* somebody was there */
    bool is_admitted;  /* and took our key */

    pthread_mutex_t hear;
    bool is_welcome;
    parcel_t welcome;
    int64_t silence_ms;
    int64_t heard_ms;  /* when the coordinator gave its last sign of life */
    int64_t looked_ms; /* when we last looked for one */
    bool has_pending;  /* a ROUND that worker_next has not given out */
    parcel_t pending;
    bool has_task; /* the ROUND or DONE that worker_next gave out last */
    parcel_t task;
    int ending; /* 0, or what ended it: TRANSPORT_ABORTED, _REFUSED, _LOST, or 1 for DONE */
    char *ending_text;
    transport_counters_t counters;
    atomic_int interrupted; /* read without a lock */

    pthread_mutex_t speak;
    char run[WIRE_RUN_BYTES_MAX + 1];
    uint32_t rank;
    uint64_t sequence;
    uint32_t turn;  /* of the newest WELCOME (0) or ROUND that came */
    uint32_t round; /* its number */
    uint32_t
        missed; /* the turn of a ROUND that is known to have been said and did not come; 0: none */
    bool is_answered; /* turn is answered: READY or UPDATE below */
    bool is_unsent;   /* ... but could not be handed to the socket yet */
    bool is_leaving;
    char *meta;      /* text of that READY or UPDATE */
    zmq_msg_t array; /* of that UPDATE */
    uint32_t n;
};

/* With speak held: the HELLO that asks to be let in; false when it could not leave. */
bool ears_say_hello(worker_t *worker);
/* With speak held: what is not to be answered by anything. */
bool ears_say_error(worker_t *worker, const char *why);
/* With speak held: answers the newest question, and keeps the answer to say it again. */
void ears_answer(worker_t *worker, const char *meta, const float *array, size_t n);

/* With hear held: takes all that has come. */
void ears_hear(worker_t *worker);
/* With hear held: whether the coordinator has been silent for too long; then it is the end. */
void ears_watch(worker_t *worker);

/* What the beating thread does every sixth of the silence that is allowed. */
void ears_beat(void *worker);

#endif

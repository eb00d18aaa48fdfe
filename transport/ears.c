#include "transport/ears.h"
#include "transport/memory.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* speaking: with speak held */

static bool
say(worker_t *worker, wire_message_t *message, zmq_msg_t *array)
{
    message->version = WIRE_VERSION;
    message->peer = worker->incarnation;
    message->sequence = ++worker->sequence;
    memcpy(message->run, worker->run, sizeof message->run);
    size_t bytes = link_send(worker->push_handle, message, array);
    worker->counters.sent_messages += bytes > 0;
    worker->counters.sent_bytes += bytes;
    return bytes > 0;
}

bool
ears_say_hello(worker_t *worker)
{
    wire_message_t hello = {.kind = WIRE_HELLO,
                            .identity = worker->identity,
                            .host = worker->host,
                            .text = worker->facts};
    return say(worker, &hello, NULL);
}

/* The answer to the newest question: READY to WELCOME, UPDATE to ROUND. */
static void
say_answer(worker_t *worker)
{
    wire_message_t answer = {.kind = WIRE_READY, .rank = worker->rank, .text = worker->meta};
    if (worker->turn > 0) {
        answer.kind = WIRE_UPDATE;
        answer.turn = worker->turn;
        answer.round = worker->round;
        answer.n = worker->n;
    }
    worker->is_unsent = !say(worker, &answer, &worker->array);
}

static void
say_beat(worker_t *worker)
{
    if (worker->is_unsent)
        say_answer(worker);
    wire_message_t message = {.kind = WIRE_BEAT, .rank = worker->rank, .turn = worker->turn};
    if (worker->is_leaving) {
        message.flags = WIRE_LEAVING;
    } else if (worker->missed) {
        message.turn = worker->missed;
        message.flags = WIRE_MISSED;
    } else if (worker->is_answered && !worker->is_unsent) {
        message.flags = WIRE_ANSWERED; /* what was sent before this on the same way, and is not
                                          there, got lost */
    }
    say(worker, &message, NULL);
}

bool
ears_say_error(worker_t *worker, const char *why)
{
    wire_message_t message = {.kind = WIRE_ERROR, .rank = worker->rank, .text = why};
    return say(worker, &message, NULL);
}

void
ears_answer(worker_t *worker, const char *meta, const float *array, size_t n)
{
    free(worker->meta);
    worker->meta = transport_copy(meta);
    zmq_msg_close(&worker->array);
    link_pack(&worker->array, array, n);
    worker->n = (uint32_t)n;
    worker->is_answered = true;
    say_answer(worker);
}

/* hearing: with hear held */

static void
finish(worker_t *worker, int ending, const char *text)
{
    if (worker->ending)
        return;
    worker->ending = ending;
    worker->ending_text = transport_copy(text);
    if (ending < 0)
        atomic_store(&worker->interrupted, ending);
}

static void
hear_welcome(worker_t *worker, parcel_t *parcel)
{
    if (worker->is_welcome) { /* said again: our READY got lost, if there was one */
        pthread_mutex_lock(&worker->speak);
        if (worker->turn == 0 && worker->is_answered)
            say_answer(worker);
        pthread_mutex_unlock(&worker->speak);
        return;
    }
    parcel_move(&worker->welcome, parcel);
    worker->is_welcome = true;
    worker->silence_ms = parcel->message.limit_ms;
    pthread_mutex_lock(&worker->speak);
    worker->rank = parcel->message.rank;
    memcpy(worker->run, parcel->message.run, sizeof worker->run);
    pthread_mutex_unlock(&worker->speak);
}

static void
hear_round(worker_t *worker, parcel_t *parcel)
{
    uint32_t turn = parcel->message.turn;
    pthread_mutex_lock(&worker->speak);
    bool is_new = turn > worker->turn;
    if (is_new) {
        bool is_under_way = worker->turn > 0 && !worker->is_answered;
        if (is_under_way)
            atomic_store(&worker->interrupted, TRANSPORT_REFUSED);
        worker->turn = turn;
        worker->round = parcel->message.round;
        worker->is_answered = worker->is_unsent = false;
        worker->missed = 0;
    } else if (turn == worker->turn && worker->is_answered) {
        say_answer(worker);
    } else if (turn < worker->turn) {
        worker->counters.dropped[DROP_STALE]++;
    }
    pthread_mutex_unlock(&worker->speak);
    if (!is_new)
        return;
    if (worker->has_pending)
        parcel_free(&worker->pending);
    parcel_move(&worker->pending, parcel);
    worker->has_pending = true;
}

/* A beat that tells of a later turn than we know: its ROUND went before it on the same way and did
 * not arrive. */
static void
hear_beat(worker_t *worker, const parcel_t *parcel)
{
    pthread_mutex_lock(&worker->speak);
    bool has_begun = worker->turn > 0 || worker->is_answered;
    if (has_begun && parcel->message.turn > worker->turn) {
        worker->missed = parcel->message.turn;
        say_beat(worker);
    }
    pthread_mutex_unlock(&worker->speak);
}

static void
hear_ending(worker_t *worker, const parcel_t *parcel)
{
    finish(worker, parcel->message.kind == WIRE_DONE ? 1 : TRANSPORT_ABORTED, parcel->message.text);
    pthread_mutex_lock(&worker->speak);
    worker->is_leaving = true;
    if (worker->is_welcome)
        say_beat(worker);
    pthread_mutex_unlock(&worker->speak);
}

static void
hear_message(worker_t *worker, parcel_t *parcel)
{
    const wire_message_t *message = &parcel->message;
    bool is_mine = message->peer == worker->incarnation;
    /* worker->run changes under hear too, so it may be read here. */
    if (*worker->run && strcmp(message->run, worker->run) != 0 &&
        !(is_mine && !worker->is_welcome)) {
        worker->counters.dropped[DROP_RUN]++;
        return;
    }
    if (!worker->is_welcome && (!is_mine || (message->kind == WIRE_WELCOME && *worker->run &&
                                             strcmp(message->run, worker->run) != 0)))
        return; /* others' business */
    worker->heard_ms = link_now_ms();
    if (message->kind == WIRE_WELCOME)
        hear_welcome(worker, parcel);
    else if (message->kind == WIRE_ROUND)
        hear_round(worker, parcel);
    else if (message->kind == WIRE_BEAT)
        hear_beat(worker, parcel);
    else
        hear_ending(worker, parcel);
}

void
ears_hear(worker_t *worker)
{
    for (;;) {
        parcel_t parcel;
        drop_t reason;
        uint64_t peer;
        link_t got = link_receive(worker->subscribe_handle, false, worker->config.frame_bytes_max,
                                  &parcel, &reason, &peer);
        if (got == LINK_NOTHING)
            return;
        worker->counters.received_messages++;
        worker->counters.received_bytes += parcel.bytes;
        if (got == LINK_GOT) {
            hear_message(worker, &parcel);
            parcel_free(&parcel);
            continue;
        }
        worker->counters.dropped[reason]++;
        if (reason == DROP_VERSION && !worker->is_welcome)
            finish(worker, TRANSPORT_REFUSED,
                   "the coordinator speaks another version of the protocol; install the same dmlx "
                   "on both");
    }
}

/* Whether the coordinator has been silent for too long. Who was itself stopped meanwhile cannot
 * tell. */
void
ears_watch(worker_t *worker)
{
    int64_t now = link_now_ms();
    if (now - worker->looked_ms > worker->silence_ms / 2)
        worker->heard_ms = now;
    worker->looked_ms = now;
    char text[128];
    if (now - worker->heard_ms < worker->silence_ms)
        return;
    snprintf(text, sizeof text, "no sign of life for %" PRId64 " ms", now - worker->heard_ms);
    finish(worker, TRANSPORT_LOST, text);
}

static bool
is_stopped(const worker_t *worker)
{
    struct pollfd stop = {.fd = worker->config.stop_fd, .events = POLLIN};
    return stop.fd >= 0 && poll(&stop, 1, 0) > 0;
}

void
ears_beat(void *argument)
{
    worker_t *worker = argument;
    if (pthread_mutex_trylock(&worker->hear) ==
        0) { /* else the caller's thread is hearing itself */
        ears_hear(worker);
        ears_watch(worker);
        pthread_mutex_unlock(&worker->hear);
    }
    if (is_stopped(worker)) {
        int none = 0;
        atomic_compare_exchange_strong(&worker->interrupted, &none, TRANSPORT_STOPPED);
    }
    pthread_mutex_lock(&worker->speak);
    say_beat(worker);
    pthread_mutex_unlock(&worker->speak);
}

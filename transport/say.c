/* say.c — what the coordinator says, from whichever thread. Nothing here waits. */
#include "transport/roster.h"

#include <string.h>

enum { REPEAT_MS = 50 }; /* between two sayings of the same thing to the same worker */

void
say_locked(coordinator_t *coordinator, wire_message_t *message, zmq_msg_t *array,
           uint32_t n_readers)
{
    message->version = WIRE_VERSION;
    message->sequence = ++coordinator->sequence;
    memcpy(message->run, coordinator->run, sizeof message->run);
    size_t bytes = link_send(coordinator->publish_handle, message, array);
    coordinator->counters.sent_messages += n_readers;
    coordinator->counters.sent_bytes += (uint64_t)bytes * n_readers;
}

void
say(coordinator_t *coordinator, wire_message_t *message, zmq_msg_t *array)
{
    uint32_t n_readers = message->peer ? 1 : coordinator_workers(coordinator);
    pthread_mutex_lock(&coordinator->speak);
    say_locked(coordinator, message, array, n_readers);
    pthread_mutex_unlock(&coordinator->speak);
}

bool
may_repeat(coordinator_t *coordinator, place_t *place)
{
    int64_t now = link_now_ms();
    if (place->said_ms && now - place->said_ms < REPEAT_MS)
        return false;
    coordinator->counters.repeated++;
    place->said_ms = now;
    return true;
}

void
say_welcome(coordinator_t *coordinator, place_t *place)
{
    wire_message_t welcome = {.kind = WIRE_WELCOME,
                              .peer = place->incarnation,
                              .rank = place->rank,
                              .limit_ms = (uint32_t)coordinator->config.silence_ms,
                              .text = coordinator->text};
    say(coordinator, &welcome, NULL);
}

wire_message_t
say_round_message(const coordinator_t *coordinator)
{
    return (wire_message_t){.kind = WIRE_ROUND,
                            .turn = coordinator->turn,
                            .round = coordinator->round,
                            .n = coordinator->n_parameters};
}

void
say_round(coordinator_t *coordinator, place_t *place)
{
    wire_message_t message = say_round_message(coordinator);
    message.peer = place->incarnation;
    say(coordinator, &message, &coordinator->parameters);
}

void
say_ending(coordinator_t *coordinator, uint64_t peer)
{
    wire_message_t message = {
        .kind = coordinator->ending, .peer = peer, .text = coordinator->ending_text};
    say(coordinator, &message, NULL);
}

void
say_abort(coordinator_t *coordinator, uint64_t peer, const char *why)
{
    wire_message_t message = {.kind = WIRE_ABORT, .peer = peer, .text = why};
    say(coordinator, &message, NULL);
}

/* Counts what the gate turned away since last time, by what it was turned away for. */
static void
note_events(coordinator_t *coordinator, void *events)
{
    for (gate_event_t event; events && (event = gate_next(events)) != GATE_NOTHING;) {
        drop_t reason = gate_drop(event);
        if (reason < DROP_REASONS)
            atomic_fetch_add(&coordinator->n_refused[reason], 1);
    }
}

void
say_beat(void *argument)
{
    coordinator_t *coordinator = argument;
    note_events(coordinator, coordinator->publish_events);
    note_events(coordinator, coordinator->pull_events);
    pthread_mutex_lock(&coordinator->speak);
    wire_message_t message = {.kind = WIRE_BEAT, .turn = coordinator->turn};
    say_locked(coordinator, &message, NULL, 0);
    pthread_mutex_unlock(&coordinator->speak);
}

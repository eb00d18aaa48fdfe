/* inbox.c — what the coordinator does about each message that comes. Nothing here waits. */
#include "transport/roster.h"
#include "transport/memory.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
tell(coordinator_t *coordinator, uint32_t rank, const char *format, ...)
{
    if (!coordinator->config.event)
        return;
    coordinator_event_t event = {.rank = rank, .round = coordinator->round};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(event.text, sizeof event.text, format, arguments);
    va_end(arguments);
    transport_clean(event.text);
    coordinator->config.event(coordinator->config.context, &event);
}

void
inbox_drop(coordinator_t *coordinator, drop_t reason, uint32_t rank, const char *what)
{
    uint64_t count = ++coordinator->counters.dropped[reason];
    bool is_telling = count <= 16 || (count & (count - 1)) == 0; /* a flood must not fill the log */
    if (!coordinator->config.event || !is_telling)
        return;
    coordinator_event_t event = {.is_drop = true,
                                 .reason = reason,
                                 .count = count,
                                 .rank = rank,
                                 .round = coordinator->round};
    char name[400] = "";
    if (rank != COORDINATOR_NO_RANK)
        place_name(&coordinator->places[rank], name, sizeof name);
    snprintf(event.text, sizeof event.text, "dropped %s%s%s: %s (%" PRIu64 " so far)", what,
             *name ? " from " : "", name, drop_name(reason), count);
    transport_clean(event.text);
    coordinator->config.event(coordinator->config.context, &event);
}

void
inbox_note_refused(coordinator_t *coordinator)
{
    for (drop_t reason = 0; reason < DROP_REASONS; reason++) {
        unsigned long n = atomic_load(&coordinator->n_refused[reason]);
        for (; coordinator->n_refused_told[reason] < n; coordinator->n_refused_told[reason]++)
            inbox_drop(coordinator, reason, COORDINATOR_NO_RANK, "a connection");
    }
}

static void
drop_parcel(coordinator_t *coordinator, const parcel_t *parcel, drop_t reason, uint32_t rank)
{
    inbox_drop(coordinator, reason, rank, wire_kind_name(parcel->message.kind));
}

/* The place that an incarnation holds; NULL: none. */
static place_t *
member_of(coordinator_t *coordinator, uint64_t incarnation)
{
    for (uint32_t rank = 0; rank < coordinator->n; rank++) {
        place_t *place = &coordinator->places[rank];
        if (place->incarnation == incarnation &&
            (place->state == PLACE_LOADING || place->state == PLACE_ACTIVE))
            return place;
    }
    return NULL;
}

/* Tells a stranger, or someone whose time is over, why it is not wanted, so that it ends. Never a
 * member: whoever says nonsense in its name would have us end it. */
static void turn_away(coordinator_t *coordinator, const parcel_t *parcel, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void
turn_away(coordinator_t *coordinator, const parcel_t *parcel, const char *format, ...)
{
    char why[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    if (!member_of(coordinator, parcel->message.peer))
        say_abort(coordinator, parcel->message.peer, why);
}

/* Whether the key a message came with is the one its identity stands for. */
static bool
key_fits(const coordinator_t *coordinator, parcel_t *parcel, const char *key)
{
    if (!coordinator->config.keys)
        return true;
    const char *sender = gate_sender(&parcel->first);
    return sender && key && strcmp(sender, key) == 0;
}

static place_t *
find_place(coordinator_t *coordinator, const char *identity)
{
    place_t *empty = NULL;
    for (uint32_t rank = 0; rank < coordinator->n; rank++) {
        place_t *place = &coordinator->places[rank];
        if (place->identity && strcmp(place->identity, identity) == 0)
            return place;
        if (!place->identity && !empty && place->state == PLACE_EMPTY)
            empty = place;
    }
    return empty;
}

static void
admit(coordinator_t *coordinator, place_t *place, const parcel_t *parcel)
{
    const wire_message_t *hello = &parcel->message;
    int64_t deadline = place->deadline_ms, since = place->since_ms;
    free(place->identity);
    free(place->host);
    free(place->facts);
    place->identity = transport_copy(hello->identity);
    place->host = transport_copy(hello->host);
    place->facts = transport_copy(hello->text);
    place->key = coordinator->config.keys
                     ? keys_peer_public(coordinator->config.keys, hello->identity)
                     : NULL;
    place->incarnation = hello->peer;
    place->sequence = hello->sequence;
    place->has_left = false;
    place->said_ms = 0;
    place_begin(coordinator, place, PLACE_LOADING, 0);
    place->since_ms = since ? since : place->since_ms;
    place->deadline_ms = deadline; /* join_ms spans coming and loading */
    tell(coordinator, place->rank, "worker %" PRIu32 " (%s on %s) came", place->rank,
         place->identity, place->host);
    say_welcome(coordinator, place);
}

static void
hear_hello(coordinator_t *coordinator, parcel_t *parcel)
{
    const wire_message_t *hello = &parcel->message;
    if (coordinator->config.keys &&
        !key_fits(coordinator, parcel,
                  keys_peer_public(coordinator->config.keys, hello->identity))) {
        drop_parcel(coordinator, parcel, DROP_IDENTITY, COORDINATOR_NO_RANK);
        turn_away(coordinator, parcel, "identity '%s' is not that of the key it came with",
                  hello->identity);
        return;
    }
    place_t *place = coordinator->text ? find_place(coordinator, hello->identity) : NULL;
    const place_t *holder = member_of(coordinator, hello->peer);
    if (!coordinator->text)
        return; /* not joining yet: it will ask again */
    if (holder && holder != place) {
        drop_parcel(coordinator, parcel, DROP_IDENTITY, COORDINATOR_NO_RANK);
    } else if (!place) {
        drop_parcel(coordinator, parcel, DROP_UNKNOWN, COORDINATOR_NO_RANK);
        turn_away(coordinator, parcel, "'%s' is not expected in this run of %" PRIu32 " workers",
                  hello->identity, coordinator->n);
    } else if (place->state == PLACE_GONE ||
               (place->identity && hello->peer == place->incarnation &&
                (place->state == PLACE_LOST || place->state == PLACE_EMPTY))) {
        drop_parcel(coordinator, parcel, DROP_LATE, place->rank);
        turn_away(coordinator, parcel, "the run goes on without '%s': %s", hello->identity,
                  place->why ? place->why : "it was dropped");
    } else if (place->identity && hello->peer < place->incarnation) {
        drop_parcel(coordinator, parcel, DROP_LATE, place->rank);
        turn_away(coordinator, parcel,
                  "a newer start of '%s' is there; end this one, or set this host's clock",
                  hello->identity);
    } else if (hello->peer == place->incarnation && place->identity) {
        place->heard_ms = link_now_ms();
        if (may_repeat(coordinator, place))
            say_welcome(coordinator, place);
    } else if (place->state == PLACE_ACTIVE) {
        place_lose(coordinator, place, TRANSPORT_LOST, 0, "it was started anew");
    } else if (place->state <= PLACE_LOADING) {
        admit(coordinator, place, parcel);
    } /* else it is lost and not yet decided on: the newcomer asks again */
}

static void
hear_ready(coordinator_t *coordinator, place_t *place, const parcel_t *parcel)
{
    if (place->state != PLACE_LOADING)
        return; /* said again because its WELCOME was */
    transport_error_t why = {"it was refused"};
    coordinator_peer_t peer;
    coordinator_peer(coordinator, place->rank, &peer);
    const coordinator_config_t *config = &coordinator->config;
    if (config->ready && !config->ready(config->context, &peer, parcel->message.text, &why)) {
        place_lose(coordinator, place, TRANSPORT_REFUSED, 0, "%s", why.text);
        say_abort(coordinator, place->incarnation, why.text);
        return;
    }
    place_begin(coordinator, place, PLACE_ACTIVE, 0);
    if (coordinator->ending)
        say_ending(coordinator, place->incarnation);
    else if (place_is_awaited(coordinator, place)) {
        place_begin(coordinator, place, PLACE_ACTIVE, config->round_ms);
        say_round(coordinator, place);
    }
}

static void
hear_update(coordinator_t *coordinator, place_t *place, parcel_t *parcel)
{
    const wire_message_t *update = &parcel->message;
    if (place->state != PLACE_ACTIVE || update->turn > coordinator->turn) {
        drop_parcel(coordinator, parcel, DROP_MALFORMED, place->rank);
    } else if (update->turn < coordinator->turn || update->round != coordinator->round) {
        drop_parcel(coordinator, parcel, DROP_STALE, place->rank);
    } else if (place->is_answered || !coordinator->in_round) {
        drop_parcel(coordinator, parcel, DROP_DUPLICATE, place->rank);
    } else {
        place->is_answered = true;
        place->deadline_ms = 0;
        place->update = transport_alloc(sizeof *place->update);
        parcel_move(place->update, parcel);
        coordinator->last_update_s = link_now_s();
        if (coordinator->first_update_s == 0)
            coordinator->first_update_s = coordinator->last_update_s;
        place->update->arrived_s = coordinator->last_update_s;
    }
}

/* A beat tells how far its worker is; when it has answered what never came here, it is asked again.
 */
static void
hear_beat(coordinator_t *coordinator, place_t *place, const parcel_t *parcel)
{
    const wire_message_t *beat = &parcel->message;
    bool lacks_ready =
        place->state == PLACE_LOADING && beat->turn == 0 && (beat->flags & WIRE_ANSWERED);
    bool lacks_update = place->state == PLACE_ACTIVE && place_is_awaited(coordinator, place) &&
                        beat->turn == coordinator->turn &&
                        (beat->flags & (WIRE_ANSWERED | WIRE_MISSED));
    if (beat->flags & WIRE_LEAVING)
        place->has_left = true;
    else if (coordinator->ending)
        say_ending(coordinator, place->incarnation);
    else if (lacks_ready && may_repeat(coordinator, place))
        say_welcome(coordinator, place);
    else if (lacks_update && may_repeat(coordinator, place))
        say_round(coordinator, place);
}

static void
hear_member(coordinator_t *coordinator, place_t *place, parcel_t *parcel)
{
    const wire_message_t *message = &parcel->message;
    bool is_new = message->sequence > place->sequence;
    if (is_new) { /* what was recorded and is played again is no sign of life */
        place->sequence = message->sequence;
        place->heard_ms = link_now_ms();
    }
    switch (message->kind) {
    case WIRE_READY:
        hear_ready(coordinator, place, parcel);
        break;
    case WIRE_UPDATE:
        hear_update(coordinator, place, parcel);
        break;
    case WIRE_BEAT:
        if (is_new)
            hear_beat(coordinator, place, parcel);
        else
            drop_parcel(coordinator, parcel, DROP_REPLAYED, place->rank);
        break;
    default:
        place_lose(coordinator, place, TRANSPORT_LOST, 0, "it gave up: %s", message->text);
        place->has_left = true;
    }
}

static void
hear(coordinator_t *coordinator, parcel_t *parcel)
{
    const wire_message_t *message = &parcel->message;
    if (*message->run && strcmp(message->run, coordinator->run) != 0) {
        drop_parcel(coordinator, parcel, DROP_RUN, COORDINATOR_NO_RANK);
        turn_away(coordinator, parcel, "run '%s' was asked for; here is '%s'", message->run,
                  coordinator->run);
        return;
    }
    if (message->kind == WIRE_HELLO) {
        hear_hello(coordinator, parcel);
        return;
    }
    place_t *place = message->rank < coordinator->n ? &coordinator->places[message->rank] : NULL;
    if (!place || !place->incarnation || message->peer > place->incarnation) {
        drop_parcel(coordinator, parcel, DROP_UNKNOWN, COORDINATOR_NO_RANK);
        turn_away(coordinator, parcel, "this worker is not known to run '%s'", coordinator->run);
    } else if (!key_fits(coordinator, parcel, place->key)) {
        drop_parcel(coordinator, parcel, DROP_IDENTITY, COORDINATOR_NO_RANK);
    } else if (message->peer < place->incarnation || place->state == PLACE_EMPTY ||
               place->state >= PLACE_LOST) {
        if (message->peer == place->incarnation && (message->flags & WIRE_LEAVING))
            place->has_left = true;
        else {
            drop_parcel(coordinator, parcel, DROP_LATE, place->rank);
            turn_away(coordinator, parcel, "the run goes on without this worker: %s",
                      place->why ? place->why : "a newer start took its place");
        }
    } else {
        hear_member(coordinator, place, parcel);
    }
}

int
inbox_drain(coordinator_t *coordinator, int n_max)
{
    for (int n = 0; n < n_max; n++) {
        parcel_t parcel;
        drop_t reason;
        uint64_t peer;
        link_t got = link_receive(coordinator->pull_handle, true,
                                  coordinator->config.frame_bytes_max, &parcel, &reason, &peer);
        if (got == LINK_NOTHING)
            return n;
        coordinator->counters.received_messages++;
        coordinator->counters.received_bytes += parcel.bytes;
        if (got == LINK_GOT) {
            hear(coordinator, &parcel);
            parcel_free(&parcel);
            continue;
        }
        inbox_drop(coordinator, reason, COORDINATOR_NO_RANK, "a message");
        if (reason == DROP_VERSION && peer && !member_of(coordinator, peer))
            say_abort(coordinator, peer, "another version of the protocol is spoken here");
    }
    return n_max;
}

#include "transport/coordinator.h"
#include "transport/memory.h"
#include "transport/roster.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    DRAIN_MAX = 64,      /* messages between two looks at the clock and the stop */
    ABORT_WAIT_MS = 1000 /* to have everybody hear that it is over */
};

/* waiting */

/* A fault that is nobody's. */
static int
fail(const coordinator_t *coordinator, coordinator_fault_t *fault, int code, const char *text)
{
    coordinator_fault_t nobody = {
        .rank = COORDINATOR_NO_RANK, .phase = "", .round = coordinator->round};
    transport_fail(&nobody.error, code, "%s", text);
    if (fault)
        *fault = nobody;
    return code;
}

/* Hands the updates whose turn has come to the caller. One that came in counts, whatever became of
 * its worker since. */
static void
deliver(coordinator_t *coordinator)
{
    while (coordinator->next_rank < coordinator->n) {
        place_t *place = &coordinator->places[coordinator->next_rank];
        if (!place->update && (place->state != PLACE_GONE))
            return;
        coordinator->next_rank++;
        if (!place->update)
            continue;
        coordinator_peer_t peer = {place->rank, place->incarnation, place->identity, place->host,
                                   place->facts};
        coordinator_update_t update = {.rank = place->rank,
                                       .round = coordinator->round,
                                       .peer = &peer,
                                       .meta = place->update->message.text,
                                       .array = parcel_floats(place->update),
                                       .n = place->update->message.n,
                                       .arrived_s =
                                           place->update->arrived_s - coordinator->turn_start_s,
                                       .received_bytes = place->update->bytes};
        transport_error_t why = {"its update was refused"};
        double start_s = link_now_s();
        bool is_taken = coordinator->take(coordinator->take_context, &update, &why);
        coordinator->times.take_s += link_now_s() - start_s;
        place_forget_update(place);
        if (is_taken)
            continue;
        /* Refused: it is as if it had not come, so the turn stays at this rank until the caller
         * decides. */
        coordinator->next_rank--;
        place->is_answered = false;
        place_lose(coordinator, place, TRANSPORT_LOST, 0, "%s", why.text);
        say_abort(coordinator, place->incarnation, why.text);
        return;
    }
}

static bool
has_joined(const coordinator_t *coordinator)
{
    for (uint32_t rank = 0; rank < coordinator->n; rank++)
        if (coordinator->places[rank].state < PLACE_ACTIVE)
            return false;
    return coordinator->n_lost == 0;
}

static bool
has_ended(const coordinator_t *coordinator)
{
    if (link_now_ms() >= coordinator->ending_deadline_ms)
        return true;
    for (uint32_t rank = 0; rank < coordinator->n; rank++) {
        const place_t *place = &coordinator->places[rank];
        if (!place->has_left && (place->state == PLACE_LOADING || place->state == PLACE_ACTIVE))
            return false;
    }
    return true;
}

static bool
is_finished(const coordinator_t *coordinator)
{
    if (coordinator->ending)
        return has_ended(coordinator);
    return coordinator->in_round ? coordinator->next_rank == coordinator->n
                                 : has_joined(coordinator);
}

/* The one wait: takes messages, hands on updates, watches limits, until what is waited for is
 * there, a worker is lost, or the caller's stop. */
static int
wait_until_finished(coordinator_t *coordinator, coordinator_fault_t *fault)
{
    roster_refresh(coordinator);
    int64_t looked_ms = link_now_ms();
    for (;;) {
        int n = inbox_drain(coordinator, DRAIN_MAX);
        inbox_note_refused(coordinator);
        if (coordinator->in_round)
            deliver(coordinator);
        if (is_finished(coordinator))
            return 0;
        int64_t now = link_now_ms();
        /* Who was stopped, or slept with its host, cannot tell how long others were silent. */
        if (now - looked_ms > coordinator->config.silence_ms / 2)
            roster_refresh(coordinator);
        looked_ms = now;
        /* Not while messages lie unread that may be signs of life, unless that is all the time: a
         * flood. */
        int64_t patience_ms = n < DRAIN_MAX ? 0 : coordinator->config.silence_ms / 2;
        if (now >= coordinator->next_check_ms + patience_ms)
            roster_check(coordinator);
        if (coordinator->n_lost && !coordinator->ending)
            return roster_fault(coordinator, fault);
        int64_t next = coordinator->next_check_ms;
        int64_t look = now + coordinator->config.silence_ms / LINK_BEATS + 1;
        if (look < next) /* to find that it slept, and to tell soon whom the gate turned away */
            next = look;
        if (coordinator->ending && coordinator->ending_deadline_ms < next)
            next = coordinator->ending_deadline_ms;
        if (link_wait(coordinator->pull_handle, NULL, coordinator->config.stop_fd,
                      n < DRAIN_MAX ? next - now : 0))
            return fail(coordinator, fault, TRANSPORT_STOPPED, "stopped while waiting for workers");
    }
}

/* verbs */

int
coordinator_join(coordinator_t *coordinator, const char *text, coordinator_fault_t *fault)
{
    if (strlen(text) > WIRE_TEXT_BYTES_MAX)
        return fail(coordinator, fault, TRANSPORT_INVALID,
                    "the experiment's text is larger than 1 MiB");
    free(coordinator->text);
    coordinator->text = transport_copy(text);
    for (uint32_t rank = 0; rank < coordinator->n; rank++) {
        place_t *place = &coordinator->places[rank];
        if (place->state == PLACE_EMPTY && !place->deadline_ms)
            place_begin(coordinator, place, PLACE_EMPTY, coordinator->config.join_ms);
    }
    return wait_until_finished(coordinator, fault);
}

static void
begin_turn(coordinator_t *coordinator, uint32_t number, const float *parameters, size_t n)
{
    zmq_msg_close(&coordinator->parameters);
    link_pack(&coordinator->parameters, parameters, n);
    coordinator->n_parameters = (uint32_t)n;
    coordinator->round = number;
    coordinator->next_rank = 0;
    coordinator->in_round = true;
    coordinator->times = (coordinator_times_t){0};
    coordinator->first_update_s = 0;
    for (uint32_t rank = 0; rank < coordinator->n; rank++) {
        place_t *place = &coordinator->places[rank];
        place_forget_update(place);
        place->is_answered = false;
        place->said_ms = 0;
        if (place->state == PLACE_ACTIVE)
            place_begin(coordinator, place, PLACE_ACTIVE, coordinator->config.round_ms);
    }
}

static int
finish_turn(coordinator_t *coordinator, coordinator_fault_t *fault)
{
    int code = wait_until_finished(coordinator, fault);
    if (code != 0)
        return code;
    coordinator->in_round = false;
    if (coordinator->first_update_s > 0) {
        coordinator->times.first_update_s = coordinator->first_update_s - coordinator->turn_start_s;
        coordinator->times.fan_in_s = coordinator->last_update_s - coordinator->first_update_s;
    }
    return 0;
}

int
coordinator_round(coordinator_t *coordinator, uint32_t number, const float *parameters, size_t n,
                  coordinator_take_fn *take, void *context, coordinator_fault_t *fault)
{
    assert(coordinator->text);
    char text[128];
    size_t bad = wire_first_not_finite(parameters, n);
    if (bad < n) {
        snprintf(text, sizeof text,
                 "parameter %zu of round %" PRIu32 " is not finite: the training has diverged", bad,
                 number);
        return fail(coordinator, fault, TRANSPORT_INVALID, text);
    }
    /* A worker would hang up on it, and we would find that it does not answer. */
    if (n > coordinator->config.frame_bytes_max / sizeof(float)) {
        snprintf(text, sizeof text,
                 "a round of %zu floats is larger than a message may be, which is %zu: the network "
                 "is too large",
                 n, coordinator->config.frame_bytes_max / sizeof(float));
        return fail(coordinator, fault, TRANSPORT_INVALID, text);
    }
    begin_turn(coordinator, number, parameters, n);
    coordinator->take = take;
    coordinator->take_context = context;
    uint32_t n_readers = coordinator_workers(coordinator);
    coordinator->turn_start_s = link_now_s();
    pthread_mutex_lock(&coordinator->speak);
    /* Turn and message change together: a beat that tells of a turn never overtakes its ROUND. */
    coordinator->turn++;
    wire_message_t message = say_round_message(coordinator);
    say_locked(coordinator, &message, &coordinator->parameters, n_readers);
    pthread_mutex_unlock(&coordinator->speak);
    coordinator->times.fan_out_s = link_now_s() - coordinator->turn_start_s;
    return finish_turn(coordinator, fault);
}

int
coordinator_resume(coordinator_t *coordinator, coordinator_fault_t *fault)
{
    return coordinator->in_round ? finish_turn(coordinator, fault)
                                 : wait_until_finished(coordinator, fault);
}

void
coordinator_drop(coordinator_t *coordinator, uint32_t rank)
{
    assert(rank < coordinator->n);
    place_t *place = &coordinator->places[rank];
    if (place->state < PLACE_LOST && place->incarnation)
        say_abort(coordinator, place->incarnation, "the run goes on without this worker");
    if (!place->why)
        place->why = transport_copy("it was dropped");
    place_clear(coordinator, place, PLACE_GONE);
}

void
coordinator_readmit(coordinator_t *coordinator, uint32_t rank)
{
    assert(rank < coordinator->n);
    place_clear(coordinator, &coordinator->places[rank], PLACE_EMPTY);
}

static void
end(coordinator_t *coordinator, wire_kind_t kind, const char *text, int64_t wait_ms)
{
    coordinator->ending = kind;
    free(coordinator->ending_text);
    coordinator->ending_text = transport_copy(text);
    if (strlen(coordinator->ending_text) > WIRE_TEXT_BYTES_MAX)
        coordinator->ending_text[WIRE_TEXT_BYTES_MAX] = 0;
    coordinator->in_round = false;
    coordinator->ending_deadline_ms = link_now_ms() + wait_ms;
    say_ending(coordinator, 0);
}

int
coordinator_done(coordinator_t *coordinator, const char *text, coordinator_fault_t *fault)
{
    end(coordinator, WIRE_DONE, text, coordinator->config.silence_ms);
    int code = wait_until_finished(coordinator, fault);
    for (uint32_t rank = 0; code == 0 && rank < coordinator->n; rank++) {
        place_t *place = &coordinator->places[rank];
        if (!place->has_left && place->state != PLACE_GONE && place->state != PLACE_LOST)
            place_lose(coordinator, place, TRANSPORT_LOST, coordinator->config.silence_ms,
                       "it did not hear that the run is done");
    }
    return code == 0 && coordinator->n_lost ? roster_fault(coordinator, fault) : code;
}

void
coordinator_abort(coordinator_t *coordinator, const char *why)
{
    int64_t wait_ms = coordinator->config.silence_ms < ABORT_WAIT_MS
                          ? coordinator->config.silence_ms
                          : ABORT_WAIT_MS;
    end(coordinator, WIRE_ABORT, why, wait_ms);
    int stop_fd = coordinator->config.stop_fd;
    coordinator->config.stop_fd = -1; /* it is what brought us here, as likely as not */
    wait_until_finished(coordinator, NULL);
    coordinator->config.stop_fd = stop_fd;
}

/* questions */

const char *
coordinator_endpoint(const coordinator_t *coordinator)
{
    return coordinator->endpoint;
}

transport_counters_t
coordinator_counters(const coordinator_t *coordinator)
{
    /* The lock is no part of what the caller sees as constant. */
    pthread_mutex_t *speak = (pthread_mutex_t *)&coordinator->speak;
    pthread_mutex_lock(speak);
    transport_counters_t counters = coordinator->counters;
    pthread_mutex_unlock(speak);
    return counters;
}

coordinator_times_t
coordinator_times(const coordinator_t *coordinator)
{
    return coordinator->times;
}

uint32_t
coordinator_workers(const coordinator_t *coordinator)
{
    uint32_t n = 0;
    for (uint32_t rank = 0; rank < coordinator->n; rank++)
        n += coordinator->places[rank].state == PLACE_LOADING ||
             coordinator->places[rank].state == PLACE_ACTIVE;
    return n;
}

bool
coordinator_peer(const coordinator_t *coordinator, uint32_t rank, coordinator_peer_t *peer)
{
    if (rank >= coordinator->n)
        return false;
    const place_t *place = &coordinator->places[rank];
    if (place->state != PLACE_LOADING && place->state != PLACE_ACTIVE)
        return false;
    *peer = (coordinator_peer_t){place->rank, place->incarnation, place->identity, place->host,
                                 place->facts};
    return true;
}

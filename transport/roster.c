#include "transport/roster.h"
#include "transport/memory.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void
place_name(const place_t *place, char *text, size_t bytes)
{
    if (!place->identity)
        snprintf(text, bytes, "worker %" PRIu32, place->rank);
    else if (*place->host)
        snprintf(text, bytes, "worker %" PRIu32 " (%s on %s)", place->rank, place->identity,
                 place->host);
    else
        snprintf(text, bytes, "worker %" PRIu32 " (%s)", place->rank, place->identity);
}

const char *
place_phase(const coordinator_t *coordinator, const place_t *place)
{
    if (coordinator->ending)
        return "ending";
    if (place->state == PLACE_EMPTY)
        return "joining";
    if (place->state == PLACE_LOADING)
        return "loading";
    return place_is_awaited(coordinator, place) ? "training" : "waiting";
}

bool
place_is_awaited(const coordinator_t *coordinator, const place_t *place)
{
    return coordinator->in_round && !place->is_answered && place->state <= PLACE_ACTIVE;
}

void
place_begin(coordinator_t *coordinator, place_t *place, place_state_t state, int64_t limit_ms)
{
    int64_t now = link_now_ms();
    if (place->state == PLACE_LOST)
        coordinator->n_lost--;
    place->state = state;
    place->since_ms = now;
    place->heard_ms = now;
    place->deadline_ms = limit_ms ? now + limit_ms : 0;
    coordinator->next_check_ms = 0;
}

void
place_forget_update(place_t *place)
{
    if (place->update)
        parcel_free(place->update);
    free(place->update);
    place->update = NULL;
}

void
place_lose(coordinator_t *coordinator, place_t *place, int code, int64_t limit_ms,
           const char *format, ...)
{
    if (place->state >= PLACE_LOST)
        return;
    char why[400];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(why, sizeof why, format, arguments);
    va_end(arguments);
    transport_clean(why);
    place->loss = code;
    place->lost_phase = place_phase(coordinator, place);
    place->lost_after_ms = link_now_ms() - place->since_ms;
    place->lost_limit_ms = limit_ms;
    free(place->why);
    place->why = transport_copy(why);
    place->state = PLACE_LOST;
    coordinator->n_lost++;
}

void
place_clear(coordinator_t *coordinator, place_t *place, place_state_t state)
{
    place_begin(coordinator, place, state, state == PLACE_EMPTY ? coordinator->config.join_ms : 0);
    if (state == PLACE_EMPTY && !coordinator->config.identities) {
        free(place->identity);
        place->identity = NULL;
    }
}

/* The end of a place's patience: when the earlier of its limits runs out. */
static int64_t
next_limit(const coordinator_t *coordinator, const place_t *place)
{
    int64_t silence =
        place->state == PLACE_EMPTY ? INT64_MAX : place->heard_ms + coordinator->config.silence_ms;
    return place->deadline_ms && place->deadline_ms < silence ? place->deadline_ms : silence;
}

static void
check_place(coordinator_t *coordinator, place_t *place, int64_t now)
{
    const coordinator_config_t *config = &coordinator->config;
    if (place->deadline_ms && now >= place->deadline_ms) {
        int64_t limit = place->deadline_ms - place->since_ms;
        const char *what = place->state == PLACE_EMPTY     ? "it did not come"
                           : place->state == PLACE_LOADING ? "it was not ready"
                                                           : "its update did not come";
        place_lose(coordinator, place, TRANSPORT_LOST, limit, "%s within %" PRId64 " ms", what,
                   limit);
    } else if (place->state != PLACE_EMPTY && now - place->heard_ms >= config->silence_ms) {
        place_lose(coordinator, place, TRANSPORT_LOST, config->silence_ms,
                   "no sign of life for %" PRId64 " ms", config->silence_ms);
    }
}

void
roster_check(coordinator_t *coordinator)
{
    int64_t now = link_now_ms(), next = now + coordinator->config.silence_ms;
    for (uint32_t rank = 0; rank < coordinator->n; rank++) {
        place_t *place = &coordinator->places[rank];
        bool is_watched = coordinator->in_round ? place_is_awaited(coordinator, place)
                                                : place->state <= PLACE_ACTIVE;
        if (!is_watched)
            continue;
        check_place(coordinator, place, now);
        int64_t limit = next_limit(coordinator, place);
        if (place->state < PLACE_LOST && limit < next)
            next = limit;
    }
    coordinator->next_check_ms = next;
}

void
roster_refresh(coordinator_t *coordinator)
{
    int64_t now = link_now_ms();
    for (uint32_t rank = 0; rank < coordinator->n; rank++)
        coordinator->places[rank].heard_ms = now;
    coordinator->next_check_ms = 0;
}

int
roster_fault(const coordinator_t *coordinator, coordinator_fault_t *fault)
{
    uint32_t rank = 0;
    while (coordinator->places[rank].state != PLACE_LOST)
        rank++;
    const place_t *place = &coordinator->places[rank];
    coordinator_fault_t found = {.rank = rank,
                                 .phase = place->lost_phase,
                                 .round = coordinator->round,
                                 .after_ms = place->lost_after_ms,
                                 .limit_ms = place->lost_limit_ms};
    char name[400], in_round[40] = "";
    place_name(place, name, sizeof name);
    snprintf(found.identity, sizeof found.identity, "%s", place->identity ? place->identity : "");
    snprintf(found.host, sizeof found.host, "%s", place->host);
    if (coordinator->in_round)
        snprintf(in_round, sizeof in_round, " in round %" PRIu32, coordinator->round);
    transport_fail(&found.error, place->loss, "%s: %s after %" PRId64 " ms of %s%s: %s", name,
                   place->loss == TRANSPORT_REFUSED ? "refused" : "lost", place->lost_after_ms,
                   place->lost_phase, in_round, place->why);
    if (fault)
        *fault = found;
    return place->loss;
}

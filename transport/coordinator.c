#include "transport/coordinator.h"
#include "transport/memory.h"
#include "transport/roster.h"
#include "transport/start.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PORT_TRIES = 64,      /* to find two free ports that are neighbours */
    DRAIN_MAX = 64,       /* messages between two looks at the clock and the stop */
    ABORT_WAIT_MS = 1000, /* to have everybody hear that it is over */
    REPEAT_MS = 50,       /* between two sayings of the same thing to the same worker */
    HANDSHAKE_MS = 5000,  /* for a connection to become one */
    BACKLOG = 4096        /* connections the system may hold for us */
};

coordinator_config_t
coordinator_config(void)
{
    return (coordinator_config_t){.join_ms = 60000,
                                  .round_ms = 600000,
                                  .silence_ms = 3000,
                                  .frame_bytes_max = (size_t)64 << 20,
                                  .stop_fd = -1};
}

/* saying */

uint32_t
coordinator_workers(const coordinator_t *coordinator)
{
    uint32_t n = 0;
    for (uint32_t rank = 0; rank < coordinator->n; rank++)
        n += coordinator->places[rank].state == PLACE_LOADING ||
             coordinator->places[rank].state == PLACE_ACTIVE;
    return n;
}

/* With speak held. */
static void
say_now(coordinator_t *coordinator, wire_message_t *message, zmq_msg_t *array, uint32_t n_readers)
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
    say_now(coordinator, message, array, n_readers);
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

static wire_message_t
round_message(const coordinator_t *coordinator)
{
    return (wire_message_t){.kind = WIRE_ROUND,
                            .turn = coordinator->turn,
                            .round = coordinator->round,
                            .n = coordinator->n_parameters};
}

void
say_round(coordinator_t *coordinator, place_t *place)
{
    wire_message_t message = round_message(coordinator);
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

static unsigned long
count_refused(void *events)
{
    unsigned long n = 0;
    for (gate_event_t event; events && (event = gate_next(events)) != GATE_NOTHING;)
        n += event == GATE_REFUSED || event == GATE_GARBLED;
    return n;
}

static void
beat(void *argument)
{
    coordinator_t *coordinator = argument;
    atomic_fetch_add(&coordinator->n_refused, count_refused(coordinator->publish_events) +
                                                  count_refused(coordinator->pull_events));
    pthread_mutex_lock(&coordinator->speak);
    wire_message_t message = {.kind = WIRE_BEAT, .turn = coordinator->turn};
    say_now(coordinator, &message, NULL, 0);
    pthread_mutex_unlock(&coordinator->speak);
}

/* life */

static int
check_config(const coordinator_config_t *config, transport_error_t *error)
{
    char down[LINK_ENDPOINT_BYTES_MAX], up[LINK_ENDPOINT_BYTES_MAX];
    if (link_endpoints(config->endpoint, down, up) != 0)
        return transport_fail(
            error, TRANSPORT_ADDRESS,
            "'%s' is not an endpoint; write tcp://ADDRESS:PORT, ipc://PATH or inproc://NAME",
            config->endpoint ? config->endpoint : "");
    if (!config->keys && !keys_optional(config->endpoint))
        return transport_fail(
            error, TRANSPORT_ADDRESS,
            "'%s' is open to the network and there are no keys; make some, or bind to 127.0.0.1",
            config->endpoint);
    if (!wire_run_ok(config->run))
        return transport_fail(
            error, TRANSPORT_INVALID,
            "'%s' is not a run id; use 1 to %d printable characters without blanks",
            config->run ? config->run : "", WIRE_RUN_BYTES_MAX);
    if (config->n_workers == 0 || config->n_workers > KEYS_PEERS_MAX)
        return transport_fail(error, TRANSPORT_INVALID,
                              "%" PRIu32 " workers; between 1 and %d can be served",
                              config->n_workers, KEYS_PEERS_MAX);
    if (config->silence_ms <= 0 || config->silence_ms > INT32_MAX || config->join_ms <= 0 ||
        config->round_ms <= 0)
        return transport_fail(error, TRANSPORT_INVALID,
                              "a limit of no time; all limits must be above 0 ms");
    for (uint32_t rank = 0; config->identities && rank < config->n_workers; rank++) {
        const char *identity = config->identities[rank];
        if (!wire_identity_ok(identity))
            return transport_fail(error, TRANSPORT_INVALID,
                                  "'%s' cannot name a worker; use letters, digits, '.', '_', '-'",
                                  identity ? identity : "");
        if (config->keys && !keys_peer_public(config->keys, identity))
            return transport_fail(error, TRANSPORT_KEYS, "no key for worker '%s'", identity);
        for (uint32_t other = 0; other < rank; other++)
            if (strcmp(config->identities[other], identity) == 0)
                return transport_fail(error, TRANSPORT_INVALID, "worker '%s' is there twice",
                                      identity);
    }
    return 0;
}

static zsock_t *
open_socket(coordinator_t *coordinator, int type)
{
    zsock_t *socket = zsock_new(type);
    if (!socket)
        abort(); /* out of sockets or memory */
    zsock_set_linger(socket, type == ZMQ_PUB ? LINK_LINGER_MS : 0);
    zsock_set_sndhwm(socket, LINK_QUEUE_MAX);
    zsock_set_rcvhwm(socket, LINK_QUEUE_MAX);
    zsock_set_backlog(socket, BACKLOG);
    zsock_set_handshake_ivl(socket, HANDSHAKE_MS);
    link_set_size_max(socket, type == ZMQ_PULL ? coordinator->config.frame_bytes_max : 0);
    if (coordinator->config.keys)
        gate_guard(socket, coordinator->config.keys);
    return socket;
}

/* One try: the PUB socket at the port wanted (0: any), the PULL socket at the next. The one that is
 * taken, or NULL. */
static const char *
bind_once(coordinator_t *coordinator, bool is_any_port, char down[LINK_ENDPOINT_BYTES_MAX],
          char up[LINK_ENDPOINT_BYTES_MAX])
{
    const char *wanted = coordinator->config.endpoint;
    snprintf(coordinator->endpoint, sizeof coordinator->endpoint, "%s", wanted);
    link_endpoints(wanted, down, up);
    if (zmq_bind(coordinator->publish_handle, down) != 0)
        return down;
    if (is_any_port) {
        char *found = zsock_last_endpoint(coordinator->publish);
        snprintf(coordinator->endpoint, sizeof coordinator->endpoint, "%.*s%s",
                 (int)strlen(wanted) - 2, wanted, strrchr(found, ':'));
        free(found);
        link_endpoints(coordinator->endpoint, down, up);
    }
    if (zmq_bind(coordinator->pull_handle, up) == 0)
        return NULL;
    int problem = errno;
    zmq_unbind(coordinator->publish_handle, down);
    errno = problem;
    return up;
}

static int
bind_both(coordinator_t *coordinator, transport_error_t *error)
{
    const char *wanted = coordinator->config.endpoint, *taken = NULL;
    char down[LINK_ENDPOINT_BYTES_MAX], up[LINK_ENDPOINT_BYTES_MAX];
    size_t length = strlen(wanted);
    bool is_any_port =
        strncmp(wanted, "tcp:", 4) == 0 && length > 2 && strcmp(wanted + length - 2, ":0") == 0;
    for (int tries = 0; tries < (is_any_port ? PORT_TRIES : 1); tries++) {
        taken = bind_once(coordinator, is_any_port, down, up);
        if (!taken)
            return 0;
    }
    return transport_fail(error, TRANSPORT_ADDRESS, "cannot listen at '%s': %s", taken,
                          zmq_strerror(errno));
}

static void
fill_places(coordinator_t *coordinator)
{
    coordinator->n = coordinator->config.n_workers;
    coordinator->places = transport_alloc(coordinator->n * sizeof *coordinator->places);
    for (uint32_t rank = 0; rank < coordinator->n; rank++) {
        place_t *place = &coordinator->places[rank];
        place->rank = rank;
        place->host = transport_copy("");
        place->facts = transport_copy("");
        if (coordinator->config.identities)
            place->identity = transport_copy(coordinator->config.identities[rank]);
    }
}

coordinator_t *
coordinator_new(const coordinator_config_t *config, transport_error_t *error)
{
    if (check_config(config, error) != 0)
        return NULL;
    transport_start();
    gate_t *gate = config->keys ? gate_new(config->keys, error) : NULL;
    if (config->keys && !gate)
        return NULL;
    coordinator_t *coordinator = transport_alloc(sizeof *coordinator);
    coordinator->config = *config;
    coordinator->gate = gate;
    snprintf(coordinator->run, sizeof coordinator->run, "%s", config->run);
    zmq_msg_init(&coordinator->parameters);
    pthread_mutex_init(&coordinator->speak, NULL);
    fill_places(coordinator);
    coordinator->publish = open_socket(coordinator, ZMQ_PUB);
    coordinator->pull = open_socket(coordinator, ZMQ_PULL);
    coordinator->publish_handle = zsock_resolve(coordinator->publish);
    coordinator->pull_handle = zsock_resolve(coordinator->pull);
    if (config->keys) {
        coordinator->publish_events = gate_listen(coordinator->publish);
        coordinator->pull_events = gate_listen(coordinator->pull);
    }
    if (bind_both(coordinator, error) != 0) {
        coordinator_free(coordinator);
        return NULL;
    }
    coordinator->beater = beater_new(config->silence_ms / LINK_BEATS, beat, coordinator);
    return coordinator;
}

static void
free_update(place_t *place)
{
    if (place->update)
        parcel_free(place->update);
    free(place->update);
    place->update = NULL;
}

void
coordinator_free(coordinator_t *coordinator)
{
    if (!coordinator)
        return;
    beater_free(coordinator->beater);
    for (uint32_t rank = 0; rank < coordinator->n; rank++) {
        place_t *place = &coordinator->places[rank];
        free_update(place);
        free(place->identity);
        free(place->host);
        free(place->facts);
        free(place->why);
    }
    gate_unlisten(coordinator->publish, coordinator->publish_events);
    gate_unlisten(coordinator->pull, coordinator->pull_events);
    zsock_destroy(&coordinator->publish);
    zsock_destroy(&coordinator->pull);
    gate_free(coordinator->gate);
    zmq_msg_close(&coordinator->parameters);
    pthread_mutex_destroy(&coordinator->speak);
    free(coordinator->places);
    free(coordinator->text);
    free(coordinator->ending_text);
    free(coordinator);
}

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
        free_update(place);
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
    for (;;) {
        int n = inbox_drain(coordinator, DRAIN_MAX);
        inbox_note_refused(coordinator);
        if (coordinator->in_round)
            deliver(coordinator);
        if (is_finished(coordinator))
            return 0;
        int64_t now = link_now_ms();
        /* Not while messages lie unread that may be signs of life, unless that is all the time: a
         * flood. */
        int64_t patience_ms = n < DRAIN_MAX ? 0 : coordinator->config.silence_ms / 2;
        if (now >= coordinator->next_check_ms + patience_ms)
            roster_check(coordinator);
        if (coordinator->n_lost && !coordinator->ending)
            return roster_fault(coordinator, fault);
        int64_t next = coordinator->next_check_ms;
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
        free_update(place);
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
    if (n > UINT32_MAX / sizeof(float))
        return fail(coordinator, fault, TRANSPORT_INVALID,
                    "more parameters than a message can carry");
    begin_turn(coordinator, number, parameters, n);
    coordinator->take = take;
    coordinator->take_context = context;
    uint32_t n_readers = coordinator_workers(coordinator);
    coordinator->turn_start_s = link_now_s();
    pthread_mutex_lock(&coordinator->speak);
    /* Turn and message change together: a beat that tells of a turn never overtakes its ROUND. */
    coordinator->turn++;
    wire_message_t message = round_message(coordinator);
    say_now(coordinator, &message, &coordinator->parameters, n_readers);
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

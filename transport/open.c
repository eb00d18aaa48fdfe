/* open.c — how a coordinator comes to be, and ends: its limits checked, its sockets bound. */
#include "transport/coordinator.h"
#include "transport/memory.h"
#include "transport/roster.h"
#include "transport/start.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PORT_TRIES = 64,     /* to find two free ports that are neighbours */
    HANDSHAKE_MS = 5000, /* for a connection to become one */
    BACKLOG = 4096       /* connections the system may hold for us */
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
    else
        gate_modern(socket);
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
    coordinator->beater = beater_new(config->silence_ms / LINK_BEATS, say_beat, coordinator);
    return coordinator;
}

void
coordinator_free(coordinator_t *coordinator)
{
    if (!coordinator)
        return;
    beater_free(coordinator->beater);
    for (uint32_t rank = 0; rank < coordinator->n; rank++) {
        place_t *place = &coordinator->places[rank];
        place_forget_update(place);
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

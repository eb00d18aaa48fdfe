#include "transport/gate.h"
#include "transport/memory.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>

struct gate {
    zactor_t *authenticator;
};

static atomic_bool is_taken;

gate_t *
gate_new(const keys_t *keys, transport_error_t *error)
{
    if (atomic_exchange(&is_taken, true)) {
        transport_fail(error, TRANSPORT_KEYS, "this process has a coordinator with keys already");
        return NULL;
    }
    zcertstore_t *allowed = zcertstore_new(NULL); /* in memory: the list never touches the disk */
    for (size_t i = 0; i < keys_peers(keys); i++) {
        uint8_t public_key[32];
        static const uint8_t no_secret[32];
        zmq_z85_decode(public_key, keys_peer_at(keys, i));
        zcert_t *cert = zcert_new_from(public_key, no_secret);
        zcertstore_insert(allowed, &cert);
    }
    gate_t *gate = transport_alloc(sizeof *gate);
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all,
                    &before); /* the actor's thread inherits it: signals are the caller's */
    gate->authenticator = zactor_new(zauth, allowed);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return gate;
}

void
gate_free(gate_t *gate)
{
    if (!gate)
        return;
    zactor_destroy(&gate->authenticator);
    free(gate);
    atomic_store(&is_taken, false);
}

void
gate_guard(zsock_t *socket, const keys_t *keys)
{
    zsock_set_zap_domain(socket, "dmlx");
    zsock_set_curve_server(socket, 1);
    zsock_set_curve_publickey(socket, keys_public(keys));
    zsock_set_curve_secretkey(socket, keys_secret(keys));
}

/* For a peer that speaks no later version libzmq makes up a subscription when the handshake is
 * over, and aborts the process when it finds no room for it, as while the socket is being closed.
 * It turns such peers away from sockets with a domain of authentication; that nobody authenticates
 * changes nothing for the others. */
void
gate_modern(zsock_t *socket)
{
    zsock_set_zap_domain(socket, "dmlx");
}

void
gate_show(zsock_t *socket, const keys_t *keys)
{
    zsock_set_curve_serverkey(socket, keys_peer_public(keys, KEYS_COORDINATOR));
    zsock_set_curve_publickey(socket, keys_public(keys));
    zsock_set_curve_secretkey(socket, keys_secret(keys));
}

void *
gate_listen(zsock_t *socket)
{
    enum {
        EVENTS = ZMQ_EVENT_CONNECTED | ZMQ_EVENT_HANDSHAKE_SUCCEEDED |
                 ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL |
                 ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL
    };
    static atomic_uint count;
    char name[64];
    int no_limit = 0;
    snprintf(name, sizeof name, "inproc://gate-events-%u", atomic_fetch_add(&count, 1));
    /* The library's own thread writes these events, and waits when they find no room. There must
     * always be some. */
    void *events = zmq_socket(zsys_init(), ZMQ_PAIR);
    if (!events || zmq_setsockopt(events, ZMQ_RCVHWM, &no_limit, sizeof no_limit) != 0 ||
        zmq_socket_monitor(zsock_resolve(socket), name, EVENTS) != 0 ||
        zmq_connect(events, name) != 0)
        abort(); /* out of sockets or memory */
    return events;
}

gate_event_t
gate_next(void *events)
{
    unsigned char frame[6], address[LINK_ENDPOINT_BYTES_MAX];
    if (zmq_recv(events, frame, sizeof frame, ZMQ_DONTWAIT) < 0)
        return GATE_NOTHING;
    zmq_recv(events, address, sizeof address, ZMQ_DONTWAIT);
    uint16_t event;
    uint32_t value;
    memcpy(&event, frame, sizeof event);
    memcpy(&value, frame + sizeof event, sizeof value);
    switch (event) {
    case ZMQ_EVENT_CONNECTED:
        return GATE_CONNECTED;
    case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
        return GATE_ADMITTED;
    case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
        return GATE_REFUSED;
    case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL: /* it heard that a key is wanted, and hung up */
        return GATE_PLAIN;
    default:
        return value == ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH ? GATE_PLAIN : GATE_GARBLED;
    }
}

drop_t
gate_drop(gate_event_t event)
{
    return event == GATE_REFUSED   ? DROP_KEY
           : event == GATE_PLAIN   ? DROP_PLAIN
           : event == GATE_GARBLED ? DROP_HANDSHAKE
                                   : DROP_REASONS;
}

void
gate_unlisten(zsock_t *socket, void *events)
{
    if (!events)
        return;
    zmq_socket_monitor(zsock_resolve(socket), NULL, 0);
    int no_linger = 0;
    zmq_setsockopt(events, ZMQ_LINGER, &no_linger, sizeof no_linger);
    zmq_close(events);
}

const char *
gate_sender(zmq_msg_t *message)
{
    return zmq_msg_gets(message, "User-Id");
}

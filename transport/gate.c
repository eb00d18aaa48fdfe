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

void
gate_show(zsock_t *socket, const keys_t *keys)
{
    zsock_set_curve_serverkey(socket, keys_peer_public(keys, KEYS_COORDINATOR));
    zsock_set_curve_publickey(socket, keys_public(keys));
    zsock_set_curve_secretkey(socket, keys_secret(keys));
}

const char *
gate_sender(zmq_msg_t *message)
{
    return zmq_msg_gets(message, "User-Id");
}

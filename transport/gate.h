/* gate.h — CURVE on sockets: our own key, and who may come in. Not a door. */
#ifndef TRANSPORT_GATE_H
#define TRANSPORT_GATE_H

#include "transport/drop.h"
#include "transport/error.h"
#include "transport/keys.h"
#include "transport/link.h"
#include <czmq.h>

typedef struct gate gate_t;

/* Starts to admit the peers of keys to the sockets of this process that gate_guard was called on,
 * and nobody else. One at a time in a process: libzmq asks a single authenticator. */
gate_t *gate_new(const keys_t *keys, transport_error_t *error);
/* After the sockets. Accepts NULL. */
void gate_free(gate_t *gate);

/* Makes a socket one that only listed peers reach; before it is bound. */
void gate_guard(zsock_t *socket, const keys_t *keys);
/* Makes a socket without keys one that hangs up on whoever speaks ZMTP 1 or 2, or nothing like
 * ZMTP; before it is bound. */
void gate_modern(zsock_t *socket);

/* Makes a socket one that proves who it is, to the peer called KEYS_COORDINATOR; before it is
 * connected. */
void gate_show(zsock_t *socket, const keys_t *keys);

/* What became of a connection, of those that say something about keys or about somebody being
 * there. */
typedef enum {
    GATE_NOTHING,
    GATE_CONNECTED,
    GATE_ADMITTED,
    GATE_REFUSED, /* with a key that is not listed */
    GATE_PLAIN,   /* without a key: it knows of none, hung up, or said nothing in time */
    GATE_GARBLED  /* nonsense, or for the key of another coordinator */
} gate_event_t;

/* Why a connection did not count; DROP_REASONS when it did. */
drop_t gate_drop(gate_event_t event);

/* Starts to note what becomes of the socket's connections; before it is bound or connected. The
 * result is read by gate_next, in whatever one thread, and closed by gate_unlisten, before the
 * socket is. */
void *gate_listen(zsock_t *socket);
gate_event_t gate_next(void *events);
void gate_unlisten(zsock_t *socket, void *events);

/* The public key (Z85) of who sent the message, as the gate let it in; NULL when there is no gate.
 */
const char *gate_sender(zmq_msg_t *message);

#endif

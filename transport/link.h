/* link.h — messages over ZeroMQ sockets: what coordinator.c and worker.c share. Not a door. */
#ifndef TRANSPORT_LINK_H
#define TRANSPORT_LINK_H

#include "transport/wire.h"
#include <stdbool.h>
#include <stdint.h>
#include <czmq.h>

enum {
    LINK_ENDPOINT_BYTES_MAX = 320,
    LINK_LINGER_MS = 250, /* what was sent last may take to leave */
    LINK_QUEUE_MAX =
        16, /* messages a peer and direction; a sender of updates has one under way, and beats */
    LINK_BEATS = 6, /* beats in the time that silence may last */
};

/* A message as it came: frames and the fields that point into them. */
typedef struct {
    zmq_msg_t first;
    zmq_msg_t array; /* empty when message.n is 0; in host byte order, aligned */
    wire_message_t message;
    size_t bytes;
    double arrived_s; /* for whoever keeps it */
} parcel_t;

/* What came of asking a socket for a message. */
typedef enum { LINK_NOTHING, LINK_GOT, LINK_DROPPED } link_t;

/* Milliseconds on a clock that never jumps. */
int64_t link_now_ms(void);
double link_now_s(void);

/* The two sockets' endpoints for the one that people write: PORT and PORT+1, or the path or name
 * and the same with "-up". -1 when endpoint is not of a known kind. */
int link_endpoints(const char *endpoint, char down[LINK_ENDPOINT_BYTES_MAX],
                   char up[LINK_ENDPOINT_BYTES_MAX]);

/* Sends a message without waiting, array (a float array on the wire, or NULL) by reference. Returns
 * the bytes, 0 when the socket's queue is full or nobody is connected: then nothing was sent. */
size_t link_send(void *socket, const wire_message_t *message, zmq_msg_t *array);

/* Has connections that announce a larger frame than the protocol's texts or bytes_max cut. For a
 * socket that gets no messages of ours, 0. */
void link_set_size_max(zsock_t *socket, size_t bytes_max);

/* Makes the array frame of floats in host order. */
void link_pack(zmq_msg_t *array, const float *floats, size_t n);

/* Takes one message off the socket, without waiting. LINK_GOT: parcel is filled and must be freed.
 * LINK_DROPPED: reason and peer tell of what it was; parcel->bytes is its size, nothing to free.
 * Arrays are checked to be finite. */
link_t link_receive(void *socket, bool upwards, size_t array_bytes_max, parcel_t *parcel,
                    drop_t *reason, uint64_t *peer);
void parcel_free(parcel_t *parcel);
/* Empties source into target, which is overwritten. */
void parcel_move(parcel_t *target, parcel_t *source);
const float *parcel_floats(parcel_t *parcel);

/* Waits until the socket has something to read (or, if also_write, something can be written to it),
 * stop_fd (-1: none) is readable, or timeout_ms is over. True when it is stop_fd. */
bool link_wait(void *reader, void *writer, int stop_fd, int64_t timeout_ms);

#endif

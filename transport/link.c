#include "transport/link.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

double
link_now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

int64_t
link_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static bool
starts(const char *text, const char *with)
{
    return strncmp(text, with, strlen(with)) == 0;
}

int
link_endpoints(const char *endpoint, char down[LINK_ENDPOINT_BYTES_MAX],
               char up[LINK_ENDPOINT_BYTES_MAX])
{
    if (!endpoint || strlen(endpoint) > LINK_ENDPOINT_BYTES_MAX - 16)
        return -1;
    if (starts(endpoint, "ipc://") || starts(endpoint, "inproc://")) {
        snprintf(down, LINK_ENDPOINT_BYTES_MAX, "%s", endpoint);
        snprintf(up, LINK_ENDPOINT_BYTES_MAX, "%s-up", endpoint);
        return endpoint[strlen(endpoint) - 1] == '/' ? -1 : 0;
    }
    const char *colon = strrchr(endpoint, ':');
    if (!starts(endpoint, "tcp://") || colon <= endpoint + strlen("tcp://") ||
        !isdigit((unsigned char)colon[1]))
        return -1;
    char *end;
    unsigned long port = strtoul(colon + 1, &end, 10);
    if (*end || port > 65534)
        return -1;
    snprintf(down, LINK_ENDPOINT_BYTES_MAX, "%s", endpoint);
    snprintf(up, LINK_ENDPOINT_BYTES_MAX, "%.*s:%lu", (int)(colon - endpoint), endpoint,
             port ? port + 1 : 0);
    return 0;
}

/* The library fails here for want of memory only. */
static void
must(int result)
{
    if (result != 0)
        abort();
}

/* Has the socket learn now what left its queues. By itself it looks about once a millisecond, and
 * takes a queue of rounds shorter than that for full: PUB would drop a ROUND that nothing stands in
 * the way of. */
static void
catch_up(void *socket)
{
    int events;
    size_t bytes = sizeof events;
    zmq_getsockopt(socket, ZMQ_EVENTS, &events, &bytes);
}

size_t
link_send(void *socket, const wire_message_t *message, zmq_msg_t *array)
{
    zmq_msg_t first, second;
    size_t bytes = wire_frame_bytes(message);
    must(zmq_msg_init_size(&first, bytes));
    wire_encode(message, zmq_msg_data(&first));
    catch_up(socket);
    if (zmq_msg_send(&first, socket, ZMQ_DONTWAIT | (message->n ? ZMQ_SNDMORE : 0)) < 0) {
        zmq_msg_close(&first);
        return 0;
    }
    if (!message->n)
        return bytes;
    must(zmq_msg_init(&second));
    must(zmq_msg_copy(&second, array));
    bytes += zmq_msg_size(&second);
    /* Once the first part is in, the library takes the rest, even at its high-water mark. If the
     * peer went away in between, the rest goes where the first part went: nowhere. */
    if (zmq_msg_send(&second, socket, ZMQ_DONTWAIT) < 0) {
        zmq_msg_close(&second);
        return 0;
    }
    return bytes;
}

void
link_set_size_max(zsock_t *socket, size_t bytes_max)
{
    enum { HANDSHAKE_BYTES_MAX = 8192, FRAME_BYTES_MAX = WIRE_TEXT_BYTES_MAX + 1024 };
    size_t least = bytes_max ? FRAME_BYTES_MAX : HANDSHAKE_BYTES_MAX;
    size_t most = bytes_max > least ? bytes_max : least;
    zsock_set_maxmsgsize(socket, most > INT_MAX ? INT_MAX : (int)most);
}

void
link_pack(zmq_msg_t *array, const float *floats, size_t n)
{
    must(zmq_msg_init_size(array, n * sizeof *floats));
    wire_put_floats(zmq_msg_data(array), floats, n);
}

/* Makes the array readable as floats: the library may hand out a view into its buffer, at any
 * address. */
static void
unpack(zmq_msg_t *array, size_t n)
{
    if (wire_floats_in_place(zmq_msg_data(array)))
        return;
    zmq_msg_t aligned;
    must(zmq_msg_init_size(&aligned, n * sizeof(float)));
    wire_get_floats(zmq_msg_data(&aligned), zmq_msg_data(array), n);
    must(zmq_msg_move(array, &aligned));
    zmq_msg_close(&aligned);
}

/* Reads all frames of a message, keeping the first two. Returns how many there were, 0 for no
 * message. */
static int
receive_frames(void *socket, parcel_t *parcel)
{
    if (zmq_msg_recv(&parcel->first, socket, ZMQ_DONTWAIT) < 0)
        return 0;
    parcel->bytes = zmq_msg_size(&parcel->first);
    bool more = zmq_msg_more(&parcel->first);
    int n_frames = 1;
    while (more) {
        zmq_msg_t rest;
        must(zmq_msg_init(&rest));
        zmq_msg_t *frame = n_frames == 1 ? &parcel->array : &rest;
        /* The library hands out whole messages: the next part of this one is there. */
        if (zmq_msg_recv(frame, socket, ZMQ_DONTWAIT) < 0) {
            zmq_msg_close(&rest);
            return INT_MAX;
        }
        parcel->bytes += zmq_msg_size(frame);
        more = zmq_msg_more(frame);
        zmq_msg_close(&rest);
        if (n_frames < INT_MAX - 1)
            n_frames++;
    }
    return n_frames;
}

link_t
link_receive(void *socket, bool upwards, size_t array_bytes_max, parcel_t *parcel, drop_t *reason,
             uint64_t *peer)
{
    must(zmq_msg_init(&parcel->first));
    must(zmq_msg_init(&parcel->array));
    int n_frames = receive_frames(socket, parcel);
    if (n_frames == 0) {
        parcel_free(parcel);
        return LINK_NOTHING;
    }
    size_t array_bytes = zmq_msg_size(&parcel->array);
    int result = wire_decode(zmq_msg_data(&parcel->first), zmq_msg_size(&parcel->first),
                             array_bytes, n_frames, upwards, &parcel->message, reason, peer);
    if (result == 0 && array_bytes > array_bytes_max) {
        *reason = DROP_OVERSIZED;
        result = -1;
    }
    if (result == 0 && parcel->message.n) {
        unpack(&parcel->array, parcel->message.n);
        if (wire_first_not_finite(parcel_floats(parcel), parcel->message.n) < parcel->message.n) {
            *reason = DROP_FINITE;
            result = -1;
        }
    }
    if (result == 0)
        return LINK_GOT;
    size_t bytes = parcel->bytes;
    parcel_free(parcel);
    parcel->bytes = bytes;
    return LINK_DROPPED;
}

void
parcel_free(parcel_t *parcel)
{
    zmq_msg_close(&parcel->first);
    zmq_msg_close(&parcel->array);
}

void
parcel_move(parcel_t *target, parcel_t *source)
{
    /* zmq_msg_move would move the bytes of a small message, to which the texts point; taking over
     * the struct would too. So the texts are found again by where they were in the frame. */
    const unsigned char *from = zmq_msg_data(&source->first);
    size_t identity = (size_t)((const unsigned char *)source->message.identity - from);
    size_t host = (size_t)((const unsigned char *)source->message.host - from);
    size_t text = (size_t)((const unsigned char *)source->message.text - from);
    must(zmq_msg_init(&target->first));
    must(zmq_msg_init(&target->array));
    must(zmq_msg_move(&target->first, &source->first));
    must(zmq_msg_move(&target->array, &source->array));
    target->message = source->message;
    target->bytes = source->bytes;
    const char *to = zmq_msg_data(&target->first);
    target->message.identity = to + identity;
    target->message.host = to + host;
    target->message.text = to + text;
}

const float *
parcel_floats(parcel_t *parcel)
{
    return parcel->message.n ? zmq_msg_data(&parcel->array) : NULL;
}

bool
link_wait(void *reader, void *writer, int stop_fd, int64_t timeout_ms)
{
    zmq_pollitem_t items[3] = {{.socket = reader, .events = ZMQ_POLLIN}};
    int n = 1, stop_index = -1;
    if (stop_fd >= 0) {
        stop_index = n;
        items[n++] = (zmq_pollitem_t){.fd = stop_fd, .events = ZMQ_POLLIN};
    }
    if (writer)
        items[n++] = (zmq_pollitem_t){.socket = writer, .events = ZMQ_POLLOUT};
    if (zmq_poll(items, n, timeout_ms < 0 ? 0 : (long)timeout_ms) <= 0)
        return false; /* the limit, or a signal: the caller looks at the clock either way */
    return stop_index >= 0 && items[stop_index].revents;
}

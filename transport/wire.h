/* wire.h — the messages as bytes.
 *
 * A message is one frame with a header and texts, and for ROUND and UPDATE a second frame with the
 * array: float32, little-endian. README.md has the grammar. Encoding never fails on a message that
 * wire_check accepts; decoding believes nothing: every field of every message is checked before any
 * of it is used. */
#ifndef TRANSPORT_WIRE_H
#define TRANSPORT_WIRE_H

#include "transport/drop.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    WIRE_VERSION = 1,
    WIRE_HEADER_BYTES = 96,
    WIRE_TOPIC_BYTES = 12,   /* magic and peer: what a worker subscribes to */
    WIRE_RUN_BYTES_MAX = 39, /* without the zero that ends it */
    WIRE_IDENTITY_BYTES_MAX = 63,
    WIRE_HOST_BYTES_MAX = 255,
    WIRE_TEXT_BYTES_MAX = 1024 * 1024,
};

typedef enum {
    WIRE_HELLO = 1, /* worker: here I am, what shall I do? */
    WIRE_WELCOME,   /* coordinator: your rank, the experiment, how long silence may last */
    WIRE_READY,     /* worker: loaded, with facts to judge */
    WIRE_ROUND,     /* coordinator: the parameters of a turn */
    WIRE_UPDATE,    /* worker: what became of them */
    WIRE_BEAT,      /* both: alive, and how far */
    WIRE_ERROR,     /* worker: I give up */
    WIRE_ABORT,     /* coordinator: end, with a reason */
    WIRE_DONE,      /* coordinator: end, all is well */
    WIRE_KINDS
} wire_kind_t;

/* What a worker's BEAT says of itself. */
enum {
    WIRE_ANSWERED = 1, /* the WELCOME (turn 0) or ROUND of this turn has been answered */
    WIRE_MISSED = 2,   /* the ROUND of this turn never came: say it again */
    WIRE_LEAVING = 4,  /* DONE or ABORT was heard */
};

/* Every message has all fields; what a kind does not use is 0 and empty. Texts end with a zero
 * byte, on the wire too. */
typedef struct {
    wire_kind_t kind;
    uint8_t flags;
    uint16_t version;
    uint64_t peer; /* the worker's incarnation: upwards who speaks, downwards to whom; 0 downwards
                      is everybody */
    char run[WIRE_RUN_BYTES_MAX + 1];
    uint64_t sequence; /* messages of this sender so far */
    uint32_t turn;     /* ROUNDs of this coordinator so far */
    uint32_t round;    /* the caller's number for that turn */
    uint32_t rank;
    uint32_t limit_ms;   /* of silence */
    uint32_t n;          /* floats in the second frame */
    uint32_t text_bytes; /* without the zero byte, as the next two */
    uint16_t identity_bytes;
    uint16_t host_bytes;
    const char *text; /* after wire_decode these three point into the frame */
    const char *identity;
    const char *host;
} wire_message_t;

/* "HELLO" … "DONE"; "?" for what is none. */
const char *wire_kind_name(int kind);

/* True for a name that may stand for a worker: 1 to 63 of A-Z a-z 0-9 . _ - */
bool wire_identity_ok(const char *identity);
/* True for a run id: 1 to 39 printable ASCII characters without blanks. */
bool wire_run_ok(const char *run);

/* The size of the first frame. Texts that are NULL count as empty; their sizes are taken from the
 * texts. */
size_t wire_frame_bytes(const wire_message_t *message);
/* Writes the first frame: wire_frame_bytes of it. */
void wire_encode(const wire_message_t *message, unsigned char *frame);

/* Reads a message of n_frames frames, first and array (NULL when there is but one). upwards: as the
 * coordinator gets it. Returns -1 and leaves the message alone, with reason DROP_VERSION,
 * DROP_MALFORMED, or DROP_OVERSIZED; or 0. On DROP_VERSION *peer_out is the sender if the first
 * bytes told (they never change), else 0. The array's values are not looked at. */
int wire_decode(const unsigned char *first, size_t first_bytes, size_t array_bytes, int n_frames,
                bool upwards, wire_message_t *message, drop_t *reason, uint64_t *peer_out);

/* The prefix that a worker subscribes to: messages for that incarnation, or for everybody (0). */
void wire_topic(uint64_t peer, unsigned char topic[WIRE_TOPIC_BYTES]);

/* Floats to and from their bytes on the wire; the two may not overlap and need not be aligned. */
void wire_put_floats(unsigned char *bytes, const float *floats, size_t n);
void wire_get_floats(float *floats, const unsigned char *bytes, size_t n);
/* True when bytes can be read as floats in place: little-endian host, aligned. */
bool wire_floats_in_place(const unsigned char *bytes);
/* The index of the first NaN or infinity of n floats, or n. */
size_t wire_first_not_finite(const float *floats, size_t n);

#endif

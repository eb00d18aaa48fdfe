/* drop.h — why a message did not count, and how often that was so.
 *
 * A message that breaks a rule of the protocol is dropped and counted here; the run goes on as if
 * it had not come. */
#ifndef TRANSPORT_DROP_H
#define TRANSPORT_DROP_H

#include <stdint.h>

typedef enum {
    DROP_LATE,      /* from a worker that was given up or replaced */
    DROP_STALE,     /* an update made in an earlier turn */
    DROP_RUN,       /* of another run */
    DROP_VERSION,   /* of another version of the protocol */
    DROP_MALFORMED, /* not a message at all, truncated, or with a field out of range */
    DROP_FINITE,    /* an array with NaN or infinity */
    DROP_OVERSIZED, /* larger than the limit */
    DROP_DUPLICATE, /* an update that was counted before */
    DROP_REPLAYED,  /* a beat whose sequence number was seen before */
    DROP_UNKNOWN,   /* from nobody this run knows */
    DROP_IDENTITY,  /* under an identity that is not that of the sender's key */
    DROP_PLAIN,     /* a connection that ended before it showed a key */
    DROP_HANDSHAKE, /* a connection that says nonsense, or means another coordinator's key */
    DROP_KEY,       /* a connection with a key that is not on the list */
    DROP_REASONS    /* how many reasons there are */
} drop_t;

/* Two or three words, as in "3 messages dropped: stale". */
const char *drop_name(drop_t reason);

typedef struct {
    uint64_t dropped[DROP_REASONS];
    uint64_t sent_messages;
    uint64_t sent_bytes; /* a broadcast counts once for each worker it goes to */
    uint64_t received_messages;
    uint64_t received_bytes; /* what was dropped included */
    uint64_t repeated;       /* messages said again because a peer asked */
} transport_counters_t;

#endif

/* error.h — what can go wrong between a coordinator and its workers.
 *
 * Functions of transport/ return 0 or one of these small negative codes, and put a sentence into
 * the caller's transport_error_t. The sentence is lower case, without a full stop, culprit in
 * quotes, then what to do. Nothing under transport/ prints, logs or exits. Out of memory aborts. */
#ifndef TRANSPORT_ERROR_H
#define TRANSPORT_ERROR_H

typedef enum {
    TRANSPORT_OK = 0,
    TRANSPORT_TIMEOUT = -1, /* a limit ran out and no single peer is to blame */
    TRANSPORT_LOST = -2,    /* a peer is gone: silent, late, replaced, or it said so itself */
    TRANSPORT_REFUSED = -3, /* one side does not want the other: version, run, identity, facts */
    TRANSPORT_STOPPED = -4, /* stop_fd became readable */
    TRANSPORT_ABORTED = -5, /* the coordinator ended the run; the sentence is its reason */
    TRANSPORT_ADDRESS =
        -6, /* an endpoint that cannot be used, or is open to a network without keys */
    TRANSPORT_INVALID = -7, /* a value that is not sent: NaN, infinity, too long, too many */
    TRANSPORT_KEYS = -8,    /* keys that cannot be read, or that others could read */
} transport_code_t;

typedef struct {
    char text[512];
} transport_error_t;

/* The code in a few words, for a message that has no sentence. Never NULL. */
const char *transport_strerror(int code);

/* Fills error (which may be NULL) as printf does, cutting what is too long, and returns code, so
 * that a failing function ends in `return transport_fail(...)`. Control characters become '?':
 * sentences may quote what a peer sent. */
int transport_fail(transport_error_t *error, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Turns control characters into '?', so that what a peer sent cannot steer the terminal it is shown
 * on. */
void transport_clean(char *text);

#endif

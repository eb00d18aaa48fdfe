#include "transport/wire.h"

#include <assert.h>
#include <string.h>

static const unsigned char magic[4] = {'D', 'M', 'L', 'X'};

/* Where the fields of the header are. The first 15 bytes (magic, peer, version, kind) stay as they
 * are in every version to come, so that two versions can at least tell each other apart. All
 * numbers are little-endian. */
enum {
    AT_MAGIC = 0,
    AT_PEER = 4,
    AT_VERSION = 12,
    AT_KIND = 14,
    AT_FLAGS = 15,
    AT_RUN = 16,
    AT_SEQUENCE = 56,
    AT_TURN = 64,
    AT_ROUND = 68,
    AT_RANK = 72,
    AT_LIMIT = 76,
    AT_N = 80,
    AT_TEXT_BYTES = 84,
    AT_IDENTITY_BYTES = 88,
    AT_HOST_BYTES = 90,
    AT_RESERVED = 92
};

/* What a kind uses; the rest of its fields must be zero. */
enum {
    UP = 1,
    DOWN = 2,
    TO_ONE = 4, /* downwards: never to everybody */
    NAMES = 8,
    TEXT = 16,
    RANK = 32,
    TURN = 64,
    ROUND = 128,
    LIMIT = 256,
    ARRAY = 512,
    FLAGS = 1024
};

static const struct {
    const char *name;
    unsigned uses;
} kinds[WIRE_KINDS] = {
    [0] = {"?", 0},
    [WIRE_HELLO] = {"HELLO", UP | NAMES | TEXT},
    [WIRE_WELCOME] = {"WELCOME", DOWN | TO_ONE | RANK | LIMIT | TEXT},
    [WIRE_READY] = {"READY", UP | RANK | TEXT},
    [WIRE_ROUND] = {"ROUND", DOWN | TURN | ROUND | ARRAY},
    [WIRE_UPDATE] = {"UPDATE", UP | RANK | TURN | ROUND | TEXT | ARRAY},
    [WIRE_BEAT] = {"BEAT", UP | DOWN | RANK | TURN | FLAGS},
    [WIRE_ERROR] = {"ERROR", UP | RANK | TEXT},
    [WIRE_ABORT] = {"ABORT", DOWN | TEXT},
    [WIRE_DONE] = {"DONE", DOWN | TEXT},
};

static void
put(unsigned char *bytes, uint64_t value, int n_bytes)
{
    for (int i = 0; i < n_bytes; i++)
        bytes[i] = (unsigned char)(value >> (8 * i));
}

static uint64_t
get(const unsigned char *bytes, int n_bytes)
{
    uint64_t value = 0;
    for (int i = 0; i < n_bytes; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

const char *
wire_kind_name(int kind)
{
    return kind > 0 && kind < WIRE_KINDS ? kinds[kind].name : "?";
}

bool
wire_identity_ok(const char *identity)
{
    static const char allowed[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-";
    size_t bytes = identity ? strlen(identity) : 0;
    return bytes > 0 && bytes <= WIRE_IDENTITY_BYTES_MAX && strspn(identity, allowed) == bytes;
}

bool
wire_run_ok(const char *run)
{
    size_t bytes = run ? strlen(run) : 0;
    for (size_t i = 0; i < bytes; i++)
        if (run[i] <= 0x20 || run[i] >= 0x7f)
            return false;
    return bytes > 0 && bytes <= WIRE_RUN_BYTES_MAX;
}

void
wire_topic(uint64_t peer, unsigned char topic[WIRE_TOPIC_BYTES])
{
    memcpy(topic + AT_MAGIC, magic, sizeof magic);
    put(topic + AT_PEER, peer, 8);
}

static size_t
length(const char *text)
{
    return text ? strlen(text) : 0;
}

size_t
wire_frame_bytes(const wire_message_t *message)
{
    return WIRE_HEADER_BYTES + length(message->identity) + length(message->host) +
           length(message->text) + 3;
}

static unsigned char *
put_text(unsigned char *bytes, const char *text)
{
    size_t n = length(text);
    if (n)
        memcpy(bytes, text, n);
    bytes[n] = 0;
    return bytes + n + 1;
}

void
wire_encode(const wire_message_t *message, unsigned char *frame)
{
    assert(message->kind > 0 && message->kind < WIRE_KINDS);
    assert(length(message->text) <= WIRE_TEXT_BYTES_MAX);
    memset(frame, 0, WIRE_HEADER_BYTES);
    wire_topic(message->peer, frame);
    put(frame + AT_VERSION, message->version, 2);
    frame[AT_KIND] = (unsigned char)message->kind;
    frame[AT_FLAGS] = message->flags;
    memcpy(frame + AT_RUN, message->run, strlen(message->run));
    put(frame + AT_SEQUENCE, message->sequence, 8);
    put(frame + AT_TURN, message->turn, 4);
    put(frame + AT_ROUND, message->round, 4);
    put(frame + AT_RANK, message->rank, 4);
    put(frame + AT_LIMIT, message->limit_ms, 4);
    put(frame + AT_N, message->n, 4);
    put(frame + AT_TEXT_BYTES, length(message->text), 4);
    put(frame + AT_IDENTITY_BYTES, length(message->identity), 2);
    put(frame + AT_HOST_BYTES, length(message->host), 2);
    unsigned char *texts = frame + WIRE_HEADER_BYTES;
    texts = put_text(texts, message->identity);
    texts = put_text(texts, message->host);
    put_text(texts, message->text);
}

/* The text of n bytes at *texts when it ends with its only zero byte before end, else NULL; *texts
 * moves past it. */
static const char *
get_text(const unsigned char **texts, const unsigned char *end, size_t n)
{
    const unsigned char *text = *texts;
    if ((size_t)(end - text) < n + 1 || memchr(text, 0, n + 1) != text + n)
        return NULL;
    *texts = text + n + 1;
    return (const char *)text;
}

static bool
is_printable(const char *text)
{
    for (; *text; text++)
        if ((unsigned char)*text < 0x20 || *text == 0x7f)
            return false;
    return true;
}

static void
get_header(const unsigned char *first, wire_message_t *message)
{
    message->version = (uint16_t)get(first + AT_VERSION, 2);
    message->kind = (wire_kind_t)first[AT_KIND];
    message->flags = first[AT_FLAGS];
    message->peer = get(first + AT_PEER, 8);
    memcpy(message->run, first + AT_RUN, sizeof message->run);
    message->sequence = get(first + AT_SEQUENCE, 8);
    message->turn = (uint32_t)get(first + AT_TURN, 4);
    message->round = (uint32_t)get(first + AT_ROUND, 4);
    message->rank = (uint32_t)get(first + AT_RANK, 4);
    message->limit_ms = (uint32_t)get(first + AT_LIMIT, 4);
    message->n = (uint32_t)get(first + AT_N, 4);
    message->text_bytes = (uint32_t)get(first + AT_TEXT_BYTES, 4);
    message->identity_bytes = (uint16_t)get(first + AT_IDENTITY_BYTES, 2);
    message->host_bytes = (uint16_t)get(first + AT_HOST_BYTES, 2);
}

static bool
run_is_whole(const wire_message_t *message)
{
    const char *end = memchr(message->run, 0, sizeof message->run);
    if (!end)
        return false;
    for (const char *pad = end; pad < message->run + sizeof message->run; pad++)
        if (*pad)
            return false;
    /* A worker that was told no run says HELLO to whichever answers. */
    return wire_run_ok(message->run) || (end == message->run && message->kind == WIRE_HELLO);
}

static bool
numbers_fit(const wire_message_t *message, unsigned uses, bool upwards)
{
    bool to_one = upwards || (uses & TO_ONE);
    return (uses & (upwards ? UP : DOWN)) && (!to_one || message->peer) && message->sequence &&
           ((uses & TURN) || !message->turn) && ((uses & ROUND) || !message->round) &&
           ((uses & RANK) || !message->rank) &&
           ((uses & LIMIT) ? message->limit_ms > 0 : !message->limit_ms) &&
           ((uses & ARRAY) || !message->n) && ((uses & TEXT) || !message->text_bytes) &&
           ((uses & NAMES) || (!message->identity_bytes && !message->host_bytes)) &&
           (uses & FLAGS ? message->flags <= (WIRE_ANSWERED | WIRE_MISSED | WIRE_LEAVING)
                         : !message->flags);
}

static bool
texts_fit(wire_message_t *message, unsigned uses, const unsigned char *texts,
          const unsigned char *end)
{
    message->identity = get_text(&texts, end, message->identity_bytes);
    message->host = message->identity ? get_text(&texts, end, message->host_bytes) : NULL;
    message->text = message->host ? get_text(&texts, end, message->text_bytes) : NULL;
    if (!message->text || texts != end)
        return false;
    return !(uses & NAMES) ||
           (wire_identity_ok(message->identity) && message->host_bytes <= WIRE_HOST_BYTES_MAX &&
            is_printable(message->host));
}

static int
drop(drop_t *reason, drop_t because)
{
    *reason = because;
    return -1;
}

int
wire_decode(const unsigned char *first, size_t first_bytes, size_t array_bytes, int n_frames,
            bool upwards, wire_message_t *message, drop_t *reason, uint64_t *peer_out)
{
    wire_message_t read;
    memset(&read, 0, sizeof read);
    *peer_out = 0;
    if (first_bytes < AT_FLAGS || memcmp(first + AT_MAGIC, magic, sizeof magic) != 0)
        return drop(reason, DROP_MALFORMED);
    *peer_out = get(first + AT_PEER, 8);
    if (get(first + AT_VERSION, 2) != WIRE_VERSION)
        return drop(reason, DROP_VERSION);
    if (first_bytes < WIRE_HEADER_BYTES + 3)
        return drop(reason, DROP_MALFORMED);
    get_header(first, &read);
    if (read.kind < 1 || read.kind >= WIRE_KINDS || get(first + AT_RESERVED, 4) != 0)
        return drop(reason, DROP_MALFORMED);
    unsigned uses = kinds[read.kind].uses;
    if (!run_is_whole(&read) || !numbers_fit(&read, uses, upwards))
        return drop(reason, DROP_MALFORMED);
    if (read.text_bytes > WIRE_TEXT_BYTES_MAX)
        return drop(reason, DROP_OVERSIZED);
    if (!texts_fit(&read, uses, first + WIRE_HEADER_BYTES, first + first_bytes))
        return drop(reason, DROP_MALFORMED);
    if (n_frames != (read.n ? 2 : 1) || array_bytes != 4 * (size_t)read.n)
        return drop(reason, DROP_MALFORMED);
    *message = read;
    return 0;
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
enum { HOST_IS_LITTLE_ENDIAN = 1 };
#else
enum { HOST_IS_LITTLE_ENDIAN = 0 };
#endif

void
wire_put_floats(unsigned char *bytes, const float *floats, size_t n)
{
    if (HOST_IS_LITTLE_ENDIAN && n) {
        memcpy(bytes, floats, n * sizeof *floats);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, floats + i, sizeof bits);
        put(bytes + 4 * i, bits, 4);
    }
}

void
wire_get_floats(float *floats, const unsigned char *bytes, size_t n)
{
    if (HOST_IS_LITTLE_ENDIAN && n) {
        memcpy(floats, bytes, n * sizeof *floats);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)get(bytes + 4 * i, 4);
        memcpy(floats + i, &bits, sizeof bits);
    }
}

bool
wire_floats_in_place(const unsigned char *bytes)
{
    return HOST_IS_LITTLE_ENDIAN && (uintptr_t)bytes % _Alignof(float) == 0;
}

/* Whether n floats are all finite, without a branch in the loop, so that it runs at the speed of
 * memory: an exponent of all ones is NaN or infinity. */
static bool
all_finite(const float *floats, size_t n)
{
    uint32_t found = 0;
    for (size_t i = 0; i < n; i++) {
        uint32_t bits;
        memcpy(&bits, floats + i, sizeof bits);
        found |= (bits & 0x7f800000u) == 0x7f800000u;
    }
    return !found;
}

size_t
wire_first_not_finite(const float *floats, size_t n)
{
    if (all_finite(floats, n))
        return n;
    size_t i = 0;
    while (all_finite(floats + i, 1))
        i++;
    return i;
}

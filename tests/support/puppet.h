/* puppet.h — peers that do just what a test says, message by message, over real sockets: no
 * retries, no manners. Their scripts run in threads of their own, where cmocka's asserts cannot be
 * used; MUST ends the test program instead. */
#ifndef TESTS_SUPPORT_PUPPET_H
#define TESTS_SUPPORT_PUPPET_H

#include "transport/link.h"
#include "transport/start.h"
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A test's last word must arrive, however busy the machine. */
enum { PUPPET_PATIENCE_MS = 20000, PUPPET_LINGER_MS = 5000 };

#define MUST(fact)                                                                                 \
    do {                                                                                           \
        if (!(fact)) {                                                                             \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #fact);                     \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

/* One end: a worker's (SUB and PUSH) or a coordinator's (PUB and PULL). */
typedef struct {
    zsock_t *in, *out;
    bool is_worker;
    uint64_t incarnation;
    uint64_t sequence;
    uint32_t rank;
    char run[WIRE_RUN_BYTES_MAX + 1];
} puppet_t;

static inline puppet_t
puppet_worker(const char *endpoint, uint64_t incarnation, const char *run)
{
    transport_start();
    char down[LINK_ENDPOINT_BYTES_MAX], up[LINK_ENDPOINT_BYTES_MAX];
    MUST(link_endpoints(endpoint, down, up) == 0);
    puppet_t puppet = {.is_worker = true, .incarnation = incarnation};
    MUST(strlen(run) < sizeof puppet.run);
    memcpy(puppet.run, run, strlen(run) + 1);
    puppet.in = zsock_new(ZMQ_SUB);
    puppet.out = zsock_new(ZMQ_PUSH);
    zsock_set_linger(puppet.out, PUPPET_LINGER_MS);
    unsigned char topic[WIRE_TOPIC_BYTES];
    wire_topic(0, topic);
    zmq_setsockopt(zsock_resolve(puppet.in), ZMQ_SUBSCRIBE, topic, sizeof topic);
    wire_topic(incarnation, topic);
    zmq_setsockopt(zsock_resolve(puppet.in), ZMQ_SUBSCRIBE, topic, sizeof topic);
    MUST(zmq_connect(zsock_resolve(puppet.in), down) == 0 &&
         zmq_connect(zsock_resolve(puppet.out), up) == 0);
    return puppet;
}

static inline puppet_t
puppet_coordinator(const char *endpoint, const char *run)
{
    transport_start();
    char down[LINK_ENDPOINT_BYTES_MAX], up[LINK_ENDPOINT_BYTES_MAX];
    MUST(link_endpoints(endpoint, down, up) == 0);
    puppet_t puppet = {.is_worker = false};
    MUST(strlen(run) < sizeof puppet.run);
    memcpy(puppet.run, run, strlen(run) + 1);
    puppet.in = zsock_new(ZMQ_PULL);
    puppet.out = zsock_new(ZMQ_PUB);
    MUST(zmq_bind(zsock_resolve(puppet.out), down) == 0 &&
         zmq_bind(zsock_resolve(puppet.in), up) == 0);
    return puppet;
}

static inline void
puppet_close(puppet_t *puppet)
{
    zsock_destroy(&puppet->in);
    zsock_destroy(&puppet->out);
}

/* Sends message with what every message has filled in where it is 0. */
static inline void
puppet_say(puppet_t *puppet, wire_message_t message, const float *array)
{
    if (!message.version)
        message.version = WIRE_VERSION;
    if (!*message.run)
        memcpy(message.run, puppet->run, sizeof message.run);
    if (!message.peer && puppet->is_worker)
        message.peer = puppet->incarnation;
    if (!message.sequence)
        message.sequence = ++puppet->sequence;
    zmq_msg_t frame;
    if (array)
        link_pack(&frame, array, message.n);
    int64_t deadline = link_now_ms() + PUPPET_PATIENCE_MS;
    while (link_send(zsock_resolve(puppet->out), &message, &frame) == 0) {
        link_wait(zsock_resolve(puppet->in), zsock_resolve(puppet->out), -1, 10);
        MUST(link_now_ms() < deadline);
    }
    if (array)
        zmq_msg_close(&frame);
}

/* Waits for a message of that kind, passing over others. */
static inline parcel_t
puppet_hear(puppet_t *puppet, wire_kind_t kind)
{
    int64_t deadline = link_now_ms() + PUPPET_PATIENCE_MS;
    for (;;) {
        parcel_t parcel;
        drop_t reason;
        uint64_t peer;
        link_t got = link_receive(zsock_resolve(puppet->in), !puppet->is_worker, (size_t)1 << 30,
                                  &parcel, &reason, &peer);
        if (got == LINK_GOT && parcel.message.kind == kind)
            return parcel;
        if (got == LINK_GOT)
            parcel_free(&parcel);
        if (got == LINK_NOTHING)
            link_wait(zsock_resolve(puppet->in), NULL, -1, deadline - link_now_ms());
        MUST(link_now_ms() < deadline);
    }
}

static inline void
puppet_skip(puppet_t *puppet, wire_kind_t kind)
{
    parcel_t parcel = puppet_hear(puppet, kind);
    parcel_free(&parcel);
}

/* Waits for DONE, and hears nothing before it that ends a worker. */
static inline void
puppet_end(puppet_t *puppet)
{
    int64_t deadline = link_now_ms() + PUPPET_PATIENCE_MS;
    for (wire_kind_t kind = WIRE_KINDS; kind != WIRE_DONE;) {
        parcel_t parcel;
        drop_t reason;
        uint64_t peer;
        link_t got = link_receive(zsock_resolve(puppet->in), false, (size_t)1 << 30, &parcel,
                                  &reason, &peer);
        if (got == LINK_GOT) {
            kind = parcel.message.kind;
            parcel_free(&parcel);
        }
        if (got == LINK_NOTHING)
            link_wait(zsock_resolve(puppet->in), NULL, -1, deadline - link_now_ms());
        MUST(kind != WIRE_ABORT && link_now_ms() < deadline);
    }
    puppet_say(puppet,
               (wire_message_t){.kind = WIRE_BEAT, .rank = puppet->rank, .flags = WIRE_LEAVING},
               NULL);
    puppet_close(puppet);
}

/* HELLO again and again until WELCOME: what a worker's manners are. */
static inline void
puppet_join(puppet_t *puppet, const char *identity)
{
    wire_message_t hello = {.kind = WIRE_HELLO, .identity = identity, .host = "here", .text = "{}"};
    int64_t deadline = link_now_ms() + PUPPET_PATIENCE_MS;
    for (;;) {
        MUST(link_now_ms() < deadline);
        puppet_say(puppet, hello, NULL);
        parcel_t parcel;
        drop_t reason;
        uint64_t peer;
        link_wait(zsock_resolve(puppet->in), NULL, -1, 20);
        while (link_receive(zsock_resolve(puppet->in), false, (size_t)1 << 30, &parcel, &reason,
                            &peer) == LINK_GOT) {
            bool is_welcome = parcel.message.kind == WIRE_WELCOME;
            puppet->rank = parcel.message.rank;
            parcel_free(&parcel);
            if (is_welcome)
                return;
        }
    }
}

static inline void
puppet_ready(puppet_t *puppet, const char *identity)
{
    puppet_join(puppet, identity);
    puppet_say(puppet, (wire_message_t){.kind = WIRE_READY, .rank = puppet->rank, .text = "{}"},
               NULL);
}

/* Waits for a ROUND and returns turn and number in the shape of its UPDATE. */
static inline wire_message_t
puppet_round(puppet_t *puppet, uint32_t n)
{
    parcel_t parcel = puppet_hear(puppet, WIRE_ROUND);
    wire_message_t update = {.kind = WIRE_UPDATE,
                             .rank = puppet->rank,
                             .turn = parcel.message.turn,
                             .round = parcel.message.round,
                             .n = n,
                             .text = "meta"};
    parcel_free(&parcel);
    return update;
}

/* A script in a thread of its own. */
typedef struct {
    pthread_t thread;
} script_t;

static inline script_t
script_start(void *(*script)(void *), void *argument)
{
    script_t started;
    MUST(pthread_create(&started.thread, NULL, script, argument) == 0);
    return started;
}

static inline void
script_join(script_t *script)
{
    MUST(pthread_join(script->thread, NULL) == 0);
}

#endif

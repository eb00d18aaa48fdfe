#include "transport/worker.h"
#include "transport/ears.h"
#include "transport/incarnation.h"
#include "transport/memory.h"
#include "transport/start.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    HELLO_MS_MIN = 10, /* between two HELLOs: it starts with this and doubles */
    HELLO_MS_MAX = 250,
    CONNECT_MS = 2000, /* for a connection to be made, before it is tried anew */
    RECONNECT_MS = 20, /* between two tries: it starts with this and doubles */
    RECONNECT_MS_MAX = 500
};

worker_config_t
worker_config(void)
{
    return (worker_config_t){
        .join_ms = 60000, .idle_ms = 3600000, .frame_bytes_max = (size_t)64 << 20, .stop_fd = -1};
}

/* life */

static int
check_config(const worker_config_t *config, transport_error_t *error)
{
    char down[LINK_ENDPOINT_BYTES_MAX], up[LINK_ENDPOINT_BYTES_MAX];
    if (link_endpoints(config->endpoint, down, up) != 0)
        return transport_fail(
            error, TRANSPORT_ADDRESS,
            "'%s' is not an endpoint; write tcp://HOST:PORT, ipc://PATH or inproc://NAME",
            config->endpoint ? config->endpoint : "");
    if (!config->keys && !keys_optional(config->endpoint))
        return transport_fail(
            error, TRANSPORT_ADDRESS,
            "'%s' is across a network and there are no keys; use those made for the run",
            config->endpoint);
    if (!wire_identity_ok(config->identity))
        return transport_fail(error, TRANSPORT_INVALID,
                              "'%s' cannot name a worker; use letters, digits, '.', '_', '-'",
                              config->identity ? config->identity : "");
    if (config->run && !wire_run_ok(config->run))
        return transport_fail(
            error, TRANSPORT_INVALID,
            "'%s' is not a run id; use 1 to %d printable characters without blanks", config->run,
            WIRE_RUN_BYTES_MAX);
    if (config->host && strlen(config->host) > WIRE_HOST_BYTES_MAX)
        return transport_fail(error, TRANSPORT_INVALID, "the host's name is longer than %d bytes",
                              WIRE_HOST_BYTES_MAX);
    if (config->facts && strlen(config->facts) > WIRE_TEXT_BYTES_MAX)
        return transport_fail(error, TRANSPORT_INVALID, "the facts are larger than 1 MiB");
    if (config->keys && strcmp(keys_name(config->keys), config->identity) != 0)
        return transport_fail(error, TRANSPORT_KEYS, "the keys are those of '%s', not of '%s'",
                              keys_name(config->keys), config->identity);
    if (config->keys && !keys_peer_public(config->keys, KEYS_COORDINATOR))
        return transport_fail(error, TRANSPORT_KEYS, "the keys of '%s' lack the coordinator's",
                              config->identity);
    if (config->join_ms <= 0 || config->idle_ms <= 0)
        return transport_fail(error, TRANSPORT_INVALID,
                              "a limit of no time; all limits must be above 0 ms");
    return 0;
}

static zsock_t *
open_socket(const worker_t *worker, int type)
{
    zsock_t *socket = zsock_new(type);
    if (!socket)
        abort(); /* out of sockets or memory */
    zsock_set_linger(socket, type == ZMQ_PUSH ? LINK_LINGER_MS : 0);
    zsock_set_sndhwm(socket, LINK_QUEUE_MAX);
    zsock_set_rcvhwm(socket, LINK_QUEUE_MAX);
    zsock_set_reconnect_ivl(socket, RECONNECT_MS);
    zsock_set_reconnect_ivl_max(socket, RECONNECT_MS_MAX);
    zsock_set_connect_timeout(socket, CONNECT_MS);
    link_set_size_max(socket, type == ZMQ_SUB ? worker->config.frame_bytes_max : 0);
    if (type == ZMQ_PUSH)
        zsock_set_immediate(socket, 1); /* a message is on its way, or we know that it is not */
    if (worker->config.keys)
        gate_show(socket, worker->config.keys);
    return socket;
}

static void
subscribe_to(worker_t *worker, uint64_t peer)
{
    unsigned char topic[WIRE_TOPIC_BYTES];
    wire_topic(peer, topic);
    zmq_setsockopt(worker->subscribe_handle, ZMQ_SUBSCRIBE, topic, sizeof topic);
}

static int
connect_both(worker_t *worker, transport_error_t *error)
{
    char down[LINK_ENDPOINT_BYTES_MAX], up[LINK_ENDPOINT_BYTES_MAX];
    link_endpoints(worker->endpoint, down, up);
    worker->subscribe = open_socket(worker, ZMQ_SUB);
    worker->push = open_socket(worker, ZMQ_PUSH);
    worker->subscribe_handle = zsock_resolve(worker->subscribe);
    worker->push_handle = zsock_resolve(worker->push);
    worker->events = gate_listen(worker->push);
    /* Everybody's messages first: who hears its own WELCOME is sure to hear the ROUNDs too. */
    subscribe_to(worker, 0);
    subscribe_to(worker, worker->incarnation);
    if (zmq_connect(worker->subscribe_handle, down) != 0 ||
        zmq_connect(worker->push_handle, up) != 0)
        return transport_fail(error, TRANSPORT_ADDRESS, "cannot connect to '%s': %s",
                              worker->endpoint, zmq_strerror(errno));
    return 0;
}

worker_t *
worker_new(const worker_config_t *config, transport_error_t *error)
{
    if (check_config(config, error) != 0)
        return NULL;
    transport_start();
    worker_t *worker = transport_alloc(sizeof *worker);
    worker->config = *config;
    worker->endpoint = transport_copy(config->endpoint);
    worker->identity = transport_copy(config->identity);
    worker->host = transport_copy(config->host);
    worker->facts = transport_copy(config->facts);
    worker->meta = transport_copy("");
    worker->incarnation = incarnation_new();
    snprintf(worker->run, sizeof worker->run, "%s", config->run ? config->run : "");
    zmq_msg_init(&worker->array);
    pthread_mutex_init(&worker->hear, NULL);
    pthread_mutex_init(&worker->speak, NULL);
    if (connect_both(worker, error) != 0) {
        worker_free(worker);
        return NULL;
    }
    return worker;
}

void
worker_free(worker_t *worker)
{
    if (!worker)
        return;
    beater_free(worker->beater);
    if (worker->is_welcome)
        parcel_free(&worker->welcome);
    if (worker->has_pending)
        parcel_free(&worker->pending);
    if (worker->has_task)
        parcel_free(&worker->task);
    zmq_msg_close(&worker->array);
    gate_unlisten(worker->push, worker->events);
    zsock_destroy(&worker->subscribe);
    zsock_destroy(&worker->push);
    pthread_mutex_destroy(&worker->hear);
    pthread_mutex_destroy(&worker->speak);
    free(worker->endpoint);
    free(worker->identity);
    free(worker->host);
    free(worker->facts);
    free(worker->meta);
    free(worker->ending_text);
    free(worker);
}

/* verbs */

static int
ending_code(const worker_t *worker, transport_error_t *error)
{
    return transport_fail(error, worker->ending, "the coordinator at '%s' %s: %s", worker->endpoint,
                          worker->ending == TRANSPORT_LOST      ? "was lost"
                          : worker->ending == TRANSPORT_REFUSED ? "refused this worker"
                                                                : "ended the run",
                          worker->ending_text);
}

static int64_t
earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Takes note of what became of our connections. True when our key was turned down. */
static bool
is_key_refused(worker_t *worker)
{
    gate_event_t event;
    while ((event = gate_next(worker->events)) != GATE_NOTHING) {
        worker->is_connected |= event == GATE_CONNECTED;
        worker->is_admitted |= event == GATE_ADMITTED;
        if (event == GATE_REFUSED)
            return true;
    }
    return false;
}

static int
nobody_answered(worker_t *worker, transport_error_t *error)
{
    const char *why = !worker->is_connected ? "nobody listens there"
                      : !worker->is_admitted
                          ? "somebody is there, but we do not agree on keys"
                          : "somebody is there, but has no welcome for this worker";
    return transport_fail(error, TRANSPORT_TIMEOUT,
                          "no answer from the coordinator at '%s' within %" PRId64 " ms: %s",
                          worker->endpoint, worker->config.join_ms, why);
}

/* Says HELLO until there is a WELCOME: the first may be gone before the coordinator, or our
 * subscription, is there. */
static int
ask_until_welcome(worker_t *worker, transport_error_t *error)
{
    int64_t start = link_now_ms(), deadline = start + worker->config.join_ms, next_hello = start;
    int64_t pause = HELLO_MS_MIN;
    for (;;) {
        ears_hear(worker);
        if (worker->is_welcome)
            return 0;
        if (worker->ending) {
            worker->ending = TRANSPORT_REFUSED;
            return ending_code(worker, error);
        }
        if (is_key_refused(worker))
            return transport_fail(
                error, TRANSPORT_REFUSED,
                "the coordinator at '%s' refused the key of '%s'; was it made for this run?",
                worker->endpoint, worker->identity);
        int64_t now = link_now_ms();
        if (now >= deadline)
            return nobody_answered(worker, error);
        bool is_due = now >= next_hello;
        if (is_due && ears_say_hello(worker)) {
            next_hello = now + pause;
            pause = earlier(2 * pause, HELLO_MS_MAX);
            is_due = false;
        }
        int64_t until =
            is_due ? earlier(deadline, now + HELLO_MS_MAX) : earlier(deadline, next_hello);
        if (link_wait(worker->subscribe_handle, is_due ? worker->push_handle : NULL,
                      worker->config.stop_fd, until - now))
            return transport_fail(error, TRANSPORT_STOPPED, "stopped while joining");
    }
}

int
worker_join(worker_t *worker, worker_welcome_t *welcome, transport_error_t *error)
{
    pthread_mutex_lock(&worker->hear);
    int code = worker->is_welcome ? 0 : ask_until_welcome(worker, error);
    if (code == 0 && !worker->beater) {
        gate_unlisten(worker->push, worker->events);
        worker->events = NULL;
        worker->heard_ms = worker->looked_ms = link_now_ms();
        worker->beater = beater_new(worker->silence_ms / LINK_BEATS, ears_beat, worker);
    }
    if (code == 0)
        *welcome = (worker_welcome_t){.rank = worker->welcome.message.rank,
                                      .run = worker->welcome.message.run,
                                      .text = worker->welcome.message.text};
    pthread_mutex_unlock(&worker->hear);
    return code;
}

int
worker_ready(worker_t *worker, const char *facts, transport_error_t *error)
{
    if (facts && strlen(facts) > WIRE_TEXT_BYTES_MAX)
        return transport_fail(error, TRANSPORT_INVALID, "the facts are larger than 1 MiB");
    pthread_mutex_lock(&worker->speak);
    if (worker->turn == 0)
        ears_answer(worker, facts, NULL, 0);
    pthread_mutex_unlock(&worker->speak);
    return 0;
}

void
worker_wait_for(worker_t *worker, int64_t idle_ms)
{
    worker->config.idle_ms = idle_ms;
}

static void
give_round(worker_t *worker, worker_task_t *task)
{
    parcel_move(&worker->task, &worker->pending);
    parcel_free(&worker->pending);
    worker->has_pending = false;
    worker->has_task = true;
    int superseded = TRANSPORT_REFUSED;
    atomic_compare_exchange_strong(&worker->interrupted, &superseded, 0);
    *task = (worker_task_t){.kind = WORKER_ROUND,
                            .round = worker->task.message.round,
                            .parameters = parcel_floats(&worker->task),
                            .n = worker->task.message.n,
                            .text = ""};
}

static int
wait_for_task(worker_t *worker, worker_task_t *task, transport_error_t *error)
{
    int64_t deadline = link_now_ms() + worker->config.idle_ms;
    for (;;) {
        ears_hear(worker);
        if (worker->ending == 1) {
            *task = (worker_task_t){.kind = WORKER_DONE, .text = worker->ending_text};
            return 0;
        }
        if (worker->ending)
            return ending_code(worker, error);
        if (worker->has_pending) {
            give_round(worker, task);
            return 0;
        }
        ears_watch(worker);
        int64_t now = link_now_ms();
        if (now >= deadline)
            return transport_fail(error, TRANSPORT_TIMEOUT,
                                  "the coordinator at '%s' is alive but had no round for %" PRId64
                                  " ms",
                                  worker->endpoint, worker->config.idle_ms);
        int64_t look = now + worker->silence_ms / LINK_BEATS + 1;
        if (!worker->ending &&
            link_wait(worker->subscribe_handle, NULL, worker->config.stop_fd,
                      earlier(earlier(deadline, worker->heard_ms + worker->silence_ms), look) -
                          now))
            return transport_fail(error, TRANSPORT_STOPPED, "stopped while waiting for a round");
    }
}

int
worker_next(worker_t *worker, worker_task_t *task, transport_error_t *error)
{
    pthread_mutex_lock(&worker->hear);
    if (worker->has_task)
        parcel_free(&worker->task);
    worker->has_task = false;
    int code = wait_for_task(worker, task, error);
    pthread_mutex_unlock(&worker->hear);
    return code;
}

int
worker_update(worker_t *worker, const char *meta, const float *array, size_t n,
              transport_error_t *error)
{
    size_t bad = wire_first_not_finite(array, n);
    if (bad < n)
        return transport_fail(error, TRANSPORT_INVALID,
                              "value %zu of the update is not finite: the training has diverged",
                              bad);
    /* The coordinator would hang up on it, and miss us. */
    if (n > worker->config.frame_bytes_max / sizeof *array)
        return transport_fail(error, TRANSPORT_INVALID,
                              "an update of %zu floats is larger than a message may be, which is "
                              "%zu: the network is too large",
                              n, worker->config.frame_bytes_max / sizeof *array);
    if (meta && strlen(meta) > WIRE_TEXT_BYTES_MAX)
        return transport_fail(error, TRANSPORT_INVALID, "the update's text is larger than 1 MiB");
    int code = 0;
    uint32_t given =
        worker->has_task ? worker->task.message.turn : 0; /* ours: only worker_next changes it */
    pthread_mutex_lock(&worker->speak);
    if (given == 0 || (given == worker->turn && worker->is_answered))
        code = transport_fail(error, TRANSPORT_INVALID, "there is no round to answer");
    else if (given ==
             worker->turn) /* else another ROUND came meanwhile, and nobody wants this answer */
        ears_answer(worker, meta, array, n);
    pthread_mutex_unlock(&worker->speak);
    return code;
}

int
worker_error(worker_t *worker, const char *why, transport_error_t *error)
{
    pthread_mutex_lock(&worker->speak);
    bool is_said =
        worker->beater && strlen(why) <= WIRE_TEXT_BYTES_MAX && ears_say_error(worker, why);
    pthread_mutex_unlock(&worker->speak);
    return is_said ? 0
                   : transport_fail(error, TRANSPORT_LOST, "the coordinator at '%s' cannot be told",
                                    worker->endpoint);
}

int
worker_interrupted(const worker_t *worker)
{
    return atomic_load(&worker->interrupted);
}

transport_counters_t
worker_counters(worker_t *worker)
{
    pthread_mutex_lock(&worker->hear);
    pthread_mutex_lock(&worker->speak);
    transport_counters_t counters = worker->counters;
    pthread_mutex_unlock(&worker->speak);
    pthread_mutex_unlock(&worker->hear);
    return counters;
}

/* The worker against a coordinator that obeys a script: each fault gives its named outcome within
 * its limit. */
#include "transport/worker.h"
#include "transport/coordinator.h"
#include "tests/support/puppet.h"

#include <math.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>
#include <cmocka.h>

enum { N = 32, SILENCE_MS = 2000, PATIENCE_MS = 15000 };

static const float parameters[N] = {1, 2, 3};

/* A scripted coordinator at an endpoint of its own, and a worker that is to meet it. */
typedef struct {
    puppet_t puppet;
    worker_t *worker;
    char endpoint[LINK_ENDPOINT_BYTES_MAX];
    uint64_t peer; /* the worker's incarnation, once it has said HELLO */
    int stop[2];
    uint32_t limit_ms;
} pair_t;

static worker_config_t
config_for(const pair_t *pair)
{
    worker_config_t config = worker_config();
    config.endpoint = pair->endpoint;
    config.identity = "w0";
    config.host = "pi0";
    config.facts = "{\"cores\":4}";
    config.join_ms = PATIENCE_MS;
    config.stop_fd = pair->stop[0];
    return config;
}

static int
set_up(void **state)
{
    static int count;
    pair_t *pair = calloc(1, sizeof *pair);
    snprintf(pair->endpoint, sizeof pair->endpoint, "inproc://worker-%d", count++);
    pair->puppet = puppet_coordinator(pair->endpoint, "run-1");
    pair->limit_ms = SILENCE_MS;
    MUST(pipe(pair->stop) == 0);
    worker_config_t config = config_for(pair);
    pair->worker = worker_new(&config, NULL);
    MUST(pair->worker);
    *state = pair;
    return 0;
}

static int
tear_down(void **state)
{
    pair_t *pair = *state;
    worker_free(pair->worker);
    puppet_close(&pair->puppet);
    close(pair->stop[0]), close(pair->stop[1]);
    free(pair);
    return 0;
}

static void
say(pair_t *pair, wire_message_t message)
{
    message.peer = pair->peer;
    puppet_say(&pair->puppet, message, NULL);
}

/* Lets a few HELLOs pass unanswered, then says WELCOME. */
static void *
welcome(void *argument)
{
    pair_t *pair = argument;
    for (int i = 0; i < 3; i++) {
        parcel_t parcel = puppet_hear(&pair->puppet, WIRE_HELLO);
        MUST(strcmp(parcel.message.identity, "w0") == 0 && strcmp(parcel.message.host, "pi0") == 0);
        MUST(strcmp(parcel.message.text, "{\"cores\":4}") == 0);
        pair->peer = parcel.message.peer;
        parcel_free(&parcel);
    }
    say(pair,
        (wire_message_t){
            .kind = WIRE_WELCOME, .rank = 4, .limit_ms = pair->limit_ms, .text = "experiment"});
    return NULL;
}

static void
join(pair_t *pair)
{
    script_t script = script_start(welcome, pair);
    worker_welcome_t got = {0};
    transport_error_t error = {""};
    assert_int_equal(worker_join(pair->worker, &got, &error), 0);
    script_join(&script);
    assert_string_equal(error.text, "");
    assert_int_equal(got.rank, 4);
    assert_string_equal(got.text, "experiment");
    assert_string_equal(got.run, "run-1");
}

static void
get_ready(pair_t *pair)
{
    join(pair);
    assert_int_equal(worker_ready(pair->worker, "facts", NULL), 0);
    parcel_t parcel = puppet_hear(&pair->puppet, WIRE_READY);
    assert_string_equal(parcel.message.text, "facts");
    assert_int_equal(parcel.message.rank, 4);
    parcel_free(&parcel);
}

static void
say_round(pair_t *pair, uint32_t turn, uint32_t round, uint64_t peer)
{
    puppet_say(
        &pair->puppet,
        (wire_message_t){.kind = WIRE_ROUND, .peer = peer, .turn = turn, .round = round, .n = N},
        parameters);
}

static void
assert_task(pair_t *pair, uint32_t round)
{
    worker_task_t task;
    transport_error_t error = {""};
    int code = worker_next(pair->worker, &task, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(code, 0);
    assert_int_equal(task.kind, WORKER_ROUND);
    assert_int_equal(task.round, round);
    assert_int_equal(task.n, N);
    assert_memory_equal(task.parameters, parameters, sizeof parameters);
}

static void
assert_update(pair_t *pair, uint32_t turn, float first)
{
    parcel_t parcel = puppet_hear(&pair->puppet, WIRE_UPDATE);
    assert_int_equal(parcel.message.turn, turn);
    assert_string_equal(parcel.message.text, "meta");
    assert_int_equal(parcel.message.n, N);
    assert_true(parcel_floats(&parcel)[0] == first);
    parcel_free(&parcel);
}

static void
answer(pair_t *pair, float first)
{
    float array[N] = {first};
    transport_error_t error = {""};
    int code = worker_update(pair->worker, "meta", array, N, &error);
    assert_string_equal(error.text, "");
    assert_int_equal(code, 0);
}

static void
it_asks_until_it_is_welcome_and_answers_rounds(void **state)
{
    pair_t *pair = *state;
    get_ready(pair);
    for (uint32_t turn = 1; turn <= 3; turn++) {
        say_round(pair, turn, 10 + turn, 0);
        assert_task(pair, 10 + turn);
        assert_int_equal(worker_interrupted(pair->worker), 0);
        answer(pair, (float)turn);
        assert_update(pair, turn, (float)turn);
    }
    assert_int_equal(worker_update(pair->worker, "", NULL, 0, NULL),
                     TRANSPORT_INVALID); /* answered already */
}

static void
an_answer_is_said_again_when_its_question_is(void **state)
{
    pair_t *pair = *state;
    get_ready(pair);
    say(pair, (wire_message_t){.kind = WIRE_WELCOME, .rank = 4, .limit_ms = SILENCE_MS});
    puppet_skip(&pair->puppet, WIRE_READY);
    say_round(pair, 1, 1, 0);
    assert_task(pair, 1);
    answer(pair, 5);
    assert_update(pair, 1, 5);
    say_round(pair, 1, 1, pair->peer);
    assert_update(pair, 1, 5);
}

static void
a_round_that_never_came_is_asked_for(void **state)
{
    pair_t *pair = *state;
    get_ready(pair);
    say_round(pair, 1, 1, 0);
    assert_task(pair, 1);
    answer(pair, 5);
    assert_update(pair, 1, 5);
    puppet_say(&pair->puppet, (wire_message_t){.kind = WIRE_BEAT, .turn = 2}, NULL);
    for (bool is_missed = false; !is_missed;) {
        parcel_t parcel = puppet_hear(&pair->puppet, WIRE_BEAT);
        is_missed = parcel.message.flags == WIRE_MISSED && parcel.message.turn == 2;
        parcel_free(&parcel);
    }
    say_round(pair, 2, 2, pair->peer);
    assert_task(pair, 2);
}

static void
a_beat_after_an_answer_says_so(void **state)
{
    pair_t *pair = *state;
    get_ready(pair);
    say_round(pair, 1, 1, 0);
    assert_task(pair, 1);
    parcel_t parcel = puppet_hear(&pair->puppet, WIRE_BEAT);
    parcel_free(&parcel);
    answer(pair, 5);
    for (bool is_told = false; !is_told;) {
        parcel = puppet_hear(&pair->puppet, WIRE_BEAT);
        is_told = parcel.message.flags == WIRE_ANSWERED && parcel.message.turn == 1;
        parcel_free(&parcel);
    }
}

static void
a_silent_coordinator_is_lost_within_its_limit_while_waiting(void **state)
{
    pair_t *pair = *state;
    get_ready(pair);
    worker_task_t task;
    transport_error_t error;
    int64_t before = link_now_ms();
    assert_int_equal(worker_next(pair->worker, &task, &error), TRANSPORT_LOST);
    assert_in_range(link_now_ms() - before, 1, 10 * SILENCE_MS);
    assert_non_null(strstr(error.text, "the coordinator at 'inproc://worker-"));
    assert_non_null(strstr(error.text, "was lost: no sign of life for "));
}

/* Between two steps of training. */
static int
train_until_interrupted(pair_t *pair)
{
    int64_t deadline = link_now_ms() + PATIENCE_MS;
    while (worker_interrupted(pair->worker) == 0 && link_now_ms() < deadline)
        poll(NULL, 0, 1);
    return worker_interrupted(pair->worker);
}

static void
a_silent_coordinator_is_lost_while_training_too(void **state)
{
    pair_t *pair = *state;
    get_ready(pair);
    say_round(pair, 1, 1, 0);
    assert_task(pair, 1);
    assert_int_equal(train_until_interrupted(pair), TRANSPORT_LOST);
    worker_task_t task;
    assert_int_equal(worker_next(pair->worker, &task, NULL), TRANSPORT_LOST);
}

static void
an_abort_reaches_a_worker_that_trains(void **state)
{
    pair_t *pair = *state;
    get_ready(pair);
    say_round(pair, 1, 1, 0);
    assert_task(pair, 1);
    puppet_say(&pair->puppet, (wire_message_t){.kind = WIRE_ABORT, .text = "worker 2 was lost"},
               NULL);
    assert_int_equal(train_until_interrupted(pair), TRANSPORT_ABORTED);
    worker_task_t task;
    transport_error_t error;
    assert_int_equal(worker_next(pair->worker, &task, &error), TRANSPORT_ABORTED);
    assert_non_null(strstr(error.text, "ended the run: worker 2 was lost"));
    for (bool is_leaving = false; !is_leaving;) {
        parcel_t parcel = puppet_hear(&pair->puppet, WIRE_BEAT);
        is_leaving = parcel.message.flags == WIRE_LEAVING;
        parcel_free(&parcel);
    }
}

static void
a_newer_round_takes_the_place_of_the_one_under_way(void **state)
{
    pair_t *pair = *state;
    get_ready(pair);
    say_round(pair, 1, 7, 0);
    assert_task(pair, 7);
    say_round(pair, 2, 7, 0);
    assert_int_equal(train_until_interrupted(pair), TRANSPORT_REFUSED);
    answer(pair, 5); /* to a question nobody asks any more */
    assert_task(pair, 7);
    assert_int_equal(worker_interrupted(pair->worker), 0);
    answer(pair, 6);
    assert_update(pair, 2, 6);
}

static void
done_ends_it_and_is_acknowledged(void **state)
{
    pair_t *pair = *state;
    get_ready(pair);
    puppet_say(&pair->puppet, (wire_message_t){.kind = WIRE_DONE, .text = "thanks"}, NULL);
    worker_task_t task;
    assert_int_equal(worker_next(pair->worker, &task, NULL), 0);
    assert_int_equal(task.kind, WORKER_DONE);
    assert_string_equal(task.text, "thanks");
    for (bool is_leaving = false; !is_leaving;) {
        parcel_t parcel = puppet_hear(&pair->puppet, WIRE_BEAT);
        is_leaving = parcel.message.flags == WIRE_LEAVING;
        parcel_free(&parcel);
    }
}

static void
frames_of_others_and_nan_do_not_count(void **state)
{
    pair_t *pair = *state;
    get_ready(pair);
    puppet_say(&pair->puppet, (wire_message_t){.kind = WIRE_DONE, .run = "run-0"}, NULL);
    float diverged[N] = {NAN};
    puppet_say(&pair->puppet, (wire_message_t){.kind = WIRE_ROUND, .turn = 1, .round = 1, .n = N},
               diverged);
    puppet_say(&pair->puppet,
               (wire_message_t){.kind = WIRE_ROUND, .version = 9, .turn = 1, .round = 1, .n = N},
               parameters);
    unsigned char garbage[WIRE_TOPIC_BYTES + 1];
    wire_topic(0, garbage);
    garbage[WIRE_TOPIC_BYTES] = 0xff;
    zmq_send(zsock_resolve(pair->puppet.out), garbage, sizeof garbage, 0);
    say_round(pair, 1, 1, 0);
    assert_task(pair, 1);
    transport_counters_t counters = worker_counters(pair->worker);
    assert_int_equal(counters.dropped[DROP_RUN], 1);
    assert_int_equal(counters.dropped[DROP_FINITE], 1);
    assert_int_equal(counters.dropped[DROP_VERSION], 1);
    assert_int_equal(counters.dropped[DROP_MALFORMED], 1);
}

static void
an_update_with_nan_or_too_large_is_not_sent(void **state)
{
    pair_t *pair = *state;
    get_ready(pair);
    say_round(pair, 1, 1, 0);
    assert_task(pair, 1);
    float array[N] = {0, 0, NAN};
    transport_error_t error;
    assert_int_equal(worker_update(pair->worker, "meta", array, N, &error), TRANSPORT_INVALID);
    assert_non_null(strstr(error.text, "value 2 of the update is not finite"));
    size_t n_most = worker_config().frame_bytes_max / sizeof(float);
    float *large = calloc(n_most + 1, sizeof *large);
    assert_int_equal(worker_update(pair->worker, "meta", large, n_most + 1, &error),
                     TRANSPORT_INVALID);
    assert_non_null(strstr(error.text, "larger than a message may be"));
    free(large);
    assert_int_equal(worker_error(pair->worker, error.text, NULL), 0);
    parcel_t parcel = puppet_hear(&pair->puppet, WIRE_ERROR);
    assert_string_equal(parcel.message.text, error.text);
    parcel_free(&parcel);
}

static void
nobody_there_is_told_after_the_limit(void **state)
{
    pair_t *pair = *state;
    worker_config_t config = config_for(pair);
    config.endpoint = "tcp://127.0.0.1:1";
    config.join_ms = 200;
    worker_t *worker = worker_new(&config, NULL);
    worker_welcome_t got;
    transport_error_t error;
    assert_int_equal(worker_join(worker, &got, &error), TRANSPORT_TIMEOUT);
    assert_non_null(
        strstr(error.text, "no answer from the coordinator at 'tcp://127.0.0.1:1' within 200 ms"));
    worker_free(worker);
}

static void *
refuse(void *argument)
{
    pair_t *pair = argument;
    parcel_t parcel = puppet_hear(&pair->puppet, WIRE_HELLO);
    pair->peer = parcel.message.peer;
    parcel_free(&parcel);
    say(pair, (wire_message_t){.kind = WIRE_ABORT, .text = "'w0' is not expected"});
    return NULL;
}

static void
a_refusal_is_told_with_its_reason(void **state)
{
    pair_t *pair = *state;
    script_t script = script_start(refuse, pair);
    worker_welcome_t got;
    transport_error_t error;
    assert_int_equal(worker_join(pair->worker, &got, &error), TRANSPORT_REFUSED);
    script_join(&script);
    assert_non_null(strstr(error.text, "refused this worker: 'w0' is not expected"));
}

static void *
speak_another_version(void *argument)
{
    pair_t *pair = argument;
    parcel_t parcel = puppet_hear(&pair->puppet, WIRE_HELLO);
    pair->peer = parcel.message.peer;
    parcel_free(&parcel);
    say(pair, (wire_message_t){.kind = WIRE_WELCOME, .version = WIRE_VERSION + 1, .limit_ms = 1});
    return NULL;
}

static void
a_coordinator_of_another_version_is_named_as_such(void **state)
{
    pair_t *pair = *state;
    script_t script = script_start(speak_another_version, pair);
    worker_welcome_t got;
    transport_error_t error;
    assert_int_equal(worker_join(pair->worker, &got, &error), TRANSPORT_REFUSED);
    script_join(&script);
    assert_non_null(
        strstr(error.text, "another version of the protocol; install the same dmlx on both"));
}

static void
a_stop_ends_every_wait_at_once(void **state)
{
    pair_t *pair = *state;
    join(pair);
    assert_int_equal(write(pair->stop[1], "x", 1), 1);
    worker_task_t task;
    assert_int_equal(worker_next(pair->worker, &task, NULL), TRANSPORT_STOPPED);
    assert_int_equal(train_until_interrupted(pair), TRANSPORT_STOPPED);
    worker_config_t config = config_for(pair);
    worker_t *worker = worker_new(&config, NULL);
    worker_welcome_t got;
    assert_int_equal(worker_join(worker, &got, NULL), TRANSPORT_STOPPED);
    worker_free(worker);
}

static void
a_coordinator_without_work_is_not_waited_for_for_ever(void **state)
{
    pair_t *pair = *state;
    worker_config_t config = config_for(pair);
    config.idle_ms = 50;
    worker_free(pair->worker);
    pair->worker = worker_new(&config, NULL);
    pair->limit_ms = PATIENCE_MS;
    get_ready(pair);
    worker_task_t task;
    transport_error_t error;
    assert_int_equal(worker_next(pair->worker, &task, &error), TRANSPORT_TIMEOUT);
    assert_non_null(strstr(error.text, "is alive but had no round for 50 ms"));
    worker_wait_for(pair->worker, 70);
    assert_int_equal(worker_next(pair->worker, &task, &error), TRANSPORT_TIMEOUT);
    assert_non_null(strstr(error.text, "is alive but had no round for 70 ms"));
}

static void
what_cannot_be_is_said_before_anything_starts(void **state)
{
    pair_t *pair = *state;
    transport_error_t error;
    worker_config_t config = config_for(pair);
    config.identity = "a/b";
    assert_null(worker_new(&config, &error));
    assert_non_null(strstr(error.text, "'a/b' cannot name a worker"));
    config = config_for(pair);
    config.endpoint = "tcp://10.0.0.1:7070";
    assert_null(worker_new(&config, &error));
    assert_non_null(
        strstr(error.text, "'tcp://10.0.0.1:7070' is across a network and there are no keys"));
    config.endpoint = "http://here";
    assert_null(worker_new(&config, &error));
    assert_non_null(strstr(error.text, "'http://here' is not an endpoint"));
}

/* Both real ends, over TCP */

enum { WORKERS = 5, ROUNDS = 30, LARGE = 62006 };

typedef struct {
    char endpoint[LINK_ENDPOINT_BYTES_MAX];
    char identity[16];
    int rounds;
    uint32_t rank;
} member_t;

static void *
work(void *argument)
{
    member_t *member = argument;
    worker_config_t config = worker_config();
    config.endpoint = member->endpoint;
    config.identity = member->identity;
    worker_t *worker = worker_new(&config, NULL);
    worker_welcome_t got;
    worker_task_t task = {.kind = WORKER_DONE};
    MUST(worker_join(worker, &got, NULL) == 0 && worker_ready(worker, "", NULL) == 0);
    member->rank = got.rank;
    float *array = malloc(LARGE * sizeof *array);
    while (worker_next(worker, &task, NULL) == 0 && task.kind == WORKER_ROUND) {
        for (size_t i = 0; i < task.n; i++)
            array[i] = task.parameters[i] + (float)(got.rank + 1);
        MUST(worker_update(worker, "", array, task.n, NULL) == 0);
        member->rounds++;
    }
    MUST(task.kind == WORKER_DONE && strcmp(task.text, "bye") == 0);
    free(array);
    worker_free(worker);
    return NULL;
}

static bool
add(void *context, const coordinator_update_t *update, transport_error_t *why)
{
    (void)why;
    double *sum = context;
    for (size_t i = 0; i < update->n; i++)
        sum[i] = update->rank == 0 ? update->array[i] : sum[i] + update->array[i];
    return true;
}

static void
real_ends_do_real_rounds(void **state)
{
    (void)state;
    coordinator_config_t config = coordinator_config();
    config.endpoint = "tcp://127.0.0.1:0";
    config.run = "run-2";
    config.n_workers = WORKERS;
    coordinator_t *coordinator = coordinator_new(&config, NULL);
    member_t members[WORKERS] = {0};
    script_t scripts[WORKERS];
    for (int i = 0; i < WORKERS; i++) {
        snprintf(members[i].endpoint, sizeof members[i].endpoint, "%s",
                 coordinator_endpoint(coordinator));
        snprintf(members[i].identity, sizeof members[i].identity, "node%d", i);
        scripts[i] = script_start(work, &members[i]);
    }
    coordinator_fault_t fault;
    assert_int_equal(coordinator_join(coordinator, "text", &fault), 0);
    float *model = calloc(LARGE, sizeof *model);
    double *sum = calloc(LARGE, sizeof *sum);
    for (uint32_t number = 1; number <= ROUNDS; number++) {
        int code = coordinator_round(coordinator, number, model, LARGE, add, sum, &fault);
        if (code != 0)
            fail_msg("%s", fault.error.text);
        for (size_t i = 0; i < LARGE; i++)
            model[i] = (float)(sum[i] / WORKERS);
    }
    for (size_t i = 0; i < LARGE; i++)
        assert_true(model[i] == 3.0f * ROUNDS); /* the mean of ranks 1 to 5, each round */
    assert_int_equal(coordinator_done(coordinator, "bye", &fault), 0);
    for (int i = 0; i < WORKERS; i++) {
        script_join(&scripts[i]);
        assert_int_equal(members[i].rounds, ROUNDS);
    }
    transport_counters_t counters = coordinator_counters(coordinator);
    for (int reason = 0; reason < DROP_REASONS; reason++)
        assert_int_equal(counters.dropped[reason], 0);
    coordinator_free(coordinator);
    free(model);
    free(sum);
}

#define PAIRED(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int
main(void)
{
    const struct CMUnitTest tests[] = {
        PAIRED(it_asks_until_it_is_welcome_and_answers_rounds),
        PAIRED(an_answer_is_said_again_when_its_question_is),
        PAIRED(a_round_that_never_came_is_asked_for),
        PAIRED(a_beat_after_an_answer_says_so),
        PAIRED(a_silent_coordinator_is_lost_within_its_limit_while_waiting),
        PAIRED(a_silent_coordinator_is_lost_while_training_too),
        PAIRED(an_abort_reaches_a_worker_that_trains),
        PAIRED(a_newer_round_takes_the_place_of_the_one_under_way),
        PAIRED(done_ends_it_and_is_acknowledged),
        PAIRED(frames_of_others_and_nan_do_not_count),
        PAIRED(an_update_with_nan_or_too_large_is_not_sent),
        PAIRED(nobody_there_is_told_after_the_limit),
        PAIRED(a_refusal_is_told_with_its_reason),
        PAIRED(a_coordinator_of_another_version_is_named_as_such),
        PAIRED(a_stop_ends_every_wait_at_once),
        PAIRED(a_coordinator_without_work_is_not_waited_for_for_ever),
        PAIRED(what_cannot_be_is_said_before_anything_starts),
        cmocka_unit_test(real_ends_do_real_rounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The coordinator against workers that obey a script: each fault gives its named outcome within its
 * limit. */
#include "transport/coordinator.h"
#include "tests/support/puppet.h"

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <poll.h>
#include <stdatomic.h>
#include <stddef.h>
#include <unistd.h>
#include <cmocka.h>

enum { N = 64, SILENCE_MS = 2500, ROUND_MS = 20000, INCARNATION = 1000 };

static const char *const names[] = {"w0", "w1", "w2"};

/* What the coordinator's calls saw. */
typedef struct {
    uint32_t ranks[16];
    size_t n_updates;
    double sum[N];
    drop_t dropped[64];
    size_t n_dropped;
    const char *refuse; /* facts that ready turns down */
} seen_t;

static bool
take(void *context, const coordinator_update_t *update, transport_error_t *why)
{
    seen_t *seen = context;
    if (strcmp(update->meta, "refuse") == 0) {
        snprintf(why->text, sizeof why->text, "its meta will not do");
        return false;
    }
    seen->ranks[seen->n_updates++] = update->rank;
    for (size_t i = 0; i < update->n; i++)
        seen->sum[i] += update->array[i];
    return true;
}

static bool
judge(void *context, const coordinator_peer_t *peer, const char *facts, transport_error_t *why)
{
    seen_t *seen = context;
    if (!seen->refuse || strcmp(facts, seen->refuse) != 0)
        return true;
    snprintf(why->text, sizeof why->text, "its data is '%s', not that of '%s'", facts,
             peer->identity);
    return false;
}

static void
note(void *context, const coordinator_event_t *event)
{
    seen_t *seen = context;
    if (event->is_drop && seen->n_dropped < 64)
        seen->dropped[seen->n_dropped++] = event->reason;
}

static coordinator_t *
start(uint32_t n_workers, seen_t *seen)
{
    coordinator_config_t config = coordinator_config();
    config.endpoint = "tcp://127.0.0.1:0";
    config.run = "run-1";
    config.n_workers = n_workers;
    config.identities = names;
    config.join_ms = 10000;
    config.round_ms = ROUND_MS;
    config.silence_ms = SILENCE_MS;
    config.frame_bytes_max = 100000;
    config.context = seen;
    config.ready = judge;
    config.event = note;
    transport_error_t error = {""};
    coordinator_t *coordinator = coordinator_new(&config, &error);
    assert_string_equal(error.text, "");
    assert_non_null(coordinator);
    return coordinator;
}

/* What a script needs to know. */
typedef struct {
    char endpoint[LINK_ENDPOINT_BYTES_MAX];
    const char *identity;
    uint64_t incarnation;
    int wait_fd; /* a byte from here: go on */
    atomic_int heard;
    char text[512];
} part_t;

static part_t
part_of(coordinator_t *coordinator, const char *identity, uint64_t incarnation)
{
    part_t part = {.identity = identity, .incarnation = incarnation, .wait_fd = -1};
    snprintf(part.endpoint, sizeof part.endpoint, "%s", coordinator_endpoint(coordinator));
    return part;
}

static puppet_t
enter(const part_t *part)
{
    puppet_t puppet = puppet_worker(part->endpoint, part->incarnation, "run-1");
    puppet_ready(&puppet, part->identity);
    return puppet;
}

static void
answer(puppet_t *puppet, wire_message_t update, float value)
{
    float array[N];
    for (size_t i = 0; i < N; i++)
        array[i] = value + (float)i;
    update.n = N;
    puppet_say(puppet, update, array);
}

/* Answers every ROUND with its rank, and DONE with good manners. */
static void *
be_good(void *argument)
{
    part_t *part = argument;
    puppet_t puppet = enter(part);
    for (;;) {
        parcel_t parcel;
        drop_t reason;
        uint64_t peer;
        link_wait(zsock_resolve(puppet.in), NULL, -1, SILENCE_MS / 8);
        while (link_receive(zsock_resolve(puppet.in), false, 1 << 20, &parcel, &reason, &peer) ==
               LINK_GOT) {
            wire_message_t heard = parcel.message;
            parcel_free(&parcel);
            if (heard.kind == WIRE_ROUND) {
                atomic_fetch_add(&part->heard, 1);
                answer(&puppet,
                       (wire_message_t){.kind = WIRE_UPDATE,
                                        .rank = puppet.rank,
                                        .turn = heard.turn,
                                        .round = heard.round,
                                        .text = "meta"},
                       (float)puppet.rank);
            } else if (heard.kind == WIRE_DONE || heard.kind == WIRE_ABORT) {
                puppet_say(
                    &puppet,
                    (wire_message_t){.kind = WIRE_BEAT, .rank = puppet.rank, .flags = WIRE_LEAVING},
                    NULL);
                puppet_close(&puppet);
                return NULL;
            }
        }
        puppet_say(&puppet, (wire_message_t){.kind = WIRE_BEAT, .rank = puppet.rank}, NULL);
    }
}

static const float parameters[N] = {0.5f};

static void
assert_round(coordinator_t *coordinator, uint32_t number, seen_t *seen)
{
    coordinator_fault_t fault = {.error = {""}};
    seen->n_updates = 0;
    memset(seen->sum, 0, sizeof seen->sum);
    int code = coordinator_round(coordinator, number, parameters, N, take, seen, &fault);
    assert_string_equal(fault.error.text, "");
    assert_int_equal(code, 0);
}

static void
assert_joined(coordinator_t *coordinator)
{
    coordinator_fault_t fault = {.error = {""}};
    int code = coordinator_join(coordinator, "experiment", &fault);
    assert_string_equal(fault.error.text, "");
    assert_int_equal(code, 0);
}

static void
finish(coordinator_t *coordinator, script_t *scripts, size_t n)
{
    coordinator_fault_t fault;
    coordinator_done(coordinator, "well done", &fault);
    for (size_t i = 0; i < n; i++)
        script_join(&scripts[i]);
    coordinator_free(coordinator);
}

/* All is well */

/* Says nothing before its turn comes: rank 2 first, 0 last. */
typedef struct {
    part_t part;
    int wait_fd, next_fd;
} link_in_chain_t;

static void *
answer_in_turn(void *argument)
{
    link_in_chain_t *chain = argument;
    puppet_t puppet = enter(&chain->part);
    wire_message_t update = puppet_round(&puppet, N);
    char byte = 0;
    MUST(chain->wait_fd < 0 || read(chain->wait_fd, &byte, 1) == 1);
    answer(&puppet, update, (float)puppet.rank);
    MUST(chain->next_fd < 0 || write(chain->next_fd, &byte, 1) == 1);
    puppet_skip(&puppet, WIRE_DONE);
    puppet_say(&puppet,
               (wire_message_t){.kind = WIRE_BEAT, .rank = puppet.rank, .flags = WIRE_LEAVING},
               NULL);
    puppet_close(&puppet);
    return NULL;
}

enum { ASLEEP_MS = SILENCE_MS + SILENCE_MS / 4 };

static bool
take_and_sleep(void *context, const coordinator_update_t *update, transport_error_t *why)
{
    if (update->rank == 0)
        poll(NULL, 0, ASLEEP_MS);
    return take(context, update, why);
}

/* Neither beats nor answers while the machine sleeps, and a little longer. */
static void *
sleep_with_the_machine(void *argument)
{
    part_t *part = argument;
    puppet_t puppet = enter(part);
    wire_message_t update = puppet_round(&puppet, N);
    poll(NULL, 0, ASLEEP_MS + SILENCE_MS / 4);
    answer(&puppet, update, 1);
    puppet_end(&puppet);
    return NULL;
}

static void
a_machine_that_slept_loses_nobody(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_t *coordinator = start(2, &seen);
    part_t first = part_of(coordinator, "w0", 1), second = part_of(coordinator, "w1", 2);
    script_t scripts[2] = {script_start(be_good, &first),
                           script_start(sleep_with_the_machine, &second)};
    assert_joined(coordinator);
    coordinator_fault_t fault = {0};
    int status = coordinator_round(coordinator, 1, parameters, N, take_and_sleep, &seen, &fault);
    assert_string_equal(fault.error.text, "");
    assert_int_equal(status, 0);
    assert_int_equal(seen.n_updates, 2);
    finish(coordinator, scripts, 2);
}

static void
updates_are_taken_in_rank_order_whatever_order_they_come_in(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_t *coordinator = start(3, &seen);
    int two_to_one[2], one_to_zero[2];
    assert_true(pipe(two_to_one) == 0 && pipe(one_to_zero) == 0);
    link_in_chain_t chain[3] = {{part_of(coordinator, "w0", 1), one_to_zero[0], -1},
                                {part_of(coordinator, "w1", 2), two_to_one[0], one_to_zero[1]},
                                {part_of(coordinator, "w2", 3), -1, two_to_one[1]}};
    script_t scripts[3];
    for (int i = 0; i < 3; i++)
        scripts[i] = script_start(answer_in_turn, &chain[i]);
    assert_joined(coordinator);
    assert_round(coordinator, 1, &seen);
    assert_int_equal(seen.n_updates, 3);
    for (uint32_t rank = 0; rank < 3; rank++)
        assert_int_equal(seen.ranks[rank], rank);
    for (int i = 0; i < N; i++)
        assert_true(seen.sum[i] == 3.0 + 3 * i);
    finish(coordinator, scripts, 3);
    close(two_to_one[0]), close(two_to_one[1]), close(one_to_zero[0]), close(one_to_zero[1]);
}

static void
ranks_go_by_the_identities_given(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_t *coordinator = start(3, &seen);
    part_t parts[3] = {part_of(coordinator, "w2", 1), part_of(coordinator, "w0", 2),
                       part_of(coordinator, "w1", 3)};
    script_t scripts[3];
    for (int i = 0; i < 3; i++)
        scripts[i] = script_start(be_good, &parts[i]);
    assert_joined(coordinator);
    coordinator_peer_t peer;
    for (uint32_t rank = 0; rank < 3; rank++) {
        assert_true(coordinator_peer(coordinator, rank, &peer));
        assert_string_equal(peer.identity, names[rank]);
        assert_string_equal(peer.host, "here");
    }
    for (uint32_t number = 1; number <= 20; number++)
        assert_round(coordinator, number, &seen);
    assert_true(coordinator_times(coordinator).first_update_s > 0);
    assert_true(coordinator_counters(coordinator).received_bytes > (uint64_t)20 * 3 * 4 * N);
    assert_int_equal(seen.n_dropped, 0);
    finish(coordinator, scripts, 3);
}

static void
done_is_said_again_until_everybody_heard(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_t *coordinator = start(1, &seen);
    part_t part = part_of(coordinator, "w0", 1);
    script_t script = script_start(be_good, &part);
    assert_joined(coordinator);
    coordinator_fault_t fault;
    assert_int_equal(coordinator_done(coordinator, "", &fault), 0);
    script_join(&script);
    coordinator_free(coordinator);
}

/* Workers that get lost */

static void *
die_after_ready(void *argument)
{
    part_t *part = argument;
    puppet_t puppet = enter(part);
    puppet_skip(&puppet, WIRE_ROUND);
    puppet_close(&puppet);
    return NULL;
}

static void
a_worker_that_dies_is_named_after_the_silence(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_t *coordinator = start(2, &seen);
    part_t good = part_of(coordinator, "w0", 1), bad = part_of(coordinator, "w1", 2);
    script_t scripts[2] = {script_start(be_good, &good), script_start(die_after_ready, &bad)};
    assert_joined(coordinator);
    coordinator_fault_t fault;
    int64_t before = link_now_ms();
    assert_int_equal(coordinator_round(coordinator, 7, parameters, N, take, &seen, &fault),
                     TRANSPORT_LOST);
    assert_in_range(link_now_ms() - before, SILENCE_MS, ROUND_MS - 1);
    assert_int_equal(fault.rank, 1);
    assert_int_equal(fault.limit_ms, SILENCE_MS);
    assert_string_equal(fault.identity, "w1");
    assert_string_equal(fault.host, "here");
    assert_string_equal(fault.phase, "training");
    assert_non_null(strstr(fault.error.text, "worker 1 (w1 on here): lost after "));
    assert_non_null(strstr(fault.error.text, "in round 7: no sign of life for 2500 ms"));
    assert_int_equal(coordinator_resume(coordinator, NULL),
                     TRANSPORT_LOST); /* until the caller decides */
    coordinator_drop(coordinator, fault.rank);
    assert_int_equal(coordinator_resume(coordinator, &fault), 0);
    assert_int_equal(seen.n_updates, 1);
    assert_round(coordinator, 8, &seen);
    assert_int_equal(coordinator_workers(coordinator), 1);
    finish(coordinator, scripts, 2);
}

/* Beats, but never answers; when it is told to end, it sends its update after all. */
static void *
be_late(void *argument)
{
    part_t *part = argument;
    puppet_t puppet = enter(part);
    wire_message_t update = puppet_round(&puppet, N);
    for (;;) {
        parcel_t parcel;
        drop_t reason;
        uint64_t peer;
        link_wait(zsock_resolve(puppet.in), NULL, -1, SILENCE_MS / 8);
        link_t got =
            link_receive(zsock_resolve(puppet.in), false, 1 << 20, &parcel, &reason, &peer);
        bool is_over = got == LINK_GOT && parcel.message.kind == WIRE_ABORT;
        if (got == LINK_GOT)
            parcel_free(&parcel);
        if (is_over)
            break;
        puppet_say(&puppet,
                   (wire_message_t){.kind = WIRE_BEAT, .rank = puppet.rank, .turn = update.turn},
                   NULL);
    }
    answer(&puppet, update, 1000);
    puppet_skip(&puppet, WIRE_ABORT); /* and is told once more */
    puppet_close(&puppet);
    return NULL;
}

static void
a_late_worker_is_named_after_the_limit_of_the_round_and_its_update_dropped(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_config_t config = coordinator_config();
    config.endpoint = "inproc://late";
    config.run = "run-1";
    config.n_workers = 2;
    config.identities = names;
    config.silence_ms = SILENCE_MS;
    config.round_ms = SILENCE_MS + 500;
    config.context = &seen;
    config.event = note;
    coordinator_t *coordinator = coordinator_new(&config, NULL);
    part_t good = part_of(coordinator, "w0", 1), bad = part_of(coordinator, "w1", 2);
    script_t scripts[2] = {script_start(be_good, &good), script_start(be_late, &bad)};
    assert_joined(coordinator);
    coordinator_fault_t fault;
    assert_int_equal(coordinator_round(coordinator, 1, parameters, N, take, &seen, &fault),
                     TRANSPORT_LOST);
    assert_int_equal(fault.rank, 1);
    assert_int_equal(fault.limit_ms, SILENCE_MS + 500);
    assert_non_null(strstr(fault.error.text, "its update did not come within 3000 ms"));
    coordinator_drop(coordinator, fault.rank);
    assert_int_equal(coordinator_resume(coordinator, &fault), 0);
    for (uint32_t number = 2;
         coordinator_counters(coordinator).dropped[DROP_LATE] < 2 && number < 100000; number++)
        assert_round(coordinator, number, &seen); /* a beat, then the update */
    assert_true(seen.sum[0] == 0.0);
    script_join(&scripts[1]);
    finish(coordinator, scripts, 1);
}

/* Answers as be_good does, but from the start of a second life. */
static void *
be_reborn(void *argument)
{
    part_t *part = argument;
    char byte;
    MUST(read(part->wait_fd, &byte, 1) == 1);
    return be_good(argument);
}

static void
a_worker_started_anew_takes_its_place_and_the_round_is_that_of_an_undisturbed_run(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_t *coordinator = start(3, &seen);
    int go[2];
    assert_int_equal(pipe(go), 0);
    part_t first = part_of(coordinator, "w0", 1), dying = part_of(coordinator, "w1", 2),
           last = part_of(coordinator, "w2", 3), newer = part_of(coordinator, "w1", 9);
    newer.wait_fd = go[0];
    script_t scripts[4] = {script_start(be_good, &first), script_start(die_after_ready, &dying),
                           script_start(be_good, &last), script_start(be_reborn, &newer)};
    assert_joined(coordinator);
    coordinator_fault_t fault;
    assert_int_equal(coordinator_round(coordinator, 1, parameters, N, take, &seen, &fault),
                     TRANSPORT_LOST);
    assert_int_equal(fault.rank, 1);
    assert_int_equal(write(go[1], "x", 1), 1);
    coordinator_readmit(coordinator, fault.rank);
    assert_int_equal(coordinator_resume(coordinator, &fault), 0);
    assert_int_equal(seen.n_updates, 3);
    for (uint32_t rank = 0; rank < 3; rank++)
        assert_int_equal(seen.ranks[rank], rank);
    assert_true(seen.sum[0] == 3.0);
    assert_int_equal(first.heard, 1); /* the others did nothing twice */
    assert_round(coordinator, 2, &seen);
    assert_int_equal(seen.n_updates, 3);
    finish(coordinator, scripts, 4);
    close(go[0]), close(go[1]);
}

static void
a_newer_start_while_the_older_lives_is_a_loss_to_decide_on(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_t *coordinator = start(1, &seen);
    part_t old = part_of(coordinator, "w0", 1), newer = part_of(coordinator, "w0", 9);
    script_t scripts[2] = {script_start(be_late, &old)};
    assert_joined(coordinator);
    scripts[1] = script_start(be_good, &newer);
    coordinator_fault_t fault;
    assert_int_equal(coordinator_round(coordinator, 1, parameters, N, take, &seen, &fault),
                     TRANSPORT_LOST);
    assert_non_null(strstr(fault.error.text, "it was started anew"));
    coordinator_readmit(coordinator, 0);
    assert_int_equal(coordinator_resume(coordinator, &fault), 0);
    assert_int_equal(seen.n_updates, 1);
    while (coordinator_counters(coordinator).dropped[DROP_LATE] < 2)
        assert_round(coordinator, 2, &seen);
    script_join(&scripts[0]);
    finish(coordinator, scripts + 1, 1);
}

static void *
give_up(void *argument)
{
    part_t *part = argument;
    puppet_t puppet = enter(part);
    puppet_say(&puppet,
               (wire_message_t){.kind = WIRE_ERROR, .rank = puppet.rank, .text = "disk\nfull"},
               NULL);
    puppet_close(&puppet);
    return NULL;
}

static void
a_worker_that_gives_up_is_named_with_its_reason(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_t *coordinator = start(1, &seen);
    part_t part = part_of(coordinator, "w0", 1);
    script_t script = script_start(give_up, &part);
    coordinator_fault_t fault;
    int code = coordinator_join(coordinator, "experiment", &fault);
    if (code == 0)
        code = coordinator_round(coordinator, 1, parameters, N, take, &seen, &fault);
    assert_int_equal(code, TRANSPORT_LOST);
    assert_non_null(strstr(fault.error.text, "it gave up: disk?full"));
    script_join(&script);
    coordinator_free(coordinator);
}

static void
nobody_coming_is_told_after_the_limit(void **state)
{
    (void)state;
    coordinator_config_t config = coordinator_config();
    config.endpoint = "inproc://nobody";
    config.run = "run-1";
    config.n_workers = 2;
    config.join_ms = 150;
    coordinator_t *coordinator = coordinator_new(&config, NULL);
    coordinator_fault_t fault;
    assert_int_equal(coordinator_join(coordinator, "", &fault), TRANSPORT_LOST);
    assert_int_equal(fault.rank, 0);
    assert_string_equal(fault.phase, "joining");
    assert_non_null(strstr(fault.error.text, "worker 0: lost after "));
    assert_non_null(strstr(fault.error.text, "of joining: it did not come within 150 ms"));
    coordinator_free(coordinator);
}

static void *
load_and_die(void *argument)
{
    part_t *part = argument;
    puppet_t puppet = puppet_worker(part->endpoint, part->incarnation, "run-1");
    puppet_join(&puppet, part->identity);
    puppet_close(&puppet);
    return NULL;
}

static void
a_worker_that_dies_while_loading_is_named_before_the_limit_of_joining(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_t *coordinator = start(1, &seen);
    part_t part = part_of(coordinator, "w0", 1);
    script_t script = script_start(load_and_die, &part);
    coordinator_fault_t fault;
    assert_int_equal(coordinator_join(coordinator, "", &fault), TRANSPORT_LOST);
    assert_string_equal(fault.phase, "loading");
    assert_int_equal(fault.limit_ms, SILENCE_MS);
    script_join(&script);
    part_t again = part_of(coordinator, "w0", 2);
    script = script_start(be_good, &again);
    coordinator_readmit(coordinator, 0);
    assert_joined(coordinator);
    finish(coordinator, &script, 1);
}

/* Workers that are not wanted */

static void *
be_refused(void *argument)
{
    part_t *part = argument;
    puppet_t puppet = puppet_worker(part->endpoint, part->incarnation, "run-1");
    puppet_join(&puppet, part->identity);
    puppet_say(&puppet,
               (wire_message_t){.kind = WIRE_READY, .rank = puppet.rank, .text = "other data"},
               NULL);
    parcel_t parcel = puppet_hear(&puppet, WIRE_ABORT);
    snprintf(part->text, sizeof part->text, "%s", parcel.message.text);
    parcel_free(&parcel);
    puppet_close(&puppet);
    return NULL;
}

static void
a_worker_with_other_data_is_refused_and_told_why(void **state)
{
    (void)state;
    seen_t seen = {.refuse = "other data"};
    coordinator_t *coordinator = start(1, &seen);
    part_t part = part_of(coordinator, "w0", 1);
    script_t script = script_start(be_refused, &part);
    coordinator_fault_t fault;
    assert_int_equal(coordinator_join(coordinator, "", &fault), TRANSPORT_REFUSED);
    assert_int_equal(fault.rank, 0);
    script_join(&script);
    assert_string_equal(part.text, "its data is 'other data', not that of 'w0'");
    assert_non_null(strstr(fault.error.text, part.text));
    coordinator_free(coordinator);
}

/* HELLO under any identity and run; what comes back. */
static void *
ask_in_vain(void *argument)
{
    part_t *part = argument;
    puppet_t puppet = puppet_worker(part->endpoint, part->incarnation, part->text);
    wire_message_t hello = {.kind = WIRE_HELLO, .identity = part->identity};
    for (bool is_over = false; !is_over;) {
        puppet_say(&puppet, hello, NULL);
        link_wait(zsock_resolve(puppet.in), NULL, -1, 20);
        parcel_t parcel;
        drop_t reason;
        uint64_t peer;
        while (!is_over && link_receive(zsock_resolve(puppet.in), false, 1 << 20, &parcel, &reason,
                                        &peer) == LINK_GOT) {
            is_over = parcel.message.kind == WIRE_ABORT;
            if (is_over) {
                snprintf(part->text, sizeof part->text, "%s", parcel.message.text);
                atomic_store(&part->heard, 1);
            }
            parcel_free(&parcel);
        }
    }
    puppet_close(&puppet);
    return NULL;
}

static void
strangers_and_workers_of_other_runs_are_told_to_go(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_t *coordinator = start(1, &seen);
    part_t stranger = part_of(coordinator, "w9", 1), other = part_of(coordinator, "w0", 2),
           late = part_of(coordinator, "w0", 5);
    snprintf(other.text, sizeof other.text, "run-0");
    script_t scripts[3] = {script_start(ask_in_vain, &stranger), script_start(ask_in_vain, &other)};
    while (atomic_load(&stranger.heard) == 0 || atomic_load(&other.heard) == 0) {
        coordinator_fault_t fault;
        if (coordinator_counters(coordinator).received_messages == 0)
            scripts[2] = script_start(be_good, &late);
        assert_joined(coordinator);
        assert_int_equal(
            coordinator_round(coordinator, 1, parameters, N, take, &(seen_t){0}, &fault), 0);
    }
    assert_true(coordinator_counters(coordinator).dropped[DROP_RUN] > 0 &&
                coordinator_counters(coordinator).dropped[DROP_UNKNOWN] > 0);
    finish(coordinator, scripts, 3);
    assert_string_equal(stranger.text, "'w9' is not expected in this run of 1 workers");
    assert_string_equal(other.text, "run 'run-0' was asked for; here is 'run-1'");
}

static void
an_older_start_of_a_worker_is_told_to_go(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_t *coordinator = start(1, &seen);
    part_t newer = part_of(coordinator, "w0", 9), old = part_of(coordinator, "w0", 1);
    script_t scripts[2] = {script_start(be_good, &newer)};
    assert_joined(coordinator);
    scripts[1] = script_start(ask_in_vain, &old);
    while (atomic_load(&old.heard) == 0)
        assert_round(coordinator, 2, &seen);
    finish(coordinator, scripts, 2);
    assert_non_null(strstr(old.text, "a newer start of 'w0' is there"));
}

/* Messages that do not count */

typedef struct {
    part_t part;
    void (*mischief)(puppet_t *puppet, wire_message_t update);
} mischief_t;

/* A worker that does its part, after some mischief in its own name, and is not
 * ended for it: anybody could have spoken in its name. */
static void *
play(void *argument)
{
    mischief_t *play = argument;
    puppet_t puppet = enter(&play->part);
    wire_message_t update = puppet_round(&puppet, N);
    play->mischief(&puppet, update);
    answer(&puppet, update, 1);
    puppet_end(&puppet);
    return NULL;
}

static void
assert_dropped(void (*mischief)(puppet_t *, wire_message_t), drop_t reason)
{
    seen_t seen = {0};
    coordinator_t *coordinator = start(1, &seen);
    mischief_t actor = {part_of(coordinator, "w0", INCARNATION), mischief};
    script_t script = script_start(play, &actor);
    assert_joined(coordinator);
    assert_round(coordinator, 3, &seen);
    assert_int_equal(seen.n_updates, 1);
    assert_true(seen.sum[0] == 1.0);
    assert_int_equal(seen.n_dropped, 1);
    assert_int_equal(seen.dropped[0], reason);
    assert_int_equal(coordinator_counters(coordinator).dropped[reason], 1);
    finish(coordinator, &script, 1);
}

static void
send_nan(puppet_t *puppet, wire_message_t update)
{
    float array[N] = {0};
    array[N - 1] = NAN;
    puppet_say(puppet, update, array);
}

static void
send_other_version(puppet_t *puppet, wire_message_t update)
{
    update.version = WIRE_VERSION + 1;
    answer(puppet, update, 50);
}

static void
send_other_run(puppet_t *puppet, wire_message_t update)
{
    snprintf(update.run, sizeof update.run, "run-0");
    answer(puppet, update, 50);
}

static void
send_oversized(puppet_t *puppet, wire_message_t update)
{
    static float array[30000];
    update.n = 30000;
    puppet_say(puppet, update, array);
}

static void
send_stale(puppet_t *puppet, wire_message_t update)
{
    update.turn--;
    answer(puppet, update, 50);
}

static void
send_from_the_future(puppet_t *puppet, wire_message_t update)
{
    update.turn++;
    answer(puppet, update, 50);
}

static void
send_replayed_beat(puppet_t *puppet, wire_message_t update)
{
    puppet_say(puppet, (wire_message_t){.kind = WIRE_BEAT, .rank = update.rank, .sequence = 1},
               NULL);
}

static void
send_as_other_rank(puppet_t *puppet, wire_message_t update)
{
    update.rank = 77;
    answer(puppet, update, 50);
}

static void
send_as_other_incarnation(puppet_t *puppet, wire_message_t update)
{
    update.peer = INCARNATION + 1;
    answer(puppet, update, 50);
}

static void
send_as_older_incarnation(puppet_t *puppet, wire_message_t update)
{
    update.peer = INCARNATION - 1;
    answer(puppet, update, 50);
}

static void
send_garbage(puppet_t *puppet, wire_message_t update)
{
    (void)update;
    zmq_send(zsock_resolve(puppet->out), "hello, hello", 12, 0);
}

static void
send_many_parts(puppet_t *puppet, wire_message_t update)
{
    (void)update;
    for (int i = 0; i < 100; i++)
        zmq_send(zsock_resolve(puppet->out), "part", 4, i < 99 ? ZMQ_SNDMORE : 0);
}

static void
send_truncated(puppet_t *puppet, wire_message_t update)
{
    unsigned char frame[512];
    update.version = WIRE_VERSION;
    update.peer = puppet->incarnation;
    update.sequence = ++puppet->sequence;
    memcpy(update.run, puppet->run, sizeof update.run);
    wire_encode(&update, frame);
    zmq_send(zsock_resolve(puppet->out), frame, wire_frame_bytes(&update), 0); /* and no array */
}

#define DROPS(name, mischief, reason)                                                              \
    static void name(void **state)                                                                 \
    {                                                                                              \
        (void)state;                                                                               \
        assert_dropped(mischief, reason);                                                          \
    }

DROPS(an_update_with_nan_is_dropped, send_nan, DROP_FINITE)
DROPS(a_message_of_another_version_is_dropped, send_other_version, DROP_VERSION)
DROPS(a_message_of_another_run_is_dropped, send_other_run, DROP_RUN)
DROPS(an_oversized_update_is_dropped, send_oversized, DROP_OVERSIZED)
DROPS(an_update_for_an_earlier_turn_is_dropped, send_stale, DROP_STALE)
DROPS(an_update_for_a_turn_to_come_is_dropped, send_from_the_future, DROP_MALFORMED)
DROPS(a_replayed_beat_is_dropped, send_replayed_beat, DROP_REPLAYED)
DROPS(an_update_of_a_rank_that_is_not_is_dropped, send_as_other_rank, DROP_UNKNOWN)
DROPS(an_update_of_a_start_nobody_saw_is_dropped, send_as_other_incarnation, DROP_UNKNOWN)
DROPS(an_update_of_an_older_start_is_dropped, send_as_older_incarnation, DROP_LATE)
DROPS(garbage_is_dropped, send_garbage, DROP_MALFORMED)
DROPS(a_message_of_a_hundred_parts_is_dropped, send_many_parts, DROP_MALFORMED)
DROPS(a_truncated_update_is_dropped, send_truncated, DROP_MALFORMED)

/* Another worker, as which it has a place to come to, says HELLO with this one's incarnation. */
static void
send_hello_of_another(puppet_t *puppet, wire_message_t update)
{
    (void)update;
    puppet_say(puppet, (wire_message_t){.kind = WIRE_HELLO, .identity = "w1", .host = "here"},
               NULL);
}

static void
an_incarnation_holds_one_place(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_t *coordinator = start(2, &seen);
    mischief_t actor = {part_of(coordinator, "w0", INCARNATION), send_hello_of_another};
    part_t other = part_of(coordinator, "w1", INCARNATION - 1);
    script_t scripts[2] = {script_start(play, &actor), script_start(be_good, &other)};
    assert_joined(coordinator);
    assert_round(coordinator, 3, &seen);
    assert_true(seen.n_updates == 2 && seen.n_dropped == 1);
    assert_int_equal(seen.dropped[0], DROP_IDENTITY);
    finish(coordinator, scripts, 2);
}

static void *
answer_twice(void *argument)
{
    part_t *part = argument;
    puppet_t puppet = enter(part);
    for (int i = 0; i < 2; i++) {
        wire_message_t update = puppet_round(&puppet, N);
        answer(&puppet, update, 1);
        answer(&puppet, update, 50);
    }
    puppet_skip(&puppet, WIRE_DONE);
    puppet_say(&puppet,
               (wire_message_t){.kind = WIRE_BEAT, .rank = puppet.rank, .flags = WIRE_LEAVING},
               NULL);
    puppet_close(&puppet);
    return NULL;
}

static void
an_update_said_twice_counts_once(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_t *coordinator = start(2, &seen);
    part_t twice = part_of(coordinator, "w0", 1), once = part_of(coordinator, "w1", 2);
    script_t scripts[2] = {script_start(answer_twice, &twice), script_start(be_good, &once)};
    assert_joined(coordinator);
    assert_round(coordinator, 1, &seen);
    assert_true(seen.n_updates == 2 && seen.sum[0] == 2.0);
    assert_round(coordinator, 2, &seen);
    assert_true(seen.n_updates == 2 && seen.sum[0] == 2.0);
    finish(coordinator, scripts, 2);
    /* The second copy came while its turn was under way, after it, or in the next. */
    assert_true(seen.n_dropped >= 1);
    for (size_t i = 0; i < seen.n_dropped; i++)
        assert_true(seen.dropped[i] == DROP_DUPLICATE || seen.dropped[i] == DROP_STALE);
}

/* Messages that got lost on the way */

/* Claims to have answered what it did not, as if the update had been lost; then answers what it is
 * asked again. */
static void *
lose_an_update(void *argument)
{
    part_t *part = argument;
    puppet_t puppet = enter(part);
    wire_message_t update = puppet_round(&puppet, N);
    puppet_say(
        &puppet,
        (wire_message_t){
            .kind = WIRE_BEAT, .rank = puppet.rank, .turn = update.turn, .flags = WIRE_ANSWERED},
        NULL);
    wire_message_t again = puppet_round(&puppet, N);
    MUST(again.turn == update.turn && again.round == update.round);
    answer(&puppet, again, 1);
    wire_message_t second = puppet_round(&puppet, N);
    MUST(second.turn == update.turn + 1);
    puppet_say(
        &puppet,
        (wire_message_t){
            .kind = WIRE_BEAT, .rank = puppet.rank, .turn = second.turn, .flags = WIRE_MISSED},
        NULL);
    answer(&puppet, puppet_round(&puppet, N), 1);
    puppet_skip(&puppet, WIRE_DONE);
    puppet_say(&puppet, (wire_message_t){.kind = WIRE_BEAT, .rank = puppet.rank},
               NULL); /* "what DONE?" */
    puppet_skip(&puppet, WIRE_DONE);
    puppet_say(&puppet,
               (wire_message_t){.kind = WIRE_BEAT, .rank = puppet.rank, .flags = WIRE_LEAVING},
               NULL);
    puppet_close(&puppet);
    return NULL;
}

static void
whatever_got_lost_is_said_again(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_t *coordinator = start(1, &seen);
    part_t part = part_of(coordinator, "w0", 1);
    script_t script = script_start(lose_an_update, &part);
    assert_joined(coordinator);
    assert_round(coordinator, 1, &seen);
    assert_true(seen.n_updates == 1 && seen.sum[0] == 1.0);
    assert_round(coordinator, 2, &seen);
    assert_true(coordinator_counters(coordinator).repeated >= 2);
    coordinator_fault_t fault;
    assert_int_equal(coordinator_done(coordinator, "", &fault), 0);
    script_join(&script);
    coordinator_free(coordinator);
}

static void *
lose_ready(void *argument)
{
    part_t *part = argument;
    puppet_t puppet = puppet_worker(part->endpoint, part->incarnation, "run-1");
    puppet_join(&puppet, part->identity);
    poll(NULL, 0,
         100); /* what it heard may just have been said again, and is not so soon once more */
    parcel_t parcel;
    do { /* beats that say "I have answered" until it is asked again */
        puppet_say(&puppet,
                   (wire_message_t){.kind = WIRE_BEAT, .rank = puppet.rank, .flags = WIRE_ANSWERED},
                   NULL);
        parcel = puppet_hear(&puppet, WIRE_WELCOME);
        parcel_free(&parcel);
    } while (part->heard++ == 0);
    puppet_say(&puppet, (wire_message_t){.kind = WIRE_READY, .rank = puppet.rank}, NULL);
    puppet_close(&puppet);
    return NULL;
}

static void
a_lost_ready_is_asked_for_again(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_t *coordinator = start(1, &seen);
    part_t part = part_of(coordinator, "w0", 1);
    part.heard = 1;
    script_t script = script_start(lose_ready, &part);
    assert_joined(coordinator);
    script_join(&script);
    coordinator_free(coordinator);
}

/* What the caller asks for */

static void *
redo(void *argument)
{
    part_t *part = argument;
    puppet_t puppet = enter(part);
    wire_message_t first = puppet_round(&puppet, N);
    char byte = 0;
    if (part->wait_fd >= 0) { /* the one that fails the first turn */
        wire_message_t refused = first;
        refused.text = "refuse";
        answer(&puppet, refused, 1);
        puppet_skip(&puppet, WIRE_ABORT);
        (void)byte;
        puppet_close(&puppet);
        return NULL;
    }
    wire_message_t second = puppet_round(&puppet, N);
    MUST(second.round == first.round && second.turn == first.turn + 1);
    answer(&puppet, first, 50); /* of the turn before */
    answer(&puppet, second, 1);
    puppet_skip(&puppet, WIRE_DONE);
    puppet_say(&puppet,
               (wire_message_t){.kind = WIRE_BEAT, .rank = puppet.rank, .flags = WIRE_LEAVING},
               NULL);
    puppet_close(&puppet);
    return NULL;
}

static void
a_round_done_again_is_another_turn_and_a_refused_update_loses_its_worker(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_t *coordinator = start(2, &seen);
    part_t refused = part_of(coordinator, "w0", 1), good = part_of(coordinator, "w1", 2);
    refused.wait_fd = 0;
    script_t scripts[2] = {script_start(redo, &refused), script_start(redo, &good)};
    assert_joined(coordinator);
    coordinator_fault_t fault;
    assert_int_equal(coordinator_round(coordinator, 4, parameters, N, take, &seen, &fault),
                     TRANSPORT_LOST);
    assert_int_equal(fault.rank, 0);
    assert_non_null(strstr(fault.error.text, "its meta will not do"));
    assert_int_equal(seen.n_updates, 0);
    coordinator_drop(coordinator, 0);
    assert_round(coordinator, 4, &seen);
    assert_true(seen.n_updates == 1 && seen.sum[0] == 1.0);
    assert_int_equal(coordinator_counters(coordinator).dropped[DROP_STALE], 1);
    finish(coordinator, scripts, 2);
}

static void
parameters_with_nan_are_not_sent(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_t *coordinator = start(1, &seen);
    part_t part = part_of(coordinator, "w0", 1);
    script_t script = script_start(be_good, &part);
    assert_joined(coordinator);
    float diverged[N] = {0};
    diverged[5] = INFINITY;
    coordinator_fault_t fault;
    assert_int_equal(coordinator_round(coordinator, 3, diverged, N, take, &seen, &fault),
                     TRANSPORT_INVALID);
    assert_int_equal(fault.rank, COORDINATOR_NO_RANK);
    assert_non_null(strstr(fault.error.text, "parameter 5 of round 3 is not finite"));
    assert_round(coordinator, 4, &seen);
    assert_int_equal(part.heard, 1);
    finish(coordinator, &script, 1);
}

static void
a_round_too_large_for_a_message_is_not_sent(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_t *coordinator = start(1, &seen);
    part_t part = part_of(coordinator, "w0", 1);
    script_t script = script_start(be_good, &part);
    assert_joined(coordinator);
    static float large[100000 / sizeof(float) + 1];
    coordinator_fault_t fault;
    assert_int_equal(
        coordinator_round(coordinator, 3, large, sizeof large / sizeof *large, take, &seen, &fault),
        TRANSPORT_INVALID);
    assert_int_equal(fault.rank, COORDINATOR_NO_RANK);
    assert_non_null(strstr(fault.error.text, "25001 floats is larger than a message may be"));
    assert_round(coordinator, 4, &seen);
    assert_int_equal(part.heard, 1);
    finish(coordinator, &script, 1);
}

static void
a_stop_ends_every_wait_at_once(void **state)
{
    (void)state;
    int stop[2];
    assert_int_equal(pipe(stop), 0);
    coordinator_config_t config = coordinator_config();
    config.endpoint = "inproc://stopped";
    config.run = "run-1";
    config.n_workers = 1;
    config.stop_fd = stop[0];
    coordinator_t *coordinator = coordinator_new(&config, NULL);
    coordinator_fault_t fault;
    assert_int_equal(write(stop[1], "x", 1), 1);
    int64_t before = link_now_ms();
    assert_int_equal(coordinator_join(coordinator, "", &fault), TRANSPORT_STOPPED);
    assert_int_equal(coordinator_round(coordinator, 1, parameters, N, take, NULL, &fault),
                     TRANSPORT_STOPPED);
    coordinator_abort(coordinator, "interrupted"); /* nobody is there to hear it */
    assert_in_range(link_now_ms() - before, 0, config.join_ms / 2);
    coordinator_free(coordinator);
    close(stop[0]), close(stop[1]);
}

static void
a_busy_caller_does_not_look_dead(void **state)
{
    (void)state;
    seen_t seen = {0};
    coordinator_t *coordinator = start(1, &seen);
    puppet_t puppet = puppet_worker(coordinator_endpoint(coordinator), 1, "run-1");
    puppet_skip(&puppet, WIRE_BEAT); /* without a call of any of its functions */
    puppet_skip(&puppet, WIRE_BEAT);
    puppet_close(&puppet);
    coordinator_free(coordinator);
}

/* Configurations */

static void
assert_not_started(coordinator_config_t config, int code, const char *part_of_text)
{
    transport_error_t error = {""};
    (void)code;
    coordinator_t *coordinator = coordinator_new(&config, &error);
    assert_null(coordinator);
    if (!strstr(error.text, part_of_text))
        fail_msg("'%s' lacks '%s'", error.text, part_of_text);
}

static void
what_cannot_be_is_said_before_anything_starts(void **state)
{
    (void)state;
    coordinator_config_t fine = coordinator_config();
    fine.endpoint = "tcp://127.0.0.1:0";
    fine.run = "run-1";
    fine.n_workers = 1;
    coordinator_config_t config = fine;
    config.endpoint = "tcp://*:0";
    assert_not_started(config, TRANSPORT_ADDRESS,
                       "'tcp://*:0' is open to the network and there are no keys");
    config.endpoint = "tcp://127.evil.example:1";
    assert_not_started(config, TRANSPORT_ADDRESS, "is open to the network");
    config.endpoint = "127.0.0.1:7070";
    assert_not_started(config, TRANSPORT_ADDRESS,
                       "'127.0.0.1:7070' is not an endpoint; write tcp://");
    config = fine;
    config.run = "a run";
    assert_not_started(config, TRANSPORT_INVALID, "'a run' is not a run id");
    config = fine;
    config.n_workers = 0;
    assert_not_started(config, TRANSPORT_INVALID, "0 workers");
    config = fine;
    config.identities = (const char *const[]){"w0", "w0"};
    config.n_workers = 2;
    assert_not_started(config, TRANSPORT_INVALID, "worker 'w0' is there twice");
    config.identities = (const char *const[]){"w 0"};
    config.n_workers = 1;
    assert_not_started(config, TRANSPORT_INVALID, "'w 0' cannot name a worker");
    config = fine;
    config.silence_ms = 0;
    assert_not_started(config, TRANSPORT_INVALID, "a limit of no time");
    coordinator_t *first = coordinator_new(&fine, NULL);
    config = fine;
    config.endpoint = coordinator_endpoint(first);
    assert_not_started(config, TRANSPORT_ADDRESS, "cannot listen at 'tcp://127.0.0.1:");
    coordinator_free(first);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(updates_are_taken_in_rank_order_whatever_order_they_come_in),
        cmocka_unit_test(a_machine_that_slept_loses_nobody),
        cmocka_unit_test(ranks_go_by_the_identities_given),
        cmocka_unit_test(done_is_said_again_until_everybody_heard),
        cmocka_unit_test(a_worker_that_dies_is_named_after_the_silence),
        cmocka_unit_test(
            a_late_worker_is_named_after_the_limit_of_the_round_and_its_update_dropped),
        cmocka_unit_test(
            a_worker_started_anew_takes_its_place_and_the_round_is_that_of_an_undisturbed_run),
        cmocka_unit_test(a_newer_start_while_the_older_lives_is_a_loss_to_decide_on),
        cmocka_unit_test(a_worker_that_gives_up_is_named_with_its_reason),
        cmocka_unit_test(nobody_coming_is_told_after_the_limit),
        cmocka_unit_test(a_worker_that_dies_while_loading_is_named_before_the_limit_of_joining),
        cmocka_unit_test(a_worker_with_other_data_is_refused_and_told_why),
        cmocka_unit_test(strangers_and_workers_of_other_runs_are_told_to_go),
        cmocka_unit_test(an_older_start_of_a_worker_is_told_to_go),
        cmocka_unit_test(an_update_with_nan_is_dropped),
        cmocka_unit_test(a_message_of_another_version_is_dropped),
        cmocka_unit_test(a_message_of_another_run_is_dropped),
        cmocka_unit_test(an_oversized_update_is_dropped),
        cmocka_unit_test(an_update_for_an_earlier_turn_is_dropped),
        cmocka_unit_test(an_update_for_a_turn_to_come_is_dropped),
        cmocka_unit_test(a_replayed_beat_is_dropped),
        cmocka_unit_test(an_update_of_a_rank_that_is_not_is_dropped),
        cmocka_unit_test(an_update_of_a_start_nobody_saw_is_dropped),
        cmocka_unit_test(an_update_of_an_older_start_is_dropped),
        cmocka_unit_test(garbage_is_dropped),
        cmocka_unit_test(a_message_of_a_hundred_parts_is_dropped),
        cmocka_unit_test(a_truncated_update_is_dropped),
        cmocka_unit_test(an_incarnation_holds_one_place),
        cmocka_unit_test(an_update_said_twice_counts_once),
        cmocka_unit_test(whatever_got_lost_is_said_again),
        cmocka_unit_test(a_lost_ready_is_asked_for_again),
        cmocka_unit_test(a_round_done_again_is_another_turn_and_a_refused_update_loses_its_worker),
        cmocka_unit_test(parameters_with_nan_are_not_sent),
        cmocka_unit_test(a_round_too_large_for_a_message_is_not_sent),
        cmocka_unit_test(a_stop_ends_every_wait_at_once),
        cmocka_unit_test(a_busy_caller_does_not_look_dead),
        cmocka_unit_test(what_cannot_be_is_said_before_anything_starts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

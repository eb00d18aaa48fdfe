/* The bytes of messages: what is written is read back, and nothing else is. */
#include "transport/wire.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static unsigned char frame[4096];

static wire_message_t
update(void)
{
    return (wire_message_t){.kind = WIRE_UPDATE,
                            .version = WIRE_VERSION,
                            .peer = 0x1122334455667788,
                            .run = "run-1",
                            .sequence = 7,
                            .turn = 3,
                            .round = 12,
                            .rank = 2,
                            .n = 5,
                            .text = "{\"loss\":1}"};
}

static size_t
encode(const wire_message_t *message)
{
    size_t bytes = wire_frame_bytes(message);
    assert_in_range(bytes, 1, sizeof frame);
    wire_encode(message, frame);
    return bytes;
}

static int
decode(size_t bytes, size_t array_bytes, int n_frames, bool upwards, wire_message_t *message,
       drop_t *reason)
{
    uint64_t peer;
    return wire_decode(frame, bytes, array_bytes, n_frames, upwards, message, reason, &peer);
}

static void
assert_dropped(size_t bytes, size_t array_bytes, int n_frames, bool upwards, drop_t expected)
{
    wire_message_t message;
    drop_t reason = DROP_REASONS;
    assert_int_equal(decode(bytes, array_bytes, n_frames, upwards, &message, &reason), -1);
    assert_int_equal(reason, expected);
}

static void
a_message_is_read_as_it_was_written(void **state)
{
    (void)state;
    wire_message_t written = update(), read;
    drop_t reason;
    size_t bytes = encode(&written);
    assert_int_equal(decode(bytes, 20, 2, true, &read, &reason), 0);
    assert_int_equal(read.kind, WIRE_UPDATE);
    assert_true(read.peer == written.peer && read.sequence == 7 && read.turn == 3 &&
                read.round == 12);
    assert_true(read.rank == 2 && read.n == 5 && read.flags == 0);
    assert_string_equal(read.run, "run-1");
    assert_string_equal(read.text, written.text);
    assert_string_equal(read.identity, "");
}

static void
every_kind_has_one_direction_but_beat(void **state)
{
    (void)state;
    static const bool goes_up[WIRE_KINDS] = {[WIRE_HELLO] = true,
                                             [WIRE_READY] = true,
                                             [WIRE_UPDATE] = true,
                                             [WIRE_BEAT] = true,
                                             [WIRE_ERROR] = true};
    for (wire_kind_t kind = WIRE_HELLO; kind < WIRE_KINDS; kind++) {
        wire_message_t message = {
            .kind = kind, .version = WIRE_VERSION, .peer = 9, .run = "r", .sequence = 1};
        message.limit_ms = kind == WIRE_WELCOME;
        message.identity = kind == WIRE_HELLO ? "w" : NULL;
        wire_message_t read;
        drop_t reason;
        size_t bytes = encode(&message);
        int up = decode(bytes, 0, 1, true, &read, &reason),
            down = decode(bytes, 0, 1, false, &read, &reason);
        assert_int_equal(up, goes_up[kind] ? 0 : -1);
        assert_int_equal(down, !goes_up[kind] || kind == WIRE_BEAT ? 0 : -1);
    }
}

static void
a_frame_cut_at_any_byte_is_malformed(void **state)
{
    (void)state;
    wire_message_t message = update();
    size_t bytes = encode(&message);
    for (size_t cut = 0; cut < bytes; cut++)
        assert_dropped(cut, 20, 2, true, DROP_MALFORMED);
    frame[bytes] = 0;
    assert_dropped(bytes + 1, 20, 2, true, DROP_MALFORMED);
}

static void
another_version_is_told_apart_and_its_sender_known(void **state)
{
    (void)state;
    wire_message_t message = update(), read;
    message.version = WIRE_VERSION + 1;
    size_t bytes = encode(&message);
    drop_t reason;
    uint64_t peer = 0;
    assert_int_equal(wire_decode(frame, bytes, 20, 2, true, &read, &reason, &peer), -1);
    assert_int_equal(reason, DROP_VERSION);
    assert_true(peer == message.peer);
    assert_int_equal(wire_decode(frame, 15, 0, 1, true, &read, &reason, &peer), -1);
    assert_int_equal(reason, DROP_VERSION); /* however short its messages are */
}

static void
an_array_of_another_size_than_told_is_malformed(void **state)
{
    (void)state;
    wire_message_t message = update();
    size_t bytes = encode(&message);
    assert_dropped(bytes, 16, 2, true, DROP_MALFORMED);
    assert_dropped(bytes, 21, 2, true, DROP_MALFORMED);
    assert_dropped(bytes, 20, 3, true, DROP_MALFORMED);
    assert_dropped(bytes, 0, 1, true, DROP_MALFORMED);
}

static void
a_text_over_its_limit_is_oversized(void **state)
{
    (void)state;
    wire_message_t message = update();
    size_t bytes = encode(&message);
    memset(frame + 84, 0xff, 4);
    assert_dropped(bytes, 20, 2, true, DROP_OVERSIZED);
}

static void
fields_a_kind_does_not_use_must_be_zero(void **state)
{
    (void)state;
    wire_message_t beat = {.kind = WIRE_BEAT,
                           .version = WIRE_VERSION,
                           .peer = 9,
                           .run = "r",
                           .sequence = 1,
                           .rank = 1,
                           .turn = 1};
    static const size_t unused[] = {68, 76, 80, 84, 88, 90, 92};
    for (size_t i = 0; i < sizeof unused / sizeof *unused; i++) {
        size_t bytes = encode(&beat);
        frame[unused[i]] = 1;
        assert_dropped(bytes, 0, 1, true, DROP_MALFORMED);
    }
    size_t bytes = encode(&beat);
    frame[15] = 8; /* a flag nobody knows */
    assert_dropped(bytes, 0, 1, true, DROP_MALFORMED);
    encode(&beat);
    frame[14] = WIRE_KINDS;
    assert_dropped(bytes, 0, 1, true, DROP_MALFORMED);
    encode(&beat);
    frame[54] = 'x'; /* behind the run's end */
    assert_dropped(bytes, 0, 1, true, DROP_MALFORMED);
}

static void
texts_hold_no_zero_and_names_no_surprises(void **state)
{
    (void)state;
    wire_message_t hello = {.kind = WIRE_HELLO,
                            .version = WIRE_VERSION,
                            .peer = 9,
                            .sequence = 1,
                            .identity = "w0",
                            .host = "pi",
                            .text = "{}"};
    wire_message_t read;
    drop_t reason;
    size_t bytes = encode(&hello);
    assert_int_equal(decode(bytes, 0, 1, true, &read, &reason), 0);
    assert_string_equal(read.host, "pi");
    frame[96] = 0;
    assert_dropped(bytes, 0, 1, true, DROP_MALFORMED);
    encode(&hello);
    frame[96] = '/';
    assert_dropped(bytes, 0, 1, true, DROP_MALFORMED);
    encode(&hello);
    frame[99] = '\033'; /* in the host's name, which ends up on terminals */
    assert_dropped(bytes, 0, 1, true, DROP_MALFORMED);
}

static void
identities_and_runs_are_narrow(void **state)
{
    (void)state;
    char long_name[WIRE_IDENTITY_BYTES_MAX + 2];
    memset(long_name, 'a', sizeof long_name);
    long_name[WIRE_IDENTITY_BYTES_MAX + 1] = 0;
    assert_false(wire_identity_ok(long_name));
    long_name[WIRE_IDENTITY_BYTES_MAX] = 0;
    assert_true(wire_identity_ok(long_name));
    assert_true(wire_identity_ok("node-7.rack_2"));
    assert_false(wire_identity_ok("") || wire_identity_ok(NULL) || wire_identity_ok("a b") ||
                 wire_identity_ok("../a"));
    assert_true(wire_run_ok("2024-06-11T10:00:00Z/n3-c6-r1"));
    assert_false(wire_run_ok("") || wire_run_ok("a b") || wire_run_ok("a\n"));
}

static void
nan_and_infinity_are_found_wherever_they_are(void **state)
{
    (void)state;
    enum { N = 1003 };
    float values[N];
    for (size_t i = 0; i < N; i++)
        values[i] = i % 2 ? 3.4e38f : -1e-45f; /* the largest and the smallest are finite */
    assert_int_equal(wire_first_not_finite(values, N), N);
    static const size_t places[] = {0, 1, 511, 1002};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        float before = values[places[i]];
        values[places[i]] = i % 2 ? NAN : -INFINITY;
        assert_int_equal(wire_first_not_finite(values, N), places[i]);
        values[places[i]] = before;
    }
    assert_int_equal(wire_first_not_finite(values, 0), 0);
}

static void
floats_cross_as_little_endian_bytes_at_any_address(void **state)
{
    (void)state;
    static const float values[2] = {1.0f, -2.5f};
    static const unsigned char expected[8] = {0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0};
    unsigned char bytes[9];
    float back[2];
    wire_put_floats(bytes + 1, values, 2);
    assert_memory_equal(bytes + 1, expected, 8);
    wire_get_floats(back, bytes + 1, 2);
    assert_memory_equal(back, values, sizeof values);
}

static void
random_bytes_are_never_a_message(void **state)
{
    (void)state;
    unsigned seed = 1;
    for (int i = 0; i < 100000; i++) {
        size_t bytes = (size_t)rand_r(&seed) % 160;
        wire_message_t message = update();
        encode(&message);
        for (size_t k = i % 3 ? WIRE_TOPIC_BYTES + 2 : 0; k < bytes; k++)
            if (i % 5 == 0 || rand_r(&seed) % 8 == 0)
                frame[k] = (unsigned char)rand_r(&seed);
        drop_t reason = DROP_REASONS;
        uint64_t peer;
        if (wire_decode(frame, bytes, 20, 2, true, &message, &reason, &peer) == 0)
            assert_int_equal(bytes, WIRE_HEADER_BYTES + 3 + message.text_bytes);
        else
            assert_in_range(reason, DROP_VERSION, DROP_OVERSIZED);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_message_is_read_as_it_was_written),
        cmocka_unit_test(every_kind_has_one_direction_but_beat),
        cmocka_unit_test(a_frame_cut_at_any_byte_is_malformed),
        cmocka_unit_test(another_version_is_told_apart_and_its_sender_known),
        cmocka_unit_test(an_array_of_another_size_than_told_is_malformed),
        cmocka_unit_test(a_text_over_its_limit_is_oversized),
        cmocka_unit_test(fields_a_kind_does_not_use_must_be_zero),
        cmocka_unit_test(texts_hold_no_zero_and_names_no_surprises),
        cmocka_unit_test(identities_and_runs_are_narrow),
        cmocka_unit_test(nan_and_infinity_are_found_wherever_they_are),
        cmocka_unit_test(floats_cross_as_little_endian_bytes_at_any_address),
        cmocka_unit_test(random_bytes_are_never_a_message),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

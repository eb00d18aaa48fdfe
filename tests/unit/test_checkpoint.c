// The state behind a round, to bytes and back.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runner/checkpoint.h"

enum { N = 5, NODES = 2 };

static float parameters[N] = {1, -2.5f, 1e-38f, 3.4e38f, 0};
static float velocities[NODES * N] = {0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 6, 7, 8, 9, -0.0f};
static double server_velocity[N] = {1e-300, -0.1, 3, 4, 5};
static checkpoint_sums_t sums[NODES] = {{0.1, 0.2, 0.3, 0.4}, {1, 2, NAN, NAN}};

static checkpoint_t
some_state(void)
{
    checkpoint_t state = {.attempt = "20260101T000000-1-1",
                          .round = 3,
                          .rounds = 20,
                          .parts = 2,
                          .t_s = 0.1 + 0.2,
                          .train_loss = NAN,
                          .time_to_accuracy_s = 1.0 / 3,
                          .samples = 12345678901,
                          .sent_bytes = 7,
                          .received_bytes = -1,
                          .nodes = NODES,
                          .sums = sums,
                          .n_parameters = N,
                          .velocities = velocities,
                          .server_velocity = server_velocity};
    checkpoint_experiment("name = \"x\";\n", state.experiment);
    return state;
}

static void
every_bit_comes_back(void **test_state)
{
    (void)test_state;
    checkpoint_t state = some_state(), back = {0};
    size_t n = 0;
    void *bytes = checkpoint_encode(&state, parameters, &n);
    assert_int_equal(checkpoint_decode(bytes, n, &back, NULL), 0);
    assert_string_equal(back.attempt, state.attempt);
    assert_string_equal(back.experiment, state.experiment);
    assert_int_equal(back.round, 3);
    assert_int_equal(back.rounds, 20);
    assert_int_equal(back.parts, 2);
    assert_true(back.t_s == state.t_s && isnan(back.train_loss));
    assert_true(back.time_to_accuracy_s == state.time_to_accuracy_s);
    assert_true(back.samples == 12345678901 && back.received_bytes == -1);
    assert_memory_equal(back.parameters, parameters, sizeof parameters);
    assert_memory_equal(back.velocities, velocities, sizeof velocities);
    assert_memory_equal(back.server_velocity, server_velocity, sizeof server_velocity);
    assert_true(back.sums[0].throttled_s == 0.3 && isnan(back.sums[1].cores_limit));
    checkpoint_free(&back);
    free(bytes);
}

static void
without_momentum_there_are_no_velocities(void **test_state)
{
    (void)test_state;
    checkpoint_t state = some_state(), back = {0};
    state.velocities = NULL;
    state.server_velocity = NULL;
    size_t n = 0;
    void *bytes = checkpoint_encode(&state, parameters, &n);
    assert_int_equal(checkpoint_decode(bytes, n, &back, NULL), 0);
    assert_null(back.velocities);
    assert_null(back.server_velocity);
    checkpoint_free(&back);
    free(bytes);
}

static void
a_state_cut_anywhere_is_refused(void **test_state)
{
    (void)test_state;
    checkpoint_t state = some_state(), back = {0};
    size_t n = 0;
    void *bytes = checkpoint_encode(&state, parameters, &n);
    for (size_t cut = 0; cut < n; cut++)
        assert_int_equal(checkpoint_decode(bytes, cut, &back, NULL), -1);
    free(bytes);
}

static void
a_changed_byte_is_noticed_wherever_it_is(void **test_state)
{
    (void)test_state;
    checkpoint_t state = some_state(), back = {0};
    size_t n = 0;
    char *bytes = checkpoint_encode(&state, parameters, &n);
    for (size_t at = 0; at < n; at++) {
        bytes[at] ^= 1;
        assert_int_equal(checkpoint_decode(bytes, n, &back, NULL), -1);
        bytes[at] ^= 1;
    }
    free(bytes);
}

static void
what_is_not_finite_is_refused(void **test_state)
{
    (void)test_state;
    checkpoint_t state = some_state(), back = {0};
    float bad[N] = {1, 2, INFINITY, 4, 5};
    size_t n = 0;
    void *bytes = checkpoint_encode(&state, bad, &n);
    fault_t fault = {{0}};
    assert_int_equal(checkpoint_decode(bytes, n, &back, &fault), -1);
    assert_non_null(strstr(fault.text, "finite"));
    free(bytes);
    double bad_velocity[N] = {0, NAN};
    state.server_velocity = bad_velocity;
    bytes = checkpoint_encode(&state, parameters, &n);
    assert_int_equal(checkpoint_decode(bytes, n, &back, &fault), -1);
    assert_non_null(strstr(fault.text, "finite"));
    free(bytes);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_bit_comes_back),
        cmocka_unit_test(without_momentum_there_are_no_velocities),
        cmocka_unit_test(a_state_cut_anywhere_is_refused),
        cmocka_unit_test(a_changed_byte_is_noticed_wherever_it_is),
        cmocka_unit_test(what_is_not_finite_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

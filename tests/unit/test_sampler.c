/* tests/unit/test_sampler.c - which samples a node trains on, in which order. */
#include "engine/sampler.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { SAMPLES = 103, NODES = 4, EPOCHS = 3 };

static sampler_t *
new_sampler(int rank, partition_t partition)
{
    return sampler_new(&(sampler_spec_t){SAMPLES, NODES, rank, EPOCHS, partition, 1});
}

/* The whole stream of a node. */
static size_t
read_stream(sampler_t *sampler, size_t batch, uint32_t *stream)
{
    size_t length = sampler_length(sampler), n;
    for (size_t at = 0; at < length; at += n) {
        n = sampler_take(sampler, at, length, batch, stream + at);
        assert_in_range(n, 1, batch);
    }
    return length;
}

static void
check_epochs_cover_everything_once(partition_t partition)
{
    uint8_t seen[EPOCHS][SAMPLES] = {{0}};
    for (int rank = 0; rank < NODES; rank++) {
        uint32_t stream[EPOCHS * SAMPLES];
        sampler_t *sampler = new_sampler(rank, partition);
        size_t length = read_stream(sampler, 4, stream), part = length / EPOCHS;
        for (size_t i = 0; i < length; i++)
            seen[i / part][stream[i]]++;
        sampler_free(&sampler);
    }
    for (int epoch = 0; epoch < EPOCHS; epoch++)
        for (int i = 0; i < SAMPLES; i++)
            assert_int_equal(seen[epoch][i], 1);
}

static void
every_epoch_has_every_sample_on_one_node(void **state)
{
    (void)state;
    check_epochs_cover_everything_once(PARTITION_RESHUFFLED);
    check_epochs_cover_everything_once(PARTITION_FIXED);
}

/* How many samples of a node's first epoch come back in its second. */
static int
kept(partition_t partition)
{
    uint32_t stream[EPOCHS * SAMPLES];
    int count = 0;
    sampler_t *sampler = new_sampler(1, partition);
    size_t part = read_stream(sampler, 10, stream) / EPOCHS;
    for (size_t i = 0; i < part; i++)
        for (size_t j = part; j < 2 * part; j++)
            count += stream[i] == stream[j];
    if (partition == PARTITION_FIXED)
        assert_memory_not_equal(stream, stream + part, part * sizeof *stream);
    sampler_free(&sampler);
    return count;
}

static void
fixed_parts_stay_and_reshuffled_ones_do_not(void **state)
{
    (void)state;
    assert_int_equal(kept(PARTITION_FIXED), 26);
    assert_in_range(kept(PARTITION_RESHUFFLED), 0, 15);
}

static void
batches_never_cross_an_epoch_or_a_range(void **state)
{
    (void)state;
    uint32_t indices[64];
    sampler_t *sampler = new_sampler(0, PARTITION_RESHUFFLED); /* 25 samples an epoch */
    assert_int_equal(sampler_take(sampler, 20, 75, 64, indices), 5);
    assert_int_equal(sampler_take(sampler, 25, 75, 64, indices), 25);
    assert_int_equal(sampler_take(sampler, 25, 30, 64, indices), 5);
    assert_int_equal(sampler_take(sampler, 30, 30, 64, indices), 0);
    assert_int_equal(sampler_take(sampler, 0, 75, 4, indices), 4);
    sampler_free(&sampler);
}

static void
the_order_does_not_depend_on_how_it_is_read(void **state)
{
    (void)state;
    uint32_t whole[EPOCHS * SAMPLES], again[EPOCHS * SAMPLES], one;
    sampler_t *sampler = new_sampler(2, PARTITION_FIXED);
    size_t length = read_stream(sampler, 7, whole);
    read_stream(sampler, 64, again);
    assert_memory_equal(whole, again, length * sizeof *whole);
    for (size_t at = length; at-- > 0;) {
        sampler_take(sampler, at, length, 1, &one);
        assert_int_equal(one, whole[at]);
    }
    sampler_free(&sampler);
}

static void
rounds_cut_the_stream_without_gaps(void **state)
{
    (void)state;
    const int counts[] = {1, 7, 20, 77, 1000}; /* 75 positions */
    sampler_t *sampler = new_sampler(0, PARTITION_RESHUFFLED);
    for (int c = 0; c < 5; c++) {
        size_t at = 0, first, end;
        for (int k = 0; k < counts[c]; k++) {
            sampler_range(sampler, k, counts[c], &first, &end);
            assert_int_equal(first, at);
            assert_in_range(end - first, 75 / counts[c], 75 / counts[c] + 1);
            at = end;
        }
        assert_int_equal(at, 75);
    }
    sampler_free(&sampler);
}

static void
seeds_give_different_orders(void **state)
{
    (void)state;
    uint32_t a[SAMPLES], b[SAMPLES];
    sampler_t *one = sampler_new(&(sampler_spec_t){SAMPLES, 1, 0, 1, PARTITION_RESHUFFLED, 1});
    sampler_t *two = sampler_new(&(sampler_spec_t){SAMPLES, 1, 0, 1, PARTITION_RESHUFFLED, 2});
    assert_int_equal(sampler_take(one, 0, SAMPLES, SAMPLES, a), SAMPLES);
    assert_int_equal(sampler_take(two, 0, SAMPLES, SAMPLES, b), SAMPLES);
    assert_memory_not_equal(a, b, sizeof a);
    sampler_free(&one);
    sampler_free(&two);
}

static void
more_nodes_than_samples_leave_some_with_nothing(void **state)
{
    (void)state;
    uint32_t index;
    sampler_t *sampler = sampler_new(&(sampler_spec_t){2, 5, 0, 1, PARTITION_RESHUFFLED, 1});
    assert_int_equal(sampler_length(sampler), 0);
    assert_int_equal(sampler_take(sampler, 0, 0, 4, &index), 0);
    assert_true(sampler_epoch(sampler, 0) == 0);
    sampler_free(&sampler);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_epoch_has_every_sample_on_one_node),
        cmocka_unit_test(fixed_parts_stay_and_reshuffled_ones_do_not),
        cmocka_unit_test(batches_never_cross_an_epoch_or_a_range),
        cmocka_unit_test(the_order_does_not_depend_on_how_it_is_read),
        cmocka_unit_test(rounds_cut_the_stream_without_gaps),
        cmocka_unit_test(seeds_give_different_orders),
        cmocka_unit_test(more_nodes_than_samples_leave_some_with_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* tests/unit/test_synthetic.c - the built-in data set: whole, the same every time, and not to be
 * told apart by colour. */
#include "engine/dataset.h"
#include "engine/synthetic.h"
#include "tests/support/folder.h"

#include <unistd.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const synthetic_spec_t SPEC = {{3, 32, 32}, 10, 1200, 300, 5};

static void
write_set(const char *name, const synthetic_spec_t *spec, char path[FOLDER_PATH_BYTES])
{
    engine_error_t error;
    path_in(path, name);
    if (synthetic_write(path, spec, &error))
        fail_msg("%s", error.text);
}

static void
remove_set(const char *path)
{
    char outer[64];
    strcpy(outer, folder);
    snprintf(folder, sizeof folder, "%.60s", path);
    assert_int_equal(remove_folder(NULL), 0);
    strcpy(folder, outer);
}

static void
it_opens_as_a_data_set_of_any_shape(void **state)
{
    (void)state;
    static const synthetic_spec_t SPECS[] = {
        {{3, 32, 32}, 10, 1200, 300, 5}, {{1, 7, 19}, 2, 5, 1, 0}, {{4, 1, 1}, 100, 10001, 50, 1}};
    for (int i = 0; i < 3; i++) {
        char path[FOLDER_PATH_BYTES];
        dataset_t *set = NULL;
        engine_error_t error;
        write_set("set", &SPECS[i], path);
        if (dataset_open(&set, path, SPECS[i].shape, SPECS[i].classes, &error))
            fail_msg("%s", error.text);
        assert_int_equal(dataset_length(set, DATASET_TRAIN), SPECS[i].train);
        assert_int_equal(dataset_length(set, DATASET_TEST), SPECS[i].test);
        assert_string_equal(dataset_class_name(set, 1), "grating1");
        dataset_close(&set);
        remove_set(path);
    }
}

static void
a_seed_gives_known_bytes(void **state)
{
    (void)state;
    char path[FOLDER_PATH_BYTES], hex[DATASET_CHECKSUM_BYTES];
    dataset_t *set = NULL;
    write_set("set", &SPEC, path);
    assert_int_equal(dataset_open(&set, path, SPEC.shape, 10, NULL), 0);
    dataset_checksum(set, hex);
    assert_string_equal(hex, "d283273f7d4418cfcd270123e04d5236");
    dataset_close(&set);
    remove_set(path);
}

static void
what_is_there_is_left_alone(void **state)
{
    (void)state;
    engine_error_t error = {""};
    assert_int_equal(synthetic_write(folder, &SPEC, &error), ENGINE_IO);
    assert_non_null(strstr(error.text, "is there already"));
    assert_int_equal(synthetic_write("/proc/nowhere", &SPEC, &error), ENGINE_IO);
}

/* The nearest mean colour guesses hardly better than chance. */
static void
classes_have_no_colour_of_their_own(void **state)
{
    (void)state;
    char path[FOLDER_PATH_BYTES];
    dataset_t *set = NULL;
    double means[10][3] = {{0}};
    int counts[10] = {0}, hits = 0;
    write_set("set", &SPEC, path);
    assert_int_equal(dataset_open(&set, path, SPEC.shape, 10, NULL), 0);
    for (size_t pass = 0; pass < 2; pass++) {
        dataset_split_t split = pass ? DATASET_TEST : DATASET_TRAIN;
        for (size_t n = 0; n < dataset_length(set, split); n++) {
            double colour[3] = {0}, nearest = 1e9;
            int label = dataset_label(set, split, n), guess = 0;
            for (int i = 0; i < 3072; i++)
                colour[i / 1024] += dataset_image(set, split, n)[i] / 1024.0;
            counts[label] += !pass;
            for (int c = 0; c < 3 && !pass; c++)
                means[label][c] += colour[c];
            for (int k = 0; k < 10 && pass; k++) {
                double distance = 0;
                for (int c = 0; c < 3; c++)
                    distance += pow(colour[c] - means[k][c] / counts[k], 2);
                guess = distance < nearest ? k : guess;
                nearest = fmin(nearest, distance);
            }
            hits += pass && guess == label;
        }
    }
    assert_in_range(hits, 0, 300 / 5);
    for (int k = 0; k < 10; k++)
        assert_in_range(counts[k], 80, 165);
    dataset_close(&set);
    remove_set(path);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(it_opens_as_a_data_set_of_any_shape, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(a_seed_gives_known_bytes, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(what_is_there_is_left_alone, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(classes_have_no_colour_of_their_own, make_folder,
                                        remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

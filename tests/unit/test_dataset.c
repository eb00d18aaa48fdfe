/* tests/unit/test_dataset.c - data sets whole, cut short, mislabelled and missing. */
#include "engine/dataset.h"
#include "tests/support/folder.h"

#include <unistd.h>
#include <sys/stat.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PIXELS = 2 * 3 * 4, RECORD = 1 + PIXELS };
static const image_shape_t SHAPE = {2, 3, 4};

/* RECORDS records whose pixels count from START and whose labels go round the three classes. */
static void
write_records(const char *name, int records, int start)
{
    uint8_t bytes[100 * RECORD];
    for (int r = 0; r < records; r++) {
        bytes[r * RECORD] = (uint8_t)(r % 3);
        for (int i = 0; i < PIXELS; i++)
            bytes[r * RECORD + 1 + i] = (uint8_t)(start + r + i);
    }
    write_bytes(name, bytes, (size_t)(records * RECORD));
}

static void
write_good_set(void)
{
    write_records("data_batch_1.bin", 10, 0);
    write_records("data_batch_2.bin", 10, 50);
    write_records("data_batch_10.bin", 4, 200);
    for (int f = 3; f < 10; f++) {
        char name[32];
        snprintf(name, sizeof name, "data_batch_%d.bin", f);
        write_records(name, 10, 100);
    }
    write_records("test_batch.bin", 5, 7);
}

static dataset_t *
open_set(void)
{
    dataset_t *set = NULL;
    engine_error_t error;
    if (dataset_open(&set, folder, SHAPE, 3, &error))
        fail_msg("%s", error.text);
    return set;
}

static void
refuse(engine_status_t status, const char *part, const char *another)
{
    dataset_t *set = NULL;
    engine_error_t error = {""};
    assert_int_equal(dataset_open(&set, folder, SHAPE, 3, &error), status);
    assert_null(set);
    if (!strstr(error.text, part) || !strstr(error.text, another))
        fail_msg("the message is: %s", error.text);
}

static void
files_are_read_in_the_order_of_their_numbers(void **state)
{
    (void)state;
    write_good_set();
    dataset_t *set = open_set();
    assert_int_equal(dataset_length(set, DATASET_TRAIN), 94);
    assert_int_equal(dataset_length(set, DATASET_TEST), 5);
    assert_int_equal(dataset_image(set, DATASET_TRAIN, 0)[0], 0);
    assert_int_equal(dataset_image(set, DATASET_TRAIN, 13)[5], 50 + 3 + 5);
    assert_int_equal(dataset_label(set, DATASET_TRAIN, 13), 0);
    assert_int_equal(dataset_label(set, DATASET_TRAIN, 14), 1);
    assert_int_equal(dataset_image(set, DATASET_TRAIN, 93)[PIXELS - 1], 200 + 3 + PIXELS - 1);
    assert_int_equal(dataset_image(set, DATASET_TEST, 4)[0], 11);
    assert_int_equal(dataset_classes(set), 3);
    assert_string_equal(dataset_folder(set), folder);
    dataset_close(&set);
    assert_null(set);
    dataset_close(&set);
}

static void
class_names_come_from_the_meta_file_or_are_numbers(void **state)
{
    (void)state;
    write_good_set();
    dataset_t *set = open_set();
    assert_string_equal(dataset_class_name(set, 2), "2");
    dataset_close(&set);
    write_bytes("batches.meta.txt", "plane\r\ncar\n", 12);
    set = open_set();
    assert_string_equal(dataset_class_name(set, 0), "plane");
    assert_string_equal(dataset_class_name(set, 1), "car");
    assert_string_equal(dataset_class_name(set, 2), "2");
    dataset_close(&set);
}

static void
a_checksum_is_taken_for_the_files_it_was_made_of(void **state)
{
    (void)state;
    write_good_set();
    char stamp[DATASET_CHECKSUM_BYTES], own[DATASET_CHECKSUM_BYTES], told[DATASET_CHECKSUM_BYTES];
    static const char made_up[] = "0123456789abcdef0123456789abcdef";
    dataset_t *set = open_set();
    dataset_stamp(set, stamp);
    dataset_checksum(set, own);
    dataset_close(&set);
    set = open_set();
    assert_false(dataset_take_checksum(set, own, made_up));
    assert_false(dataset_take_checksum(set, stamp, "short"));
    dataset_checksum(set, told);
    assert_string_equal(told, own);
    assert_true(dataset_take_checksum(set, stamp, made_up));
    dataset_checksum(set, told);
    assert_string_equal(told, made_up);
    dataset_close(&set);
    /* The same bytes in another file are another file. */
    char from[FOLDER_PATH_BYTES + 32], to[FOLDER_PATH_BYTES + 32];
    snprintf(from, sizeof from, "%s/aside", folder);
    snprintf(to, sizeof to, "%s/test_batch.bin", folder);
    write_records("aside", 5, 7);
    assert_int_equal(rename(from, to), 0);
    set = open_set();
    assert_false(dataset_take_checksum(set, stamp, made_up));
    dataset_checksum(set, told);
    assert_string_equal(told, own);
    dataset_close(&set);
}

static void
a_parent_folder_will_do(void **state)
{
    (void)state;
    char inner[FOLDER_PATH_BYTES], outer[64];
    strcpy(outer, folder);
    path_in(inner, "cifar-10-batches-bin");
    assert_int_equal(mkdir(inner, 0777), 0);
    snprintf(folder, sizeof folder, "%.60s", inner);
    write_good_set();
    strcpy(folder, outer);
    dataset_t *set = open_set();
    assert_string_equal(dataset_folder(set), inner);
    dataset_close(&set);
    snprintf(folder, sizeof folder, "%.60s", inner);
    assert_int_equal(remove_folder(NULL), 0);
    strcpy(folder, outer);
}

static void
a_file_cut_short_is_named_with_the_size_expected(void **state)
{
    (void)state;
    char path[FOLDER_PATH_BYTES];
    write_good_set();
    path_in(path, "data_batch_2.bin");
    assert_int_equal(truncate(path, 10 * RECORD - 7), 0);
    refuse(ENGINE_FORMAT, "data_batch_2.bin' has 243 bytes", "250 were expected");
    /* Even when it is cut at the end of a record. */
    assert_int_equal(truncate(path, 9 * RECORD), 0);
    refuse(ENGINE_FORMAT, "data_batch_2.bin' is cut short", "225 bytes where 250 were expected");
    assert_int_equal(truncate(path, 0), 0);
    refuse(ENGINE_FORMAT, "data_batch_2.bin' has 0 bytes", "25 were expected");
}

static void
a_label_out_of_range_is_named_with_file_and_record(void **state)
{
    (void)state;
    uint8_t bytes[3 * RECORD] = {0};
    write_good_set();
    bytes[2 * RECORD] = 12;
    write_bytes("test_batch.bin", bytes, sizeof bytes);
    refuse(ENGINE_FORMAT, "test_batch.bin': record 2 (from 0) has the label 12", "must be 0 to 2");
}

static void
a_missing_file_is_named(void **state)
{
    (void)state;
    refuse(ENGINE_IO, "'data_batch_1.bin' is missing", folder);
    write_good_set();
    remove_file("data_batch_3.bin");
    refuse(ENGINE_IO, "'data_batch_3.bin' is missing", "data_batch_4.bin");
    write_good_set();
    remove_file("test_batch.bin");
    refuse(ENGINE_IO, "'test_batch.bin' is missing", folder);
}

static void
a_missing_folder_is_named(void **state)
{
    (void)state;
    dataset_t *set = NULL;
    engine_error_t error = {""};
    assert_int_equal(dataset_open(&set, "/nowhere/at/all", SHAPE, 3, &error), ENGINE_IO);
    assert_string_equal(error.text,
                        "cannot open the data folder '/nowhere/at/all': No such file or directory");
}

static void
the_checksum_tells_sets_apart(void **state)
{
    (void)state;
    char first[DATASET_CHECKSUM_BYTES], second[DATASET_CHECKSUM_BYTES];
    write_good_set();
    dataset_t *set = open_set();
    dataset_checksum(set, first);
    dataset_checksum(set, second);
    assert_string_equal(first, second);
    assert_int_equal(strlen(first), 32);
    dataset_close(&set);
    write_records("test_batch.bin", 5, 8);
    set = open_set();
    dataset_checksum(set, second);
    assert_string_not_equal(first, second);
    dataset_close(&set);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files_are_read_in_the_order_of_their_numbers, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(class_names_come_from_the_meta_file_or_are_numbers,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_checksum_is_taken_for_the_files_it_was_made_of,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_parent_folder_will_do, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_file_cut_short_is_named_with_the_size_expected,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_label_out_of_range_is_named_with_file_and_record,
                                        make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_missing_file_is_named, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_missing_folder_is_named, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(the_checksum_tells_sets_apart, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

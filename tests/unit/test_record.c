// A results folder: rows whole, resumed by what stands, never mixed.
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "runner/memory.h"
#include "runner/record.h"

static char folder[256];

static int
make_folder(void **state)
{
    (void)state;
    const char *base = getenv("TMPDIR");
    snprintf(folder, sizeof folder, "%s/dmlx-record-XXXXXX", base ? base : "/tmp");
    return mkdtemp(folder) ? 0 : -1;
}

static int
remove_folder(void **state)
{
    (void)state;
    char *command = memory_format("rm -rf '%s'", folder);
    int status = system(command);
    free(command);
    return status;
}

// Texts that differ in blanks alone are of the same experiment.
static char *
differences(const char *there, const char *here)
{
    if (strcmp(there, here) == 0 || strcmp(there, here + strspn(here, " ")) == 0)
        return memory_text("");
    return memory_format("  %s there, %s here\n", there, here);
}

static const char *const batch_axis[] = {"train.batch", NULL};

static record_identity_t
identity(const char *hash)
{
    return (record_identity_t){
        .hash = hash, .text = hash, .axes = batch_axis, .differences = differences};
}

static record_t *
open_it(const char *hash)
{
    record_t *record = NULL;
    record_error_t error = {{0}};
    record_identity_t who = identity(hash);
    int status = record_open(&record, folder, &who, &error);
    if (status != RECORD_OK)
        fail_msg("%s", error.text);
    return record;
}

static char *
read_file(const char *name)
{
    char *path = memory_format("%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    char *text = memory_new(1 << 16);
    size_t n = fread(text, 1, (1 << 16) - 1, file);
    text[n] = '\0';
    fclose(file);
    free(path);
    return text;
}

static const char *const batch_32[] = {"32"};

static run_row_t
row_of(const char *cell, int repeat, bool is_done)
{
    run_row_t row = {.cell = cell,
                     .nodes = 3,
                     .cores = 1.5,
                     .values = batch_32,
                     .repeat = repeat,
                     .attempt = "a1",
                     .is_done = is_done,
                     .launcher = "ssh",
                     .hosts = "w1 w2 w3",
                     .coordinator = "mgr",
                     .core_speed = 0.3,
                     .is_enforced = true,
                     .cores_asked = 0.45,
                     .seed = 1,
                     .started = "2026-01-01T00:00:00Z",
                     .note = "one, \"two\"\nthree",
                     .result = result_unknown()};
    row.result.t_s = 10;
    row.result.work_s = 8;
    row.result.samples = 1000;
    return row;
}

static void
a_finished_row_is_found_again_and_a_failed_one_is_not(void **state)
{
    (void)state;
    record_error_t error;
    record_t *record = open_it("h");
    assert_false(record_is_done(record, "n3-c1.5", 1));
    run_row_t done = row_of("n3-c1.5", 1, true), failed = row_of("n3-c1.5", 2, false);
    assert_int_equal(record_run(record, &done, &error), RECORD_OK);
    assert_int_equal(record_run(record, &failed, &error), RECORD_OK);
    record_close(&record);
    assert_null(record);

    record = open_it("h");
    assert_true(record_is_done(record, "n3-c1.5", 1));
    assert_false(record_is_done(record, "n3-c1.5", 2));
    assert_int_equal(record_n_done(record), 1);
    record_close(&record);
}

static void
a_row_is_one_line_of_rfc_4180_with_its_axes(void **state)
{
    (void)state;
    record_error_t error;
    record_t *record = open_it("h");
    run_row_t row = row_of("n3-c1.5", 1, true);
    assert_int_equal(record_run(record, &row, &error), RECORD_OK);
    record_close(&record);
    char *text = read_file("runs.csv");
    assert_non_null(strstr(text, "cell,nodes,cores,train.batch,repeat,attempt,status,"));
    assert_non_null(strstr(text, "\nn3-c1.5,3,1.5,32,1,a1,done,,10,8,2,,"));
    assert_non_null(strstr(text, ",ssh,w1 w2 w3,mgr,0.3,"));
    assert_non_null(strstr(text, ",yes,,\"one, \"\"two\"\" three\"\n"));
    free(text);
}

static void
a_line_that_a_crash_cut_short_is_taken_off(void **state)
{
    (void)state;
    record_error_t error;
    record_t *record = open_it("h");
    run_row_t row = row_of("n3-c1.5", 1, true);
    assert_int_equal(record_run(record, &row, &error), RECORD_OK);
    record_close(&record);
    char *path = memory_format("%s/runs.csv", folder);
    FILE *file = fopen(path, "a");
    fputs("n3-c1.5,3,1.5,32,2,a2,do", file);
    fclose(file);

    record = open_it("h");
    assert_int_equal(record_n_done(record), 1);
    run_row_t next = row_of("n3-c1.5", 2, true);
    assert_int_equal(record_run(record, &next, &error), RECORD_OK);
    record_close(&record);
    char *text = read_file("runs.csv");
    int n_lines = 0;
    for (const char *at = text; *at; at++)
        n_lines += *at == '\n';
    assert_int_equal(n_lines, 3);
    assert_null(strstr(text, ",a2,"));
    free(text);
    free(path);
}

static void
results_of_another_experiment_are_refused_with_the_differences(void **state)
{
    (void)state;
    record_t *record = open_it("old");
    record_close(&record);
    record_error_t error = {{0}};
    record_identity_t other = identity("new");
    assert_int_equal(record_open(&record, folder, &other, &error), RECORD_OTHER);
    assert_null(record);
    assert_non_null(strstr(error.text, "old there, new here"));
    assert_non_null(strstr(error.text, folder));
    char *text = read_file("experiment.cfg");
    assert_string_equal(text, "old");
    free(text);
}

static void
another_hash_without_a_difference_is_the_same_experiment(void **state)
{
    (void)state;
    record_t *record = open_it("old");
    record_close(&record);
    record_t *again = open_it(" old");
    assert_non_null(again);
    record_close(&again);
    char *text = read_file("experiment.cfg");
    assert_string_equal(text, "old");
    free(text);
}

static void
a_table_of_other_columns_is_refused_and_left_as_it_is(void **state)
{
    (void)state;
    record_t *record = open_it("h");
    record_close(&record);
    char *before = read_file("runs.csv"), *column = strstr(before, "accuracy");
    assert_non_null(column);
    memcpy(column, "ACCURACY", strlen("ACCURACY"));
    char *path = memory_format("%s/runs.csv", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(before, file) >= 0);
    assert_int_equal(fclose(file), 0);

    record_error_t error;
    record_identity_t who = identity("h");
    assert_int_equal(record_open(&record, folder, &who, &error), RECORD_OTHER);
    assert_non_null(strstr(error.text, "runs.csv' has other columns"));
    char *after = read_file("runs.csv");
    assert_string_equal(after, before);
    free(after);
    free(before);
    free(path);
}

static void
a_folder_that_is_being_written_is_refused_naming_the_holder(void **state)
{
    (void)state;
    record_t *record = open_it("h");
    record_t *second = NULL;
    record_error_t error = {{0}};
    record_identity_t who = identity("h");
    assert_int_equal(record_open(&second, folder, &who, &error), RECORD_BUSY);
    char pid[24];
    snprintf(pid, sizeof pid, "process %ld)", (long)getpid());
    assert_non_null(strstr(error.text, pid));
    record_close(&record);
    record = open_it("h");
    record_close(&record);
}

static void
a_full_disk_leaves_whole_rows(void **state)
{
    (void)state;
    record_error_t error = {{0}};
    record_t *record = open_it("h");
    run_row_t row = row_of("n3-c1.5", 1, true);
    assert_int_equal(record_run(record, &row, &error), RECORD_OK);
    char *before = read_file("runs.csv");

    // A limit on the size of files stands in for a full disk: the write comes back short, then
    // fails.
    struct rlimit old, tight;
    getrlimit(RLIMIT_FSIZE, &old);
    tight = old;
    tight.rlim_cur = strlen(before) + 20;
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &tight);
    run_row_t next = row_of("n3-c1.5", 2, true);
    int status = record_run(record, &next, &error);
    setrlimit(RLIMIT_FSIZE, &old);

    assert_int_equal(status, RECORD_IO);
    assert_non_null(strstr(error.text, "runs.csv"));
    assert_false(record_is_done(record, "n3-c1.5", 2));
    char *after = read_file("runs.csv");
    assert_string_equal(after, before);
    free(before);
    free(after);
    record_close(&record);
}

static void
rounds_are_rows_a_worker_each(void **state)
{
    (void)state;
    record_error_t error;
    record_t *record = open_it("h");
    worker_row_t rows[2] = {{.rank = 0,
                             .compute_s = 0.5,
                             .samples = 10,
                             .loss = 2,
                             .sent_bytes = -1,
                             .rss_bytes = -1,
                             .temperature_c = NAN,
                             .clock_mhz = NAN},
                            {.rank = 1, .compute_s = 0.25, .samples = 11, .loss = 1}};
    round_report_t round = {.round = 1, .rounds = 2, .round_s = 1, .n_workers = 2, .workers = rows};
    assert_int_equal(record_round(record, "c", 1, "a1", &round, &error), RECORD_OK);
    record_close(&record);
    char *text = read_file("rounds.csv");
    assert_non_null(strstr(text, "\nc,1,a1,1,0,0.5,0,0,0,1,10,2,,"));
    assert_non_null(strstr(text, "\nc,1,a1,1,1,0.25,"));
    free(text);
}

static void
an_attempt_takes_over_the_rounds_it_goes_on_behind(void **state)
{
    (void)state;
    record_error_t error;
    record_t *record = open_it("h");
    worker_row_t row = {.compute_s = 0.5, .samples = 10, .loss = 2};
    round_report_t round = {.rounds = 5, .round_s = 1, .n_workers = 1, .workers = &row};
    for (round.round = 1; round.round <= 3; round.round++)
        assert_int_equal(record_round(record, "c", 1, "a1", &round, &error), RECORD_OK);
    round.round = 1;
    assert_int_equal(record_round(record, "c", 2, "a1", &round, &error), RECORD_OK);

    assert_int_equal(record_adopt_rounds(record, "c", 1, "a1", 2, "a2", &error), RECORD_OK);
    char *text = read_file("rounds.csv");
    assert_non_null(strstr(text, "\nc,1,a2,1,0,0.5,"));
    assert_non_null(strstr(text, "\nc,1,a2,2,0,0.5,"));
    assert_null(strstr(text, "\nc,1,a2,3,"));
    assert_null(strstr(text, "\nc,2,a2,"));
    free(text);
    assert_int_equal(record_adopt_rounds(record, "c", 1, "a1", 4, "a3", &error), RECORD_DAMAGED);
    record_close(&record);
}

enum { THREADS = 4, ROWS_A_THREAD = 20 };

typedef struct writer {
    pthread_t thread;
    record_t *record;
    int index;
    int n_failed;
} writer_t;

static void *
write_rows(void *context)
{
    writer_t *writer = context;
    record_error_t error;
    char cell[16];
    snprintf(cell, sizeof cell, "cell-%d", writer->index);
    worker_row_t worker = {.rank = writer->index, .samples = 100, .sent_bytes = 1, .rss_bytes = 1};
    round_report_t round = {.round = 1, .rounds = 1, .n_workers = 1, .workers = &worker};
    for (int i = 1; i <= ROWS_A_THREAD; i++) {
        run_row_t row = row_of(cell, i, true);
        double t_s[ROWS_A_THREAD];
        writer->n_failed +=
            record_round(writer->record, cell, i, "a1", &round, &error) != RECORD_OK;
        writer->n_failed += record_run(writer->record, &row, &error) != RECORD_OK;
        writer->n_failed += record_times(writer->record, cell, t_s, ROWS_A_THREAD) != (size_t)i;
    }
    return NULL;
}

static void
attempts_in_several_threads_write_whole_rows(void **state)
{
    (void)state;
    writer_t writers[THREADS];
    record_t *record = open_it("h");
    for (int i = 0; i < THREADS; i++) {
        writers[i] = (writer_t){.record = record, .index = i};
        assert_int_equal(pthread_create(&writers[i].thread, NULL, write_rows, &writers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(writers[i].thread, NULL);
        assert_int_equal(writers[i].n_failed, 0);
    }
    record_close(&record);
    record = open_it("h"); // reads them back, each a line
    assert_int_equal(record_n_done(record), THREADS * ROWS_A_THREAD);
    record_close(&record);
}

static void
a_stop_is_written_down_once(void **state)
{
    (void)state;
    static const char wanted[] = "cell,repeats,ci,half_width\n"
                                 "n1-c1,3,0.05,0.0125\nn2-c2,4,0.05,0.05\n";
    record_error_t error = {{0}};
    for (int opening = 0; opening < 2; opening++) { // the second by a command that goes on
        record_t *record = open_it("h");
        assert_int_equal(record_stops(record, &error), RECORD_OK);
        for (int twice = 0; twice < 2; twice++) {
            assert_int_equal(record_stop(record, "n1-c1", 3, 0.05, 0.0125, &error), RECORD_OK);
            assert_int_equal(record_stop(record, "n2-c2", 4, 0.05, 0.05, &error), RECORD_OK);
        }
        record_close(&record);
        char *text = read_file("stops.csv");
        assert_string_equal(text, wanted);
        free(text);
    }
}

int
main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {
        CASE(a_finished_row_is_found_again_and_a_failed_one_is_not),
        CASE(a_row_is_one_line_of_rfc_4180_with_its_axes),
        CASE(a_line_that_a_crash_cut_short_is_taken_off),
        CASE(results_of_another_experiment_are_refused_with_the_differences),
        CASE(another_hash_without_a_difference_is_the_same_experiment),
        CASE(a_table_of_other_columns_is_refused_and_left_as_it_is),
        CASE(a_folder_that_is_being_written_is_refused_naming_the_holder),
        CASE(a_full_disk_leaves_whole_rows),
        CASE(rounds_are_rows_a_worker_each),
        CASE(an_attempt_takes_over_the_rounds_it_goes_on_behind),
        CASE(a_stop_is_written_down_once),
        CASE(attempts_in_several_threads_write_whole_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

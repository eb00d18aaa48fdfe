// What a role writes, the run command reads back.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "runner/base64.h"
#include "runner/record.h"
#include "runner/report.h"
#include "transport/beater.h"

// The lines that the report functions wrote between open_reporter and close_reporter. A file takes them: a memory stream
// moves its buffer under the stream's lock, which ThreadSanitizer does not see.
static char *text;
static size_t n_text;

static reporter_t
open_reporter(void)
{
    FILE *out = tmpfile();
    assert_non_null(out);
    return (reporter_t){.out = out};
}

static void
close_reporter(reporter_t *reporter)
{
    long length = ftell(reporter->out);
    assert_true(length > 0);
    n_text = (size_t)length;
    text = malloc(n_text + 1);
    assert_non_null(text);
    rewind(reporter->out);
    assert_int_equal(fread(text, 1, n_text, reporter->out), n_text);
    text[n_text] = '\0';
    fclose(reporter->out);
}

static report_t
parse_only_line(void)
{
    report_t report;
    assert_int_equal(text[n_text - 1], '\n');
    assert_ptr_equal(memchr(text, '\n', n_text), text + n_text - 1);
    assert_int_equal(report_parse(text, n_text - 1, &report), 0);
    free(text);
    return report;
}

static void
a_round_comes_back_as_it_was_told(void **state)
{
    (void)state;
    worker_row_t rows[2] = {
        {.rank = 0,
         .compute_s = 0.25,
         .wait_s = 0.5,
         .send_s = 0.125,
         .samples = 1000,
         .loss = 2.25,
         .sent_bytes = 248100,
         .cpu_s = 0.2,
         .rss_bytes = 5 << 20,
         .throttled_s = NAN,
         .cores_limit = 0.3,
         .temperature_c = NAN,
         .clock_mhz = 1500},
        {.rank = 1, .compute_s = 0.5, .samples = 999, .loss = 2, .sent_bytes = -1},
    };
    round_report_t round = {.round = 3,
                            .rounds = 20,
                            .round_s = 0.75,
                            .aggregate_s = 0.001,
                            .elapsed_s = 2.5,
                            .n_workers = 2,
                            .workers = rows};
    reporter_t reporter = open_reporter();
    report_round(&reporter, &round);
    close_reporter(&reporter);

    report_t report = parse_only_line();
    assert_int_equal(report.kind, REPORT_ROUND);
    assert_int_equal(report.round.round, 3);
    assert_int_equal(report.round.rounds, 20);
    assert_true(report.round.round_s == 0.75);
    assert_int_equal(report.round.n_workers, 2);
    const worker_row_t *row = &report.round.workers[0];
    assert_true(row->compute_s == 0.25 && row->wait_s == 0.5 && row->send_s == 0.125);
    assert_int_equal(row->samples, 1000);
    assert_int_equal(row->sent_bytes, 248100);
    assert_true(row->cores_limit == 0.3);
    assert_true(isnan(row->throttled_s) && isnan(row->temperature_c));
    assert_int_equal(report.round.workers[1].sent_bytes, -1);
    report_free(&report);
}

static void
an_unknown_number_is_left_out_and_read_as_unknown(void **state)
{
    (void)state;
    result_report_t result = result_unknown();
    result.t_s = 12.5;
    result.samples = 100000;
    snprintf(result.data, sizeof result.data, "cifar10");
    reporter_t reporter = open_reporter();
    report_result(&reporter, &result);
    close_reporter(&reporter);

    assert_null(strstr(text, "accuracy"));
    report_t report = parse_only_line();
    assert_int_equal(report.kind, REPORT_RESULT);
    assert_true(report.result.t_s == 12.5);
    assert_true(isnan(report.result.accuracy));
    assert_int_equal(report.result.samples, 100000);
    assert_int_equal(report.result.sent_bytes, -1);
    assert_string_equal(report.result.data, "cifar10");
    report_free(&report);
}

static void
a_model_of_many_lines_has_the_same_bytes(void **state)
{
    (void)state;
    enum { N = 20000 };
    unsigned char *model = malloc(N), *back = malloc(N);
    for (int i = 0; i < N; i++)
        model[i] = (unsigned char)(i * 7 + i / 256);
    reporter_t reporter = open_reporter();
    report_model(&reporter, model, N);
    close_reporter(&reporter);

    size_t n_back = 0;
    int part = 0, parts = 0;
    for (char *line = text, *end; (end = strchr(line, '\n')); line = end + 1) {
        report_t report;
        assert_int_equal(report_parse(line, (size_t)(end - line), &report), 0);
        assert_int_equal(report.part, ++part);
        parts = report.parts;
        assert_true(n_back + report.n_bytes <= N);
        memcpy(back + n_back, report.bytes, report.n_bytes);
        n_back += report.n_bytes;
        report_free(&report);
    }
    assert_int_equal(part, parts);
    assert_true(parts > 1);
    assert_int_equal(n_back, N);
    assert_memory_equal(model, back, N);
    free(text);
    free(model);
    free(back);
}

static void
a_loss_and_a_failure_name_the_worker(void **state)
{
    (void)state;
    reporter_t reporter = open_reporter();
    report_lost(&reporter, 2, "worker 2 is gone");
    close_reporter(&reporter);
    report_t report = parse_only_line();
    assert_int_equal(report.kind, REPORT_LOST);
    assert_int_equal(report.rank, 2);
    assert_string_equal(report.text, "worker 2 is gone");
    report_free(&report);

    reporter = open_reporter();
    report_failed(&reporter, REPORT_NO_RANK, "no data");
    close_reporter(&reporter);
    report = parse_only_line();
    assert_int_equal(report.kind, REPORT_FAILED);
    assert_int_equal(report.rank, REPORT_NO_RANK);
    report_free(&report);
}

static void
a_checkpoint_is_told_in_parts(void **state)
{
    (void)state;
    unsigned char bytes[3] = {0, 255, 7};
    reporter_t reporter = open_reporter();
    report_checkpoint(&reporter, bytes, sizeof bytes);
    close_reporter(&reporter);
    report_t report = parse_only_line();
    assert_int_equal(report.kind, REPORT_CHECKPOINT);
    assert_true(report.part == 1 && report.parts == 1 && report.n_bytes == sizeof bytes);
    assert_memory_equal(report.bytes, bytes, sizeof bytes);
    report_free(&report);
}

static void
what_is_no_record_is_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "hello",
        "{}",
        "[1]",
        "{\"record\": 7}",
        "{\"record\": \"unheard of\"}",
        "{\"record\": \"round\"}",
        "{\"record\": \"round\", \"workers\": 3}",
        "{\"record\": \"result\"}",
        "{\"record\": \"listening\"}",
        "{\"record\": \"model\", \"part\": 2, \"parts\": 1, \"base64\": \"AAAA\"}",
        "{\"record\": \"model\", \"part\": 1, \"parts\": 1, \"base64\": \"A*AA\"}",
        "{\"record\": \"event\", \"text\": \"a\", \"text\": \"b\"}",
    };
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        report_t report;
        assert_int_equal(report_parse(lines[i], strlen(lines[i]), &report), -1);
    }
}

static void
beat_often(void *reporter)
{
    for (int i = 0; i < 50; i++)
        report_beat(reporter);
}

static void
a_beat_never_cuts_into_a_line(void **state)
{
    (void)state;
    enum { N_EVENTS = 2000 };
    reporter_t reporter = open_reporter();
    beater_t *beater = beater_new(1, beat_often, &reporter);
    for (int i = 0; i < N_EVENTS; i++)
        report_event(&reporter, "event %d", i);
    beater_free(beater);
    close_reporter(&reporter);
    int n_events = 0, n_beats = 0;
    for (char *line = text, *end; (end = memchr(line, '\n', n_text - (size_t)(line - text)));
         line = end + 1) {
        report_t report;
        assert_int_equal(report_parse(line, (size_t)(end - line), &report), 0);
        n_events += report.kind == REPORT_EVENT;
        n_beats += report.kind == REPORT_BEAT;
        report_free(&report);
    }
    assert_int_equal(n_events, N_EVENTS);
    assert_true(n_beats >= 50);
    free(text);
}

static void
a_worker_row_travels_as_text(void **state)
{
    (void)state;
    worker_row_t row = {.rank = 2, .compute_s = 1.5, .samples = 8, .loss = 0.5, .sent_bytes = -1};
    char *line = worker_row_text(&row);
    worker_row_t back = {0};
    assert_int_equal(worker_row_parse(line, &back), 0);
    assert_int_equal(back.rank, 2);
    assert_true(back.compute_s == 1.5 && back.loss == 0.5);
    assert_int_equal(worker_row_parse("{\"rank\": 1}", &back), -1);
    assert_int_equal(worker_row_parse("garbage", &back), -1);
    assert_int_equal(back.rank, 2);
    free(line);
}

static void
base64_agrees_with_rfc_4648(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        const char *plain = pairs[i][0];
        char *encoded = base64_encode((const unsigned char *)plain, strlen(plain));
        assert_string_equal(encoded, pairs[i][1]);
        size_t n = 99;
        unsigned char *decoded = base64_decode(encoded, &n);
        assert_int_equal(n, strlen(plain));
        assert_memory_equal(decoded, plain, n);
        free(decoded);
        free(encoded);
    }
    size_t n = 99;
    assert_null(base64_decode("Zg=", &n));
    assert_null(base64_decode("Z===", &n));
    assert_int_equal(n, 99);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_comes_back_as_it_was_told),
        cmocka_unit_test(an_unknown_number_is_left_out_and_read_as_unknown),
        cmocka_unit_test(a_model_of_many_lines_has_the_same_bytes),
        cmocka_unit_test(a_loss_and_a_failure_name_the_worker),
        cmocka_unit_test(a_checkpoint_is_told_in_parts),
        cmocka_unit_test(what_is_no_record_is_refused),
        cmocka_unit_test(a_beat_never_cuts_into_a_line),
        cmocka_unit_test(a_worker_row_travels_as_text),
        cmocka_unit_test(base64_agrees_with_rfc_4648),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

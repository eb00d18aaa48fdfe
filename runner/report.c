#include "runner/report.h"

#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/base64.h"
#include "runner/memory.h"

enum { MODEL_PART_BYTES = 6 << 10, REAL_DIGITS = 9 };

// The fields of a struct that travel, as a table, so that writer and reader cannot disagree.
typedef enum { FIELD_REAL, FIELD_COUNT, FIELD_INT, FIELD_TEXT } field_kind_t;

typedef struct field {
    const char *name;
    field_kind_t kind;
    size_t offset;
    size_t n_bytes; // of a text
} field_t;

#define REAL(type, member)                                                                         \
    {                                                                                              \
#member, FIELD_REAL, offsetof(type, member), 0                                             \
    }
#define COUNT(type, member)                                                                        \
    {                                                                                              \
#member, FIELD_COUNT, offsetof(type, member), 0                                            \
    }
#define INT(type, member)                                                                          \
    {                                                                                              \
#member, FIELD_INT, offsetof(type, member), 0                                              \
    }
#define TEXT(type, member)                                                                         \
    {                                                                                              \
#member, FIELD_TEXT, offsetof(type, member), sizeof(((type *)0)->member)                   \
    }

static const field_t worker_fields[] = {
    INT(worker_row_t, rank),         REAL(worker_row_t, compute_s),
    REAL(worker_row_t, wait_s),      REAL(worker_row_t, send_s),
    COUNT(worker_row_t, samples),    REAL(worker_row_t, loss),
    COUNT(worker_row_t, sent_bytes), REAL(worker_row_t, cpu_s),
    COUNT(worker_row_t, rss_bytes),  REAL(worker_row_t, throttled_s),
    REAL(worker_row_t, cores_limit), REAL(worker_row_t, temperature_c),
    REAL(worker_row_t, clock_mhz),   {0},
};

static const field_t round_fields[] = {
    INT(round_report_t, round),      INT(round_report_t, rounds),
    REAL(round_report_t, round_s),   REAL(round_report_t, aggregate_s),
    REAL(round_report_t, elapsed_s), {0},
};

static const field_t result_fields[] = {
    REAL(result_report_t, t_s),
    REAL(result_report_t, work_s),
    REAL(result_report_t, accuracy),
    REAL(result_report_t, loss),
    REAL(result_report_t, train_loss),
    COUNT(result_report_t, samples),
    REAL(result_report_t, target_accuracy),
    REAL(result_report_t, time_to_accuracy_s),
    COUNT(result_report_t, sent_bytes),
    COUNT(result_report_t, received_bytes),
    REAL(result_report_t, cores_granted),
    REAL(result_report_t, cores_limit),
    REAL(result_report_t, throttled_s),
    REAL(result_report_t, startup_s),
    REAL(result_report_t, evaluation_s),
    TEXT(result_report_t, model_sha256),
    TEXT(result_report_t, data),
    TEXT(result_report_t, data_xxh128),
    INT(result_report_t, parts),
    {0},
};

static const field_t joined_fields[] = {
    INT(joined_report_t, rank),
    TEXT(joined_report_t, identity),
    TEXT(joined_report_t, host),
    {0},
};

static void
fields_write(json_t *object, const field_t *fields, const void *from)
{
    for (const field_t *field = fields; field->name; field++) {
        const char *at = (const char *)from + field->offset;
        json_t *value = NULL;
        if (field->kind == FIELD_REAL && isfinite(*(const double *)(const void *)at))
            value = json_real(*(const double *)(const void *)at);
        else if (field->kind == FIELD_COUNT && *(const int64_t *)(const void *)at >= 0)
            value = json_integer(*(const int64_t *)(const void *)at);
        else if (field->kind == FIELD_INT)
            value = json_integer(*(const int *)(const void *)at);
        else if (field->kind == FIELD_TEXT && *at)
            value = json_string(at);
        if (value)
            json_object_set_new(object, field->name, value);
    }
}

// Reads what is there; a field that is missing or of another type is "not known".
static void
fields_read(const json_t *object, const field_t *fields, void *to)
{
    for (const field_t *field = fields; field->name; field++) {
        char *at = (char *)to + field->offset;
        const json_t *value = json_object_get(object, field->name);
        if (field->kind == FIELD_REAL)
            *(double *)(void *)at = json_is_number(value) ? json_number_value(value) : NAN;
        else if (field->kind == FIELD_COUNT)
            *(int64_t *)(void *)at = json_is_integer(value) ? json_integer_value(value) : -1;
        else if (field->kind == FIELD_INT)
            *(int *)(void *)at = (int)json_integer_value(value);
        else if (json_is_string(value))
            snprintf(at, field->n_bytes, "%s", json_string_value(value));
    }
}

reporter_t
reporter_new(FILE *out)
{
    return (reporter_t){.out = out, .is_text = isatty(fileno(out)) == 1};
}

static void
check_written(reporter_t *reporter)
{
    if (fflush(reporter->out) != 0 || ferror(reporter->out))
        reporter->is_broken = true;
}

// Writes {"record": kind, …members of `fields`…} as a line and lets go of it. The lock keeps a beat
// out of the line.
static void
write_record(reporter_t *reporter, const char *kind, json_t *fields)
{
    json_t *record = json_object();
    json_object_set_new(record, "record", json_string(kind));
    json_object_update(record, fields);
    json_decref(fields);
    flockfile(reporter->out);
    if (json_dumpf(record, reporter->out,
                   JSON_COMPACT | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(REAL_DIGITS)) != 0)
        reporter->is_broken = true;
    json_decref(record);
    putc('\n', reporter->out);
    check_written(reporter);
    funlockfile(reporter->out);
}

static void
write_text_record(reporter_t *reporter, const char *kind, const char *key, const char *text)
{
    json_t *fields = json_object();
    json_t *value = json_string(text);
    json_object_set_new(fields, key, value ? value : json_string("(text that is not UTF-8)"));
    write_record(reporter, kind, fields);
}

static void write_sentence(reporter_t *reporter, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void
write_sentence(reporter_t *reporter, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vfprintf(reporter->out, format, arguments);
    va_end(arguments);
    putc('\n', reporter->out);
    check_written(reporter);
}

void
report_listening(reporter_t *reporter, const char *endpoint)
{
    if (reporter->is_text)
        write_sentence(reporter, "listening on %s; start each worker with: dmlx work %s", endpoint,
                       endpoint);
    else
        write_text_record(reporter, "listening", "endpoint", endpoint);
}

void
report_joined(reporter_t *reporter, const joined_report_t *joined)
{
    if (reporter->is_text) {
        write_sentence(reporter, "worker %d (%s) is ready on %s", joined->rank, joined->identity,
                       joined->host);
        return;
    }
    json_t *fields = json_object();
    fields_write(fields, joined_fields, joined);
    write_record(reporter, "joined", fields);
}

void
report_started(reporter_t *reporter, int n_workers, double startup_s)
{
    if (reporter->is_text) {
        write_sentence(reporter, "training starts with %d worker%s after %.2f s", n_workers,
                       n_workers == 1 ? "" : "s", startup_s);
        return;
    }
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    json_t *fields = json_pack("{s:i, s:f}", "n_workers", n_workers, "startup_s", startup_s);
    json_object_set_new(fields, "host", json_string(host));
    write_record(reporter, "started", fields);
}

static double
round_loss(const round_report_t *round)
{
    double sum = 0, samples = 0;
    for (int i = 0; i < round->n_workers; i++) {
        sum += round->workers[i].loss * (double)round->workers[i].samples;
        samples += (double)round->workers[i].samples;
    }
    return samples > 0 ? sum / samples : NAN;
}

void
report_round(reporter_t *reporter, const round_report_t *round)
{
    if (reporter->is_text) {
        write_sentence(reporter, "round %d/%d  loss %.4f  %.3f s", round->round, round->rounds,
                       round_loss(round), round->round_s);
        return;
    }
    json_t *fields = json_object();
    fields_write(fields, round_fields, round);
    json_t *workers = json_array();
    for (int i = 0; i < round->n_workers; i++) {
        json_t *worker = json_object();
        fields_write(worker, worker_fields, &round->workers[i]);
        json_array_append_new(workers, worker);
    }
    json_object_set_new(fields, "workers", workers);
    write_record(reporter, "round", fields);
}

void
report_event(reporter_t *reporter, const char *format, ...)
{
    char text[REPORT_TEXT_MAX];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (reporter->is_text)
        write_sentence(reporter, "%s", text);
    else
        write_text_record(reporter, "event", "text", text);
}

void
report_result(reporter_t *reporter, const result_report_t *result)
{
    if (reporter->is_text) {
        write_sentence(reporter,
                       "T %.3f s  W %.3f s  O %.3f s  accuracy %.4f  loss %.4f  %.0f samples/s\n"
                       "model sha256 %s",
                       result->t_s, result->work_s, result->t_s - result->work_s, result->accuracy,
                       result->loss, (double)result->samples / result->t_s, result->model_sha256);
        return;
    }
    json_t *fields = json_object();
    fields_write(fields, result_fields, result);
    write_record(reporter, "result", fields);
}

// Bytes as so many records as it takes; container logs break long lines.
static void
write_parts(reporter_t *reporter, const char *kind, const void *bytes, size_t n_bytes)
{
    if (reporter->is_text)
        return;
    int parts = (int)((n_bytes + MODEL_PART_BYTES - 1) / MODEL_PART_BYTES);
    for (int part = 1; part <= parts; part++) {
        size_t from = (size_t)(part - 1) * MODEL_PART_BYTES;
        size_t count = n_bytes - from < MODEL_PART_BYTES ? n_bytes - from : MODEL_PART_BYTES;
        char *text = base64_encode((const unsigned char *)bytes + from, count);
        write_record(reporter, kind,
                     json_pack("{s:i, s:i, s:s}", "part", part, "parts", parts, "base64", text));
        free(text);
    }
}

void
report_model(reporter_t *reporter, const void *bytes, size_t n_bytes)
{
    write_parts(reporter, "model", bytes, n_bytes);
}

void
report_checkpoint(reporter_t *reporter, const void *bytes, size_t n_bytes)
{
    write_parts(reporter, "checkpoint", bytes, n_bytes);
}

// A text about a worker, or about nobody.
static void
write_blame(reporter_t *reporter, const char *kind, int rank, const char *text)
{
    json_t *fields = json_object();
    json_t *value = json_string(text);
    json_object_set_new(fields, "text", value ? value : json_string("(text that is not UTF-8)"));
    if (rank != REPORT_NO_RANK)
        json_object_set_new(fields, "rank", json_integer(rank));
    write_record(reporter, kind, fields);
}

void
report_failed(reporter_t *reporter, int rank, const char *text)
{
    if (!reporter->is_text) // on a terminal the sentence on standard error is enough
        write_blame(reporter, "failed", rank, text);
}

void
report_lost(reporter_t *reporter, int rank, const char *text)
{
    if (reporter->is_text)
        write_sentence(reporter, "%s", text);
    else
        write_blame(reporter, "lost", rank, text);
}

void
report_gone(reporter_t *reporter, int rank, const char *text)
{
    if (reporter->is_text)
        write_sentence(reporter, "%s", text);
    else
        write_blame(reporter, "event", rank, text);
}

void
report_beat(reporter_t *reporter)
{
    if (reporter->is_text)
        return;
    flockfile(reporter->out);
    fputs("{\"record\":\"beat\"}\n", reporter->out);
    fflush(reporter->out);
    funlockfile(reporter->out);
}

char *
worker_row_text(const worker_row_t *row)
{
    json_t *object = json_object();
    fields_write(object, worker_fields, row);
    char *text = json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(REAL_DIGITS));
    json_decref(object);
    return text;
}

int
worker_row_parse(const char *text, worker_row_t *row)
{
    json_t *object = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    bool is_row = json_is_object(object) && json_is_number(json_object_get(object, "compute_s"));
    if (is_row)
        fields_read(object, worker_fields, row);
    json_decref(object);
    return is_row ? 0 : -1;
}

static int
parse_round(const json_t *record, round_report_t *round)
{
    const json_t *workers = json_object_get(record, "workers");
    size_t n_workers = json_array_size(workers);
    if (!json_is_array(workers) || n_workers > REPORT_WORKERS_MAX)
        return -1;
    fields_read(record, round_fields, round);
    round->n_workers = (int)n_workers;
    round->workers = memory_new(n_workers * sizeof *round->workers);
    for (size_t i = 0; i < n_workers; i++)
        fields_read(json_array_get(workers, i), worker_fields, &round->workers[i]);
    return 0;
}

static int
parse_model(const json_t *record, report_t *report)
{
    const char *text = json_string_value(json_object_get(record, "base64"));
    report->part = (int)json_integer_value(json_object_get(record, "part"));
    report->parts = (int)json_integer_value(json_object_get(record, "parts"));
    if (!text || report->part < 1 || report->part > report->parts)
        return -1;
    report->bytes = base64_decode(text, &report->n_bytes);
    return report->bytes ? 0 : -1;
}

static int
parse_text(const json_t *record, const char *key, report_t *report)
{
    const json_t *rank = json_object_get(record, "rank");
    report->rank = json_is_integer(rank) ? (int)json_integer_value(rank) : REPORT_NO_RANK;
    const char *text = json_string_value(json_object_get(record, key));
    if (!text)
        return -1;
    snprintf(report->text, sizeof report->text, "%s", text);
    return 0;
}

// The kinds by name; the order is that of report_kind_t.
static const char *const kind_names[] = {"listening", "joined",     "started", "round",
                                         "event",     "result",     "model",   "failed",
                                         "lost",      "checkpoint", "beat"};

static int
parse_kind(const json_t *record, report_t *report)
{
    switch (report->kind) {
    case REPORT_LISTENING:
        return parse_text(record, "endpoint", report);
    case REPORT_JOINED:
        fields_read(record, joined_fields, &report->joined);
        return 0;
    case REPORT_STARTED:
        report->n_workers = (int)json_integer_value(json_object_get(record, "n_workers"));
        report->startup_s = json_number_value(json_object_get(record, "startup_s"));
        if (json_is_string(json_object_get(record, "host")))
            snprintf(report->host, sizeof report->host, "%s",
                     json_string_value(json_object_get(record, "host")));
        return 0;
    case REPORT_ROUND:
        return parse_round(record, &report->round);
    case REPORT_EVENT:
    case REPORT_FAILED:
    case REPORT_LOST:
        return parse_text(record, "text", report);
    case REPORT_RESULT:
        fields_read(record, result_fields, &report->result);
        return isfinite(report->result.t_s) ? 0 : -1;
    case REPORT_MODEL:
    case REPORT_CHECKPOINT:
        return parse_model(record, report);
    case REPORT_BEAT:
        return 0;
    }
    return -1;
}

int
report_parse(const char *line, size_t n_bytes, report_t *report)
{
    *report = (report_t){0};
    json_t *record = json_loadb(line, n_bytes, JSON_REJECT_DUPLICATES, NULL);
    const char *kind = json_string_value(json_object_get(record, "record"));
    int status = -1;
    for (size_t i = 0; kind && i < sizeof kind_names / sizeof *kind_names; i++) {
        if (strcmp(kind, kind_names[i]) == 0) {
            report->kind = (report_kind_t)i;
            status = parse_kind(record, report);
        }
    }
    json_decref(record);
    if (status != 0)
        report_free(report);
    return status;
}

void
report_free(report_t *report)
{
    free(report->round.workers);
    free(report->bytes);
    *report = (report_t){0};
}

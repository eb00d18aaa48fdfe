// report.h — what a role tells whoever started it: the record channel.
//
// `dmlx serve` and `dmlx train` write records on standard output, one JSON object a line, in which
// the key "record" names the kind. Every launcher can carry lines home: a pipe, ssh, container
// logs. On a terminal the same records are written as sentences instead.
//
//     listening   endpoint                         the coordinator takes workers from now on
//     joined      rank, identity, host, cores      a worker is ready
//     started     n_workers, startup_s, host       the first broadcast follows
//     round       round, rounds, round_s, …        with one worker row for every worker
//     event       text                             something worth keeping: a dropped frame, a loss
//     result      the numbers of the whole run
//     model       part, parts, base64              the safetensors file, cut into lines
//     failed      text, rank                       the run ends without a result
//     lost        text, rank                       a worker is gone, and is to be started again
//     checkpoint  part, parts, base64              the state behind a round (checkpoint.h)
//     beat                                         a supervised role lives
//
// The same structs are written by the roles and read by `dmlx run`; a worker row also travels
// inside the worker's UPDATE. Numbers that are not known are NAN (doubles) or -1 (counts) and are
// left out.
#ifndef RUNNER_REPORT_H
#define RUNNER_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum {
    REPORT_WORKERS_MAX = 10000,
    REPORT_LINE_BYTES_MAX = 8 << 20, // a round of 10,000 workers fits
    REPORT_TEXT_MAX = 1024,
    REPORT_NO_RANK = -1
};

// What one worker did in one round. DESIGN.md, section 6.
typedef struct worker_row {
    int rank;
    double compute_s; // wall time inside the training loop
    double wait_s;    // wall time from sending the last update to receiving this round's model
    double send_s; // from broadcast to the update's arrival, less compute_s: both ways on the wire
    int64_t samples;      // trained on in this round
    double loss;          // mean over those samples
    int64_t sent_bytes;   // of the update
    double cpu_s;         // user and system CPU seconds inside the training loop
    int64_t rss_bytes;    // resident memory
    double throttled_s;   // inside the training loop, as the CPU limit's own counters tell
    double cores_limit;   // read back from the limit; NAN when none is set
    double temperature_c; // NAN where the host does not tell
    double clock_mhz;     // NAN where the host does not tell
} worker_row_t;

typedef struct round_report {
    int round; // from 1
    int rounds;
    double round_s;     // from the broadcast to the averaged model
    double aggregate_s; // of it, spent adding and averaging
    double elapsed_s;   // since the first broadcast
    int n_workers;
    worker_row_t *workers; // in rank order; owned by whoever made the report
} round_report_t;

// The numbers of a whole run; a row of runs.csv in the making.
typedef struct result_report {
    double t_s;    // from the first broadcast to the final averaged model
    double work_s; // mean over the workers of the time inside their training loops
    double accuracy, loss, train_loss;
    double target_accuracy;    // NAN: none was asked for
    double time_to_accuracy_s; // of T, when a test found it reached; NAN: it was not
    int64_t samples;
    int64_t sent_bytes, received_bytes; // by the coordinator
    double cores_granted;               // sum over the workers of CPU seconds a second of training
    double cores_limit;                 // sum of the limits read back; NAN without limits
    double throttled_s;                 // mean over the workers
    double startup_s;                   // to the first broadcast: a role's own, a row's from launch
    double evaluation_s;                // of the model on the test set, all tests together
    char model_sha256[65];
    char data[32]; // "cifar10", "synthetic"
    char data_xxh128[33];
    int parts; // attempts whose rounds these are: 1, or more after a checkpoint
} result_report_t;

typedef struct joined_report {
    int rank;
    char identity[64];
    char host[256];
} joined_report_t;

typedef enum {
    REPORT_LISTENING,
    REPORT_JOINED,
    REPORT_STARTED,
    REPORT_ROUND,
    REPORT_EVENT,
    REPORT_RESULT,
    REPORT_MODEL,
    REPORT_FAILED,
    REPORT_LOST,
    REPORT_CHECKPOINT,
    REPORT_BEAT
} report_kind_t;

// A record as read back. Free with report_free.
typedef struct report {
    report_kind_t kind;
    char text[REPORT_TEXT_MAX]; // endpoint, event, failure, loss
    int rank;                   // of REPORT_EVENT, _FAILED and _LOST, or REPORT_NO_RANK
    joined_report_t joined;
    int n_workers;    // of REPORT_STARTED
    double startup_s; // of REPORT_STARTED
    char host[256];   // of REPORT_STARTED: where the role that tells it runs
    round_report_t round;
    result_report_t result;
    int part, parts;      // of REPORT_MODEL and REPORT_CHECKPOINT, part from 1
    unsigned char *bytes; // of them
    size_t n_bytes;
} report_t;

typedef struct reporter {
    FILE *out;
    bool is_text;   // sentences for a person instead of JSON
    bool is_broken; // a write failed: nobody listens any more; the role had better end
} reporter_t;

// JSON, unless `out` is a terminal. Borrowed until the last report.
reporter_t reporter_new(FILE *out);

void report_listening(reporter_t *reporter, const char *endpoint);
void report_joined(reporter_t *reporter, const joined_report_t *joined);
// Tells this host's name with it.
void report_started(reporter_t *reporter, int n_workers, double startup_s);
void report_round(reporter_t *reporter, const round_report_t *round);
void report_event(reporter_t *reporter, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void report_result(reporter_t *reporter, const result_report_t *result);
// Writes the file's bytes as so many lines as it takes; nothing on a terminal.
void report_model(reporter_t *reporter, const void *bytes, size_t n_bytes);
// The same for the state behind a round.
void report_checkpoint(reporter_t *reporter, const void *bytes, size_t n_bytes);
// `rank` is the worker to blame, or REPORT_NO_RANK.
void report_failed(reporter_t *reporter, int rank, const char *text);
void report_lost(reporter_t *reporter, int rank, const char *text);
// An event, which is that the run goes on without that worker.
void report_gone(reporter_t *reporter, int rank, const char *text);
// A sign of life; nothing on a terminal. Unlike the others it may come from another thread than
// theirs: records are whole lines all the same. A failure is for them to find.
void report_beat(reporter_t *reporter);

// A worker row as the text that travels in an UPDATE; the caller frees it.
char *worker_row_text(const worker_row_t *row);
// Reads it back. -1 when it is no such text; `row` is untouched then.
int worker_row_parse(const char *text, worker_row_t *row);

// Reads one line of the channel (without its newline). -1 when it is no record; `report` is empty
// then.
int report_parse(const char *line, size_t n_bytes, report_t *report);
void report_free(report_t *report);

#endif

#include "runner/record.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "plots/csv.h"
#include "plots/draft.h"
#include "runner/memory.h"
#include "runner/record_rows.h"

typedef struct done_run {
    char *cell;
    int repeat;
    double t_s;
} done_run_t;

struct record {
    pthread_mutex_t *mutex; // of `done` and of the tables' ends: attempts append side by side
    char *folder;
    int lock_fd; // locked while the record is open
    int runs_fd, rounds_fd;
    size_t n_axes;
    done_run_t *done;
    int n_done, n_done_room;
};

static int fail(record_error_t *error, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static int
fail(record_error_t *error, int status, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    return status;
}

// Words a refusal of the file system, with what to do about it.
static int
fail_io(record_error_t *error, const char *path, const char *verb)
{
    int reason = errno;
    const char *hint = "";
    if (reason == ENOSPC || reason == EDQUOT)
        hint = "; what stood is whole: make space, then run the same command again";
    else if (reason == EROFS || reason == EACCES || reason == EPERM)
        hint = "; make it writable and run the same command again, or choose a folder that can be "
               "written with -o DIR";
    return fail(error, RECORD_IO, "cannot %s '%s': %s%s", verb, path, strerror(reason), hint);
}

result_report_t
result_unknown(void)
{
    return (result_report_t){
        .t_s = NAN,
        .work_s = NAN,
        .accuracy = NAN,
        .loss = NAN,
        .train_loss = NAN,
        .target_accuracy = NAN,
        .time_to_accuracy_s = NAN,
        .samples = -1,
        .sent_bytes = -1,
        .received_bytes = -1,
        .cores_granted = NAN,
        .cores_limit = NAN,
        .throttled_s = NAN,
        .startup_s = NAN,
        .evaluation_s = NAN,
        .parts = 0,
    };
}

void
record_attempt_id(char text[48])
{
    static atomic_uint counter;
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    char stamp[24];
    strftime(stamp, sizeof stamp, "%Y%m%dT%H%M%S", &utc);
    snprintf(text, 48, "%s-%ld-%u", stamp, (long)getpid(), ++counter);
}

void
record_time(char text[32])
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(text, 32, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

const char *
record_folder(const record_t *record)
{
    return record->folder;
}

int
record_n_done(const record_t *record)
{
    return record->n_done;
}

bool
record_is_done(const record_t *record, const char *cell, int repeat)
{
    bool is_done = false;
    pthread_mutex_lock(record->mutex);
    for (int i = 0; i < record->n_done && !is_done; i++)
        is_done = record->done[i].repeat == repeat && strcmp(record->done[i].cell, cell) == 0;
    pthread_mutex_unlock(record->mutex);
    return is_done;
}

size_t
record_times(const record_t *record, const char *cell, double *t_s, size_t n_room)
{
    size_t n = 0;
    pthread_mutex_lock(record->mutex);
    for (int i = 0; i < record->n_done && n < n_room; i++)
        if (strcmp(record->done[i].cell, cell) == 0)
            t_s[n++] = record->done[i].t_s;
    pthread_mutex_unlock(record->mutex);
    return n;
}

static void
remember_done(record_t *record, const char *cell, int repeat, double t_s)
{
    for (int i = 0; i < record->n_done; i++)
        if (record->done[i].repeat == repeat && strcmp(record->done[i].cell, cell) == 0) {
            record->done[i].t_s = t_s;
            return;
        }
    if (record->n_done == record->n_done_room) {
        record->n_done_room = record->n_done_room ? 2 * record->n_done_room : 64;
        record->done =
            memory_resize(record->done, (size_t)record->n_done_room * sizeof *record->done);
    }
    record->done[record->n_done++] = (done_run_t){memory_text(cell), repeat, t_s};
}

static int
make_folders(const char *path, record_error_t *error)
{
    plots_error_t reason = {{0}};
    if (draft_folder(path, &reason) != PLOTS_OK)
        return fail(error, RECORD_IO, "%s; make space, or choose a folder elsewhere with -o DIR",
                    reason.text);
    return RECORD_OK;
}

int
record_file(const record_t *record, const char *name, const void *bytes, size_t n_bytes,
            record_error_t *error)
{
    plots_error_t reason = {{0}};
    char *path = memory_format("%s/%s", record->folder, name);
    draft_t draft = {0};
    draft_add_bytes(&draft, bytes, n_bytes);
    int status = draft_write(&draft, path, &reason);
    draft_clear(&draft);
    free(path);
    return status == PLOTS_OK ? RECORD_OK : fail(error, RECORD_IO, "%s", reason.text);
}

int
record_remove(const record_t *record, const char *name, record_error_t *error)
{
    char *path = memory_format("%s/%s", record->folder, name);
    int status = unlink(path) == 0 || errno == ENOENT ? RECORD_OK : fail_io(error, path, "remove");
    free(path);
    return status;
}

char *
record_read(const record_t *record, const char *name, size_t *n_bytes)
{
    plots_error_t ignored;
    char *path = memory_format("%s/%s", record->folder, name);
    draft_t draft = {0};
    int status = draft_read(&draft, path, &ignored);
    free(path);
    if (status != PLOTS_OK) {
        draft_clear(&draft);
        return NULL;
    }
    *n_bytes = draft.length;
    return draft.text ? draft.text : memory_text("");
}

char *
record_run_folder(record_t *record, const char *cell, int repeat, record_error_t *error)
{
    char *path = memory_format("%s/runs/%s-r%d", record->folder, cell, repeat);
    if (make_folders(path, error) == RECORD_OK)
        return path;
    free(path);
    return NULL;
}

// Writes one line at the end of the file, whole or not at all.
static int
append_line(int fd, const char *path, const draft_t *line, record_error_t *error)
{
    off_t before = lseek(fd, 0, SEEK_END);
    if (before < 0)
        return fail_io(error, path, "append to");
    size_t written = 0;
    while (written < line->length) {
        ssize_t n = write(fd, line->text + written, line->length - written);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            break;
        written += (size_t)n;
    }
    if (written == line->length && fsync(fd) == 0)
        return RECORD_OK;
    int status = fail_io(error, path, "append to");
    // What will not go now, from a disk that is read-only say, is taken off by whoever opens the
    // table next; nothing is appended until then, since this ends the matrix.
    int cut = written > 0 ? ftruncate(fd, before) : 0;
    (void)cut;
    return status;
}

static int
append_to_table(const record_t *record, int fd, const char *name, const draft_t *lines,
                record_error_t *error)
{
    char *path = memory_format("%s/%s", record->folder, name);
    int status = append_line(fd, path, lines, error);
    free(path);
    return status;
}

// A crash may have left a part of a line behind the last line end. Rows hold no line ends of their
// own.
static int
take_off_cut_line(int fd, const char *path, record_error_t *error)
{
    off_t end = lseek(fd, 0, SEEK_END);
    off_t keep = end;
    char last = '\n';
    while (keep > 0) {
        if (pread(fd, &last, 1, keep - 1) != 1)
            return fail_io(error, path, "read");
        if (last == '\n')
            break;
        keep--;
    }
    if (keep < end && ftruncate(fd, keep) != 0)
        return fail_io(error, path, "repair");
    return RECORD_OK;
}

// A row under another header would be read as other quantities.
static int
check_header(int fd, const char *path, const draft_t *header, record_error_t *error)
{
    char *there = memory_new(header->length + 1);
    ssize_t n = pread(fd, there, header->length, 0);
    bool is_same = n == (ssize_t)header->length && memcmp(there, header->text, header->length) == 0;
    free(there);
    if (n < 0)
        return fail_io(error, path, "read");
    if (!is_same)
        return fail(
            error, RECORD_OTHER,
            "'%s' has other columns than this dmlx writes: another version began it; finish "
            "with that one, or choose another folder with -o",
            path);
    return RECORD_OK;
}

// Opens a table, giving it its header when it is new. Returns the descriptor or a status.
static int
open_table(const char *path, const draft_t *header, record_error_t *error)
{
    int fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd < 0)
        return fail_io(error, path, "open");
    int status = take_off_cut_line(fd, path, error);
    if (status == RECORD_OK)
        status = lseek(fd, 0, SEEK_END) == 0 ? append_line(fd, path, header, error)
                                             : check_header(fd, path, header, error);
    if (status == RECORD_OK)
        return fd;
    close(fd);
    return status;
}

static int
open_tables(record_t *record, const record_identity_t *identity, record_error_t *error)
{
    draft_t header = {0};
    while (identity->axes && identity->axes[record->n_axes])
        record->n_axes++;
    rows_run_header(&header, identity->axes, record->n_axes);
    char *path = memory_format("%s/runs.csv", record->folder);
    record->runs_fd = open_table(path, &header, error);
    free(path);
    draft_clear(&header);
    if (record->runs_fd < 0)
        return record->runs_fd;

    rows_round_header(&header);
    path = memory_format("%s/rounds.csv", record->folder);
    record->rounds_fd = open_table(path, &header, error);
    free(path);
    draft_clear(&header);
    return record->rounds_fd < 0 ? record->rounds_fd : RECORD_OK;
}

// Reads which cells and repeats are finished. A later row for the same one replaces an earlier.
static int
read_done(record_t *record, record_error_t *error)
{
    char *path = memory_format("%s/runs.csv", record->folder);
    csv_t *csv = NULL;
    plots_error_t reason = {{0}};
    int status = RECORD_OK;
    if (csv_read(path, &csv, &reason) != PLOTS_OK) {
        status = fail(error, RECORD_DAMAGED, "%s; mend it or choose another folder with -o DIR",
                      reason.text);
    } else {
        int cell = csv_column(csv, "cell"), repeat = csv_column(csv, "repeat");
        int state = csv_column(csv, "status"), time = csv_column(csv, "t_s");
        for (size_t row = 0; row < csv_rows(csv); row++)
            if (strcmp(csv_text(csv, row, state), "done") == 0)
                remember_done(record, csv_text(csv, row, cell), (int)csv_number(csv, row, repeat),
                              csv_number(csv, row, time));
    }
    csv_free(&csv);
    free(path);
    return status;
}

static int
take_lock(record_t *record, record_error_t *error)
{
    char *path = memory_format("%s/.lock", record->folder);
    record->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    int status = RECORD_OK;
    if (record->lock_fd < 0) {
        status = fail_io(error, path, "open");
    } else if (flock(record->lock_fd, LOCK_EX | LOCK_NB) != 0) {
        char holder[24] = "";
        ssize_t n = pread(record->lock_fd, holder, sizeof holder - 1, 0);
        holder[n > 0 ? strcspn(holder, "\n") : 0] = '\0';
        status =
            fail(error, RECORD_BUSY,
                 "another dmlx (process %s) writes '%s'; wait for it, or choose another folder "
                 "with -o DIR",
                 holder, record->folder);
    } else if (ftruncate(record->lock_fd, 0) != 0 ||
               dprintf(record->lock_fd, "%ld\n", (long)getpid()) < 0) {
        status = fail_io(error, path, "write");
    }
    free(path);
    return status;
}

// The experiment that the folder was made for: its text, with the hash in the file beside it.
static int
check_identity(record_t *record, const record_identity_t *identity, record_error_t *error)
{
    plots_error_t reason = {{0}};
    char *path = memory_format("%s/experiment.cfg", record->folder);
    char *hash_path = memory_format("%s/experiment.sha256", record->folder);
    draft_t there = {0}, hash = {0};
    int status = RECORD_OK;
    if (access(hash_path, F_OK) != 0) {
        status =
            record_file(record, "experiment.cfg", identity->text, strlen(identity->text), error);
        if (status == RECORD_OK)
            status = record_file(record, "experiment.sha256", identity->hash,
                                 strlen(identity->hash), error);
    } else if (draft_read(&hash, hash_path, &reason) != PLOTS_OK ||
               draft_read(&there, path, &reason) != PLOTS_OK) {
        status = fail(error, RECORD_IO, "%s", reason.text);
    } else if (strcmp(hash.text ? hash.text : "", identity->hash) != 0) {
        // A setting that is new since then changes the hash, but not the experiment if it has its
        // default.
        char *differences = identity->differences && there.text
                                ? identity->differences(there.text, identity->text)
                                : NULL;
        if (!differences || *differences != '\0')
            status = fail(error, RECORD_OTHER,
                          "'%s' holds results of another experiment; choose another folder with "
                          "-o DIR, or move it away%s%s",
                          record->folder, differences ? "\n" : "", differences ? differences : "");
        free(differences);
    }
    draft_clear(&there);
    draft_clear(&hash);
    free(path);
    free(hash_path);
    return status;
}

int
record_open(record_t **out, const char *folder, const record_identity_t *identity,
            record_error_t *error)
{
    record_t *record = memory_new(sizeof *record);
    record->mutex = memory_new(sizeof *record->mutex);
    pthread_mutex_init(record->mutex, NULL);
    record->folder = memory_text(folder);
    record->lock_fd = record->runs_fd = record->rounds_fd = -1;
    int status = make_folders(folder, error);
    if (status == RECORD_OK)
        status = take_lock(record, error);
    if (status == RECORD_OK)
        status = check_identity(record, identity, error);
    if (status == RECORD_OK)
        status = open_tables(record, identity, error);
    if (status == RECORD_OK)
        status = read_done(record, error);
    if (status == RECORD_OK)
        *out = record;
    else
        record_close(&record);
    return status;
}

void
record_close(record_t **record_p)
{
    record_t *record = *record_p;
    if (!record)
        return;
    if (record->runs_fd >= 0)
        close(record->runs_fd);
    if (record->rounds_fd >= 0)
        close(record->rounds_fd);
    if (record->lock_fd >= 0)
        close(record->lock_fd);
    for (int i = 0; i < record->n_done; i++)
        free(record->done[i].cell);
    free(record->done);
    pthread_mutex_destroy(record->mutex);
    free(record->mutex);
    free(record->folder);
    free(record);
    *record_p = NULL;
}

const char *
record_done_cell(const record_t *record, int index)
{
    return record->done[index].cell;
}

// The descriptor of stops.csv, or a status.
static int
open_stops(const char *path, record_error_t *error)
{
    draft_t header = {0};
    rows_stop_header(&header);
    int fd = open_table(path, &header, error);
    draft_clear(&header);
    return fd;
}

int
record_stops(record_t *record, record_error_t *error)
{
    char *path = memory_format("%s/stops.csv", record->folder);
    int fd = open_stops(path, error);
    free(path);
    if (fd < 0)
        return fd;
    close(fd);
    return RECORD_OK;
}

int
record_stop(record_t *record, const char *cell, int repeats, double ci, double half_width,
            record_error_t *error)
{
    char *path = memory_format("%s/stops.csv", record->folder);
    csv_t *csv = NULL;
    plots_error_t reason = {{0}};
    bool stands = false;
    int fd = open_stops(path, error); // takes off a line that was cut
    int status = fd < 0 ? fd : RECORD_OK;
    if (status == RECORD_OK && csv_read(path, &csv, &reason) != PLOTS_OK)
        status = fail(error, RECORD_DAMAGED, "%s", reason.text);
    for (size_t row = 0; status == RECORD_OK && row < csv_rows(csv); row++)
        stands = stands || (strcmp(csv_text(csv, row, csv_column(csv, "cell")), cell) == 0 &&
                            csv_number(csv, row, csv_column(csv, "repeats")) == repeats);
    if (status == RECORD_OK && !stands) {
        draft_t line = {0};
        rows_stop(&line, cell, repeats, ci, half_width);
        status = append_line(fd, path, &line, error);
        draft_clear(&line);
    }
    if (fd >= 0)
        close(fd);
    csv_free(&csv);
    free(path);
    return status;
}

int
record_round(record_t *record, const char *cell, int repeat, const char *attempt,
             const round_report_t *round, record_error_t *error)
{
    draft_t lines = {0};
    rows_round(&lines, cell, repeat, attempt, round);
    int status = RECORD_OK;
    pthread_mutex_lock(record->mutex);
    if (lines.length)
        status = append_to_table(record, record->rounds_fd, "rounds.csv", &lines, error);
    pthread_mutex_unlock(record->mutex);
    draft_clear(&lines);
    return status;
}

// The row of rounds.csv once more, under another attempt's id.
static void
adopt_row(draft_t *lines, const csv_t *csv, size_t row, int attempt_column, const char *attempt)
{
    for (size_t column = 0; column < csv_columns(csv); column++) {
        if (column > 0)
            draft_add(lines, ",");
        csv_add_text(lines,
                     (int)column == attempt_column ? attempt : csv_text(csv, row, (int)column));
    }
    draft_add(lines, "\n");
}

int
record_adopt_rounds(record_t *record, const char *cell, int repeat, const char *earlier, int round,
                    const char *attempt, record_error_t *error)
{
    char *path = memory_format("%s/rounds.csv", record->folder);
    csv_t *csv = NULL;
    plots_error_t reason = {{0}};
    draft_t lines = {0};
    int last = 0;
    int status = RECORD_OK;
    pthread_mutex_lock(record->mutex); // nobody appends while it is read
    if (csv_read(path, &csv, &reason) != PLOTS_OK) {
        status = fail(error, RECORD_DAMAGED, "%s", reason.text);
    } else {
        int cells = csv_column(csv, "cell"), repeats = csv_column(csv, "repeat");
        int attempts = csv_column(csv, "attempt"), rounds = csv_column(csv, "round");
        for (size_t row = 0; row < csv_rows(csv); row++) {
            double number = csv_number(csv, row, rounds);
            if (strcmp(csv_text(csv, row, cells), cell) != 0 ||
                csv_number(csv, row, repeats) != repeat ||
                strcmp(csv_text(csv, row, attempts), earlier) != 0 || !(number <= round))
                continue;
            adopt_row(&lines, csv, row, attempts, attempt);
            last = (int)number;
        }
        if (last != round)
            status =
                fail(error, RECORD_DAMAGED, "'%s' lacks the rounds of attempt '%s'", path, earlier);
    }
    if (status == RECORD_OK)
        status = append_line(record->rounds_fd, path, &lines, error);
    pthread_mutex_unlock(record->mutex);
    draft_clear(&lines);
    csv_free(&csv);
    free(path);
    return status;
}

int
record_run(record_t *record, const run_row_t *row, record_error_t *error)
{
    // The rounds of a run that counts must be on disk before the row that makes them count.
    if (fsync(record->rounds_fd) != 0) {
        char *path = memory_format("%s/rounds.csv", record->folder);
        int status = fail_io(error, path, "write");
        free(path);
        return status;
    }
    draft_t line = {0};
    rows_run(&line, row, record->n_axes);
    pthread_mutex_lock(record->mutex);
    int status = append_to_table(record, record->runs_fd, "runs.csv", &line, error);
    if (status == RECORD_OK && row->is_done)
        remember_done(record, row->cell, row->repeat, row->result.t_s);
    pthread_mutex_unlock(record->mutex);
    draft_clear(&line);
    return status;
}

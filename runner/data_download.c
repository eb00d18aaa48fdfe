#define _GNU_SOURCE
#include "runner/data_download.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/clock.h"
#include "runner/curl_library.h"
#include "runner/memory.h"
#include "runner/version.h"

enum {
    CONNECTIONS_MAX = 100, // each brings something, but a server that sends byte by byte has an end
    REDIRECTS_MAX = 5,
    LOG_INTERVAL_S = 60, // between plain lines
    HTTP_RANGE_NOT_SATISFIABLE = 416
};
static const curl_off_t FILE_BYTES_MAX = (curl_off_t)4 << 30;
static const double LIVE_INTERVAL_S = 0.25;

typedef struct transfer {
    const data_download_t *download;
    const curl_library_t *curl;
    int file;             // the part, at its end
    curl_off_t start;     // bytes that were there when this connection began
    curl_off_t n_written; // bytes that this connection brought
    int write_errno;      // why a write failed, or 0
    double began_s;       // of this connection
    double told_s;        // when progress was last told
    char reason[CURL_ERROR_SIZE];
} transfer_t;

static size_t
on_bytes(char *bytes, size_t one, size_t n, void *target)
{
    transfer_t *transfer = target;
    size_t n_bytes = one * n;
    for (size_t done = 0; done < n_bytes;) {
        ssize_t written = write(transfer->file, bytes + done, n_bytes - done);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0) {
            transfer->write_errno = errno;
            return 0;
        }
        done += (size_t)written;
        transfer->n_written += written;
    }
    return n_bytes;
}

static void
tell(transfer_t *transfer, curl_off_t expected, double now_s)
{
    const double mib = 1024.0 * 1024.0;
    double have = (double)(transfer->start + transfer->n_written);
    double total = (double)(transfer->start + expected);
    double elapsed_s = now_s - transfer->began_s;
    double rate = elapsed_s > 0 ? (double)transfer->n_written / elapsed_s : 0;
    FILE *out = transfer->download->progress;
    bool is_live = transfer->download->is_live;

    fprintf(out, "%s%.1f", is_live ? "\r\033[K" : "", have / mib);
    if (expected > 0)
        fprintf(out, " of %.1f", total / mib);
    fprintf(out, " MiB  %.1f MiB/s", rate / mib);
    if (expected > 0 && rate > 0)
        fprintf(out, "  %.0f s left", (total - have) / rate);
    fputs(is_live ? "" : "\n", out);
    fflush(out);
    transfer->told_s = now_s;
}

static int
on_progress(void *target, curl_off_t expected, curl_off_t have, curl_off_t up, curl_off_t up_done)
{
    (void)have;
    (void)up;
    (void)up_done;
    transfer_t *transfer = target;
    double now_s = clock_s();
    double interval_s = transfer->download->is_live ? LIVE_INTERVAL_S : LOG_INTERVAL_S;
    if (transfer->download->progress && now_s - transfer->told_s >= interval_s)
        tell(transfer, expected, now_s);
    return 0;
}

static void
set_options(CURL *curl, transfer_t *transfer)
{
    __typeof__(curl_easy_setopt) *set = transfer->curl->easy_setopt;
    const data_download_t *download = transfer->download;
    char agent[64];
    snprintf(agent, sizeof agent, "dmlx/%s", version_text());
    set(curl, CURLOPT_URL, download->url);
    set(curl, CURLOPT_USERAGENT, agent);
    set(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    set(curl, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    set(curl, CURLOPT_FOLLOWLOCATION, 1L);
    set(curl, CURLOPT_MAXREDIRS, (long)REDIRECTS_MAX);
    set(curl, CURLOPT_FAILONERROR, 1L);
    set(curl, CURLOPT_NOSIGNAL, 1L);
    set(curl, CURLOPT_CONNECTTIMEOUT, (long)download->connect_s);
    set(curl, CURLOPT_LOW_SPEED_LIMIT, 1L);
    set(curl, CURLOPT_LOW_SPEED_TIME, (long)download->stall_s);
    set(curl, CURLOPT_MAXFILESIZE_LARGE, FILE_BYTES_MAX);
    set(curl, CURLOPT_RESUME_FROM_LARGE, transfer->start);
    set(curl, CURLOPT_ERRORBUFFER, transfer->reason);
    set(curl, CURLOPT_WRITEFUNCTION, on_bytes);
    set(curl, CURLOPT_WRITEDATA, transfer);
    set(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    set(curl, CURLOPT_XFERINFODATA, transfer);
    set(curl, CURLOPT_NOPROGRESS, 0L);
}

// One connection, from the end of the part on. `*http` is the server's last answer, 0 without one.
static CURLcode
connect_once(transfer_t *transfer, long *http)
{
    transfer->start = lseek(transfer->file, 0, SEEK_END);
    transfer->n_written = 0;
    transfer->reason[0] = '\0';
    transfer->began_s = transfer->told_s = clock_s();
    *http = 0;

    CURL *curl = transfer->curl->easy_init();
    if (!curl)
        return CURLE_FAILED_INIT;
    set_options(curl, transfer);
    CURLcode code = transfer->curl->easy_perform(curl);
    transfer->curl->easy_getinfo(curl, CURLINFO_RESPONSE_CODE, http);
    transfer->curl->easy_cleanup(curl);
    if (transfer->download->progress && transfer->download->is_live)
        fprintf(transfer->download->progress, "\r\033[K");
    return code;
}

// Connections until the part is whole. Returns 0, or -1 with `fault` set.
static int
fill_part(transfer_t *transfer, fault_t *fault)
{
    const char *url = transfer->download->url;
    for (int i = 0; i < CONNECTIONS_MAX; i++) {
        long http;
        CURLcode code = connect_once(transfer, &http);
        if (code == CURLE_OK)
            return 0;
        // Asked to go on behind its end, the server has nothing more: the part is whole.
        if (http == HTTP_RANGE_NOT_SATISFIABLE && transfer->start > 0)
            return 0;
        if (transfer->write_errno) {
            fault_set(fault, "'%s.part' cannot be written: %s", transfer->download->path,
                      strerror(transfer->write_errno));
            return -1;
        }
        // A server that can only send the whole file is asked for that.
        if (code == CURLE_RANGE_ERROR && transfer->start > 0 && ftruncate(transfer->file, 0) == 0)
            continue;
        // Silence for so long is what the caller's limit is for; a cut connection is taken up
        // again.
        if (code == CURLE_OPERATION_TIMEDOUT || transfer->n_written == 0) {
            fault_set(fault, "'%s' cannot be fetched: %s%s", url,
                      transfer->reason[0] ? transfer->reason : transfer->curl->easy_strerror(code),
                      transfer->start + transfer->n_written
                          ? "; what has arrived is kept, the same command goes on with it"
                          : "");
            return -1;
        }
    }
    fault_set(fault, "'%s' cannot be fetched: the connection is cut again and again", url);
    return -1;
}

static int
open_part(const char *part, fault_t *fault)
{
    int file = open(part, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0) {
        fault_set(fault, "'%s' cannot be written: %s", part, strerror(errno));
        return -1;
    }
    if (flock(file, LOCK_EX | LOCK_NB) != 0) {
        fault_set(fault, "'%s' is being fetched by another dmlx", part);
        close(file);
        return -1;
    }
    return file;
}

int
data_download(const data_download_t *download, fault_t *fault)
{
    int status = -1;
    char *part = memory_format("%s.part", download->path);
    transfer_t transfer = {.download = download, .curl = curl_library(fault), .file = -1};
    if (transfer.curl)
        transfer.file = open_part(part, fault);
    if (transfer.file < 0)
        goto done;
    if (transfer.curl->global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        fault_set(fault, "libcurl cannot be started");
        goto done;
    }
    status = fill_part(&transfer, fault);
    transfer.curl->global_cleanup();
    if (status == 0 && (fsync(transfer.file) != 0 || rename(part, download->path) != 0)) {
        fault_set(fault, "'%s' cannot be written: %s", download->path, strerror(errno));
        status = -1;
    }
done:
    if (transfer.file >= 0)
        close(transfer.file);
    free(part);
    return status;
}

// data_download.h — one file over HTTP, gone on with where it was cut.
//
// What has arrived lies in PATH.part; PATH appears by rename once the server has sent all of it.
// Nothing here judges the bytes: the caller compares a checksum.
#ifndef RUNNER_DATA_DOWNLOAD_H
#define RUNNER_DATA_DOWNLOAD_H

#include <stdbool.h>
#include <stdio.h>

#include "runner/fault.h"

typedef struct data_download {
    const char *url;  // http or https
    const char *path; // of the whole file; its folder exists
    int connect_s;    // limit for a connection to stand
    int stall_s;      // limit without a byte
    FILE *progress;   // where progress is told; NULL: nowhere
    bool is_live;     // `progress` is a terminal: one line, redrawn
} data_download_t;

// Blocks until the file is whole or the limits are over. A connection that is cut is taken up again
// at once, as long as each one brings something. Returns 0, or -1 with `fault` set; the part stays,
// for the next call to go on with. One process at a time fetches into a path.
int data_download(const data_download_t *download, fault_t *fault);

#endif

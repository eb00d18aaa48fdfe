// archive_library.h — libarchive, opened when an archive is to be unpacked.
//
// Linked, it would bring eight libraries and 1.2 MiB of their pages to every process of a cell, none
// of which ever unpacks anything (runner/dynamic_library.h).
#ifndef RUNNER_ARCHIVE_LIBRARY_H
#define RUNNER_ARCHIVE_LIBRARY_H

#include <archive.h>
#include <archive_entry.h>

#include "runner/fault.h"

// Its functions by their own names, without the prefix "archive_".
typedef struct archive_library {
    __typeof__(archive_read_new) *read_new;
    __typeof__(archive_read_support_filter_gzip) *read_support_filter_gzip;
    __typeof__(archive_read_support_filter_bzip2) *read_support_filter_bzip2;
    __typeof__(archive_read_support_filter_xz) *read_support_filter_xz;
    __typeof__(archive_read_support_filter_zstd) *read_support_filter_zstd;
    __typeof__(archive_read_support_format_tar) *read_support_format_tar;
    __typeof__(archive_read_support_format_zip) *read_support_format_zip;
    __typeof__(archive_read_open_filename) *read_open_filename;
    __typeof__(archive_read_next_header) *read_next_header;
    __typeof__(archive_read_data) *read_data;
    __typeof__(archive_read_free) *read_free;
    __typeof__(archive_error_string) *error_string;
    __typeof__(archive_entry_pathname) *entry_pathname;
    __typeof__(archive_entry_filetype) *entry_filetype;
    __typeof__(archive_entry_hardlink) *entry_hardlink;
} archive_library_t;

// Loads it and keeps it until the program ends. NULL: it is not on this host, and the fault says
// what to install.
const archive_library_t *archive_library(fault_t *fault);

#endif

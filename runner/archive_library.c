#include "runner/archive_library.h"

#include <dlfcn.h>
#include <stdbool.h>

#include "runner/dynamic_library.h"

const archive_library_t *
archive_library(fault_t *fault)
{
    static archive_library_t functions;
    static bool is_loaded;
    const library_symbol_t symbols[] = {
        {"archive_read_new", &functions.read_new},
        {"archive_read_support_filter_gzip", &functions.read_support_filter_gzip},
        {"archive_read_support_filter_bzip2", &functions.read_support_filter_bzip2},
        {"archive_read_support_filter_xz", &functions.read_support_filter_xz},
        {"archive_read_support_filter_zstd", &functions.read_support_filter_zstd},
        {"archive_read_support_format_tar", &functions.read_support_format_tar},
        {"archive_read_support_format_zip", &functions.read_support_format_zip},
        {"archive_read_open_filename", &functions.read_open_filename},
        {"archive_read_next_header", &functions.read_next_header},
        {"archive_read_data", &functions.read_data},
        {"archive_read_free", &functions.read_free},
        {"archive_error_string", &functions.error_string},
        {"archive_entry_pathname", &functions.entry_pathname},
        {"archive_entry_filetype", &functions.entry_filetype},
        {"archive_entry_hardlink", &functions.entry_hardlink},
    };
    // Of libarchive's interface since 2011 (3.0).
    is_loaded = is_loaded || dynamic_library_open("libarchive.so.13", symbols,
                                                  sizeof symbols / sizeof *symbols) == 0;
    if (is_loaded)
        return &functions;
    fault_set(fault,
              "nothing can be unpacked without libarchive (%s); install it: apt-get install "
              "libarchive13",
              dlerror());
    return NULL;
}

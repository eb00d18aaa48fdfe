#include "runner/curl_library.h"

#include <dlfcn.h>
#include <stdbool.h>

#include "runner/dynamic_library.h"

const curl_library_t *
curl_library(fault_t *fault)
{
    static curl_library_t functions;
    static bool is_loaded;
    const library_symbol_t symbols[] = {
        {"curl_global_init", &functions.global_init},
        {"curl_global_cleanup", &functions.global_cleanup},
        {"curl_easy_init", &functions.easy_init},
        {"curl_easy_setopt", &functions.easy_setopt},
        {"curl_easy_perform", &functions.easy_perform},
        {"curl_easy_getinfo", &functions.easy_getinfo},
        {"curl_easy_cleanup", &functions.easy_cleanup},
        {"curl_easy_strerror", &functions.easy_strerror},
    };
    // Of libcurl's interface since 2006.
    is_loaded = is_loaded || dynamic_library_open("libcurl.so.4", symbols,
                                                  sizeof symbols / sizeof *symbols) == 0;
    if (is_loaded)
        return &functions;
    fault_set(fault,
              "nothing can be fetched without libcurl (%s); install it: apt-get install "
              "libcurl4",
              dlerror());
    return NULL;
}

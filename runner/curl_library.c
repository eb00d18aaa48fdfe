#include "runner/curl_library.h"

#include <dlfcn.h>
#include <stdbool.h>
#include <string.h>

// Of libcurl's interface since 2006.
static const char file_name[] = "libcurl.so.4";

// A symbol of data's type and a function's pointer are of one size wherever POSIX holds.
static bool
find(void *library, const char *name, void *function)
{
    void *symbol = dlsym(library, name);
    memcpy(function, &symbol, sizeof symbol);
    return symbol;
}

const curl_library_t *
curl_library(fault_t *fault)
{
    static curl_library_t functions;
    static bool is_loaded;
    if (is_loaded)
        return &functions;
    void *library = dlopen(file_name, RTLD_NOW | RTLD_LOCAL);
    is_loaded = library && find(library, "curl_global_init", &functions.global_init) &&
                find(library, "curl_global_cleanup", &functions.global_cleanup) &&
                find(library, "curl_easy_init", &functions.easy_init) &&
                find(library, "curl_easy_setopt", &functions.easy_setopt) &&
                find(library, "curl_easy_perform", &functions.easy_perform) &&
                find(library, "curl_easy_getinfo", &functions.easy_getinfo) &&
                find(library, "curl_easy_cleanup", &functions.easy_cleanup) &&
                find(library, "curl_easy_strerror", &functions.easy_strerror);
    if (is_loaded)
        return &functions;
    fault_set(fault,
              "nothing can be fetched without libcurl (%s); install it: apt-get install "
              "libcurl4",
              dlerror());
    if (library)
        dlclose(library);
    return NULL;
}

// curl_library.h — libcurl, opened when something is to be fetched.
//
// Linked, it would be loaded at every start of the program, and it brings some thirty libraries
// with it: two thirds of what the dynamic linker has to do (10 of 16 ms), once for each process of
// a cell, none of which ever fetches anything. Nor does a host of a cluster need it so.
#ifndef RUNNER_CURL_LIBRARY_H
#define RUNNER_CURL_LIBRARY_H

#include <curl/curl.h>

#include "runner/fault.h"

// Its functions by their own names, without the prefix "curl_".
typedef struct curl_library {
    __typeof__(curl_global_init) *global_init;
    __typeof__(curl_global_cleanup) *global_cleanup;
    __typeof__(curl_easy_init) *easy_init;
    __typeof__(curl_easy_setopt) *easy_setopt;
    __typeof__(curl_easy_perform) *easy_perform;
    __typeof__(curl_easy_getinfo) *easy_getinfo;
    __typeof__(curl_easy_cleanup) *easy_cleanup;
    __typeof__(curl_easy_strerror) *easy_strerror;
} curl_library_t;

// Loads it and keeps it until the program ends. NULL: it is not on this host, and the fault says
// what to install.
const curl_library_t *curl_library(fault_t *fault);

#endif

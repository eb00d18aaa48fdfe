#include "runner/data_find.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/synthetic.h"
#include "plots/draft.h"
#include "runner/memory.h"

const char data_folder_name[] = "cifar-10-batches-bin";

// As many images as CIFAR-10 has. The folder's name carries the version of the recipe: another
// recipe or seed must have another name, so that no machine trains on a stale one.
static const synthetic_spec_t synthetic_spec = {
    .shape = {3, 32, 32}, .classes = 10, .train = 50000, .test = 10000, .seed = 1};
static const char synthetic_folder[] = "synthetic-1";

int
data_make_folder(const char *path, fault_t *fault)
{
    plots_error_t error = {{0}};
    if (draft_folder(path, &error) == PLOTS_OK)
        return 0;
    fault_set(fault, "%s", error.text);
    return -1;
}

char *
data_cache_folder(fault_t *fault)
{
    // A relative XDG_CACHE_HOME is invalid by the rules and to be ignored.
    const char *cache = getenv("XDG_CACHE_HOME");
    if (cache && cache[0] == '/')
        return memory_format("%s/dmlx", cache);
    const char *home = getenv("HOME");
    if (home && home[0])
        return memory_format("%s/.cache/dmlx", home);
    fault_set(fault, "there is no cache folder, as neither HOME nor XDG_CACHE_HOME is set; "
                     "give --data FOLDER");
    return NULL;
}

static bool
exists(const char *folder, const char *name)
{
    char *path = memory_format("%s/%s", folder, name);
    bool is_there = access(path, F_OK) == 0;
    free(path);
    return is_there;
}

// A folder that is meant to be a data set, whole or not: what is wrong with it, dataset_open says.
static bool
has_data(const char *folder)
{
    return exists(folder, data_folder_name) || exists(folder, "test_batch.bin") ||
           exists(folder, "data_batch_1.bin");
}

// The place that was named, and by what; NULL when none was.
static const char *
named_place(const char *option, const char **by)
{
    const char *variable = getenv("DMLX_DATA");
    *by = option ? "--data" : "DMLX_DATA";
    return option ? option : variable && variable[0] ? variable : NULL;
}

static char *
find_cifar10(const char *option, fault_t *fault)
{
    const char *by;
    const char *named = named_place(option, &by);
    if (named) {
        if (has_data(named))
            return memory_text(named);
        fault_set(fault,
                  "no CIFAR-10 in '%s', which %s names: neither .bin files nor a folder %s; "
                  "'dmlx data fetch' or 'dmlx data import' puts it there",
                  named, by, data_folder_name);
        return NULL;
    }
    char *cache = data_cache_folder(fault);
    if (cache && !has_data(cache)) {
        fault_set(fault,
                  "no CIFAR-10 on this machine: --data is not given, DMLX_DATA is not set, and "
                  "'%s/%s' is not there; 'dmlx data fetch' gets it, 'dmlx data import' takes an "
                  "archive or a folder",
                  cache, data_folder_name);
        free(cache);
        cache = NULL;
    }
    return cache;
}

static int
make_synthetic(const char *cache, const char *folder, fault_t *fault)
{
    if (access(folder, F_OK) == 0)
        return 0;
    if (data_make_folder(cache, fault) != 0)
        return -1;
    // It appears whole or not at all; if another process was faster, its copy is as good.
    engine_error_t error = {0};
    if (synthetic_write(folder, &synthetic_spec, &error) == 0 || access(folder, F_OK) == 0)
        return 0;
    fault_set(fault, "the synthetic data set cannot be made: %s", error.text);
    return -1;
}

static char *
find_synthetic(fault_t *fault)
{
    char *cache = data_cache_folder(fault);
    if (!cache)
        return NULL;
    char *folder = memory_format("%s/%s", cache, synthetic_folder);
    if (make_synthetic(cache, folder, fault) != 0) {
        free(folder);
        folder = NULL;
    }
    free(cache);
    return folder;
}

char *
data_find(const char *name, const char *option, fault_t *fault)
{
    if (strcmp(name, "cifar10") == 0)
        return find_cifar10(option, fault);
    if (strcmp(name, "synthetic") == 0)
        return find_synthetic(fault);
    fault_set(fault, "unknown data set '%s'; there are 'cifar10' and 'synthetic'", name);
    return NULL;
}

static bool
ends_with_folder_name(const char *path)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    size_t n = strlen(data_folder_name);
    return length >= n && strncmp(path + length - n, data_folder_name, n) == 0 &&
           (length == n || path[length - n - 1] == '/');
}

char *
data_home(const char *option, fault_t *fault)
{
    const char *by;
    const char *named = named_place(option, &by);
    if (named && (ends_with_folder_name(named) || exists(named, "test_batch.bin")))
        return memory_text(named);
    if (named)
        return memory_format("%s/%s", named, data_folder_name);
    char *cache = data_cache_folder(fault);
    char *home = cache ? memory_format("%s/%s", cache, data_folder_name) : NULL;
    free(cache);
    return home;
}

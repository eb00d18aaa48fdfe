// data_find.h — where a data set lies on this machine.
//
// CIFAR-10 is looked for in the folder given by --data, then in $DMLX_DATA, then in the cache
// folder of the XDG rules: ${XDG_CACHE_HOME:-~/.cache}/dmlx. Each may be the folder of the .bin
// files or hold it as cifar-10-batches-bin. A place that was named but holds nothing is an error:
// nobody wants other data than they asked for. The built-in synthetic set is made in the cache
// folder when it is first asked for.
#ifndef RUNNER_DATA_FIND_H
#define RUNNER_DATA_FIND_H

#include <stddef.h>

#include "runner/fault.h"

extern const char data_folder_name[]; // "cifar-10-batches-bin"

// The folder of the data set `name` ("cifar10" or "synthetic"), for dataset_open; the caller frees
// it. `option` is what --data said, or NULL; the synthetic set takes no heed of it. NULL with
// `fault` set, which lists the places looked at and says what to do. Making the synthetic set takes
// some seconds; of several that make it at once, one wins.
char *data_find(const char *name, const char *option, fault_t *fault);

// Where a data set that is fetched or imported belongs: the first of the same places, whether or
// not anything is there yet. The caller frees it; NULL with `fault` set when there is no such
// place.
char *data_home(const char *option, fault_t *fault);

// ${XDG_CACHE_HOME:-~/.cache}/dmlx; the caller frees it; NULL with `fault` set without a home
// folder.
char *data_cache_folder(fault_t *fault);

// Makes a folder and those above it. -1 with `fault` set.
int data_make_folder(const char *path, fault_t *fault);

#endif

#define _GNU_SOURCE // memfd_create
#include "runner/run_keys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "runner/memory.h"
#include "runner/process.h"

enum { NAME_BYTES = 32, WRITE_LIMIT_MS = 5000 };

void
run_keys_make(run_keys_t *keys, int n_workers)
{
    *keys = (run_keys_t){.coordinator = keys_new(KEYS_COORDINATOR), .n_workers = n_workers};
    keys->workers = memory_new((size_t)n_workers * sizeof *keys->workers);
    const char *public_key = keys_public(keys->coordinator);
    for (int rank = 0; rank < n_workers; rank++) {
        char name[NAME_BYTES];
        snprintf(name, sizeof name, "worker-%d", rank);
        keys->workers[rank] = keys_new(name);
        // Neither can fail: fresh keys under names that are all different.
        keys_add(keys->workers[rank], KEYS_COORDINATOR, public_key, NULL);
        keys_add(keys->coordinator, name, keys_public(keys->workers[rank]), NULL);
    }
}

void
run_keys_free(run_keys_t *keys)
{
    for (int rank = 0; rank < keys->n_workers; rank++)
        keys_free(keys->workers[rank]);
    free(keys->workers);
    keys_free(keys->coordinator);
    *keys = (run_keys_t){0};
}

bool
run_keys_needed(const cluster_t *cluster)
{
    char *endpoint = memory_format("tcp://%s:%ld", cluster->address, cluster->port);
    bool is_networked = cluster->launcher == LAUNCHER_SSH || cluster->launcher == LAUNCHER_SWARM ||
                        cluster->launcher == LAUNCHER_SLURM; // which find the address themselves
    bool is_needed = cluster->encrypt == ENCRYPT_ALWAYS || is_networked || cluster->link_mbit > 0 ||
                     !keys_optional(endpoint);
    free(endpoint);
    return is_needed;
}

keys_t *
run_keys_parse(const char *text, fault_t *fault)
{
    transport_error_t error = {{0}};
    char source[NAME_BYTES];
    // A file without a name, which no other process can open.
    int fd = memfd_create("keys", MFD_CLOEXEC);
    if (fd < 0 || process_write(fd, text, strlen(text), WRITE_LIMIT_MS, fault) != 0 ||
        lseek(fd, 0, SEEK_SET) != 0) {
        fault_set(fault, "no memory to hold the keys in: %s", strerror(errno));
        if (fd >= 0)
            close(fd);
        return NULL;
    }
    snprintf(source, sizeof source, "fd:%d", fd);
    keys_t *keys = keys_open(source, &error); // closes fd
    if (!keys)
        fault_set(fault, "%s", error.text);
    return keys;
}

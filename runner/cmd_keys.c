// cmd_keys.c — dmlx keys: key rings for a coordinator and workers that are started by hand.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/command.h"
#include "runner/memory.h"
#include "runner/options.h"
#include "runner/run_keys.h"

enum { WORKERS_MAX = 10000 };

static int
fail(const char *text)
{
    fprintf(stderr, "dmlx keys: %s\n", text);
    return STATUS_RUN_FAILED;
}

// Writes one ring as FOLDER/NAME, readable by its owner alone. Never over one that is there: a
// worker may hold its other half.
static int
write_ring(const char *folder, const keys_t *keys)
{
    transport_error_t error = {{0}};
    char *path = memory_format("%s/%s", folder, keys_name(keys));
    int status = STATUS_DONE;
    if (access(path, F_OK) == 0) {
        transport_fail(&error, TRANSPORT_KEYS, "'%s' is there already; choose another -o DIR",
                       path);
        status = fail(error.text);
    } else if (keys_write(keys, path, &error) != 0) {
        status = fail(error.text);
    } else {
        printf("%s\n", path);
    }
    free(path);
    return status;
}

static int
write_rings(const char *folder, int n_workers)
{
    if (mkdir(folder, 0700) != 0 && errno != EEXIST) {
        char *text = memory_format("cannot make '%s': %s", folder, strerror(errno));
        int status = fail(text);
        free(text);
        return status;
    }
    run_keys_t keys;
    run_keys_make(&keys, n_workers);
    int status = write_ring(folder, keys.coordinator);
    for (int rank = 0; rank < n_workers && status == STATUS_DONE; rank++)
        status = write_ring(folder, keys.workers[rank]);
    run_keys_free(&keys);
    return status;
}

static int
run(int argc, char **argv)
{
    const char *folder = "keys";
    const option_t options[] = {
        {"output", 'o', "DIR", OPTION_TEXT, &folder, "where the rings go (else keys/)"},
        {0},
    };
    int first = options_parse(&command_keys, options, argc, argv);
    if (first < 0)
        return options_exit_status(first);
    if (argc - first != 1)
        return options_usage_fault(&command_keys, "for how many workers? give one number");
    char *end;
    long n_workers = strtol(argv[first], &end, 10);
    if (*end || end == argv[first] || n_workers < 1 || n_workers > WORKERS_MAX)
        return options_usage_fault(&command_keys, "'%s' is no number of workers from 1 to %d",
                                   argv[first], WORKERS_MAX);
    return write_rings(folder, (int)n_workers);
}

const command_t command_keys = {
    .name = "keys",
    .summary = "make key rings for 'dmlx serve' and 'dmlx work' across a network",
    .usage = "[OPTION…] N",
    .example = "dmlx keys 2 -o keys  # then serve --keys keys/coordinator, work --keys "
               "keys/worker-0",
    .run = run,
};

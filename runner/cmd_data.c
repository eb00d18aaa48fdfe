// cmd_data.c — dmlx data: gets the data set, checks it, shows it.
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/command.h"
#include "runner/data_download.h"
#include "runner/data_find.h"
#include "runner/data_store.h"
#include "runner/memory.h"
#include "runner/options.h"
#include "runner/progress.h"
#include "runner/samples.h"
#include "runner/suggest.h"

enum { TRAIN_IMAGES = 50000, TEST_IMAGES = 10000, TIMEOUT_S = 30, SHOWN_PER_CLASS = 4 };

static int fetch(int argc, char **argv);
static int import(int argc, char **argv);
static int verify(int argc, char **argv);
static int show(int argc, char **argv);

static const command_t subcommands[] = {
    {"data fetch", "get CIFAR-10's official archive, check and unpack it", "[OPTION…]",
     "dmlx data fetch", fetch},
    {"data import", "take CIFAR-10 from an archive or a folder of .bin files",
     "[OPTION…] ARCHIVE|FOLDER", "dmlx data import ~/Downloads/cifar-10-binary.tar.gz", import},
    {"data verify", "check sizes, labels and checksum of the data set", "[OPTION…]",
     "dmlx data verify", verify},
    {"data show", "show a few pictures of each class", "[OPTION…]",
     "dmlx data show --output grid.ppm", show},
};
enum { N_SUBCOMMANDS = sizeof subcommands / sizeof *subcommands, PREFIX = sizeof "data" };

static int
fail(const fault_t *fault)
{
    fprintf(stderr, "dmlx data: %s\n", fault->text);
    return STATUS_RUN_FAILED;
}

// What every subcommand says of a data set that is in place.
static void
print_place(const char *folder)
{
    data_origin_t origin;
    bool is_official = data_origin_read(folder, &origin) == 0 && data_is_official(&origin);
    printf("CIFAR-10 is in %s%s\n", folder,
           is_official ? "" : " (not known to be the official files)");
}

static void
warn_of_size(const dataset_t *set)
{
    size_t n_train = dataset_length(set, DATASET_TRAIN), n_test = dataset_length(set, DATASET_TEST);
    if (n_train != TRAIN_IMAGES || n_test != TEST_IMAGES)
        fprintf(stderr,
                "dmlx data: note: %zu training and %zu test images, where CIFAR-10 has %d and %d\n",
                n_train, n_test, TRAIN_IMAGES, TEST_IMAGES);
}

// Whether a sound data set is in place already. One that is there but not sound is told of.
static bool
is_in_place(const char *home)
{
    fault_t fault;
    dataset_t *set = NULL;
    bool is_sound = data_open(&set, home, &fault) == 0;
    dataset_close(&set);
    if (!is_sound && access(home, F_OK) == 0)
        fprintf(stderr, "dmlx data: note: what is there is not sound: %s\n", fault.text);
    return is_sound;
}

// `checksum` is 32 hexadecimal digits, or "none". Returns a usage fault's status, or 0.
static int
check_checksum_option(const command_t *command, const char *checksum)
{
    if (strcmp(checksum, "none") == 0 ||
        (strlen(checksum) == 32 && strspn(checksum, "0123456789abcdef") == 32))
        return 0;
    return options_usage_fault(command,
                               "--checksum takes an MD5 (32 hexadecimal digits in lower case) or "
                               "none, not '%s'",
                               checksum);
}

static bool
agrees(const char *checksum, const char *md5)
{
    return strcmp(checksum, "none") == 0 || strcmp(checksum, md5) == 0;
}

static int
finish(const char *home)
{
    dataset_t *set = NULL;
    fault_t fault;
    if (data_open(&set, home, &fault) != 0)
        return fail(&fault);
    warn_of_size(set);
    dataset_close(&set);
    print_place(home);
    return STATUS_DONE;
}

// Unpacks what was fetched. A wrong checksum keeps the file aside: it may be a proxy's page that
// tells why.
static int
unpack_fetched(const char *archive, const char *url, const char *checksum, const char *home)
{
    fault_t fault;
    data_origin_t origin = {0};
    snprintf(origin.source, sizeof origin.source, "%s", url);
    if (data_md5(archive, origin.archive_md5) != 0) {
        fault_set(&fault, "'%s' cannot be read: %s", archive, strerror(errno));
        return fail(&fault);
    }
    if (!agrees(checksum, origin.archive_md5)) {
        char *bad = memory_format("%s.bad", archive);
        bool is_kept = rename(archive, bad) == 0;
        fault_set(&fault,
                  "'%s' is not what was expected: its MD5 is %s, not %s; it is kept as '%s'", url,
                  origin.archive_md5, checksum, is_kept ? bad : archive);
        free(bad);
        return fail(&fault);
    }
    if (data_store_archive(archive, home, true, &origin, &fault) != 0)
        return fail(&fault);
    unlink(archive);
    return finish(home);
}

static int
fetch_into(const char *home, const char *url, const char *checksum, int timeout_s)
{
    fault_t fault;
    char *folder = memory_text(home);
    char *slash = strrchr(folder, '/');
    if (slash)
        *slash = '\0';
    char *archive = memory_format("%s/cifar-10-binary.tar.gz", slash ? folder : ".");
    bool is_live = isatty(STDERR_FILENO);
    data_download_t download = {.url = url,
                                .path = archive,
                                .connect_s = timeout_s,
                                .stall_s = timeout_s,
                                .progress = stderr,
                                .is_live = is_live};
    int status = STATUS_RUN_FAILED;
    fprintf(stderr, "fetching %s\n", url);
    if ((slash && data_make_folder(folder, &fault) != 0) || data_download(&download, &fault) != 0)
        fail(&fault);
    else
        status = unpack_fetched(archive, url, checksum, home);
    free(archive);
    free(folder);
    return status;
}

static int
fetch(int argc, char **argv)
{
    const command_t *command = &subcommands[0];
    const char *data = NULL, *url = data_official_url, *checksum = data_official_md5;
    int timeout_s = TIMEOUT_S;
    bool is_replacing = false;
    const option_t options[] = {
        {"data", 0, "DIR", OPTION_TEXT, &data, "where it goes (default: $DMLX_DATA, cache)"},
        {"url", 'u', "URL", OPTION_TEXT, &url, "another place of the archive"},
        {"checksum", 0, "MD5", OPTION_TEXT, &checksum, "the archive's MD5; none: any will do"},
        {"timeout", 0, "SECONDS", OPTION_INTEGER, &timeout_s,
         "limit to connect, and without a byte (30)"},
        {"replace", 0, NULL, OPTION_FLAG, &is_replacing, "fetch even if it is there"},
        {0},
    };
    int first = options_parse(command, options, argc, argv);
    if (first < 0)
        return options_exit_status(first);
    if (first < argc)
        return options_usage_fault(command, "takes no '%s'", argv[first]);
    if (timeout_s < 1)
        return options_usage_fault(command, "--timeout is at least 1");
    if (check_checksum_option(command, checksum) != 0)
        return STATUS_USAGE;

    fault_t fault;
    char *home = data_home(data, &fault);
    if (!home)
        return fail(&fault);
    int status;
    if (!is_replacing && is_in_place(home)) {
        print_place(home);
        status = STATUS_DONE;
    } else {
        status = fetch_into(home, url, checksum, timeout_s);
    }
    free(home);
    return status;
}

static int
import_archive(const char *path, const char *checksum, const char *home, bool is_replacing)
{
    fault_t fault;
    data_origin_t origin = {0};
    snprintf(origin.source, sizeof origin.source, "%s", path);
    if (data_md5(path, origin.archive_md5) != 0) {
        fault_set(&fault, "'%s' cannot be read: %s", path, strerror(errno));
        return fail(&fault);
    }
    if (!agrees(checksum, origin.archive_md5)) {
        bool is_default = strcmp(checksum, data_official_md5) == 0;
        fault_set(&fault, "'%s' is not the %sarchive: its MD5 is %s, not %s; %s", path,
                  is_default ? "official " : "expected ", origin.archive_md5, checksum,
                  is_default ? "if you trust it, say --checksum none" : "fetch it again");
        return fail(&fault);
    }
    if (data_store_archive(path, home, is_replacing, &origin, &fault) != 0)
        return fail(&fault);
    return finish(home);
}

static int
import(int argc, char **argv)
{
    const command_t *command = &subcommands[1];
    const char *data = NULL, *checksum = data_official_md5;
    bool is_replacing = false;
    const option_t options[] = {
        {"data", 0, "DIR", OPTION_TEXT, &data, "where it goes (default: $DMLX_DATA, cache)"},
        {"checksum", 0, "MD5", OPTION_TEXT, &checksum,
         "an archive's MD5 (the official one); none: any will do"},
        {"replace", 0, NULL, OPTION_FLAG, &is_replacing, "replace what is there"},
        {0},
    };
    int first = options_parse(command, options, argc, argv);
    if (first < 0)
        return options_exit_status(first);
    if (argc - first != 1)
        return options_usage_fault(command, "takes one archive or folder");
    if (check_checksum_option(command, checksum) != 0)
        return STATUS_USAGE;

    const char *source = argv[first];
    fault_t fault;
    char *home = data_home(data, &fault);
    if (!home)
        return fail(&fault);
    struct stat about;
    int status = STATUS_RUN_FAILED;
    if (stat(source, &about) != 0) {
        fault_set(&fault, "'%s' cannot be read: %s", source, strerror(errno));
        fail(&fault);
    } else if (!S_ISDIR(about.st_mode)) {
        status = import_archive(source, checksum, home, is_replacing);
    } else if (data_store_folder(source, home, is_replacing, &fault) != 0) {
        fail(&fault);
    } else {
        status = finish(home);
    }
    free(home);
    return status;
}

// Opens what --data, $DMLX_DATA or the cache has. NULL after the fault was told.
static dataset_t *
open_found(const char *data)
{
    fault_t fault;
    dataset_t *set = NULL;
    char *folder = data_find("cifar10", data, &fault);
    if (!folder || data_open(&set, folder, &fault) != 0)
        fail(&fault);
    free(folder);
    return set;
}

static void
print_classes(const dataset_t *set)
{
    int n_classes = dataset_classes(set);
    size_t(*n)[2] = memory_new((size_t)n_classes * sizeof *n);
    for (int split = 0; split < 2; split++)
        for (size_t i = 0; i < dataset_length(set, (dataset_split_t)split); i++)
            n[dataset_label(set, (dataset_split_t)split, i)][split]++;
    printf("\n%-12s%10s%10s\n", "class", "training", "test");
    for (int label = 0; label < n_classes; label++) {
        char train[24], test[24];
        printf("%-12s%10s%10s\n", dataset_class_name(set, label),
               progress_thousands((double)n[label][DATASET_TRAIN], train),
               progress_thousands((double)n[label][DATASET_TEST], test));
    }
    free(n);
}

// Says where the files came from. Returns whether they are still what they were then.
static bool
print_origin(const dataset_t *set, const char *checksum)
{
    data_origin_t origin;
    if (data_origin_read(dataset_folder(set), &origin) != 0) {
        printf("origin      not known: these files were not put here by dmlx\n");
        return true;
    }
    bool is_unchanged = strcmp(origin.xxh128, checksum) == 0;
    if (data_is_official(&origin))
        printf("origin      the official archive%s\n", is_unchanged ? "" : ", but changed since");
    else
        printf("origin      %s, not the official archive%s\n", origin.source,
               is_unchanged ? "" : ", and changed since");
    return is_unchanged;
}

static int
verify(int argc, char **argv)
{
    const char *data = NULL;
    const option_t options[] = {
        {"data", 0, "DIR", OPTION_TEXT, &data, "where it lies (default: $DMLX_DATA, cache)"},
        {0},
    };
    int first = options_parse(&subcommands[2], options, argc, argv);
    if (first < 0)
        return options_exit_status(first);
    if (first < argc)
        return options_usage_fault(&subcommands[2], "takes no '%s'; --data names a folder",
                                   argv[first]);
    dataset_t *set = open_found(data);
    if (!set)
        return STATUS_RUN_FAILED;

    char checksum[DATASET_CHECKSUM_BYTES], train[24], test[24];
    size_t n_train = dataset_length(set, DATASET_TRAIN), n_test = dataset_length(set, DATASET_TEST);
    image_shape_t shape = dataset_shape(set);
    dataset_checksum(set, checksum);
    printf("folder      %s\n", dataset_folder(set));
    printf("images      %s for training, %s for testing, %d x %d x %d\n",
           progress_thousands((double)n_train, train), progress_thousands((double)n_test, test),
           shape.channels, shape.height, shape.width);
    printf("xxh128      %s\n", checksum);
    bool is_unchanged = print_origin(set, checksum);
    print_classes(set);
    bool is_whole = n_train == TRAIN_IMAGES && n_test == TEST_IMAGES;
    warn_of_size(set);
    if (!is_unchanged)
        fprintf(stderr,
                "dmlx data: the files in '%s' are not the ones that were put there; "
                "'dmlx data fetch --replace' gets them again\n",
                dataset_folder(set));
    dataset_close(&set);
    return is_unchanged && is_whole ? STATUS_DONE : STATUS_RUN_FAILED;
}

static int
write_file(const char *path, const void *bytes, size_t n_bytes)
{
    FILE *out = fopen(path, "wb");
    bool is_written = out && fwrite(bytes, 1, n_bytes, out) == n_bytes;
    if (out && fclose(out) != 0)
        is_written = false;
    if (is_written)
        return STATUS_DONE;
    fault_t fault;
    fault_set(&fault, "'%s' cannot be written: %s", path, strerror(errno));
    return fail(&fault);
}

static int
show_in_file(const dataset_t *set, int n_per_class, const char *path)
{
    size_t n_bytes;
    size_t length = strlen(path);
    bool is_csv = length > 4 && strcmp(path + length - 4, ".csv") == 0;
    void *bytes = is_csv ? (void *)samples_csv(set, n_per_class, &n_bytes)
                         : (void *)samples_ppm(set, n_per_class, &n_bytes);
    int status = write_file(path, bytes, n_bytes);
    free(bytes);
    return status;
}

static int
show(int argc, char **argv)
{
    const char *data = NULL, *output = NULL;
    int n_per_class = SHOWN_PER_CLASS;
    const option_t options[] = {
        {"data", 0, "DIR", OPTION_TEXT, &data, "where it lies (default: $DMLX_DATA, cache)"},
        {"per-class", 'n', "N", OPTION_INTEGER, &n_per_class, "pictures of each class (4)"},
        {"output", 'o', "FILE", OPTION_TEXT, &output,
         "write a picture (.ppm) or pixels (.csv) instead"},
        {0},
    };
    int first = options_parse(&subcommands[3], options, argc, argv);
    if (first < 0)
        return options_exit_status(first);
    if (first < argc)
        return options_usage_fault(&subcommands[3], "takes no '%s'; --data names a folder",
                                   argv[first]);
    if (n_per_class < 1 || n_per_class > 100)
        return options_usage_fault(&subcommands[3], "--per-class is 1 to 100");
    dataset_t *set = open_found(data);
    if (!set)
        return STATUS_RUN_FAILED;
    int status = STATUS_DONE;
    if (output)
        status = show_in_file(set, n_per_class, output);
    else
        samples_draw(set, n_per_class, isatty(STDOUT_FILENO) && !getenv("NO_COLOR"), stdout);
    dataset_close(&set);
    return status;
}

static void
print_help(FILE *out)
{
    fprintf(out, "usage: dmlx data fetch|import|verify|show [OPTION…]\n\n%s\n\n",
            command_data.summary);
    for (int i = 0; i < N_SUBCOMMANDS; i++)
        fprintf(out, "  %-8s %s\n", subcommands[i].name + PREFIX, subcommands[i].summary);
    fprintf(out,
            "\nIt is looked for in --data DIR, then $DMLX_DATA, then "
            "${XDG_CACHE_HOME:-~/.cache}/dmlx.\n\nexample:\n  %s\n",
            command_data.example);
}

static int
run(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "dmlx data: fetch, import, verify or show?\ntry 'dmlx data --help'\n");
        return STATUS_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return STATUS_DONE;
    }
    const char *names[N_SUBCOMMANDS + 1] = {0};
    for (int i = 0; i < N_SUBCOMMANDS; i++) {
        names[i] = subcommands[i].name + PREFIX;
        if (strcmp(argv[1], names[i]) == 0)
            return subcommands[i].run(argc - 1, argv + 1);
    }
    const char *near = suggest_nearest(argv[1], names);
    if (near)
        return options_usage_fault(&command_data, "unknown '%s'; did you mean '%s'?", argv[1],
                                   near);
    return options_usage_fault(&command_data, "unknown '%s'; there are fetch, import, verify, show",
                               argv[1]);
}

const command_t command_data = {"data", "get CIFAR-10, check it, show it",
                                "fetch|import|verify|show [OPTION…]", "dmlx data fetch", run};

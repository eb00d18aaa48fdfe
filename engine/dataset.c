/* engine/dataset.c - labelled images in files of CIFAR-10's binary layout, mapped and not copied.
 */
#include "engine/dataset.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum { FILES_MAX = 1024, PATH_BYTES = 4096, NAME_BYTES = 256, CLASSES_MAX = 256 };

typedef struct {
    char name[NAME_BYTES];
    uint8_t *bytes;
    size_t size;    /* in bytes */
    size_t records; /* in this file */
    size_t first;   /* records in the files of the split before it */
    dev_t device;
    ino_t inode;
    struct timespec modified, changed;
} data_file_t;

typedef struct {
    int n_files;
    data_file_t *files;
    size_t records;
} split_t;

struct dataset {
    char folder[PATH_BYTES];
    image_shape_t shape;
    int classes;
    size_t record_bytes;
    split_t splits[2]; /* by dataset_split_t */
    char names[CLASSES_MAX][NAME_BYTES];
    char checksum[DATASET_CHECKSUM_BYTES]; /* as told; "": nobody did */
};

/* "data_batch_12.bin" is 12; -1 for what is no training file. */
static int
batch_number(const char *name)
{
    int number, length = 0;
    if (sscanf(name, "data_batch_%4d.bin%n", &number, &length) == 1 && length > 0 &&
        name[length] == '\0' && number >= 0)
        return number;
    return -1;
}

static bool
is_test_file(const char *name)
{
    size_t length = strlen(name);
    return length >= 8 && strncmp(name, "test", 4) == 0 && strcmp(name + length - 4, ".bin") == 0;
}

static int
compare_files(const void *a, const void *b)
{
    const data_file_t *left = a, *right = b;
    int difference = batch_number(left->name) - batch_number(right->name);
    return difference ? difference : strcmp(left->name, right->name);
}

static void
add_file(split_t *split, const char *name)
{
    if (split->n_files == FILES_MAX || strlen(name) >= NAME_BYTES)
        return;
    if (!split->files)
        split->files = engine_alloc(FILES_MAX * sizeof(data_file_t));
    strcpy(split->files[split->n_files++].name, name);
}

static int
list_files(dataset_t *set, engine_error_t *error)
{
    DIR *folder = opendir(set->folder);
    if (!folder)
        return engine_fail(error, ENGINE_IO, "cannot open the data folder '%.300s': %s",
                           set->folder, strerror(errno));
    for (struct dirent *entry; (entry = readdir(folder));) {
        if (batch_number(entry->d_name) >= 0)
            add_file(&set->splits[DATASET_TRAIN], entry->d_name);
        else if (is_test_file(entry->d_name))
            add_file(&set->splits[DATASET_TEST], entry->d_name);
    }
    closedir(folder);
    for (int s = 0; s < 2; s++) {
        split_t *split = &set->splits[s];
        if (!split->n_files)
            return engine_fail(error, ENGINE_IO, "'%s' is missing in the data folder '%.300s'",
                               s == DATASET_TRAIN ? "data_batch_1.bin" : "test_batch.bin",
                               set->folder);
        qsort(split->files, (size_t)split->n_files, sizeof(data_file_t), compare_files);
    }
    /* A hole in the numbers is a file that did not come along. */
    split_t *train = &set->splits[DATASET_TRAIN];
    int expected = batch_number(train->files[0].name) == 0 ? 0 : 1;
    for (int f = 0; f < train->n_files; f++)
        if (batch_number(train->files[f].name) != f + expected)
            return engine_fail(error, ENGINE_IO,
                               "'data_batch_%d.bin' is missing in the data folder '%.300s', which "
                               "has '%.100s'",
                               f + expected, set->folder, train->files[f].name);
    return 0;
}

static int
map_file(const dataset_t *set, data_file_t *file, engine_error_t *error)
{
    char path[PATH_BYTES + NAME_BYTES + 1];
    struct stat facts;
    int status = 0;
    snprintf(path, sizeof path, "%s/%s", set->folder, file->name);
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0 || fstat(descriptor, &facts) != 0) {
        status = engine_fail(error, ENGINE_IO, "cannot read '%.400s': %s", path, strerror(errno));
        goto done;
    }
    size_t size = (size_t)facts.st_size, rest = size % set->record_bytes;
    if (!S_ISREG(facts.st_mode) || size == 0 || rest) {
        status = engine_fail(error, ENGINE_FORMAT,
                             "'%.300s' has %zu bytes, which is no whole number of records of %zu "
                             "(cut short? %zu were expected); fetch it again",
                             path, size, set->record_bytes, size - rest + set->record_bytes);
        goto done;
    }
    void *bytes = mmap(NULL, size, PROT_READ, MAP_SHARED, descriptor, 0);
    if (bytes == MAP_FAILED) {
        status = engine_fail(error, ENGINE_IO, "cannot map '%.400s': %s", path, strerror(errno));
        goto done;
    }
    file->bytes = bytes;
    file->size = size;
    file->records = size / set->record_bytes;
    file->device = facts.st_dev;
    file->inode = facts.st_ino;
    file->modified = facts.st_mtim;
    file->changed = facts.st_ctim;
done:
    if (descriptor >= 0)
        close(descriptor);
    return status;
}

static int
check_labels(const dataset_t *set, const data_file_t *file, engine_error_t *error)
{
    for (size_t r = 0; r < file->records; r++) {
        int label = file->bytes[r * set->record_bytes];
        if (label >= set->classes)
            return engine_fail(error, ENGINE_FORMAT,
                               "'%.300s/%.100s': record %zu (from 0) has the label %d; with %d "
                               "classes it must be 0 to %d",
                               set->folder, file->name, r, label, set->classes, set->classes - 1);
    }
    return 0;
}

/* An archive's files are all of one size but the last may be smaller; one that ends at a record's
 * end would not be noticed otherwise. */
static int
check_sizes(const dataset_t *set, const split_t *split, engine_error_t *error)
{
    for (int f = 0; f + 1 < split->n_files; f++) {
        const data_file_t *file = &split->files[f];
        size_t expected = split->files[0].size;
        if (f > 0 && file->size < expected)
            return engine_fail(error, ENGINE_FORMAT,
                               "'%.300s/%.100s' is cut short: it has %zu bytes where %zu were "
                               "expected, as in '%.60s'",
                               set->folder, file->name, file->size, expected, split->files[0].name);
    }
    return 0;
}

static int
open_split(dataset_t *set, split_t *split, engine_error_t *error)
{
    int status = 0;
    for (int f = 0; f < split->n_files && !status; f++) {
        data_file_t *file = &split->files[f];
        status = map_file(set, file, error);
        if (!status)
            status = check_labels(set, file, error);
        file->first = split->records;
        split->records += file->records;
    }
    return status ? status : check_sizes(set, split, error);
}

static void
read_class_names(dataset_t *set)
{
    char path[PATH_BYTES + 32];
    snprintf(path, sizeof path, "%s/batches.meta.txt", set->folder);
    for (int k = 0; k < set->classes; k++)
        snprintf(set->names[k], NAME_BYTES, "%d", k);
    FILE *file = fopen(path, "r");
    if (!file)
        return;
    char line[NAME_BYTES];
    for (int k = 0; k < set->classes && fgets(line, sizeof line, file); k++) {
        line[strcspn(line, "\r\n")] = '\0';
        if (line[0])
            strcpy(set->names[k], line);
    }
    fclose(file);
}

static bool
is_folder(const char *path)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode);
}

int
dataset_open(dataset_t **result, const char *folder, image_shape_t shape, int classes,
             engine_error_t *error)
{
    if (strlen(folder) > PATH_BYTES - 64)
        return engine_fail(error, ENGINE_IO, "the data folder's name is too long: '%.200s…'",
                           folder);
    if (classes < 1 || classes > CLASSES_MAX)
        return engine_fail(error, ENGINE_SPEC, "%d classes; a label byte can tell 1 to %d", classes,
                           CLASSES_MAX);
    dataset_t *set = engine_alloc(sizeof *set);
    set->shape = shape;
    set->classes = classes;
    set->record_bytes = 1 + image_count(shape);
    snprintf(set->folder, sizeof set->folder, "%s/cifar-10-batches-bin", folder);
    if (!is_folder(set->folder))
        strcpy(set->folder, folder);
    int status = list_files(set, error);
    for (int s = 0; s < 2 && !status; s++)
        status = open_split(set, &set->splits[s], error);
    if (status) {
        dataset_close(&set);
        return status;
    }
    read_class_names(set);
    *result = set;
    return 0;
}

void
dataset_close(dataset_t **result)
{
    dataset_t *set = *result;
    if (!set)
        return;
    for (int s = 0; s < 2; s++) {
        split_t *split = &set->splits[s];
        for (int f = 0; f < split->n_files; f++)
            if (split->files[f].bytes)
                munmap(split->files[f].bytes, split->files[f].size);
        free(split->files);
    }
    free(set);
    *result = NULL;
}

void
dataset_limit(dataset_t *set, dataset_split_t split, size_t count)
{
    if (count < set->splits[split].records)
        set->splits[split].records = count;
}

size_t
dataset_length(const dataset_t *set, dataset_split_t split)
{
    return set->splits[split].records;
}

static const uint8_t *
record(const dataset_t *set, dataset_split_t which, size_t index)
{
    const split_t *split = &set->splits[which];
    assert(index < split->records);
    const data_file_t *file = split->files;
    while (index - file->first >= file->records)
        file++;
    return file->bytes + (index - file->first) * set->record_bytes;
}

const uint8_t *
dataset_image(const dataset_t *set, dataset_split_t split, size_t index)
{
    return record(set, split, index) + 1;
}

int
dataset_label(const dataset_t *set, dataset_split_t split, size_t index)
{
    return record(set, split, index)[0];
}

image_shape_t
dataset_shape(const dataset_t *set)
{
    return set->shape;
}

int
dataset_classes(const dataset_t *set)
{
    return set->classes;
}

const char *
dataset_class_name(const dataset_t *set, int label)
{
    assert(label >= 0 && label < set->classes);
    return set->names[label];
}

const char *
dataset_folder(const dataset_t *set)
{
    return set->folder;
}

static void
print_hash(XXH128_hash_t hash, char hex[DATASET_CHECKSUM_BYTES])
{
    snprintf(hex, DATASET_CHECKSUM_BYTES, "%016llx%016llx", (unsigned long long)hash.high64,
             (unsigned long long)hash.low64);
}

void
dataset_stamp(const dataset_t *set, char hex[DATASET_CHECKSUM_BYTES])
{
    XXH128_hash_t stamp = {0};
    for (int s = 0; s < 2; s++)
        for (int f = 0; f < set->splits[s].n_files; f++) {
            const data_file_t *file = &set->splits[s].files[f];
            char text[NAME_BYTES + 256];
            snprintf(text, sizeof text, "%016llx%016llx %s %ju %ju %zu %jd.%09ld %jd.%09ld",
                     (unsigned long long)stamp.high64, (unsigned long long)stamp.low64, file->name,
                     (uintmax_t)file->device, (uintmax_t)file->inode, file->size,
                     (intmax_t)file->modified.tv_sec, file->modified.tv_nsec,
                     (intmax_t)file->changed.tv_sec, file->changed.tv_nsec);
            stamp = XXH3_128bits(text, strlen(text));
        }
    print_hash(stamp, hex);
}

bool
dataset_take_checksum(dataset_t *set, const char *stamp, const char *checksum)
{
    char own[DATASET_CHECKSUM_BYTES];
    dataset_stamp(set, own);
    if (strcmp(own, stamp) != 0 || strlen(checksum) != DATASET_CHECKSUM_BYTES - 1)
        return false;
    strcpy(set->checksum, checksum);
    return true;
}

void
dataset_checksum(const dataset_t *set, char hex[DATASET_CHECKSUM_BYTES])
{
    if (set->checksum[0]) {
        strcpy(hex, set->checksum);
        return;
    }
    XXH3_state_t *state = XXH3_createState();
    if (!state)
        abort();
    XXH3_128bits_reset(state);
    for (int s = 0; s < 2; s++)
        for (int f = 0; f < set->splits[s].n_files; f++)
            XXH3_128bits_update(state, set->splits[s].files[f].bytes, set->splits[s].files[f].size);
    XXH128_hash_t hash = XXH3_128bits_digest(state);
    XXH3_freeState(state);
    print_hash(hash, hex);
}

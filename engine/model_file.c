/* engine/model_file.c - models as safetensors files. */
#include "engine/model_file.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <sha2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Limits on what is read: the format's own on the header, and one that keeps a wrong file from
 * filling memory. */
enum { HEADER_BYTES_MAX = 100 * 1000 * 1000, TENSORS_MAX = 65536, DIMS_MAX = 8 };
static const size_t FILE_BYTES_MAX = (size_t)1 << 33;

typedef struct {
    const char *name; /* in the header's JSON */
    const char *type; /* "F32" */
    int n_dims;
    json_int_t dims[DIMS_MAX];
    size_t first, end; /* bytes, from the end of the header */
} entry_t;

struct model_file {
    char name[256]; /* for messages */
    uint8_t *bytes;
    size_t size;
    size_t data; /* where the tensors' bytes begin */
    json_t *header;
    int n_entries;
    entry_t *entries;
};

/* Writing. */

static json_t *
tensor_to_json(const tensor_view_t *tensor)
{
    json_t *shape = json_array();
    for (int d = 0; d < tensor->n_dims; d++)
        json_array_append_new(shape, json_integer(tensor->dims[d]));
    json_int_t first = (json_int_t)(tensor->offset * sizeof(float));
    json_int_t end = first + (json_int_t)(tensor->count * sizeof(float));
    return json_pack("{s:s, s:o, s:[I,I]}", "dtype", "F32", "shape", shape, "data_offsets", first,
                     end);
}

/* The header's text, padded with spaces to a multiple of eight bytes. */
static char *
header_text(const network_t *net, const model_metadata_t *metadata, int n_metadata, size_t *length)
{
    json_t *root = json_object(), *strings = json_object();
    for (int i = 0; i < n_metadata; i++)
        json_object_set_new(strings, metadata[i].key, json_string(metadata[i].value));
    if (n_metadata)
        json_object_set(root, "__metadata__", strings);
    json_decref(strings);
    for (int t = 0; t < network_tensor_count(net); t++) {
        const tensor_view_t *tensor = &network_tensors(net)[t];
        json_object_set_new(root, tensor->name, tensor_to_json(tensor));
    }
    char *compact = json_dumps(root, JSON_COMPACT);
    json_decref(root);
    if (!compact)
        abort();
    size_t used = strlen(compact);
    *length = (used + 7) / 8 * 8;
    char *text = engine_alloc(*length);
    memset(text, ' ', *length);
    memcpy(text, compact, used);
    free(compact);
    return text;
}

static void
put_little_endian(uint8_t *bytes, uint64_t value, int n)
{
    for (int i = 0; i < n; i++)
        bytes[i] = (uint8_t)(value >> (8 * i));
}

static uint64_t
get_little_endian(const uint8_t *bytes, int n)
{
    uint64_t value = 0;
    for (int i = 0; i < n; i++)
        value |= (uint64_t)bytes[i] << (8 * i);
    return value;
}

static void
put_floats(uint8_t *bytes, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        put_little_endian(bytes + 4 * i, bits, 4);
    }
}

void *
model_file_encode(const network_t *net, const float *block, const model_metadata_t *metadata,
                  int n_metadata, size_t *bytes)
{
    size_t header, count = network_parameter_count(net);
    char *text = header_text(net, metadata, n_metadata, &header);
    *bytes = 8 + header + count * sizeof(float);
    uint8_t *data = engine_alloc(*bytes);
    put_little_endian(data, header, 8);
    memcpy(data + 8, text, header);
    put_floats(data + 8 + header, block, count);
    free(text);
    return data;
}

static int
write_all(int descriptor, const uint8_t *data, size_t bytes)
{
    while (bytes > 0) {
        ssize_t written = write(descriptor, data, bytes);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        data += written;
        bytes -= (size_t)written;
    }
    return 0;
}

/* The rename is on disk only when the folder is. */
static int
sync_folder_of(const char *path)
{
    char folder[4096];
    snprintf(folder, sizeof folder, "%s", path);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    int descriptor = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0)
        return -1;
    int status = fsync(descriptor);
    close(descriptor);
    return status;
}

int
model_file_write(const char *path, const network_t *net, const float *block,
                 const model_metadata_t *metadata, int n_metadata, engine_error_t *error)
{
    char aside[4096];
    size_t bytes;
    if (snprintf(aside, sizeof aside, "%s.%ld.tmp", path, (long)getpid()) >= (int)sizeof aside)
        return engine_fail(error, ENGINE_IO, "the path '%.200s…' is too long", path);
    int descriptor = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (descriptor < 0)
        return engine_fail(error, ENGINE_IO, "cannot write '%.400s': %s", aside, strerror(errno));
    void *data = model_file_encode(net, block, metadata, n_metadata, &bytes);
    int reason = 0;
    if (write_all(descriptor, data, bytes) || fsync(descriptor))
        reason = errno;
    if (close(descriptor) && !reason)
        reason = errno;
    if (!reason && rename(aside, path))
        reason = errno;
    free(data);
    if (reason) {
        unlink(aside);
        return engine_fail(error, ENGINE_IO, "cannot write '%.400s': %s", path, strerror(reason));
    }
    /* The file is whole and in place; some file systems refuse to sync a folder, which is no loss.
     */
    (void)sync_folder_of(path);
    return 0;
}

/* Reading. */

static int
not_safetensors(const model_file_t *file, const char *why, engine_error_t *error)
{
    return engine_fail(error, ENGINE_FORMAT, "'%s' is not a whole safetensors file: %s", file->name,
                       why);
}

static int
parse_header(model_file_t *file, engine_error_t *error)
{
    char why[256];
    if (file->size < 8)
        return not_safetensors(file, "it has less than 8 bytes", error);
    uint64_t length = get_little_endian(file->bytes, 8);
    if (length > HEADER_BYTES_MAX) {
        snprintf(why, sizeof why, "its header would have %llu bytes, at most %d may be",
                 (unsigned long long)length, (int)HEADER_BYTES_MAX);
        return not_safetensors(file, why, error);
    }
    if (length > file->size - 8) {
        snprintf(why, sizeof why, "its header should have %llu bytes, %zu are there",
                 (unsigned long long)length, file->size - 8);
        return not_safetensors(file, why, error);
    }
    file->data = 8 + (size_t)length;
    json_error_t fault;
    file->header =
        json_loadb((const char *)file->bytes + 8, (size_t)length, JSON_REJECT_DUPLICATES, &fault);
    if (!json_is_object(file->header)) {
        snprintf(why, sizeof why, "its header is no JSON object (%.150s)",
                 file->header ? "another value" : fault.text);
        return not_safetensors(file, why, error);
    }
    return 0;
}

static int
parse_metadata(const model_file_t *file, engine_error_t *error)
{
    json_t *strings = json_object_get(file->header, "__metadata__");
    if (strings && !json_is_object(strings))
        return not_safetensors(file, "__metadata__ is no object", error);
    for (void *at = json_object_iter(strings); at; at = json_object_iter_next(strings, at))
        if (!json_is_string(json_object_iter_value(at)))
            return not_safetensors(file, "a value of __metadata__ is no string", error);
    return 0;
}

static size_t
type_bytes(const char *type)
{
    static const struct {
        const char *type;
        size_t bytes;
    } TYPES[] = {{"F64", 8}, {"F32", 4}, {"F16", 2}, {"BF16", 2}, {"I64", 8},
                 {"I32", 4}, {"I16", 2}, {"I8", 1},  {"U64", 8},  {"U32", 4},
                 {"U16", 2}, {"U8", 1},  {"BOOL", 1}};
    for (size_t i = 0; i < sizeof TYPES / sizeof TYPES[0]; i++)
        if (strcmp(TYPES[i].type, type) == 0)
            return TYPES[i].bytes;
    return 0;
}

/* Type, shape and place of one tensor, each checked against the others and the size of the file. */
static int
parse_entry(const model_file_t *file, const char *name, json_t *value, entry_t *entry,
            engine_error_t *error)
{
    char why[256];
    json_t *shape = NULL;
    json_int_t first = -1, end = -1;
    size_t room = file->size - file->data;
    entry->name = name;
    if (json_unpack(value, "{s:s, s:o, s:[I,I!]}", "dtype", &entry->type, "shape", &shape,
                    "data_offsets", &first, &end) ||
        !json_is_array(shape) || json_array_size(shape) > DIMS_MAX || !type_bytes(entry->type)) {
        snprintf(why, sizeof why, "the header's entry of tensor '%.100s' makes no sense", name);
        return not_safetensors(file, why, error);
    }
    size_t bytes = type_bytes(entry->type);
    entry->n_dims = (int)json_array_size(shape);
    for (int d = 0; d < entry->n_dims; d++) {
        json_t *dim = json_array_get(shape, (size_t)d);
        entry->dims[d] = json_is_integer(dim) ? json_integer_value(dim) : -1;
        if (entry->dims[d] < 0 ||
            (entry->dims[d] && bytes > FILE_BYTES_MAX / (size_t)entry->dims[d])) {
            snprintf(why, sizeof why, "the shape of tensor '%.100s' makes no sense", name);
            return not_safetensors(file, why, error);
        }
        bytes *= (size_t)entry->dims[d];
    }
    if (first < 0 || end < first || (size_t)(end - first) != bytes) {
        snprintf(why, sizeof why, "the bytes of tensor '%.100s' do not fit its shape", name);
        return not_safetensors(file, why, error);
    }
    if ((size_t)end > room) {
        snprintf(why, sizeof why,
                 "cut short: tensor '%.100s' ends at byte %zu, the file at %zu; copy it again",
                 name, file->data + (size_t)end, file->size);
        return not_safetensors(file, why, error);
    }
    entry->first = (size_t)first;
    entry->end = (size_t)end;
    return 0;
}

static int
compare_entries(const void *a, const void *b)
{
    const entry_t *left = a, *right = b;
    if (left->first != right->first)
        return left->first < right->first ? -1 : 1;
    return (left->end > right->end) - (left->end < right->end);
}

/* The tensors cover the data from its first to its last byte, each byte once. */
static int
check_cover(const model_file_t *file, engine_error_t *error)
{
    char why[256];
    size_t at = 0;
    for (int i = 0; i < file->n_entries; i++) {
        const entry_t *entry = &file->entries[i];
        if (entry->first != at) {
            snprintf(why, sizeof why, "tensor '%.100s' %s", entry->name,
                     entry->first < at ? "overlaps the one before it" : "leaves a gap before it");
            return not_safetensors(file, why, error);
        }
        at = entry->end;
    }
    if (at != file->size - file->data) {
        snprintf(why, sizeof why, "%zu bytes follow the last tensor", file->size - file->data - at);
        return not_safetensors(file, why, error);
    }
    return 0;
}

static int
parse(model_file_t *file, engine_error_t *error)
{
    int status = parse_header(file, error);
    if (!status)
        status = parse_metadata(file, error);
    if (status)
        return status;
    size_t n = json_object_size(file->header);
    if (n > TENSORS_MAX)
        return not_safetensors(file, "it names more than 65536 tensors", error);
    file->entries = engine_alloc(n * sizeof(entry_t));
    for (void *at = json_object_iter(file->header); at && !status;
         at = json_object_iter_next(file->header, at)) {
        const char *name = json_object_iter_key(at);
        if (strcmp(name, "__metadata__") != 0)
            status = parse_entry(file, name, json_object_iter_value(at),
                                 &file->entries[file->n_entries++], error);
    }
    if (status)
        return status;
    qsort(file->entries, (size_t)file->n_entries, sizeof(entry_t), compare_entries);
    return check_cover(file, error);
}

/* Takes the bytes. */
static int
open_bytes(model_file_t **result, uint8_t *bytes, size_t size, const char *name,
           engine_error_t *error)
{
    model_file_t *file = engine_alloc(sizeof *file);
    snprintf(file->name, sizeof file->name, "%s", name);
    file->bytes = bytes;
    file->size = size;
    int status = parse(file, error);
    if (status)
        model_file_close(&file);
    else
        *result = file;
    return status;
}

int
model_file_open_memory(model_file_t **file, const void *data, size_t bytes, const char *name,
                       engine_error_t *error)
{
    uint8_t *copy = engine_alloc(bytes);
    memcpy(copy, data, bytes);
    return open_bytes(file, copy, bytes, name, error);
}

int
model_file_open(model_file_t **file, const char *path, engine_error_t *error)
{
    struct stat facts;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    if (descriptor < 0)
        return engine_fail(error, ENGINE_IO, "cannot open the model '%.300s': %s", path,
                           strerror(errno));
    if (fstat(descriptor, &facts) || !S_ISREG(facts.st_mode) ||
        (uintmax_t)facts.st_size > FILE_BYTES_MAX) {
        close(descriptor);
        return engine_fail(error, ENGINE_FORMAT, "'%.300s' is no file a model could be in", path);
    }
    size_t size = (size_t)facts.st_size, done = 0;
    uint8_t *bytes = engine_alloc(size);
    ssize_t got = 1;
    while (done < size && (got = read(descriptor, bytes + done, size - done)) != 0) {
        if (got < 0 && errno != EINTR)
            break;
        done += got > 0 ? (size_t)got : 0;
    }
    int reason = errno;
    close(descriptor);
    if (got < 0) {
        free(bytes);
        return engine_fail(error, ENGINE_IO, "cannot read the model '%.300s': %s", path,
                           strerror(reason));
    }
    return open_bytes(file, bytes, done, path, error);
}

void
model_file_close(model_file_t **result)
{
    model_file_t *file = *result;
    if (!file)
        return;
    json_decref(file->header);
    free(file->entries);
    free(file->bytes);
    free(file);
    *result = NULL;
}

const char *
model_file_get(const model_file_t *file, const char *key)
{
    return json_string_value(json_object_get(json_object_get(file->header, "__metadata__"), key));
}

int
model_file_metadata_count(const model_file_t *file)
{
    return (int)json_object_size(json_object_get(file->header, "__metadata__"));
}

model_metadata_t
model_file_metadata(const model_file_t *file, int index)
{
    json_t *strings = json_object_get(file->header, "__metadata__");
    void *at = json_object_iter(strings);
    while (index-- > 0)
        at = json_object_iter_next(strings, at);
    return (model_metadata_t){json_object_iter_key(at),
                              json_string_value(json_object_iter_value(at))};
}

/* "(6, 3, 5, 5)" */
static const char *
shape_text(char text[128], int n_dims, const json_int_t *dims)
{
    size_t length = (size_t)snprintf(text, 128, "(");
    for (int d = 0; d < n_dims && length < 100; d++)
        length += (size_t)snprintf(text + length, 128 - length, "%s%lld", d ? ", " : "",
                                   (long long)dims[d]);
    snprintf(text + length, 128 - length, ")");
    return text;
}

static const entry_t *
find_entry(const model_file_t *file, const char *name)
{
    for (int i = 0; i < file->n_entries; i++)
        if (strcmp(file->entries[i].name, name) == 0)
            return &file->entries[i];
    return NULL;
}

static int
check_tensor(const model_file_t *file, const tensor_view_t *tensor, engine_error_t *error)
{
    const entry_t *entry = find_entry(file, tensor->name);
    char theirs[128], ours[128];
    json_int_t dims[4];
    bool is_same = entry && entry->n_dims == tensor->n_dims;
    for (int d = 0; d < tensor->n_dims; d++) {
        dims[d] = tensor->dims[d];
        is_same = is_same && entry->dims[d] == dims[d];
    }
    shape_text(ours, tensor->n_dims, dims);
    if (!entry)
        return engine_fail(error, ENGINE_MISMATCH,
                           "'%s' is a model of another network: tensor '%s' %s is missing",
                           file->name, tensor->name, ours);
    if (!is_same)
        return engine_fail(
            error, ENGINE_MISMATCH,
            "'%s' is a model of another network: tensor '%s' is %s there and %s here", file->name,
            tensor->name, shape_text(theirs, entry->n_dims, entry->dims), ours);
    if (strcmp(entry->type, "F32") != 0)
        return engine_fail(error, ENGINE_MISMATCH,
                           "'%s': tensor '%s' is of type %.8s; only F32 can be loaded", file->name,
                           tensor->name, entry->type);
    return 0;
}

/* PyTorch counts the batches a batch-norm has seen; nothing here needs it. */
static bool
is_ignored(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot && strcmp(dot, ".num_batches_tracked") == 0;
}

int
model_file_load(const model_file_t *file, const network_t *net, float *block, engine_error_t *error)
{
    for (int t = 0; t < network_tensor_count(net); t++) {
        int status = check_tensor(file, &network_tensors(net)[t], error);
        if (status)
            return status;
    }
    for (int i = 0; i < file->n_entries; i++) {
        const entry_t *entry = &file->entries[i];
        char shape[128];
        if (!network_tensor(net, entry->name) && !is_ignored(entry->name))
            return engine_fail(error, ENGINE_MISMATCH,
                               "'%s' is a model of another network: tensor '%.100s' %s is unknown "
                               "here",
                               file->name, entry->name,
                               shape_text(shape, entry->n_dims, entry->dims));
    }
    for (int t = 0; t < network_tensor_count(net); t++) {
        const tensor_view_t *tensor = &network_tensors(net)[t];
        const uint8_t *bytes = file->bytes + file->data + find_entry(file, tensor->name)->first;
        for (size_t i = 0; i < tensor->count; i++) {
            uint32_t bits = (uint32_t)get_little_endian(bytes + 4 * i, 4);
            memcpy(&block[tensor->offset + i], &bits, sizeof bits);
        }
    }
    return 0;
}

void
model_hash(const network_t *net, const float *block, char hex[MODEL_HASH_BYTES])
{
    size_t count = network_parameter_count(net);
    uint8_t *bytes = engine_alloc(count * sizeof(float));
    put_floats(bytes, block, count);
    SHA256Data(bytes, count * sizeof(float), hex);
    free(bytes);
}

#define _GNU_SOURCE
#include "runner/data_store.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <md5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "runner/archive_library.h"
#include "runner/data_find.h"
#include "runner/memory.h"

const char data_official_url[] = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz";
const char data_official_md5[] = "c32a1d4ab5d03f1284b67883e8d87530";

static const char origin_name[] = "origin.json";

// A batch of CIFAR-10 has 30,730,000 bytes. The limits stop an archive that unpacks for ever.
enum { FILE_BYTES_MAX = 256 << 20, ENTRIES_MAX = 10000, COPY_BYTES = 1 << 18 };

// A folder in the making: TARGET.new, locked by whoever fills it.
typedef struct store {
    const char *target;
    char *aside;
    int folder; // file descriptor of `aside`
} store_t;

int
data_md5(const char *path, char md5[DATA_MD5_BYTES])
{
    return MD5File(path, md5) ? 0 : -1;
}

static bool
has_ends(const char *name, const char *start, const char *end)
{
    size_t length = strlen(name);
    return length >= strlen(start) + strlen(end) && strncmp(name, start, strlen(start)) == 0 &&
           strcmp(name + length - strlen(end), end) == 0;
}

// The names that engine/dataset.h reads.
static bool
is_data_name(const char *name)
{
    return has_ends(name, "data_batch_", ".bin") || has_ends(name, "test", ".bin") ||
           strcmp(name, "batches.meta.txt") == 0;
}

// Empties a flat folder of ours; what is not a plain file makes the later rmdir fail, and is told
// then.
static void
clear_folder(const char *path)
{
    DIR *folder = opendir(path);
    if (!folder)
        return;
    for (struct dirent *entry; (entry = readdir(folder));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(folder), entry->d_name, 0);
    closedir(folder);
}

// Ends a store; unless it was put in its place, what it wrote goes.
static void
store_end(store_t *store, bool is_placed)
{
    if (store->folder >= 0 && !is_placed) {
        clear_folder(store->aside);
        rmdir(store->aside);
    }
    if (store->folder >= 0)
        close(store->folder);
    free(store->aside);
}

// Replacing a folder deletes its files, so it must hold nothing but a data set.
static int
refuse_foreign(const char *path, fault_t *fault)
{
    DIR *folder = opendir(path);
    if (!folder && errno == ENOENT)
        return 0;
    if (!folder) {
        fault_set(fault, "'%s' cannot be replaced: %s", path, strerror(errno));
        return -1;
    }
    int status = 0;
    for (struct dirent *entry; status == 0 && (entry = readdir(folder));) {
        const char *name = entry->d_name;
        if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0 || is_data_name(name) ||
            strcmp(name, origin_name) == 0 || strcmp(name, "readme.html") == 0)
            continue;
        fault_set(fault,
                  "'%s' cannot be replaced: it holds '%s', which is no part of a data set; move "
                  "that away first",
                  path, name);
        status = -1;
    }
    closedir(folder);
    return status;
}

static int
store_begin(store_t *store, const char *target, bool is_replacing, fault_t *fault)
{
    *store = (store_t){.target = target, .folder = -1};
    if (!is_replacing && access(target, F_OK) == 0) {
        fault_set(fault, "'%s' exists already; --replace puts the new one in its place", target);
        return -1;
    }
    if (is_replacing && refuse_foreign(target, fault) != 0)
        return -1;
    char *parent = memory_text(target);
    char *slash = strrchr(parent, '/');
    if (slash && slash != parent)
        *slash = '\0';
    int status = slash && slash != parent ? data_make_folder(parent, fault) : 0;
    free(parent);
    if (status != 0)
        return -1;

    store->aside = memory_format("%s.new", target);
    if (mkdir(store->aside, 0755) != 0 && errno != EEXIST) {
        fault_set(fault, "folder '%s' cannot be made: %s", store->aside, strerror(errno));
        return -1;
    }
    int folder = open(store->aside, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0 || flock(folder, LOCK_EX | LOCK_NB) != 0) {
        fault_set(fault, "'%s' is being filled by another dmlx", store->aside);
        if (folder >= 0)
            close(folder);
        return -1;
    }
    store->folder = folder;
    clear_folder(store->aside); // of one that was killed
    return 0;
}

static int
write_fault(const store_t *store, const char *name, fault_t *fault)
{
    fault_set(fault, "'%s/%s' cannot be written: %s", store->aside, name, strerror(errno));
    return -1;
}

static int
store_create(const store_t *store, const char *name, fault_t *fault)
{
    int file =
        openat(store->folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
    if (file < 0 && errno == EEXIST)
        fault_set(fault, "'%s' is in it twice", name);
    else if (file < 0)
        write_fault(store, name, fault);
    return file;
}

static int
write_all(int file, const char *bytes, size_t n_bytes)
{
    while (n_bytes > 0) {
        ssize_t written = write(file, bytes, n_bytes);
        if (written < 0 && errno != EINTR)
            return -1;
        if (written > 0) {
            bytes += written;
            n_bytes -= (size_t)written;
        }
    }
    return 0;
}

static int
write_origin(const store_t *store, const data_origin_t *origin, fault_t *fault)
{
    json_t *json = json_pack("{s:s, s:s, s:s}", "source", origin->source, "archive_md5",
                             origin->archive_md5, "xxh128", origin->xxh128);
    char *text = json ? json_dumps(json, JSON_INDENT(2)) : NULL;
    json_decref(json);
    if (!text) {
        fault_set(fault, "'%s' is not a name in UTF-8", origin->source);
        return -1;
    }
    int file = store_create(store, origin_name, fault);
    int status = file < 0 ? -1 : 0;
    if (file >= 0 && (write_all(file, text, strlen(text)) != 0 || write_all(file, "\n", 1) != 0 ||
                      fsync(file) != 0))
        status = write_fault(store, origin_name, fault);
    if (file >= 0)
        close(file);
    free(text);
    return status;
}

// Moves the new folder to its place; what stood there is moved aside first, and back on failure.
static int
swap_in(const store_t *store, fault_t *fault)
{
    if (rename(store->aside, store->target) == 0)
        return 0;
    char *old = memory_format("%s.old", store->target);
    clear_folder(old);
    rmdir(old);
    int status = -1;
    if (rename(store->target, old) == 0) {
        status = rename(store->aside, store->target);
        if (status != 0) {
            int why = errno;
            rename(old, store->target);
            errno = why;
        }
    }
    if (status != 0)
        fault_set(fault, "'%s' cannot be put in place: %s", store->target, strerror(errno));
    clear_folder(old);
    rmdir(old);
    free(old);
    return status;
}

// The folder aside is gone when the fault is read: what is at fault is where it was filled from.
static void
name_source(const store_t *store, const char *source, fault_t *fault)
{
    char *at = strstr(fault->text, store->aside);
    if (!at)
        return;
    char *rest = memory_text(at + strlen(store->aside));
    *at = '\0';
    fault_set(fault, "%s%s%s", fault->text, source, rest);
    free(rest);
}

// Checks what has been written, notes where it came from and puts it in its place.
static int
store_finish(const store_t *store, const data_origin_t *origin, fault_t *fault)
{
    dataset_t *set = NULL;
    if (data_open(&set, store->aside, fault) != 0) {
        name_source(store, origin->source, fault);
        return -1;
    }
    data_origin_t noted = *origin;
    dataset_checksum(set, noted.xxh128);
    dataset_close(&set);
    if (write_origin(store, &noted, fault) != 0)
        return -1;
    return swap_in(store, fault);
}

// Whether a path would leave the folder it is unpacked in. That is nobody's honest mistake.
static bool
is_hostile(const char *path)
{
    if (path[0] == '/')
        return true;
    for (const char *step = path; step; step = strchr(step, '/')) {
        step += *step == '/';
        if (strncmp(step, "..", 2) == 0 && (step[2] == '/' || step[2] == '\0'))
            return true;
    }
    return false;
}

// The last part of an entry's path when it is a file of the data set, at the top or one folder
// below; NULL for any other.
static const char *
entry_name(const char *path)
{
    if (strncmp(path, "./", 2) == 0)
        path += 2;
    const char *slash = strchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    return !strchr(name, '/') && is_data_name(name) ? name : NULL;
}

static int
extract_entry(const archive_library_t *library, struct archive *archive, const store_t *store,
              const char *name, fault_t *fault)
{
    int file = store_create(store, name, fault);
    if (file < 0)
        return -1;
    char *bytes = memory_new(COPY_BYTES);
    int64_t total = 0;
    la_ssize_t n_bytes;
    int status = 0;
    while (status == 0 && (n_bytes = library->read_data(archive, bytes, COPY_BYTES)) != 0) {
        total += n_bytes;
        if (n_bytes < 0) {
            fault_set(fault, "cut short or damaged at '%s': %s", name,
                      library->error_string(archive));
            status = -1;
        } else if (total > FILE_BYTES_MAX) {
            fault_set(fault, "'%s' is larger than any batch", name);
            status = -1;
        } else if (write_all(file, bytes, (size_t)n_bytes) != 0) {
            status = write_fault(store, name, fault);
        }
    }
    if (status == 0 && fsync(file) != 0)
        status = write_fault(store, name, fault);
    free(bytes);
    close(file);
    return status;
}

static int
take_entry(const archive_library_t *library, struct archive *archive, struct archive_entry *entry,
           const store_t *store, fault_t *fault)
{
    const char *path = library->entry_pathname(entry);
    if (!path) {
        fault_set(fault, "holds a name that cannot be read");
        return -1;
    }
    if (is_hostile(path)) {
        fault_set(fault,
                  "holds the path '%s', which leaves the archive's folder; nothing was taken",
                  path);
        return -1;
    }
    const char *name = entry_name(path);
    if (!name)
        return 0;
    if (library->entry_filetype(entry) != AE_IFREG || library->entry_hardlink(entry)) {
        fault_set(fault, "'%s' in it is not a plain file", path);
        return -1;
    }
    return extract_entry(library, archive, store, name, fault);
}

static int
extract(const char *path, const store_t *store, fault_t *fault)
{
    const archive_library_t *library = archive_library(fault);
    if (!library)
        return -1;
    struct archive *archive = library->read_new();
    library->read_support_filter_gzip(archive);
    library->read_support_filter_bzip2(archive);
    library->read_support_filter_xz(archive);
    library->read_support_filter_zstd(archive);
    library->read_support_format_tar(archive);
    library->read_support_format_zip(archive);
    int status = library->read_open_filename(archive, path, COPY_BYTES) == ARCHIVE_OK ? 0 : -1;
    if (status != 0)
        fault_set(fault, "no tar or zip archive: %s", library->error_string(archive));
    for (int i = 0; status == 0; i++) {
        struct archive_entry *entry;
        int code = library->read_next_header(archive, &entry);
        if (code == ARCHIVE_EOF)
            break;
        if (code >= ARCHIVE_WARN && i < ENTRIES_MAX) {
            status = take_entry(library, archive, entry, store, fault);
            continue;
        }
        status = -1;
        if (code >= ARCHIVE_WARN)
            fault_set(fault, "holds more than %d files", ENTRIES_MAX);
        else
            fault_set(fault, "%s: %s",
                      i == 0 ? "no tar or zip archive, or damaged" : "cut short or damaged",
                      library->error_string(archive));
    }
    library->read_free(archive);
    return status;
}

int
data_store_archive(const char *archive, const char *target, bool is_replacing,
                   const data_origin_t *origin, fault_t *fault)
{
    store_t store;
    int status = store_begin(&store, target, is_replacing, fault);
    if (status == 0) {
        status = extract(archive, &store, fault);
        if (status != 0)
            fault_set(fault, "'%s': %s", archive, fault->text);
        else
            status = store_finish(&store, origin, fault);
    }
    store_end(&store, status == 0);
    return status;
}

static int
copy_file(int source_folder, const store_t *store, const char *name, fault_t *fault)
{
    int source = openat(source_folder, name, O_RDONLY | O_CLOEXEC);
    int file = source < 0 ? -1 : store_create(store, name, fault);
    int status = file < 0 ? -1 : 0;
    if (source < 0)
        fault_set(fault, "'%s' cannot be read: %s", name, strerror(errno));
    char *bytes = memory_new(COPY_BYTES);
    for (ssize_t n_bytes; status == 0 && (n_bytes = read(source, bytes, COPY_BYTES)) != 0;) {
        if (n_bytes < 0) {
            fault_set(fault, "'%s' cannot be read: %s", name, strerror(errno));
            status = -1;
        } else if (write_all(file, bytes, (size_t)n_bytes) != 0) {
            status = write_fault(store, name, fault);
        }
    }
    if (status == 0 && fsync(file) != 0)
        status = write_fault(store, name, fault);
    free(bytes);
    if (file >= 0)
        close(file);
    if (source >= 0)
        close(source);
    return status;
}

static int
copy_folder(const char *path, const store_t *store, fault_t *fault)
{
    DIR *folder = opendir(path);
    if (!folder) {
        fault_set(fault, "folder '%s' cannot be read: %s", path, strerror(errno));
        return -1;
    }
    int status = 0;
    for (struct dirent *entry; status == 0 && (entry = readdir(folder));)
        if (is_data_name(entry->d_name))
            status = copy_file(dirfd(folder), store, entry->d_name, fault);
    closedir(folder);
    return status;
}

int
data_store_folder(const char *source, const char *target, bool is_replacing, fault_t *fault)
{
    dataset_t *set = NULL;
    if (data_open(&set, source, fault) != 0)
        return -1;
    data_origin_t origin = {0};
    snprintf(origin.source, sizeof origin.source, "%s", source);
    store_t store;
    int status = store_begin(&store, target, is_replacing, fault);
    if (status == 0)
        status = copy_folder(dataset_folder(set), &store, fault);
    if (status == 0)
        status = store_finish(&store, &origin, fault);
    store_end(&store, status == 0);
    dataset_close(&set);
    return status;
}

int
data_open(dataset_t **set, const char *folder, fault_t *fault)
{
    engine_error_t error;
    if (dataset_open(set, folder, (image_shape_t){3, 32, 32}, 10, &error) == 0)
        return 0;
    fault_set(fault, "%s", error.text);
    return -1;
}

int
data_origin_read(const char *folder, data_origin_t *origin)
{
    char *path = memory_format("%s/%s", folder, origin_name);
    json_t *json = json_load_file(path, 0, NULL);
    free(path);
    const char *source, *md5, *xxh128;
    int status = json ? json_unpack(json, "{s:s, s:s, s:s}", "source", &source, "archive_md5", &md5,
                                    "xxh128", &xxh128)
                      : -1;
    if (status == 0) {
        snprintf(origin->source, sizeof origin->source, "%s", source);
        snprintf(origin->archive_md5, sizeof origin->archive_md5, "%s", md5);
        snprintf(origin->xxh128, sizeof origin->xxh128, "%s", xxh128);
    }
    json_decref(json);
    return status;
}

bool
data_is_official(const data_origin_t *origin)
{
    return strcmp(origin->archive_md5, data_official_md5) == 0;
}

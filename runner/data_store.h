// data_store.h — puts a data set into its folder: whole and checked, or not at all.
//
// The files are written into a folder beside the target, opened with engine/dataset.h, which checks
// every size and label, and renamed into place. Beside them lies origin.json, which says where they
// came from, with their checksum then; data_origin_read tells whether they are still those bytes.
#ifndef RUNNER_DATA_STORE_H
#define RUNNER_DATA_STORE_H

#include <stdbool.h>

#include "engine/dataset.h"
#include "runner/fault.h"

enum { DATA_MD5_BYTES = 33 }; // 32 hexadecimal digits and the final zero

// The official binary archive and its published checksum.
extern const char data_official_url[];
extern const char data_official_md5[];

// Where a data set came from.
typedef struct data_origin {
    char source[512];                    // a URL, an archive or a folder
    char archive_md5[DATA_MD5_BYTES];    // "" when it came from a folder
    char xxh128[DATASET_CHECKSUM_BYTES]; // of the data set when it was put there
} data_origin_t;

// Of a file. Returns -1 when it cannot be read; `md5` is untouched then.
int data_md5(const char *path, char md5[DATA_MD5_BYTES]);

// Takes the data set out of a tar or zip archive, however compressed. Only plain files of the names
// a data set has are taken, in the archive's top folder or one below; an archive with a path that
// leaves its folder is refused, and so is one with links or twice the same name. `target` must not
// exist unless `is_replacing`, and hold nothing but a data set then. `origin` has source and
// archive_md5. Returns 0, or -1 with `fault` set, and nothing has changed then.
int data_store_archive(const char *archive, const char *target, bool is_replacing,
                       const data_origin_t *origin, fault_t *fault);

// The same from a folder with .bin files, or one that holds cifar-10-batches-bin.
int data_store_folder(const char *source, const char *target, bool is_replacing, fault_t *fault);

// Opens a data set with CIFAR-10's shape: 3 x 32 x 32, ten classes. Free with dataset_close.
int data_open(dataset_t **set, const char *folder, fault_t *fault);

// Reads what lies beside the data set. -1 when nothing does, or nothing legible.
int data_origin_read(const char *folder, data_origin_t *origin);

// Whether an archive checksum is the official one.
bool data_is_official(const data_origin_t *origin);

#endif

/* engine/dataset.h - labelled images in files of CIFAR-10's binary layout, mapped and not copied.
 *
 * A record is one label byte and C*H*W bytes of pixels, plane after plane. data_batch_*.bin in the
 * order of their numbers are the training images, test_batch.bin (or test*.bin) the test images,
 * batches.meta.txt, if it is there, the names of the classes, a line each. Shape and number of
 * classes come from the caller; sizes and labels are checked when the folder is opened, so no later
 * step meets a bad one. The files must not shrink while they are open. */
#ifndef ENGINE_DATASET_H
#define ENGINE_DATASET_H

#include "engine/error.h"
#include "engine/shape.h"

#include <stdbool.h>
#include <stdint.h>

typedef enum { DATASET_TRAIN, DATASET_TEST } dataset_split_t;

enum { DATASET_CHECKSUM_BYTES = 33 }; /* 32 hex digits and the NUL */

typedef struct dataset dataset_t;

/* FOLDER holds the files, or a folder cifar-10-batches-bin that does. ENGINE_IO names the file that
 * is missing or unreadable, ENGINE_FORMAT the file that is cut short (with the size expected) or
 * the record whose label is out of range. */
int dataset_open(dataset_t **set, const char *folder, image_shape_t shape, int classes,
                 engine_error_t *error);
void dataset_close(dataset_t **set);

size_t dataset_length(const dataset_t *set, dataset_split_t split);
/* From now on the split has only its first COUNT samples, or all it has if these are fewer. The
 * checksum stays that of the whole files. */
void dataset_limit(dataset_t *set, dataset_split_t split, size_t count);
/* C*H*W bytes, borrowed until dataset_close. */
const uint8_t *dataset_image(const dataset_t *set, dataset_split_t split, size_t index);
int dataset_label(const dataset_t *set, dataset_split_t split, size_t index);
image_shape_t dataset_shape(const dataset_t *set);
int dataset_classes(const dataset_t *set);
/* From batches.meta.txt, or the label as digits. */
const char *dataset_class_name(const dataset_t *set, int label);
/* The folder the files were found in. */
const char *dataset_folder(const dataset_t *set);

/* XXH3 (128 bits, hex) over the training and then the test files: two nodes hold the same data if
 * and only if it agrees. Reads everything once, about 20 ms for CIFAR-10 in the page cache. */
void dataset_checksum(const dataset_t *set, char hex[DATASET_CHECKSUM_BYTES]);

/* Tells these very files, as the file system knows them: device, inode, size and times of each. Of
 * two sets with one stamp, opened on one host, the checksum is the same. */
void dataset_stamp(const dataset_t *set, char hex[DATASET_CHECKSUM_BYTES]);
/* The checksum of the files that had this stamp, from whoever has computed it: it is taken for that
 * of the set if the stamp is the set's, and else nothing happens. Returns whether it was taken. */
bool dataset_take_checksum(dataset_t *set, const char *stamp, const char *checksum);

#endif

/* engine/model_file.h - models as safetensors files, which torch loads too.
 *
 * The format: https://github.com/huggingface/safetensors#format. Eight bytes of header length
 * (little endian), a JSON header, the tensors' bytes. Names and shapes are those of PyTorch's
 * state_dict of the same network. What is written is a block of the network's layout: its
 * parameters, or a trainer's velocity for a checkpoint.
 *
 *     model_file_t *file = NULL;
 *     model_file_open(&file, path, &error);         whole file checked, no network needed yet
 *     model_file_get(file, "network");              its metadata, network_spec_decode builds the
 * network model_file_load(file, net, network_parameters(net), &error); model_file_close(&file); */
#ifndef ENGINE_MODEL_FILE_H
#define ENGINE_MODEL_FILE_H

#include "engine/network.h"

enum { MODEL_HASH_BYTES = 65 }; /* 64 hex digits and the NUL */

typedef struct {
    const char *key;
    const char *value;
} model_metadata_t;

typedef struct model_file model_file_t;

/* Writes BLOCK to PATH: aside, fsync, rename, so PATH is the old file or the whole new one.
 * ENGINE_IO with the system's reason. Keys of the metadata must differ. */
int model_file_write(const char *path, const network_t *net, const float *block,
                     const model_metadata_t *metadata, int n_metadata, engine_error_t *error);
/* The same bytes in memory. The caller frees. */
void *model_file_encode(const network_t *net, const float *block, const model_metadata_t *metadata,
                        int n_metadata, size_t *bytes);

/* ENGINE_IO, or ENGINE_FORMAT for what is not safetensors: no header, cut short, header too large,
 * tensors that overlap or lie outside the file, types and shapes that do not fit their bytes. */
int model_file_open(model_file_t **file, const char *path, engine_error_t *error);
/* DATA is copied. NAME stands for the path in messages. */
int model_file_open_memory(model_file_t **file, const void *data, size_t bytes, const char *name,
                           engine_error_t *error);
void model_file_close(model_file_t **file);

/* Metadata: the value of a key or NULL; or all of them in file order. Borrowed until
 * model_file_close. */
const char *model_file_get(const model_file_t *file, const char *key);
int model_file_metadata_count(const model_file_t *file);
model_metadata_t model_file_metadata(const model_file_t *file, int index);

/* Fills BLOCK (of the network's layout). ENGINE_MISMATCH names the first tensor that is missing,
 * unknown or of another shape, with both shapes; BLOCK is then untouched. */
int model_file_load(const model_file_t *file, const network_t *net, float *block,
                    engine_error_t *error);

/* SHA-256 (hex) of the block's bytes, little endian: the same parameters have the same hash
 * whatever file they are in. */
void model_hash(const network_t *net, const float *block, char hex[MODEL_HASH_BYTES]);

#endif

/* engine/synthetic.c - a built-in data set for where there is neither data nor network.
 *
 * Whole numbers throughout: the same seed gives the same bytes on every machine and compiler, which
 * no sine of a mathematical library promises. */
#include "engine/synthetic.h"

#include "engine/rng.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    FILE_RECORDS = 10000,
    ORIENTATIONS = 10,   /* classes beyond that differ in frequency too */
    NOISE = 52,          /* of a pixel, +- */
    CONTRAST_MIN = 14,   /* of a channel, +-, in pixel values */
    CONTRAST_RANGE = 50, /* on top of it */
    PATH_BYTES = 4096
};

/* A sine of parabolas: 65536 is a full turn, 32768 is one. */
static int
wave(unsigned phase)
{
    int half = (int)(phase & 0x7fff);
    int height = half * (0x8000 - half) >> 13;
    return phase & 0x8000 ? -height : height;
}

typedef struct {
    unsigned start, along_x, along_y; /* phases: 65536 a turn */
} grating_t;

/* A grating of class LABEL. Orientation and frequency are blurred by a little more than half the
 * way to the next class, so that some images cannot be told for sure. */
static grating_t
draw_grating(rng_t *rng, int label)
{
    unsigned blur = rng_below(rng, 4000);
    unsigned angle = (unsigned)(label % ORIENTATIONS) * (32768 / ORIENTATIONS) + blur - 2000;
    int band = label / ORIENTATIONS;
    int frequency = 5200 + 2600 * band + (int)rng_below(rng, 3600);
    return (grating_t){
        .start = rng_below(rng, 65536),
        .along_x = (unsigned)(frequency * (wave(angle + 16384) / 8) / 4096),
        .along_y = (unsigned)(frequency * (wave(angle) / 8) / 4096),
    };
}

static int
draw_contrast(rng_t *rng)
{
    int contrast = CONTRAST_MIN + (int)rng_below(rng, CONTRAST_RANGE);
    return rng_next(rng) >> 63 ? contrast : -contrast;
}

static uint8_t
clamp(int value)
{
    return (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
}

/* One image: a grating of the class, a weaker one of another class, and noise. The base colours are
 * drawn for each image, so that no class has a mean colour of its own. */
static void
draw_image(rng_t *rng, const synthetic_spec_t *spec, int label, uint8_t *pixels)
{
    int other = (label + 1 + (int)rng_below(rng, (uint32_t)spec->classes - 1)) % spec->classes;
    grating_t strong = draw_grating(rng, label), weak = draw_grating(rng, other);
    for (int c = 0; c < spec->shape.channels; c++) {
        int base = 64 + (int)rng_below(rng, 128), contrast = draw_contrast(rng);
        int distraction = draw_contrast(rng) / 2;
        for (int y = 0; y < spec->shape.height; y++) {
            unsigned a = strong.start + (unsigned)y * strong.along_y;
            unsigned b = weak.start + (unsigned)y * weak.along_y;
            uint64_t bits = 0;
            for (int x = 0; x < spec->shape.width; x++, bits >>= 8) {
                if (x % 8 == 0)
                    bits = rng_next(rng);
                int noise = ((int)(bits & 0xff) - 128) * NOISE / 128;
                int signal = contrast * wave(a) + distraction * wave(b);
                *pixels++ = clamp(base + signal / 32768 + noise);
                a += strong.along_x;
                b += weak.along_x;
            }
        }
    }
}

/* RECORDS images from number FIRST of the stream on. Each has a generator of its own, so that an
 * image does not depend on how many come before it. */
static int
write_file(const char *folder, const char *name, const synthetic_spec_t *spec, size_t first,
           size_t records, engine_error_t *error)
{
    char path[PATH_BYTES + 64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file)
        return engine_fail(error, ENGINE_IO, "cannot write '%.400s': %s", path, strerror(errno));
    size_t bytes = 1 + image_count(spec->shape);
    uint8_t *record = engine_alloc(bytes);
    bool is_written = true;
    for (size_t i = first; i < first + records && is_written; i++) {
        rng_t rng;
        rng_seed(&rng, spec->seed, RNG_SYNTHETIC, i);
        record[0] = (uint8_t)rng_below(&rng, (uint32_t)spec->classes);
        draw_image(&rng, spec, record[0], record + 1);
        is_written = fwrite(record, bytes, 1, file) == 1;
    }
    free(record);
    is_written = is_written && fflush(file) == 0 && fsync(fileno(file)) == 0;
    int reason = errno;
    if (fclose(file) && is_written) {
        is_written = false;
        reason = errno;
    }
    return is_written
               ? 0
               : engine_fail(error, ENGINE_IO, "cannot write '%.400s': %s", path, strerror(reason));
}

static int
write_class_names(const char *folder, const synthetic_spec_t *spec, engine_error_t *error)
{
    char path[PATH_BYTES + 64];
    snprintf(path, sizeof path, "%s/batches.meta.txt", folder);
    FILE *file = fopen(path, "w");
    if (!file)
        return engine_fail(error, ENGINE_IO, "cannot write '%.400s': %s", path, strerror(errno));
    bool is_written = true;
    for (int k = 0; k < spec->classes; k++)
        is_written = fprintf(file, "grating%d\n", k) > 0 && is_written;
    if (fclose(file) || !is_written)
        return engine_fail(error, ENGINE_IO, "cannot write '%.400s': %s", path, strerror(errno));
    return 0;
}

static int
n_train_files(const synthetic_spec_t *spec)
{
    return (int)((spec->train + FILE_RECORDS - 1) / FILE_RECORDS);
}

static int
write_files(const char *folder, const synthetic_spec_t *spec, engine_error_t *error)
{
    int status = 0;
    for (int f = 0; f < n_train_files(spec) && !status; f++) {
        char name[32];
        size_t first = (size_t)f * FILE_RECORDS, rest = spec->train - first;
        snprintf(name, sizeof name, "data_batch_%d.bin", f + 1);
        status =
            write_file(folder, name, spec, first, rest < FILE_RECORDS ? rest : FILE_RECORDS, error);
    }
    if (!status)
        status = write_file(folder, "test_batch.bin", spec, spec->train, spec->test, error);
    return status ? status : write_class_names(folder, spec, error);
}

static void
remove_files(const char *folder, const synthetic_spec_t *spec)
{
    char path[PATH_BYTES + 64];
    for (int f = 1; f <= n_train_files(spec); f++) {
        snprintf(path, sizeof path, "%s/data_batch_%d.bin", folder, f);
        unlink(path);
    }
    snprintf(path, sizeof path, "%s/test_batch.bin", folder);
    unlink(path);
    snprintf(path, sizeof path, "%s/batches.meta.txt", folder);
    unlink(path);
    rmdir(folder);
}

int
synthetic_write(const char *folder, const synthetic_spec_t *spec, engine_error_t *error)
{
    char aside[PATH_BYTES];
    size_t count = image_count(spec->shape);
    if (spec->classes < 2 || spec->classes > 256 || spec->train < 1 || spec->test < 1 ||
        spec->train > 100000000 || spec->test > 100000000 || count < 1 || count > 100000000)
        return engine_fail(
            error, ENGINE_SPEC,
            "a synthetic set needs 2 to 256 classes, pixels and images of both kinds");
    if (access(folder, F_OK) == 0)
        return engine_fail(error, ENGINE_IO, "'%.300s' is there already; it is left as it is",
                           folder);
    if (snprintf(aside, sizeof aside, "%s.%ld.tmp", folder, (long)getpid()) >= (int)sizeof aside)
        return engine_fail(error, ENGINE_IO, "the path '%.200s…' is too long", folder);
    if (mkdir(aside, 0777))
        return engine_fail(error, ENGINE_IO, "cannot make '%.400s': %s", aside, strerror(errno));
    int status = write_files(aside, spec, error);
    if (!status && rename(aside, folder))
        status = engine_fail(error, ENGINE_IO, "cannot make '%.400s': %s", folder, strerror(errno));
    if (status)
        remove_files(aside, spec);
    return status;
}

/* engine/synthetic.h - a built-in data set for where there is neither data nor network.
 *
 * Classes are told apart by shape and texture, not by mean colour: each class is a mixture of
 * oriented gratings whose phase, colours and place are drawn anew for every image, under noise and
 * a distractor from another class. The paper's net learns them to 0.6-0.8 in two epochs of 50,000
 * images. */
#ifndef ENGINE_SYNTHETIC_H
#define ENGINE_SYNTHETIC_H

#include "engine/error.h"
#include "engine/shape.h"

#include <stdint.h>

typedef struct {
    image_shape_t shape;
    int classes;
    size_t train; /* images; files of at most 10,000 each */
    size_t test;
    uint64_t seed; /* same seed, same bytes */
} synthetic_spec_t;

/* Writes FOLDER in the layout engine/dataset.h reads. It is made aside and renamed, so FOLDER
 * appears whole or not at all; one that exists is left alone and ENGINE_IO returned. About 3 s for
 * 60,000 images of 3x32x32. */
int synthetic_write(const char *folder, const synthetic_spec_t *spec, engine_error_t *error);

#endif

/* engine/shape.h - the shape of an image, as stored and as it passes between layers. */
#ifndef ENGINE_SHAPE_H
#define ENGINE_SHAPE_H

#include <stddef.h>

typedef struct {
    int channels;
    int height;
    int width;
} image_shape_t; /* (C, H, W), row-major */

static inline size_t
image_count(image_shape_t shape)
{
    return (size_t)shape.channels * (size_t)shape.height * (size_t)shape.width;
}

#endif

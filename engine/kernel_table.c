/* engine/kernel_table.c - one compilation's kernels in one place, and the smallest of them. */
#include "engine/kernel_table.h"

void
KERNEL(normalize)(const uint8_t *pixels, float *y, size_t count)
{
    const float scale = 2.0f / 255.0f;
    for (size_t i = 0; i < count; i++)
        y[i] = (float)pixels[i] * scale - 1.0f;
}

const kernels_t KERNEL(kernels) = {
    .normalize = KERNEL(normalize),
    .conv5_pack = KERNEL(conv5_pack),
    .conv5_forward = KERNEL(conv5_forward),
    .conv5_pad = KERNEL(conv5_pad),
    .conv5_weight_gradient = KERNEL(conv5_weight_gradient),
    .conv5_input_gradient = KERNEL(conv5_input_gradient),
    .dense_forward = KERNEL(dense_forward),
    .dense_input_gradient = KERNEL(dense_input_gradient),
    .dense_weight_gradient = KERNEL(dense_weight_gradient),
    .dense_update = KERNEL(dense_update),
    .sgd = KERNEL(sgd),
};

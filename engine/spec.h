/* engine/spec.h - what a layer does to shapes and which tensors it has (inside the engine only). */
#ifndef ENGINE_SPEC_H
#define ENGINE_SPEC_H

#include "engine/network.h"

/* The output's shape of layer INDEX (from 0) for an input of shape IN, or ENGINE_SPEC. */
int spec_layer_output(const network_spec_t *spec, int index, image_shape_t in, image_shape_t *out,
                      engine_error_t *error);
/* stride with the kind's default filled in. */
int spec_stride(const layer_spec_t *layer);
/* The layer's name in the state_dict: its own, or conv1, conv2, fc1, bn1 … by kind and order. */
void spec_layer_name(const network_spec_t *spec, int index, char name[NETWORK_NAME_BYTES]);
/* The layer's tensors, without offsets: writes them and returns how many (0 to 4). */
int spec_layer_tensors(const network_spec_t *spec, int index, image_shape_t in,
                       tensor_view_t tensors[4]);

#endif

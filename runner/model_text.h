// model_text.h — a network between an experiment file and the engine.
//
//     model = ( { type = "conv"; filters = 6; kernel = 5; }, { type = "relu"; },
//               { type = "max_pool"; kernel = 2; }, { type = "dense"; neurons = 10; } );
//
// To add a kind of layer: the engine's layer_kind_t and its name; here, what the kind takes is in
// one table.
#ifndef RUNNER_MODEL_TEXT_H
#define RUNNER_MODEL_TEXT_H

#include "runner/diag.h"
#include "runner/spec.h"
#include "runner/spec_tree.h"
#include "runner/text.h"

// Reads "lenet" or a list of layers in place of what was there. -1 with every fault of it in
// `diag`; `model` is untouched then. Whether the layers fit together is for model_check.
int model_read(const tree_t *value, model_setting_t *model, diag_t *diag);

// Whether the layers fit the image and each other; else an error with the line of the layer that
// does not. `place` is where the model is written.
void model_check(const model_setting_t *model, const image_t *image, place_t place, diag_t *diag);

// The engine's network for images of that shape and so many classes.
network_spec_t model_network(const model_setting_t *model, const image_t *image);

// As it is written in a file, on one line.
void model_add_text(text_t *text, const model_setting_t *model);

void model_copy(const model_setting_t *source, model_setting_t *target);
void model_free(model_setting_t *model);

#endif

/* engine/spec_text.c - a network specification as one line of JSON, to be kept beside a model. */
#include "engine/error.h"
#include "engine/spec.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *
layer_to_json(const layer_spec_t *layer)
{
    json_t *object = json_pack("{s:s}", "kind", layer_kind_name(layer->kind));
    const struct {
        const char *key;
        int value;
    } FIELDS[] = {{"outputs", layer->outputs},
                  {"kernel", layer->kernel},
                  {"stride", layer->stride},
                  {"padding", layer->padding}};
    for (size_t i = 0; i < sizeof FIELDS / sizeof FIELDS[0]; i++)
        if (FIELDS[i].value)
            json_object_set_new(object, FIELDS[i].key, json_integer(FIELDS[i].value));
    if (layer->rate > 0)
        json_object_set_new(object, "rate", json_real((double)layer->rate));
    if (layer->name[0])
        json_object_set_new(object, "name", json_string(layer->name));
    return object;
}

char *
network_spec_encode(const network_spec_t *spec)
{
    json_t *layers = json_array();
    for (int i = 0; i < spec->n_layers; i++)
        json_array_append_new(layers, layer_to_json(&spec->layers[i]));
    json_t *root =
        json_pack("{s:[i,i,i], s:i, s:o}", "input", spec->input.channels, spec->input.height,
                  spec->input.width, "classes", spec->classes, "layers", layers);
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    if (!text)
        abort();
    return text;
}

static int
layer_from_json(json_t *object, int index, layer_spec_t *layer, engine_error_t *error)
{
    const char *kind = NULL, *name = "";
    double rate = 0;
    json_error_t why;
    *layer = (layer_spec_t){0};
    if (json_unpack_ex(object, &why, JSON_STRICT, "{s:s, s?i, s?i, s?i, s?i, s?F, s?s}", "kind",
                       &kind, "outputs", &layer->outputs, "kernel", &layer->kernel, "stride",
                       &layer->stride, "padding", &layer->padding, "rate", &rate, "name", &name))
        return engine_fail(error, ENGINE_FORMAT, "network description: layer %d: %s", index + 1,
                           why.text);
    layer->kind = layer_kind_from_name(kind);
    if (!layer->kind)
        return engine_fail(error, ENGINE_FORMAT, "network description: layer %d: unknown kind '%s'",
                           index + 1, kind);
    layer->rate = (float)rate;
    snprintf(layer->name, sizeof layer->name, "%s", name);
    return 0;
}

int
network_spec_decode(network_spec_t *spec, const char *text, engine_error_t *error)
{
    network_spec_t result = {0};
    json_error_t why;
    json_t *layers = NULL;
    int status = 0;
    json_t *root = json_loads(text, JSON_REJECT_DUPLICATES, &why);
    if (!root || json_unpack_ex(root, &why, JSON_STRICT, "{s:[i,i,i!], s:i, s:o}", "input",
                                &result.input.channels, &result.input.height, &result.input.width,
                                "classes", &result.classes, "layers", &layers))
        status = engine_fail(error, ENGINE_FORMAT, "network description: %s", why.text);
    else if (!json_is_array(layers) || json_array_size(layers) > NETWORK_LAYERS_MAX)
        status = engine_fail(error, ENGINE_FORMAT,
                             "network description: 'layers' is no list of at most %d layers",
                             NETWORK_LAYERS_MAX);
    result.n_layers = status ? 0 : (int)json_array_size(layers);
    for (int i = 0; i < result.n_layers && !status; i++)
        status = layer_from_json(json_array_get(layers, (size_t)i), i, &result.layers[i], error);
    if (!status)
        status = network_spec_check(&result, error);
    if (!status)
        *spec = result;
    json_decref(root);
    return status;
}

#include "runner/model_text.h"

#include <stdlib.h>
#include <string.h>

#include "runner/memory.h"
#include "runner/suggest.h"

enum { KINDS_MAX = LAYER_DROPOUT };

// A number that a kind of layer takes.
typedef struct layer_field {
    layer_kind_t kind;
    const char *name;
    size_t offset; // of an int in layer_spec_t
    bool is_required;
    int min, max, fallback;
} layer_field_t;

// The bounds only keep sizes sane; whether a kernel fits its image is for the engine to say.
static const layer_field_t fields[] = {
    {LAYER_CONV, "filters", offsetof(layer_spec_t, outputs), true, 1, 65536, 0},
    {LAYER_CONV, "kernel", offsetof(layer_spec_t, kernel), true, 1, 1024, 0},
    {LAYER_CONV, "stride", offsetof(layer_spec_t, stride), false, 1, 1024, 1},
    {LAYER_CONV, "padding", offsetof(layer_spec_t, padding), false, 0, 1024, 0},
    {LAYER_MAX_POOL, "kernel", offsetof(layer_spec_t, kernel), true, 1, 1024, 0},
    {LAYER_MAX_POOL, "stride", offsetof(layer_spec_t, stride), false, 1, 1024, 0},
    {LAYER_MAX_POOL, "padding", offsetof(layer_spec_t, padding), false, 0, 1024, 0},
    {LAYER_AVG_POOL, "kernel", offsetof(layer_spec_t, kernel), true, 1, 1024, 0},
    {LAYER_AVG_POOL, "stride", offsetof(layer_spec_t, stride), false, 1, 1024, 0},
    {LAYER_AVG_POOL, "padding", offsetof(layer_spec_t, padding), false, 0, 1024, 0},
    {LAYER_DENSE, "neurons", offsetof(layer_spec_t, outputs), true, 1, 1 << 20, 0},
};
enum { N_FIELDS = sizeof fields / sizeof *fields };

static int *
field_at(layer_spec_t *layer, const layer_field_t *field)
{
    return (int *)((char *)layer + field->offset);
}

static const layer_field_t *
field_find(layer_kind_t kind, const char *name)
{
    for (size_t i = 0; i < N_FIELDS; i++)
        if (fields[i].kind == kind && strcmp(fields[i].name, name) == 0)
            return &fields[i];
    return NULL;
}

static void
unknown_field(const tree_t *member, layer_kind_t kind, diag_t *diag)
{
    const char *names[N_FIELDS + 4] = {0};
    size_t n = 0;
    for (size_t i = 0; i < N_FIELDS; i++)
        if (fields[i].kind == kind)
            names[n++] = fields[i].name;
    if (kind == LAYER_DROPOUT)
        names[n++] = "rate";
    names[n++] = "type";
    names[n++] = "name";
    const char *near = suggest_nearest(member->name, names);
    text_t takes = {0};
    for (size_t i = 0; i < n; i++)
        text_add(&takes, "%s%s", i ? ", " : "", names[i]);
    char *words = text_take(&takes);
    if (near)
        diag_error(diag, member->place, "a layer of type \"%s\" has no '%s'; did you mean '%s'?",
                   layer_kind_name(kind), member->name, near);
    else
        diag_error(diag, member->place, "a layer of type \"%s\" has no '%s'; it has %s",
                   layer_kind_name(kind), member->name, words);
    free(words);
}

// The name of a layer becomes the name of a tensor, as in PyTorch: a plain word.
static int
read_name(const tree_t *member, layer_spec_t *layer, diag_t *diag)
{
    static const char word[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_";
    if (member->kind != TREE_TEXT || strlen(member->text) >= NETWORK_NAME_BYTES ||
        strspn(member->text, word) != strlen(member->text)) {
        diag_error(diag, member->place,
                   "the name of a layer takes letters, digits and '_', fewer than %d",
                   NETWORK_NAME_BYTES);
        return -1;
    }
    strcpy(layer->name, member->text);
    return 0;
}

static int
read_rate(const tree_t *member, layer_spec_t *layer, diag_t *diag)
{
    bool is_number = member->kind == TREE_INTEGER || member->kind == TREE_REAL;
    if (!is_number || !(member->real >= 0 && (float)member->real < 1)) {
        diag_error(diag, member->place, "'rate' takes a number from 0 to below 1");
        return -1;
    }
    layer->rate = (float)member->real;
    return 0;
}

static int
read_member(const tree_t *member, layer_spec_t *layer, diag_t *diag)
{
    if (strcmp(member->name, "type") == 0)
        return 0;
    if (strcmp(member->name, "name") == 0)
        return read_name(member, layer, diag);
    if (strcmp(member->name, "rate") == 0 && layer->kind == LAYER_DROPOUT)
        return read_rate(member, layer, diag);
    const layer_field_t *field = field_find(layer->kind, member->name);
    if (!field) {
        unknown_field(member, layer->kind, diag);
        return -1;
    }
    if (member->kind != TREE_INTEGER || member->integer < field->min ||
        member->integer > field->max) {
        diag_error(diag, member->place,
                   "'%s' of a layer of type \"%s\" takes an integer from %d to %d", field->name,
                   layer_kind_name(layer->kind), field->min, field->max);
        return -1;
    }
    *field_at(layer, field) = (int)member->integer;
    return 0;
}

static layer_kind_t
read_kind(const tree_t *group, diag_t *diag)
{
    const tree_t *type = group->kind == TREE_GROUP ? tree_member(group, "type") : NULL;
    const char *names[KINDS_MAX + 1] = {0};
    text_t all = {0};
    for (int i = 0; i < KINDS_MAX; i++) {
        names[i] = layer_kind_name((layer_kind_t)(i + 1));
        text_add(&all, "%s%s", i ? ", " : "", names[i]);
    }
    char *words = text_take(&all);
    layer_kind_t kind = 0;
    if (!type || type->kind != TREE_TEXT) {
        diag_error(diag, group->place, "a layer takes a type: { type = \"relu\"; }; types: %s",
                   words);
    } else if ((kind = layer_kind_from_name(type->text)) == 0) {
        const char *near = suggest_nearest(type->text, names);
        if (near)
            diag_error(diag, type->place, "unknown type of layer '%.100s'; did you mean '%s'?",
                       type->text, near);
        else
            diag_error(diag, type->place, "unknown type of layer '%.100s'; types: %s", type->text,
                       words);
    }
    free(words);
    return kind;
}

static int
read_layer(const tree_t *group, layer_spec_t *layer, diag_t *diag)
{
    int status = 0;
    *layer = (layer_spec_t){.kind = read_kind(group, diag)};
    if (layer->kind == 0)
        return -1;
    for (size_t i = 0; i < N_FIELDS; i++)
        if (fields[i].kind == layer->kind)
            *field_at(layer, &fields[i]) = fields[i].fallback;
    for (size_t i = 0; i < group->n_children; i++)
        status |= read_member(&group->children[i], layer, diag);
    for (size_t i = 0; i < N_FIELDS; i++)
        if (fields[i].kind == layer->kind && fields[i].is_required &&
            !tree_member(group, fields[i].name)) {
            diag_error(diag, group->place, "a layer of type \"%s\" wants '%s'",
                       layer_kind_name(layer->kind), fields[i].name);
            status = -1;
        }
    if (layer->kind == LAYER_DROPOUT && !tree_member(group, "rate")) {
        diag_error(diag, group->place, "a layer of type \"dropout\" wants 'rate'");
        status = -1;
    }
    return status;
}

static int
read_layers(const tree_t *list, model_setting_t *model, diag_t *diag)
{
    if (list->n_children == 0 || list->n_children > NETWORK_LAYERS_MAX) {
        diag_error(diag, list->place, "'train.model' has %zu layers; it takes 1 to %d",
                   list->n_children, NETWORK_LAYERS_MAX);
        return -1;
    }
    int status = 0;
    model->name = memory_text("");
    model->n_layers = list->n_children;
    model->layers = memory_new(model->n_layers * sizeof *model->layers);
    model->places = memory_new(model->n_layers * sizeof *model->places);
    for (size_t i = 0; i < model->n_layers; i++) {
        model->places[i] = list->children[i].place;
        status |= read_layer(&list->children[i], &model->layers[i], diag);
    }
    return status;
}

int
model_read(const tree_t *value, model_setting_t *model, diag_t *diag)
{
    model_setting_t read = {0};
    if (value->kind == TREE_LIST) {
        if (read_layers(value, &read, diag) != 0) {
            model_free(&read);
            return -1;
        }
    } else if (value->kind == TREE_TEXT && strcmp(value->text, "lenet") == 0) {
        read.name = memory_text(value->text);
    } else {
        return setting_refuse(setting_find("train.model"), value, diag);
    }
    model_free(model);
    *model = read;
    return 0;
}

network_spec_t
model_network(const model_setting_t *model, const image_t *image)
{
    image_shape_t shape = {(int)image->channels, (int)image->height, (int)image->width};
    if (model->n_layers == 0)
        return network_spec_lenet(shape, (int)image->classes);
    network_spec_t spec = {
        .input = shape, .classes = (int)image->classes, .n_layers = (int)model->n_layers};
    memcpy(spec.layers, model->layers, model->n_layers * sizeof *model->layers);
    return spec;
}

void
model_check(const model_setting_t *model, const image_t *image, place_t place, diag_t *diag)
{
    network_spec_t spec = model_network(model, image);
    engine_error_t error;
    if (network_spec_check(&spec, &error) == 0)
        return;
    // The engine names the layer by its place in the list.
    size_t layer = 0;
    if (sscanf(error.text, "layer %zu", &layer) == 1 && layer >= 1 && layer <= model->n_layers)
        place = model->places[layer - 1];
    diag_error(diag, place, "'train.model' does not fit: %s", error.text);
}

void
model_add_text(text_t *text, const model_setting_t *model)
{
    if (model->n_layers == 0) {
        text_add_quoted(text, model->name);
        return;
    }
    text_add(text, "( ");
    for (size_t i = 0; i < model->n_layers; i++) {
        layer_spec_t layer = model->layers[i];
        text_add(text, "%s{ type = \"%s\";", i ? ", " : "", layer_kind_name(layer.kind));
        for (size_t k = 0; k < N_FIELDS; k++)
            if (fields[k].kind == layer.kind && *field_at(&layer, &fields[k]) != fields[k].fallback)
                text_add(text, " %s = %d;", fields[k].name, *field_at(&layer, &fields[k]));
        if (layer.kind == LAYER_DROPOUT) {
            text_add(text, " rate = ");
            text_add_real(text, layer.rate);
            text_add(text, ";");
        }
        if (layer.name[0])
            text_add(text, " name = \"%s\";", layer.name);
        text_add(text, " }");
    }
    text_add(text, " )");
}

void
model_copy(const model_setting_t *source, model_setting_t *target)
{
    *target = (model_setting_t){.name = memory_text(source->name), .n_layers = source->n_layers};
    if (source->n_layers == 0)
        return;
    target->layers = memory_new(source->n_layers * sizeof *source->layers);
    target->places = memory_new(source->n_layers * sizeof *source->places);
    memcpy(target->layers, source->layers, source->n_layers * sizeof *source->layers);
    memcpy(target->places, source->places, source->n_layers * sizeof *source->places);
}

void
model_free(model_setting_t *model)
{
    free(model->name);
    free(model->layers);
    free(model->places);
    *model = (model_setting_t){0};
}

// The field behind a setting's row: its default, its reading, its copy, its text.
#include "runner/settings.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runner/memory.h"
#include "runner/model_text.h"
#include "runner/spec.h"
#include "runner/suggest.h"
#include "runner/text.h"

// The field of a setting in an experiment.
static void *
field(const setting_t *setting, experiment_t *experiment)
{
    return (char *)experiment + setting->offset;
}

static const void *
field_of(const setting_t *setting, const experiment_t *experiment)
{
    return (const char *)experiment + setting->offset;
}

void
setting_set_default(const setting_t *setting, experiment_t *experiment)
{
    void *at = field(setting, experiment);
    switch (setting->type) {
    case SETTING_INTEGER:
        *(long *)at = (long)setting->number;
        break;
    case SETTING_REAL:
    case SETTING_REAL_OR_AUTO:
        *(double *)at = setting->number;
        break;
    case SETTING_BOOLEAN:
        *(bool *)at = setting->number != 0;
        break;
    case SETTING_CHOICE:
        *(int *)at = (int)setting->number;
        break;
    case SETTING_TEXT:
        *(char **)at = memory_text(setting->text);
        break;
    case SETTING_TEXTS:
        *(text_list_t *)at = (text_list_t){0};
        break;
    case SETTING_MODEL:
        *(model_setting_t *)at = (model_setting_t){.name = memory_text(setting->text)};
        break;
    case SETTING_REPEATS:
        *(repeats_t *)at = repeats_fixed((long)setting->number);
        break;
    case SETTING_ELSEWHERE:
        break;
    }
}

static void
texts_free(text_list_t *list)
{
    for (size_t i = 0; i < list->n_items; i++)
        free(list->items[i]);
    free(list->items);
    *list = (text_list_t){0};
}

void
setting_free(const setting_t *setting, experiment_t *experiment)
{
    void *at = field(setting, experiment);
    if (setting->type == SETTING_TEXT) {
        free(*(char **)at);
        *(char **)at = NULL;
    } else if (setting->type == SETTING_TEXTS) {
        texts_free(at);
    } else if (setting->type == SETTING_MODEL) {
        model_free(at);
    }
}

void
setting_copy(const setting_t *setting, const experiment_t *source, experiment_t *target)
{
    const void *from = field_of(setting, source);
    void *to = field(setting, target);
    switch (setting->type) {
    case SETTING_INTEGER:
        *(long *)to = *(const long *)from;
        break;
    case SETTING_REAL:
    case SETTING_REAL_OR_AUTO:
        *(double *)to = *(const double *)from;
        break;
    case SETTING_BOOLEAN:
        *(bool *)to = *(const bool *)from;
        break;
    case SETTING_CHOICE:
        *(int *)to = *(const int *)from;
        break;
    case SETTING_TEXT:
        *(char **)to = memory_text(*(char *const *)from);
        break;
    case SETTING_TEXTS: {
        const text_list_t *list = from;
        text_list_t copy = {memory_new(list->n_items * sizeof(char *)), list->n_items};
        for (size_t i = 0; i < list->n_items; i++)
            copy.items[i] = memory_text(list->items[i]);
        *(text_list_t *)to = copy;
        break;
    }
    case SETTING_MODEL:
        model_copy(from, to);
        break;
    case SETTING_REPEATS:
        *(repeats_t *)to = *(const repeats_t *)from;
        break;
    case SETTING_ELSEWHERE:
        break;
    }
}

static void
repeats_add_text(text_t *text, const repeats_t *repeats)
{
    if (repeats->ci <= 0) {
        text_add(text, "%ld", repeats->max);
        return;
    }
    text_add(text, "{ min = %ld; max = %ld; ci = ", repeats->min, repeats->max);
    text_add_real(text, repeats->ci);
    text_add(text, "; }");
}

char *
setting_text(const setting_t *setting, const experiment_t *experiment)
{
    const void *at = field_of(setting, experiment);
    text_t text = {0};
    switch (setting->type) {
    case SETTING_INTEGER:
        text_add(&text, "%ld", *(const long *)at);
        break;
    case SETTING_REAL_OR_AUTO:
    case SETTING_REAL:
        if (setting->type == SETTING_REAL_OR_AUTO && *(const double *)at < 0)
            text_add_quoted(&text, "auto");
        else
            text_add_real(&text, *(const double *)at);
        break;
    case SETTING_BOOLEAN:
        text_add(&text, "%s", *(const bool *)at ? "true" : "false");
        break;
    case SETTING_CHOICE:
        text_add_quoted(&text, setting->choices[*(const int *)at]);
        break;
    case SETTING_TEXT:
        text_add_quoted(&text, *(char *const *)at);
        break;
    case SETTING_TEXTS: {
        const text_list_t *list = at;
        text_add(&text, list->n_items ? "[ " : "[ ]");
        for (size_t i = 0; i < list->n_items; i++) {
            text_add_quoted(&text, list->items[i]);
            text_add(&text, i + 1 < list->n_items ? ", " : " ]");
        }
        break;
    }
    case SETTING_MODEL:
        model_add_text(&text, at);
        break;
    case SETTING_REPEATS:
        repeats_add_text(&text, at);
        break;
    case SETTING_ELSEWHERE:
        break;
    }
    return text_take(&text);
}

// What was written, for messages: 'fixd', 2.5, a list.
static char *
written(const tree_t *value)
{
    text_t text = {0};
    if (value->kind == TREE_TEXT)
        text_add(&text, "'%.200s'", value->text);
    else if (value->kind == TREE_INTEGER)
        text_add(&text, "%lld", value->integer);
    else if (value->kind == TREE_REAL)
        text_add_short(&text, value->real);
    else if (value->kind == TREE_BOOLEAN)
        text_add(&text, "%s", value->boolean ? "true" : "false");
    else
        text_add(&text, "%s", tree_kind_words(value));
    return text_take(&text);
}

int
setting_refuse(const setting_t *setting, const tree_t *value, diag_t *diag)
{
    char *is = written(value), *allowed = setting_allowed(setting);
    diag_error(diag, value->place, "'%s' is %s; it takes %s", setting->path, is, allowed);
    free(allowed);
    free(is);
    return -1;
}

static int
read_choice(const setting_t *setting, const tree_t *value, int *choice, diag_t *diag)
{
    if (value->kind != TREE_TEXT)
        return setting_refuse(setting, value, diag);
    char *allowed = setting_allowed(setting);
    const char *near = suggest_nearest(value->text, setting->choices);
    int status = -1;
    int i = 0;
    while (setting->choices[i] && strcmp(setting->choices[i], value->text) != 0)
        i++;
    if (setting->choices[i]) {
        // Taken even if it is refused, so that the checks that depend on it tell their faults too.
        *choice = i;
        status = setting_is_later(setting, i) ? -1 : 0;
        if (status != 0)
            diag_error(diag, value->place,
                       "'%s' is '%s', which this version does not have yet; it takes %s",
                       setting->path, value->text, allowed);
    } else if (near) {
        diag_error(diag, value->place, "'%s' is '%.200s'; did you mean '%s'? it takes %s",
                   setting->path, value->text, near, allowed);
    } else {
        setting_refuse(setting, value, diag);
    }
    free(allowed);
    return status;
}

static int
read_texts(const setting_t *setting, const tree_t *value, text_list_t *list, diag_t *diag)
{
    if (value->kind != TREE_LIST)
        return setting_refuse(setting, value, diag);
    if (value->n_children > SETTING_LIST_MAX) {
        diag_error(diag, value->place, "'%s' has %zu entries; at most %d are taken", setting->path,
                   value->n_children, SETTING_LIST_MAX);
        return -1;
    }
    for (size_t i = 0; i < value->n_children; i++)
        if (value->children[i].kind != TREE_TEXT)
            return setting_refuse(setting, &value->children[i], diag);
    text_list_t texts = {memory_new(value->n_children * sizeof(char *)), value->n_children};
    for (size_t i = 0; i < value->n_children; i++)
        texts.items[i] = memory_text(value->children[i].text);
    texts_free(list);
    *list = texts;
    return 0;
}

static bool
in_range(const setting_t *setting, double number)
{
    return number >= setting->min && number <= setting->max;
}

static bool
is_auto(const setting_t *setting, const tree_t *value)
{
    return setting->type == SETTING_REAL_OR_AUTO && value->kind == TREE_TEXT &&
           strcmp(value->text, "auto") == 0;
}

static const double ci_least = 0.0001;

static int
refuse_repeats_member(const setting_t *setting, const tree_t *member, diag_t *diag)
{
    if (strcmp(member->name, "min") == 0 || strcmp(member->name, "max") == 0)
        diag_error(diag, member->place, "'%s.%s' takes an integer from 1 to %d", setting->path,
                   member->name, REPEATS_MAX);
    else if (strcmp(member->name, "ci") == 0)
        diag_error(diag, member->place, "'%s.ci' takes a number from %g to 1", setting->path,
                   ci_least);
    else
        diag_error(diag, member->place, "'%s' has no '%.100s'; it has min, max and ci",
                   setting->path, member->name);
    return -1;
}

// One of min, max and ci.
static int
read_repeats_member(const setting_t *setting, const tree_t *member, repeats_t *repeats,
                    diag_t *diag)
{
    bool is_count = member->kind == TREE_INTEGER && in_range(setting, member->real);
    bool is_share = (member->kind == TREE_INTEGER || member->kind == TREE_REAL) &&
                    member->real >= ci_least && member->real <= 1;
    if (strcmp(member->name, "min") == 0 && is_count)
        repeats->min = (long)member->integer;
    else if (strcmp(member->name, "max") == 0 && is_count)
        repeats->max = (long)member->integer;
    else if (strcmp(member->name, "ci") == 0 && is_share)
        repeats->ci = member->real;
    else
        return refuse_repeats_member(setting, member, diag);
    return 0;
}

// An interval needs two values, so a goal starts with three where the file does not say.
static int
read_repeats(const setting_t *setting, const tree_t *value, repeats_t *repeats, diag_t *diag)
{
    if (value->kind == TREE_INTEGER && in_range(setting, value->real)) {
        *repeats = repeats_fixed((long)value->integer);
        return 0;
    }
    if (value->kind != TREE_GROUP)
        return setting_refuse(setting, value, diag);
    repeats_t read = {.min = 3, .max = 20, .ci = 0.05};
    int status = 0;
    for (size_t i = 0; i < value->n_children; i++)
        status |= read_repeats_member(setting, &value->children[i], &read, diag);
    if (status == 0 && read.min > read.max) {
        diag_error(diag, value->place, "'%s' has min %ld and max %ld", setting->path, read.min,
                   read.max);
        status = -1;
    }
    if (status == 0)
        *repeats = read;
    return status;
}

int
setting_read(const setting_t *setting, const tree_t *value, experiment_t *experiment, diag_t *diag)
{
    void *at = field(setting, experiment);
    bool is_number = value->kind == TREE_INTEGER || value->kind == TREE_REAL;
    switch (setting->type) {
    case SETTING_INTEGER:
        if (value->kind != TREE_INTEGER || !in_range(setting, value->real))
            return setting_refuse(setting, value, diag);
        *(long *)at = (long)value->integer;
        return 0;
    case SETTING_REAL:
    case SETTING_REAL_OR_AUTO:
        if (!is_auto(setting, value) && !(is_number && in_range(setting, value->real)))
            return setting_refuse(setting, value, diag);
        *(double *)at = is_number ? value->real : SETTING_AUTO;
        return 0;
    case SETTING_BOOLEAN:
        if (value->kind != TREE_BOOLEAN)
            return setting_refuse(setting, value, diag);
        *(bool *)at = value->boolean;
        return 0;
    case SETTING_TEXT:
        if (value->kind != TREE_TEXT)
            return setting_refuse(setting, value, diag);
        if (strlen(value->text) > SETTING_TEXT_MAX) {
            diag_error(diag, value->place, "'%s' is longer than %d bytes", setting->path,
                       SETTING_TEXT_MAX);
            return -1;
        }
        free(*(char **)at);
        *(char **)at = memory_text(value->text);
        return 0;
    case SETTING_CHOICE:
        return read_choice(setting, value, at, diag);
    case SETTING_TEXTS:
        return read_texts(setting, value, at, diag);
    case SETTING_MODEL:
        return model_read(value, at, diag);
    case SETTING_REPEATS:
        return read_repeats(setting, value, at, diag);
    case SETTING_ELSEWHERE:
        return 0;
    }
    return 0;
}

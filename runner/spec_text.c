// From an experiment back to text, its hash, and the differences between two.
#include <sha2.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/claim.h"
#include "runner/expect.h"
#include "runner/matrix.h"
#include "runner/memory.h"
#include "runner/spec.h"
#include "runner/text.h"

// The groups that are open while the settings are written in the order of their table.
typedef struct groups {
    char path[SPEC_VALUE_BYTES]; // "train.image", "" at the top
    int depth;
} groups_t;

static void
indent(text_t *text, int depth)
{
    text_add(text, "%*s", 2 * depth, "");
}

// Whether the group holds the path: "train.image" holds "train.image.width", and "" holds
// everything.
static bool
holds(const char *group, const char *path)
{
    size_t n = strlen(group);
    return n == 0 || (strncmp(group, path, n) == 0 && path[n] == '.');
}

static void
close_groups(text_t *text, groups_t *groups, const experiment_t *experiment, const char *path)
{
    while (!holds(groups->path, path)) {
        if (strcmp(groups->path, "matrix") == 0)
            matrix_add_text(text, &experiment->matrix);
        char *dot = strrchr(groups->path, '.');
        *(dot ? dot : groups->path) = '\0';
        indent(text, --groups->depth);
        text_add(text, "};\n");
    }
}

static void
open_groups(text_t *text, groups_t *groups, const char *path)
{
    for (;;) {
        size_t n = strlen(groups->path);
        const char *rest = path + (n ? n + 1 : 0), *dot = strchr(rest, '.');
        if (!dot)
            return;
        indent(text, groups->depth++);
        text_add(text, "%.*s = {\n", (int)(dot - rest), rest);
        snprintf(groups->path, sizeof groups->path, "%.*s", (int)(dot - path), path);
    }
}

char *
experiment_text(const experiment_t *experiment)
{
    text_t text = {0};
    groups_t groups = {0};
    for (size_t i = 0; i < n_settings; i++) {
        const setting_t *setting = &settings[i];
        close_groups(&text, &groups, experiment, setting->path);
        if (setting->type == SETTING_ELSEWHERE || setting->is_manner)
            continue;
        open_groups(&text, &groups, setting->path);
        char *value = setting_text(setting, experiment);
        indent(&text, groups.depth);
        text_add(&text, "%s = %s;\n", setting_name(setting), value);
        free(value);
    }
    close_groups(&text, &groups, experiment, "");
    expect_add_text(&text, experiment->expect, experiment->n_expect);
    claim_add_text(&text, experiment->claims, experiment->n_claims);
    return text_take(&text);
}

void
experiment_hash(const experiment_t *experiment, char hash[SPEC_HASH_BYTES])
{
    char *text = experiment_text(experiment);
    SHA256Data((const uint8_t *)text, strlen(text), hash);
    free(text);
}

static void
add_difference(text_t *text, const char *name, const char *there, const char *here)
{
    if (strcmp(there, here) != 0)
        text_add(text, "%s: %s there, %s here\n", name, there[0] ? there : "none",
                 here[0] ? here : "none");
}

// The values of the axis of that path: "1, 2, 3"; "" for none.
static char *
axis_text(const matrix_t *matrix, const char *path)
{
    text_t text = {0};
    for (size_t i = 0; i < matrix->n_axes; i++)
        for (size_t k = 0; strcmp(matrix->axes[i].path, path) == 0 && k < matrix->axes[i].n_values;
             k++)
            text_add(&text, "%s%s", k ? ", " : "", matrix->axes[i].values[k].text);
    return text_take(&text);
}

static void
compare_axis(text_t *text, const char *path, const matrix_t *there, const matrix_t *here)
{
    char *a = axis_text(there, path), *b = axis_text(here, path);
    bool is_own = strncmp(path, "matrix.", 7) == 0;
    char *name = is_own ? memory_text(path) : memory_format("matrix.%s", strrchr(path, '.') + 1);
    add_difference(text, name, a, b);
    free(name);
    free(a);
    free(b);
}

// What is left of the matrix: zip, exclude, only; told in one line, since it has no short words.
static void
compare_rest(text_t *text, const experiment_t *there, const experiment_t *here)
{
    size_t n_before = text->n_bytes;
    for (size_t i = 0; i < n_settings; i++)
        if (settings[i].is_axis || strncmp(settings[i].path, "matrix.", 7) == 0)
            compare_axis(text, settings[i].path, &there->matrix, &here->matrix);
    text_t a = {0}, b = {0};
    matrix_add_text(&a, &there->matrix);
    matrix_add_text(&b, &here->matrix);
    char *matrix_there = text_take(&a), *matrix_here = text_take(&b);
    if (text->n_bytes == n_before && strcmp(matrix_there, matrix_here) != 0)
        text_add(text, "matrix: zip, exclude or only differ\n");
    free(matrix_there);
    free(matrix_here);
}

char *
experiment_differences(const experiment_t *there, const experiment_t *here)
{
    text_t text = {0};
    for (size_t i = 0; i < n_settings; i++) {
        if (settings[i].type == SETTING_ELSEWHERE || settings[i].is_manner)
            continue;
        char *a = setting_text(&settings[i], there), *b = setting_text(&settings[i], here);
        add_difference(&text, settings[i].path, a, b);
        free(a);
        free(b);
    }
    compare_rest(&text, there, here);
    text_t a = {0}, b = {0};
    expect_add_text(&a, there->expect, there->n_expect);
    expect_add_text(&b, here->expect, here->n_expect);
    char *expect_there = text_take(&a), *expect_here = text_take(&b);
    if (strcmp(expect_there, expect_here) != 0)
        text_add(&text, "expect: the reference values differ\n");
    free(expect_there);
    free(expect_here);
    text_t c = {0}, d = {0};
    claim_add_text(&c, there->claims, there->n_claims);
    claim_add_text(&d, here->claims, here->n_claims);
    char *claims_there = text_take(&c), *claims_here = text_take(&d);
    if (strcmp(claims_there, claims_here) != 0)
        text_add(&text, "claim: the claims differ\n");
    free(claims_there);
    free(claims_here);
    return text_take(&text);
}

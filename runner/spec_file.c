// From text to tree: the one file that knows libconfig.
#include <ctype.h>
#include <libconfig.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runner/memory.h"
#include "runner/spec_source.h"
#include "runner/spec_tree.h"

// Depth is bounded by spec_source, which counts the brackets.
static void
convert(config_setting_t *setting, const spec_source_t *source, tree_t *tree)
{
    tree->place = spec_source_place(source, (int)setting->line);
    switch (setting->type) {
    case CONFIG_TYPE_INT:
    case CONFIG_TYPE_INT64:
        tree->kind = TREE_INTEGER;
        tree->integer = setting->type == CONFIG_TYPE_INT ? config_setting_get_int(setting)
                                                         : config_setting_get_int64(setting);
        tree->real = (double)tree->integer;
        return;
    case CONFIG_TYPE_FLOAT:
        tree->kind = TREE_REAL;
        tree->real = config_setting_get_float(setting);
        return;
    case CONFIG_TYPE_BOOL:
        tree->kind = TREE_BOOLEAN;
        tree->boolean = config_setting_get_bool(setting);
        return;
    case CONFIG_TYPE_STRING:
        tree->kind = TREE_TEXT;
        tree->text = memory_text(config_setting_get_string(setting));
        return;
    default:
        break;
    }
    tree->kind = setting->type == CONFIG_TYPE_GROUP ? TREE_GROUP : TREE_LIST;
    tree->n_children = (size_t)config_setting_length(setting);
    tree->children = memory_new(tree->n_children * sizeof *tree->children);
    for (size_t i = 0; i < tree->n_children; i++) {
        config_setting_t *child = config_setting_get_elem(setting, (unsigned)i);
        tree->children[i].name = child->name ? memory_text(child->name) : NULL;
        convert(child, source, &tree->children[i]);
        // libconfig gives the elements of a list the line of no one in particular.
        if (tree->children[i].place.line == 0)
            tree->children[i].place = tree->place;
    }
}

// The name that a line sets, when it sets only one.
static char *
name_on_line(const char *line)
{
    size_t n = 0;
    while (isalnum((unsigned char)line[n]) || (n > 0 && line[n] && strchr("-_*", line[n])))
        n++;
    const char *equals = line + n + strspn(line + n, " \t");
    bool is_single = n > 0 && (*equals == '=' || *equals == ':') && !strpbrk(equals + 1, "=:");
    return is_single ? memory_format("'%.*s' ", (int)n, line) : memory_text("a setting here ");
}

// libconfig's few messages, with what to do.
static void
tell(const config_t *config, const spec_source_t *source, diag_t *diag)
{
    const char *text = config_error_text(config) ? config_error_text(config) : "syntax error";
    int line = config_error_line(config);
    place_t place = spec_source_place(source, line);
    char *shown = spec_source_line(source, line);
    if (strstr(text, "duplicate")) {
        char *name = name_on_line(shown);
        diag_error(
            diag, place,
            "%sis set twice; to change what an included file sets, write it in a group of its own: "
            "override = { train = { … }; };",
            name);
        free(name);
    } else if (strstr(text, "mismatched element")) {
        diag_error(
            diag, place,
            "the values of an array [ ] are of one type: write 1.0 beside 0.5, or ( 1, 0.5 )");
    } else if (shown[0]) {
        diag_error(diag, place, "%s in or just before '%s'", text, shown);
    } else {
        diag_error(diag, place, "%s; is a bracket or a value missing?", text);
    }
    free(shown);
}

static int
parse(const spec_source_t *source, tree_t *tree, diag_t *diag)
{
    config_t config;
    config_init(&config);
    // No include is left in the text; should one be, it shall lead nowhere.
    config_set_include_dir(&config, "/dev/null");
    int status = -1;
    if (config_read_string(&config, source->text) == CONFIG_TRUE) {
        convert(config_root_setting(&config), source, tree);
        status = 0;
    } else {
        tell(&config, source, diag);
    }
    config_destroy(&config);
    return status;
}

int
tree_read_file(const char *path, tree_t *tree, diag_t *diag)
{
    spec_source_t source = {0};
    if (spec_source_read_file(path, &source, diag) != 0)
        return -1;
    int status = parse(&source, tree, diag);
    spec_source_free(&source);
    return status;
}

int
tree_read_text(const char *text, const char *name, tree_t *tree, diag_t *diag)
{
    spec_source_t source = {0};
    if (spec_source_read_text(text, name, &source, diag) != 0)
        return -1;
    int status = parse(&source, tree, diag);
    spec_source_free(&source);
    return status;
}

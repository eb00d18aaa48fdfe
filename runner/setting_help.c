#include "runner/setting_help.h"

#include <stdlib.h>
#include <string.h>

#include "runner/memory.h"
#include "runner/settings.h"
#include "runner/spec.h"

enum { COLUMNS = 96, NAME_COLUMN = 24, DEFAULT_COLUMN = 16, INDENT = 6 };

// Breaks the sentence at blanks, each line indented.
static void
print_wrapped(FILE *out, const char *sentence)
{
    int column = 0;
    while (*sentence) {
        size_t n = strcspn(sentence, " ");
        if (column > 0 && column + 1 + (int)n > COLUMNS) {
            fputc('\n', out);
            column = 0;
        }
        fprintf(out, "%*s%.*s", column == 0 ? INDENT : 1, "", (int)n, sentence);
        column += (column == 0 ? INDENT : 1) + (int)n;
        sentence += n + strspn(sentence + n, " ");
    }
    fputc('\n', out);
}

// The default as a file has it.
static char *
default_text(const setting_t *setting)
{
    if (setting->type == SETTING_ELSEWHERE)
        return memory_text(setting->text[0] ? setting->text : "-");
    experiment_t *scratch = memory_new(sizeof *scratch);
    setting_set_default(setting, scratch);
    char *text = setting_text(setting, scratch);
    setting_free(setting, scratch);
    free(scratch);
    return text;
}

static void
print_row(FILE *out, const setting_t *setting, const char *name)
{
    char *value = default_text(setting), *allowed = setting_allowed(setting);
    fprintf(out, "  %-*s %-*s %s%s\n", NAME_COLUMN, name, DEFAULT_COLUMN, value, allowed,
            setting->is_axis ? "; axis" : "");
    print_wrapped(out, setting->help);
    free(allowed);
    free(value);
}

// "train" of "train.image.width"; "" for a setting at the top.
static char *
group_of(const char *path)
{
    const char *dot = strchr(path, '.');
    return memory_format("%.*s", dot ? (int)(dot - path) : 0, path);
}

void
settings_print(FILE *out)
{
    fputs("Every setting of an experiment file: its default, what it takes, and \"axis\" where a "
          "matrix can\n"
          "vary it. On the command line: --set train.epochs=1. More of one: dmlx help settings "
          "epochs.\n",
          out);
    char *group = memory_text("-");
    for (size_t i = 0; i < n_settings; i++) {
        const char *path = settings[i].path;
        char *own = group_of(path);
        if (strcmp(own, group) != 0 && own[0])
            fprintf(out, "\n%s = {\n", own);
        else if (strcmp(own, group) != 0)
            fputc('\n', out);
        free(group);
        group = own;
        print_row(out, &settings[i], group[0] ? path + strlen(group) + 1 : path);
        const char *next = i + 1 < n_settings ? settings[i + 1].path : "";
        char *following = group_of(next);
        if (group[0] && strcmp(following, group) != 0)
            fputs("};\n", out);
        free(following);
    }
    free(group);
}

int
setting_print(FILE *out, const char *name)
{
    int n_printed = 0;
    size_t n = strlen(name);
    for (size_t i = 0; i < n_settings; i++) {
        size_t is_named = 0;
        setting_match(&settings[i], 1, name, &is_named);
        bool is_within =
            n > 0 && strncmp(settings[i].path, name, n) == 0 && settings[i].path[n] == '.';
        if (is_named || is_within) {
            print_row(out, &settings[i], settings[i].path);
            n_printed += 1;
        }
    }
    return n_printed > 0 ? 0 : -1;
}

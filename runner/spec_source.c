#include "runner/spec_source.h"

#include <ctype.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "runner/memory.h"
#include "runner/text.h"

enum { LINE_SHOWN = 60, PATH_BYTES_MAX = 4096 };

// What is being put together, over all files.
typedef struct assembly {
    text_t text;
    place_t *places;
    size_t n_lines, n_room;
    int n_open; // files being read, the outermost first
    struct stat open[SPEC_INCLUDES_MAX];
    bool may_include;
    diag_t *diag;
} assembly_t;

// A position in one file.
typedef struct cursor {
    const char *at; // ends with a zero byte
    place_t place;
    int n_brackets;
    assembly_t *assembly;
} cursor_t;

static int take_file(assembly_t *assembly, const char *path, place_t asked_at);

// The words of errno, in lower case as messages are.
static char *
reason(int error)
{
    char *words = memory_text(strerror(error));
    words[0] = (char)tolower((unsigned char)words[0]);
    return words;
}

static void
start_line(assembly_t *assembly, place_t place)
{
    if (assembly->n_lines == assembly->n_room) {
        assembly->n_room = 2 * assembly->n_room + 64;
        assembly->places = memory_resize(assembly->places, assembly->n_room * sizeof(place_t));
    }
    assembly->places[assembly->n_lines++] = place;
}

// Copies n bytes, none of which is looked at, and counts their lines.
static void
copy(cursor_t *cursor, size_t n)
{
    text_add_bytes(&cursor->assembly->text, cursor->at, n);
    for (; n > 0; n--)
        if (*cursor->at++ == '\n') {
            cursor->place.line += 1;
            start_line(cursor->assembly, cursor->place);
        }
}

// A text in quotes; `\` takes the next byte along.
static int
copy_quoted(cursor_t *cursor)
{
    const char *end = cursor->at + 1;
    while (*end && *end != '"')
        end += end[0] == '\\' && end[1] ? 2 : 1;
    if (!*end) {
        diag_error(cursor->assembly->diag, cursor->place,
                   "the text that begins here has no closing quote");
        return -1;
    }
    copy(cursor, (size_t)(end + 1 - cursor->at));
    return 0;
}

static int
copy_comment(cursor_t *cursor)
{
    const char *end = strstr(cursor->at + 2, "*/");
    if (!end) {
        diag_error(cursor->assembly->diag, cursor->place,
                   "the comment that begins here has no closing '*/'");
        return -1;
    }
    copy(cursor, (size_t)(end + 2 - cursor->at));
    return 0;
}

// A number; one that 32 bits might not hold is marked as libconfig's long integer.
static void
copy_number(cursor_t *cursor)
{
    const char *digits = cursor->at + strspn(cursor->at, "+-");
    bool is_hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
    size_t n_digits =
        is_hex ? strspn(digits + 2, "0123456789abcdefABCDEF") : strspn(digits, "0123456789");
    const char *end = digits + n_digits + (is_hex ? 2 : 0);
    bool is_whole = !isalnum((unsigned char)*end) && *end != '.';
    copy(cursor, (size_t)(end - cursor->at));
    if (is_whole && n_digits >= (is_hex ? 8u : 10u))
        text_add(&cursor->assembly->text, "L");
    // The rest of 1.5e-3, or whatever else hangs on the digits.
    while (
        isalnum((unsigned char)*cursor->at) || *cursor->at == '.' ||
        ((*cursor->at == '-' || *cursor->at == '+') && tolower(cursor->at[-1]) == 'e' && !is_hex))
        copy(cursor, 1);
}

static int
copy_bracket(cursor_t *cursor)
{
    if (strchr("({[", *cursor->at))
        cursor->n_brackets += 1;
    else if (cursor->n_brackets > 0)
        cursor->n_brackets -= 1;
    if (cursor->n_brackets > SPEC_BRACKETS_MAX) {
        diag_error(cursor->assembly->diag, cursor->place, "brackets are nested deeper than %d",
                   SPEC_BRACKETS_MAX);
        return -1;
    }
    copy(cursor, 1);
    return 0;
}

// The file's name in `@include "name"`, if that is what stands here at the beginning of a line. The
// caller frees it; `*end` is what follows.
static char *
include_name(const char *line, const char **end)
{
    const char *at = line + strspn(line, " \t");
    if (strncmp(at, "@include", 8) != 0)
        return NULL;
    at += 8 + strspn(at + 8, " \t");
    size_t n = *at == '"' ? strcspn(at + 1, "\"\n") : 0;
    if (*at != '"' || at[1 + n] != '"')
        return NULL;
    *end = at + n + 2;
    return memory_format("%.*s", (int)n, at + 1);
}

// The path of an included file: beside the file that includes it, unless it starts at the root.
static char *
include_path(const char *includer, const char *name)
{
    const char *slash = strrchr(includer, '/');
    if (name[0] == '/' || !slash)
        return memory_text(name);
    return memory_format("%.*s/%s", (int)(slash - includer), includer, name);
}

static int
take_include(cursor_t *cursor, const char *name, const char *end)
{
    assembly_t *assembly = cursor->assembly;
    if (!assembly->may_include) {
        diag_error(assembly->diag, cursor->place, "no file can be included here: '%s'", name);
        return -1;
    }
    char *path = include_path(cursor->place.file, name);
    int status = take_file(assembly, path, cursor->place);
    free(path);
    // What is left of the line stands on a line of its own.
    text_add(&assembly->text, "\n");
    start_line(assembly, cursor->place);
    cursor->at = end;
    return status;
}

static bool
is_name_letter(char letter)
{
    return isalnum((unsigned char)letter) || letter == '_' || letter == '*' || letter == '-';
}

static int
take_token(cursor_t *cursor)
{
    const char *at = cursor->at;
    if (*at == '"')
        return copy_quoted(cursor);
    if (at[0] == '/' && at[1] == '*')
        return copy_comment(cursor);
    if (strchr("(){}[]", *at))
        return copy_bracket(cursor);
    if (*at == '#' || (at[0] == '/' && at[1] == '/')) {
        copy(cursor, strcspn(at, "\n"));
    } else if (isalpha((unsigned char)*at) || *at == '*') {
        size_t n = 1;
        while (is_name_letter(at[n]))
            n++;
        copy(cursor, n);
    } else if (isdigit((unsigned char)*at) ||
               ((*at == '-' || *at == '+') && isdigit((unsigned char)at[1]))) {
        copy_number(cursor);
    } else {
        copy(cursor, 1);
    }
    return 0;
}

static int
take_text(assembly_t *assembly, const char *text, place_t place)
{
    cursor_t cursor = {.at = text, .place = place, .assembly = assembly};
    // An included text begins on the line that includes it, which nothing else stands on.
    if (assembly->n_lines == 0)
        start_line(assembly, place);
    else
        assembly->places[assembly->n_lines - 1] = place;
    for (bool is_line_start = true; *cursor.at;) {
        const char *end = NULL;
        char *name = is_line_start ? include_name(cursor.at, &end) : NULL;
        int status = name ? take_include(&cursor, name, end) : take_token(&cursor);
        free(name);
        if (status != 0)
            return -1;
        is_line_start = cursor.at[-1] == '\n';
        if (assembly->text.n_bytes > SPEC_SOURCE_BYTES_MAX) {
            diag_error(assembly->diag, place,
                       "an experiment file has at most %d bytes with all it "
                       "includes",
                       SPEC_SOURCE_BYTES_MAX);
            return -1;
        }
    }
    return 0;
}

// The bytes of an open file, closed by a zero byte. NULL with an error.
static char *
read_all(FILE *file, place_t place, const char *label, diag_t *diag)
{
    char *bytes = memory_new(SPEC_SOURCE_BYTES_MAX + 2);
    size_t n = fread(bytes, 1, SPEC_SOURCE_BYTES_MAX + 1, file);
    if (ferror(file)) {
        char *why = reason(errno);
        diag_error(diag, place, "%scannot be read: %s", label, why);
        free(why);
    } else if (memchr(bytes, '\0', n)) {
        diag_error(diag, place, "%sis no text: it holds a zero byte", label);
    } else if (n > SPEC_SOURCE_BYTES_MAX) {
        diag_error(diag, place, "%shas more than %d bytes", label, SPEC_SOURCE_BYTES_MAX);
    } else {
        return bytes;
    }
    free(bytes);
    return NULL;
}

// Opens the file and keeps what it is on the stack of open files. NULL with an error.
static FILE *
open_file(assembly_t *assembly, const char *path, place_t place, const char *label)
{
    struct stat *is = &assembly->open[assembly->n_open];
    if (stat(path, is) == 0 && S_ISDIR(is->st_mode)) {
        diag_error(assembly->diag, place, "%sis a folder, not an experiment file", label);
        return NULL;
    }
    FILE *file = fopen(path, "r");
    if (!file) {
        char *why = reason(errno);
        diag_error(assembly->diag, place, "%scannot be read: %s", label, why);
        free(why);
        return NULL;
    }
    for (int i = 0; i < assembly->n_open; i++)
        if (assembly->open[i].st_ino == is->st_ino && assembly->open[i].st_dev == is->st_dev) {
            diag_error(assembly->diag, place, "%sincludes itself", label);
            fclose(file);
            return NULL;
        }
    return file;
}

// `asked_at` is the line with the @include, or without a file for the outermost one.
static int
take_file(assembly_t *assembly, const char *path, place_t asked_at)
{
    if (assembly->n_open == SPEC_INCLUDES_MAX || strlen(path) > PATH_BYTES_MAX) {
        diag_error(assembly->diag, asked_at, "files are included deeper than %d",
                   SPEC_INCLUDES_MAX);
        return -1;
    }
    place_t start = {diag_file(assembly->diag, path), 1};
    char *label = asked_at.file ? memory_format("the included file '%s' ", path) : memory_text("");
    place_t place = asked_at.file ? asked_at : (place_t){start.file, 0};
    int status = -1;
    char *bytes = NULL;
    FILE *file = open_file(assembly, path, place, label);
    if (file) {
        bytes = read_all(file, place, label, assembly->diag);
        fclose(file);
    }
    if (bytes) {
        assembly->n_open += 1;
        status = take_text(assembly, bytes, start);
        assembly->n_open -= 1;
    }
    free(bytes);
    free(label);
    return status;
}

static int
finish(assembly_t *assembly, int status, spec_source_t *source)
{
    char *text = text_take(&assembly->text);
    if (status != 0) {
        free(text);
        free(assembly->places);
        return -1;
    }
    *source = (spec_source_t){text, assembly->places, assembly->n_lines};
    return 0;
}

int
spec_source_read_file(const char *path, spec_source_t *source, diag_t *diag)
{
    assembly_t assembly = {.may_include = true, .diag = diag};
    return finish(&assembly, take_file(&assembly, path, (place_t){0}), source);
}

int
spec_source_read_text(const char *text, const char *name, spec_source_t *source, diag_t *diag)
{
    assembly_t assembly = {.diag = diag};
    place_t start = {diag_file(diag, name), 1};
    if (strnlen(text, SPEC_SOURCE_BYTES_MAX + 1) > SPEC_SOURCE_BYTES_MAX) {
        diag_error(diag, start, "has more than %d bytes", SPEC_SOURCE_BYTES_MAX);
        return -1;
    }
    return finish(&assembly, take_text(&assembly, text, start), source);
}

void
spec_source_free(spec_source_t *source)
{
    free(source->text);
    free(source->places);
    *source = (spec_source_t){0};
}

place_t
spec_source_place(const spec_source_t *source, int line)
{
    if (source->n_lines == 0)
        return (place_t){0};
    size_t index = line < 1 ? 0 : (size_t)line - 1;
    return source->places[index < source->n_lines ? index : source->n_lines - 1];
}

char *
spec_source_line(const spec_source_t *source, int line)
{
    const char *at = source->text;
    for (int i = 1; i < line && at; i++) {
        const char *next = strchr(at, '\n');
        at = next ? next + 1 : NULL;
    }
    if (!at)
        return memory_text("");
    at += strspn(at, " \t");
    size_t n = strcspn(at, "\n");
    bool is_cut = n > LINE_SHOWN;
    n = is_cut ? LINE_SHOWN : n;
    while (n > 0 && isspace((unsigned char)at[n - 1]))
        n--;
    return memory_format("%.*s%s", (int)n, at, is_cut ? "…" : "");
}

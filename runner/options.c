#define _GNU_SOURCE
#include "runner/options.h"

#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/suggest.h"

enum { ROWS_MAX = 40, LONG_BASE = 256, HELP_COLUMN = 26 };

int
options_usage_fault(const command_t *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fprintf(stderr, "dmlx %s: ", command->name);
    vfprintf(stderr, format, arguments);
    fprintf(stderr, "\ntry 'dmlx %s --help'\n", command->name);
    va_end(arguments);
    return STATUS_USAGE;
}

int
options_exit_status(int parse_result)
{
    return parse_result == OPTIONS_HELP_SHOWN ? STATUS_DONE : STATUS_USAGE;
}

static void
help_row(const option_t *row)
{
    char left[80];
    char letter[8] = "    ";
    if (row->letter)
        snprintf(letter, sizeof letter, "-%c, ", row->letter);
    snprintf(left, sizeof left, "  %s--%s%s%s", letter, row->name, row->argument ? " " : "",
             row->argument ? row->argument : "");
    if (strlen(left) >= HELP_COLUMN)
        printf("%s\n%*s%s\n", left, HELP_COLUMN, "", row->help);
    else
        printf("%-*s%s\n", HELP_COLUMN, left, row->help);
}

void
options_help(const command_t *command, const option_t *table)
{
    printf("usage: dmlx %s %s\n\n%s\n", command->name, command->usage, command->summary);
    if (table && table[0].name) {
        printf("\n");
        for (const option_t *row = table; row->name; row++)
            if (row->help)
                help_row(row);
    }
    if (command->example)
        printf("\nexample:\n  %s\n", command->example);
}

static int
store(const command_t *command, const option_t *row, const char *value)
{
    char *end = NULL;
    switch (row->kind) {
    case OPTION_FLAG:
        *(bool *)row->target = true;
        return 0;
    case OPTION_TEXT:
        *(const char **)row->target = value;
        return 0;
    case OPTION_INTEGER: {
        errno = 0;
        long number = strtol(value, &end, 10);
        if (errno || end == value || *end || number < 0 || number > INT_MAX)
            return options_usage_fault(command, "--%s takes a whole number, not '%s'", row->name,
                                       value);
        *(int *)row->target = (int)number;
        return 0;
    }
    case OPTION_REAL: {
        double number = strtod(value, &end);
        if (end == value || *end || !(number - number == 0))
            return options_usage_fault(command, "--%s takes a number, not '%s'", row->name, value);
        *(double *)row->target = number;
        return 0;
    }
    case OPTION_LIST: {
        option_list_t *list = row->target;
        if (list->n_items == OPTIONS_LIST_MAX)
            return options_usage_fault(command, "--%s is given more than %d times", row->name,
                                       OPTIONS_LIST_MAX);
        list->items[list->n_items++] = value;
        return 0;
    }
    }
    return 0;
}

static int
unknown_option(const command_t *command, const option_t *table, const char *given)
{
    const char *names[ROWS_MAX + 1];
    int n_names = 0;
    for (const option_t *row = table; row->name; row++)
        if (row->help)
            names[n_names++] = row->name;
    names[n_names] = NULL;
    char bare[64];
    snprintf(bare, sizeof bare, "%.*s", (int)strcspn(given + strspn(given, "-"), "="),
             given + strspn(given, "-"));
    const char *near = suggest_nearest(bare, names);
    if (near)
        options_usage_fault(command, "unknown option '%s'; did you mean '--%s'?", given, near);
    else
        options_usage_fault(command, "unknown option '%s'", given);
    return OPTIONS_FAULT;
}

// Translates the table into what getopt_long takes. Returns the number of rows.
static int
build_getopt(const option_t *table, struct option *long_options, char *short_options)
{
    int n_rows = 0;
    char *letter = short_options;
    *letter++ = ':';
    *letter++ = 'h';
    for (; table[n_rows].name && n_rows < ROWS_MAX; n_rows++) {
        const option_t *row = &table[n_rows];
        int takes = row->kind == OPTION_FLAG ? no_argument : required_argument;
        long_options[n_rows] = (struct option){row->name, takes, NULL, LONG_BASE + n_rows};
        if (row->letter) {
            *letter++ = row->letter;
            if (takes == required_argument)
                *letter++ = ':';
        }
    }
    *letter = '\0';
    long_options[n_rows] = (struct option){"help", no_argument, NULL, 'h'};
    long_options[n_rows + 1] = (struct option){0};
    return n_rows;
}

int
options_parse(const command_t *command, const option_t *table, int argc, char **argv)
{
    struct option long_options[ROWS_MAX + 2];
    char short_options[2 * ROWS_MAX + 4];
    int n_rows = build_getopt(table, long_options, short_options);

    opterr = 0;
    optind = 0; // GNU: start afresh, since main may have parsed before
    for (;;) {
        int at = optind ? optind : 1;
        int code = getopt_long(argc, argv, short_options, long_options, NULL);
        if (code == -1)
            return optind;
        if (code == 'h') {
            options_help(command, table);
            return OPTIONS_HELP_SHOWN;
        }
        const char *given = argv[optind > at ? optind - 1 : at];
        if (code == ':') {
            options_usage_fault(command, "%s wants a value", given);
            return OPTIONS_FAULT;
        }
        if (code == '?')
            return unknown_option(command, table, given);
        int row = code - LONG_BASE;
        for (int i = 0; code < LONG_BASE && i < n_rows; i++)
            if (table[i].letter == code)
                row = i;
        if (store(command, &table[row], optarg) != 0)
            return OPTIONS_FAULT;
    }
}

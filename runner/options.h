// options.h — a command's options as a table, so that parser and help cannot disagree.
//
//     const char *output = NULL;
//     bool is_dry = false;
//     const option_t options[] = {
//         {"output", 'o', "DIR", OPTION_TEXT, &output, "where the results go"},
//         {"dry-run", 'n', NULL, OPTION_FLAG, &is_dry, "show the plan, start nothing"},
//         {0},
//     };
//     int first = options_parse(&command_run, options, argc, argv);
//     if (first < 0)
//         return options_exit_status(first);
//     for (int i = first; i < argc; i++) …argv[i] is an operand…
#ifndef RUNNER_OPTIONS_H
#define RUNNER_OPTIONS_H

#include <stdbool.h>

#include "runner/command.h"

enum { OPTIONS_LIST_MAX = 64 };

// An option that may be given several times: `--set a=1 --set b=2`.
typedef struct option_list {
    const char *items[OPTIONS_LIST_MAX]; // borrowed from argv
    int n_items;
} option_list_t;

typedef enum {
    OPTION_FLAG,    // bool
    OPTION_TEXT,    // const char *, borrowed from argv
    OPTION_INTEGER, // int, 0 or more
    OPTION_REAL,    // double
    OPTION_LIST     // option_list_t
} option_kind_t;

typedef struct option_row {
    const char *name;     // long name without dashes; NULL ends the table
    char letter;          // short name, or 0
    const char *argument; // what stands for the value in the help, NULL for a flag
    option_kind_t kind;
    void *target;     // of the type named at option_kind_t; untouched when the option is not given
    const char *help; // a line; starts in lower case; NULL hides the option from the help
} option_t;

enum { OPTIONS_HELP_SHOWN = -1, OPTIONS_FAULT = -2 };

// Reads argv after the options table; operands may stand between options and are moved behind them.
// Returns the index of the first operand. OPTIONS_HELP_SHOWN: --help was given and printed on
// stdout. OPTIONS_FAULT: a message is on stderr, with the nearest known option.
int options_parse(const command_t *command, const option_t *table, int argc, char **argv);

// The exit status for a negative return of options_parse.
int options_exit_status(int parse_result);

// Prints the command's help: usage, summary, options, example.
void options_help(const command_t *command, const option_t *table);

// Says on stderr what is wrong with the command line, and where the help is. Returns STATUS_USAGE.
int options_usage_fault(const command_t *command, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif

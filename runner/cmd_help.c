// cmd_help.c — dmlx help: the commands, one of them, or the settings of an experiment file.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/command.h"
#include "runner/options.h"
#include "runner/setting_help.h"
#include "runner/settings.h"
#include "runner/suggest.h"

enum { COMMANDS_MAX = 40 };

static const option_t no_options[] = {{0}};

static int
list_commands(void)
{
    printf("dmlx runs experiments in distributed machine learning, as experiment files declare "
           "them.\n\n"
           "usage: dmlx COMMAND [OPTION…] [OPERAND…]\n\n");
    for (size_t i = 0; commands[i]; i++)
        printf("  %-8s %s\n", commands[i]->name, commands[i]->summary);
    printf(
        "\n'dmlx help COMMAND' tells more, 'dmlx help settings' what an experiment file can say.\n"
        "example:\n  dmlx run experiments/smoke.cfg\n");
    return STATUS_DONE;
}

static int
help_settings(const char *name)
{
    if (!name) {
        settings_print(stdout);
        return STATUS_DONE;
    }
    if (setting_print(stdout, name) == 0)
        return STATUS_DONE;
    char *near = setting_suggest_any(name);
    int status =
        near ? options_usage_fault(&command_help, "no setting '%s'; did you mean '%s'?", name, near)
             : options_usage_fault(&command_help, "no setting '%s'", name);
    free(near);
    return status;
}

static int
help_command(const char *name)
{
    const command_t *command = command_find(name);
    if (command) {
        char word[] = "--help";
        char *argv[] = {(char *)command->name, word, NULL};
        return command->run(2, argv);
    }
    const char *names[COMMANDS_MAX + 2] = {"settings"};
    for (size_t i = 0; commands[i] && i < COMMANDS_MAX; i++)
        names[i + 1] = commands[i]->name;
    const char *near = suggest_nearest(name, names);
    if (near)
        return options_usage_fault(&command_help, "no command '%s'; did you mean '%s'?", name,
                                   near);
    return options_usage_fault(&command_help, "no command '%s'; 'dmlx help' lists them", name);
}

static int
run(int argc, char **argv)
{
    int first = options_parse(&command_help, no_options, argc, argv);
    if (first < 0)
        return options_exit_status(first);
    int n = argc - first;
    if (n == 0)
        return list_commands();
    if (strcmp(argv[first], "settings") == 0 && n <= 2)
        return help_settings(n == 2 ? argv[first + 1] : NULL);
    if (n > 1)
        return options_usage_fault(&command_help, "one command at a time");
    return help_command(argv[first]);
}

const command_t command_help = {
    .name = "help",
    .summary = "tell about a command, or every setting of an experiment file",
    .usage = "[COMMAND | settings [SETTING]]",
    .example = "dmlx help settings train.batch",
    .run = run,
};

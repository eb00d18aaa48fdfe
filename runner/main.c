// main.c — dmlx: the table of commands, and the way to the one that was typed.
#include <stdio.h>
#include <string.h>

#include "runner/command.h"
#include "runner/suggest.h"
#include "runner/version.h"

const command_t *const commands[] = {
    &command_run,      &command_check,   &command_plot,
    &command_table,    &command_compare, &command_predict,
    &command_simulate, &command_report,  &command_train,
    &command_serve,    &command_work,    &command_keys,
    &command_test,     &command_data,    &command_doctor,
    &command_image,    &command_help,    NULL,
};

const command_t *
command_find(const char *name)
{
    for (int i = 0; commands[i]; i++)
        if (strcmp(commands[i]->name, name) == 0)
            return commands[i];
    return NULL;
}

static int
unknown_command(const char *name)
{
    const char *names[32] = {0};
    for (int i = 0; commands[i] && i < 31; i++)
        names[i] = commands[i]->name;
    const char *near = suggest_nearest(name, names);
    if (near)
        fprintf(stderr, "dmlx: unknown command '%s'; did you mean '%s'?\n", name, near);
    else
        fprintf(stderr, "dmlx: unknown command '%s'; 'dmlx help' lists them\n", name);
    return STATUS_USAGE;
}

int
main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "dmlx: which command? 'dmlx help' lists them\n");
        return STATUS_USAGE;
    }
    const char *name = argv[1];
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
        version_print(stdout);
        return STATUS_DONE;
    }
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
        name = "help";
    const command_t *command = command_find(name);
    return command ? command->run(argc - 1, argv + 1) : unknown_command(name);
}

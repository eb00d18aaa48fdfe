// command.h — what a dmlx command is, and the exit statuses they share.
//
// To add a command: write cmd_NAME.c with one command_t, declare it below, list it in main.c's
// table. `dmlx help` and the shell completion read the table, so there is no other place.
#ifndef RUNNER_COMMAND_H
#define RUNNER_COMMAND_H

// What a shell sees; the man page lists the same six.
enum {
    STATUS_DONE = 0,
    // A run, a check of a data set or a comparison failed; plot --judge: a claim does not hold.
    STATUS_RUN_FAILED = 1,
    STATUS_USAGE = 2,    // the command line is off
    STATUS_BAD_SPEC = 3, // the experiment file is off; nothing was started
    STATUS_CLUSTER = 4,  // a host, limit or launcher cannot do what was asked, or no coordinator
    STATUS_INTERRUPTED = 130
};

struct option_table;

typedef struct command {
    const char *name;                  // as typed: "run"
    const char *summary;               // a line of `dmlx help`
    const char *usage;                 // what follows "dmlx run ": "[OPTION…] CFG…"
    const char *example;               // one line that works as it stands
    int (*run)(int argc, char **argv); // argv[0] is the command's name; returns an exit status
} command_t;

extern const command_t command_run;
extern const command_t command_check;
extern const command_t command_plot;
extern const command_t command_compare;
extern const command_t command_predict;
extern const command_t command_simulate;
extern const command_t command_report;
extern const command_t command_train;
extern const command_t command_serve;
extern const command_t command_work;
extern const command_t command_keys;
extern const command_t command_test;
extern const command_t command_data;
extern const command_t command_doctor;
extern const command_t command_image;
extern const command_t command_table;
extern const command_t command_help;

// The commands in the order of `dmlx help`, ended by NULL. Defined in main.c.
extern const command_t *const commands[];

// The command of that name, or NULL.
const command_t *command_find(const char *name);

#endif

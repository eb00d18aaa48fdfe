// role.h — what the three roles (train, serve, work) have in common: options, limit, experiment,
// the last word.
//
//     role_t role = {0};                                    option tables point into it
//     role_start(&role, &command_train, argv, &status)      guard and CPU limit, then signals
//     role_read_file(&role, operand) or role_read_text(…)   the one cell that this role runs
//     … train or coordinate …
//     role_finish(&role, network, data, &result)            evaluation, result, model
//     role_close(&role)
//
// A function that fails has said why, on standard error and in the record channel, and returns the
// exit status.
#ifndef RUNNER_ROLE_H
#define RUNNER_ROLE_H

#include "engine/dataset.h"
#include "engine/network.h"
#include "runner/command.h"
#include "runner/diag.h"
#include "runner/options.h"
#include "runner/plan.h"
#include "runner/report.h"

typedef struct role {
    const command_t *command;
    double began_s; // monotonic

    // What the command line may say; 0 or NULL where it did not.
    option_list_t sets;
    const char *only;
    const char *data;
    const char *model;
    const char *cgroup;
    double cpus;
    int threads, period_us, nodes;
    bool is_supervised; // standard input is the lifeline and begins with a framed text
    bool is_json;       // records as JSON even on a terminal
    bool is_profiled;

    reporter_t reporter;
    diag_t *diag;
    experiment_t experiment; // of the cell
    plan_t *plan;            // of which `cell` is the one that is run
    const plan_cell_t *cell;
    char *text; // of the cell: what workers are sent
    char *data_folder;
} role_t;

// Splits off a warden when a limit or supervision was asked for, then installs the signal handlers.
// Returns STATUS_DONE in the process that goes on as the role.
int role_start(role_t *role, const command_t *command, char **argv);

// Reads the experiment from a file, or from standard input for "-" (or NULL: the defaults), picks
// the one cell that fits --only and --nodes, and finds the data. `nodes` 0: any; a matrix of
// several cells needs --only then.
int role_read_file(role_t *role, const char *path, int nodes);

// The same from a text that another host sent, which must be of one cell.
int role_read_text(role_t *role, const char *text, const char *from);

// Threads to train on: --threads, else as many as the cell's cores allow.
int role_threads(const role_t *role);

// Evaluates the network on the test set, fills in accuracy, loss, hash and data, and reports result
// and model.
int role_finish(role_t *role, network_t *network, const dataset_t *data, result_report_t *result);

// Tells why the role ends without a result; returns `status`.
int role_fail(role_t *role, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void role_close(role_t *role);

#endif

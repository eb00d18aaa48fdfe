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
#include "runner/checkpoint.h"
#include "runner/command.h"
#include "runner/diag.h"
#include "runner/options.h"
#include "runner/plan.h"
#include "runner/report.h"
#include "runner/run_keys.h"
#include "transport/beater.h"

typedef struct role {
    const command_t *command;
    double began_s; // monotonic

    // What the command line may say; 0 or NULL where it did not.
    option_list_t sets;
    const char *only;
    const char *data;
    const char *data_known; // STAMP:XXH128, as whoever started us has seen the data here
    const char *model;
    const char *cgroup;
    const char *keys; // where the ring is read from
    double cpus, wait_s;
    int threads, period_us, nodes;
    bool is_supervised; // standard input is the lifeline and begins with a framed text
    bool is_json;       // records as JSON even on a terminal
    bool is_profiled;

    reporter_t reporter;
    beater_t *beater; // of a supervised role that tells records; NULL: it does not beat
    diag_t *diag;
    experiment_t experiment; // of the cell
    plan_t *plan;            // of which `cell` is the one that is run
    const plan_cell_t *cell;
    char *text;          // of the cell: what workers are sent
    double evaluation_s; // spent so far on testing the model, which is no part of T
    int blamed;          // the worker to blame for a failure: its rank + 1; 0: none

    // What came on standard input beside the experiment; NULL where nothing did.
    char *ring;       // text of a key ring, wiped by role_keys
    char *attempt;    // id of the attempt
    char *checkpoint; // base64: where an earlier attempt stopped
    char *data_folder;
} role_t;

// Splits off a warden when a limit or supervision was asked for, then installs the signal handlers.
// Returns STATUS_DONE in the process that goes on as the role.
int role_start(role_t *role, const command_t *command, char **argv);

// Has the data's checksum from --data-known, if it was made of these very files: reading them all
// once more is then not needed.
void role_know_data(const role_t *role, dataset_t *data);

// Reads the experiment from a file, or from standard input for "-" (or NULL: the defaults), picks
// the one cell that fits --only and --nodes, and finds the data. `nodes` 0: any; a matrix of
// several cells needs --only then.
int role_read_file(role_t *role, const char *path, int nodes);

// Reads what a supervised worker gets on standard input: its ring, or nothing. The experiment comes
// from the coordinator.
int role_read_parts(role_t *role);

// The key ring of this process: that of --keys, else the one that came on standard input. *keys is
// NULL when there is neither.
int role_keys(role_t *role, keys_t **keys);

// What an earlier attempt left, if it is of this very cell and can be read; else false, with an
// event that says why. Free with checkpoint_free.
bool role_checkpoint(role_t *role, checkpoint_t *checkpoint);

// Tells the state behind a round, `parameters` (state->n_parameters) being the model's.
void role_report_checkpoint(role_t *role, const checkpoint_t *state, const float *parameters);

// The same from a text that another host sent, which must be of one cell.
int role_read_text(role_t *role, const char *text, const char *from);

// Threads to train on: --threads, else as many as the cell's cores allow.
int role_threads(const role_t *role);

// With train.target_accuracy, and not having reached it: tests the model behind the state's round,
// if it is that round's turn, and notes state->t_s as the time to it. The last round's turn is
// role_finish.
int role_seek_target(role_t *role, network_t *network, const dataset_t *data, checkpoint_t *state);

// Evaluates the network on the test set, fills in accuracy, loss, hash and data, and reports result
// and model.
int role_finish(role_t *role, network_t *network, const dataset_t *data, result_report_t *result);

// Tells why the role ends without a result; returns `status`.
int role_fail(role_t *role, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

void role_close(role_t *role);

#endif

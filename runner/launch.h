// launch.h — where the processes of a cell run: the table of functions that each launcher is one
// of.
//
// A cell is one coordinator and n workers, or, with one node, a standalone role in the
// coordinator's place. Whatever starts them, these things hold, and `dmlx run` relies on nothing
// else:
//
//   - The coordinator's standard input gets the cell's text, framed (launch_text_write), and stays
//     open: its end is how a role sees that `dmlx run` is gone. A worker's gets its own text, its
//     keys for example, so that no secret stands on a command line.
//   - The coordinator's standard output is the record channel (report.h), one JSON object a line.
//     Its "listening" record tells the endpoint that the workers are then started with.
//   - Each process's standard error is a log of its own in the cell's folder: coordinator.log,
//     standalone.log, worker-0.log. A respawned worker appends to its log.
//   - Each process runs under the CPU limit asked for (warden.h, or a container's --cpus), or
//     nothing is started.
//   - All that is made carries the run's id, in names, labels or the environment, so that clean()
//     finds it from the id alone, in a process that knows nothing else (keeper.h).
//
// The usual sequence, for one run of one cell after the other:
//
//     const launcher_t *launcher = launch_find("local");
//     launcher->prepare(&cluster, &need, &fault)              // before anything is started
//     launcher->pool(&cluster, &names)                        // what cells may be lent
//     for each cell:
//         launcher->start(&cluster, &cell, &launch, &fault)
//         while (launcher->stream(launch, 1000, &event, &fault) == 0 && event.kind != LAUNCH_DONE)
//             … a record, an ended process, or nothing within the second …
//         launcher->stop(&launch, grace_ms, &fault)           // also after LAUNCH_DONE
//     launcher->clean(&cluster, run_id, timeout_ms)
//
// To add a launcher: write launch_NAME.c with one launcher_t, list it in launch.c. What it shares
// with the others (command lines, framing, lines from a pipe) is in launch.c.
#ifndef RUNNER_LAUNCH_H
#define RUNNER_LAUNCH_H

#include <stdbool.h>
#include <stddef.h>

#include "runner/fault.h"
#include "runner/host_survey.h"
#include "runner/spec.h"

enum {
    LAUNCH_NAME_BYTES = 64,
    LAUNCH_ENDPOINT_BYTES = 512,
    LAUNCH_ARGS_MAX = 40,
    LAUNCH_TEXT_BYTES_MAX = 512 << 20, // of a text; a checkpoint of many workers is large
    LAUNCH_COORDINATOR = -1,           // in place of a rank
    LAUNCH_CELL = -2                   // all processes of the cell
};

enum {
    LAUNCH_DENIED = -1, // what the cfg asks for cannot be had here; the fault says what to do
    LAUNCH_FAILED = -2, // a process, host or service did not do what it should; the fault names it
    LAUNCH_TIMEOUT = -3 // a limit of waiting expired; the fault names it and who was waited for
};

// Takes a sentence about what is being done that may take minutes.
typedef void launch_say_t(const char *text);

// Which cells cannot be run, where others can: what prepare() and supply() found.
typedef struct launch_shortfall {
    int n_nodes_max; // cells of more nodes cannot be
    fault_t why;     // names the host and says what to do; "" when all can be run
} launch_shortfall_t;

// The most that any cell of the plan will ask for: what prepare() checks.
typedef struct launch_need {
    int n_nodes;             // workers
    int n_nodes_least;       // of the smallest cell
    int n_hosts;             // that cells are lent at once: cluster_hosts of those side by side
    double cores_a_node;     // real cores, of one node
    bool is_limited;         // a CPU limit is to be enforced
    bool is_respawning;      // cluster.on_loss is respawn
    double link_mbit;        // the fastest emulated link; 0: none
    const char *run_id;      // keeper_run_id
    const char *data_name;   // "cifar10"
    const char *data_folder; // where it lies here
    const char *data_xxh128; // its checksum
    launch_say_t *say;       // a signal ends what takes long then; NULL: nobody listens
    launch_shortfall_t *shortfall; // NULL: all cells are to be run, or none
} launch_need_t;

// One run of one cell. Borrowed until stop().
typedef struct launch_cell {
    const char *run_id;              // keeper_run_id
    const char *name;                // "n3-c6-r1": part of names of groups, services, jobs
    const char *folder;              // runs/n3-c6-r1, which exists; logs go there
    const char *text;                // the cell's experiment text, for the coordinator
    const char *const *worker_texts; // for each rank, sent on its standard input; NULL: nothing
    int n_nodes;                     // 1: standalone, and no workers
    const char *const *hosts;        // lent to it (cluster_hosts), by rank, its coordinator's last
                                     // where it has its own; NULL: the launcher places it
    double cpu_limit;                // real cores a node; 0: not limited
    int n_threads;                   // of a worker: its cores rounded up
    int period_us;                   // of the quota; 0: LIMITS_PERIOD_US
    int start_ms_max;                // until the coordinator listens
    const char *const *arguments;    // more for the coordinator's command line; NULL ends; or NULL
    const char *const *worker_arguments;
    const char *data_known; // for roles on this host: its data's stamp and checksum; or NULL
    const char *program;    // NULL: this very program; tests name a stand-in
} launch_cell_t;

// A host as the service behind a launcher knows it, for `dmlx doctor`.
typedef struct launch_host {
    char state[64];       // in the service's own words: "ready active worker", "idle"
    bool is_asked;        // dmlx was run there, and the survey is its own; else the service's
    host_survey_t survey; // facts.name is the host's name
    bool coordinates;     // a coordinator would be there: the survey's port counts
    double clock_offset_s;
    fault_t fault;      // why it cannot take part; "" when it can
    bool is_misleading; // a run may be placed there all the same, and would fail
} launch_host_t;

typedef void launch_tell_t(const launch_host_t *host, void *context);

typedef struct launch launch_t; // of the launcher that made it

typedef enum {
    LAUNCH_QUIET,  // nothing within the time given, or a signal came
    LAUNCH_RECORD, // a line of the record channel
    LAUNCH_ENDED,  // a process has ended
    LAUNCH_DONE    // every process has ended and every record was given
} launch_event_kind_t;

typedef struct launch_event {
    launch_event_kind_t kind;
    const char *line; // LAUNCH_RECORD: without its newline, 0-terminated; valid until the next call
    size_t n_bytes;   // of the line
    int rank;         // LAUNCH_ENDED: which worker, or LAUNCH_COORDINATOR
    int status;       // LAUNCH_ENDED: what a shell would return; 0 is a good end
    char text[512];   // LAUNCH_ENDED: "worker 2 on 'node7' was killed by signal 9 (Killed); see
                      // results/…/worker-2.log"
} launch_event_t;

typedef struct launcher {
    const char *name;    // as in cluster.launcher
    const char *summary; // for `dmlx help settings`

    // Checks, before anything is started, that the cells can be run as the cfg asks: programs,
    // hosts, limits. Starts nothing that stays. May block, for a few seconds, and where an image,
    // program or data has to be copied for cluster.timeout.copy_s.
    // What was found stands for the cells to come, until the next call. Hosts that cannot take part
    // are left out; where too few are left for some cells, launch_fall_short decides.
    // LAUNCH_DENIED: the fault says what is missing and what to do. Required.
    int (*prepare)(const cluster_t *cluster, const launch_need_t *need, fault_t *fault);

    // Brings to the hosts what the cells' start would else have to wait for, once prepare() found
    // all well; nothing of it runs on return. May block for cluster.timeout.copy_s, and says so.
    // Leaves out hosts as prepare() does.
    // LAUNCH_DENIED: the fault names the host. Not required: where start() needs nothing more.
    int (*supply)(const cluster_t *cluster, const launch_need_t *need, fault_t *fault);

    // The hosts that cells are lent, each to one cell at a time, at most need.n_hosts and, but for
    // a shortfall, as many as the largest cell takes, the first first. To be asked after supply();
    // *names stay until clean(). *names NULL: the service behind the launcher places cells, on so
    // many nodes. Not required: NULL where all processes are on one host, which one cell at a time
    // has.
    int (*pool)(const cluster_t *cluster, const char *const **names);

    // Starts the coordinator (or the standalone role) and sends it the text; the workers follow
    // inside stream(), when the coordinator listens. May block until the program is running, not
    // until it listens. LAUNCH_DENIED, LAUNCH_FAILED: nothing runs, *launch is untouched. Required.
    int (*start)(const cluster_t *cluster, const launch_cell_t *cell, launch_t **launch,
                 fault_t *fault);

    // Gives the next event. Blocks at most timeout_ms (0: only looks); a signal handler's run ends
    // the wait early with LAUNCH_QUIET. Records come in order and none is lost: those that were in
    // the pipe when the coordinator ended are given before its LAUNCH_ENDED. An end, good or bad,
    // is an event and not an error: what to do about a lost worker is the caller's affair.
    // LAUNCH_FAILED: a worker could not be started, a line is longer than REPORT_LINE_BYTES_MAX.
    // LAUNCH_TIMEOUT: the coordinator does not listen after start_ms_max. After either call stop().
    // Required.
    int (*stream)(launch_t *launch, int timeout_ms, launch_event_t *event, fault_t *fault);

    // A descriptor that is readable when stream(…, 0, …) has an event, to poll several launches or
    // signals besides; -1 when there is none. Never blocks. Required.
    int (*fd)(const launch_t *launch);

    // The host that the process of that rank runs on, or will, as messages name it; borrowed until
    // stop(). Required.
    const char *(*host)(const launch_t *launch, int rank);
    // Whether the service places a coordinator where it likes: which host that is, only the
    // coordinator can tell, and host() has the service's name.
    bool places_coordinator;

    // Starts that worker again, with the same endpoint and name; what is left of it is ended first.
    // May block, up to a second for that. LAUNCH_FAILED: it does not run.
    // Not required: NULL where it cannot be had, and prepare() refuses on_loss = "respawn".
    int (*respawn)(launch_t *launch, int rank, fault_t *fault);

    // Ends what still runs, workers first: TERM, after grace_ms KILL. Removes groups, containers,
    // services of this cell; logs stay. Blocks at most grace_ms and two seconds, where a service
    // has to be asked over the network as much as a minute. The memory is
    // freed and *launch NULL whatever is returned. Accepts NULL. LAUNCH_FAILED: something would
    // not go; the fault names it, clean() will find it again. Required.
    int (*stop)(launch_t **launch, int grace_ms, fault_t *fault);

    // Writes into the cell's folder what start() would hand to another program, for a dry run.
    // Not required.
    int (*draft)(const cluster_t *cluster, const launch_cell_t *cell, fault_t *fault);

    // Tells each host that the service behind the launcher knows, whether or not a run would take
    // it. May block for some seconds. LAUNCH_DENIED: the service does not answer. Not required:
    // where there is no such service.
    int (*hosts)(const cluster_t *cluster, const survey_question_t *question, launch_tell_t *tell,
                 void *context, fault_t *fault);

    // Removes everything of that run wherever it is, by the run's id alone: called at the end of
    // a run, and by the keeper when `dmlx run` died. Blocks at most timeout_ms. LAUNCH_FAILED:
    // something would not go, or who would know does not answer; the fault says what to look for.
    // Required.
    int (*clean)(const cluster_t *cluster, const char *run_id, int timeout_ms, fault_t *fault);
    int clean_ms_max; // what it is given where a service has to be asked; 0: KEEPER_LIMIT_MS
} launcher_t;

extern const launcher_t launcher_local, launcher_ssh, launcher_docker, launcher_podman,
    launcher_swarm, launcher_slurm;

// The launcher of that name, or NULL.
const launcher_t *launch_find(const char *name);

// For prepare() and supply(): no cell of more than n_nodes_max can be run, for that reason. 0 when
// the others are to be run, of which need.shortfall tells; LAUNCH_DENIED when there are none, or
// all are wanted. `why` and `fault` may be the same.
int launch_fall_short(const launch_need_t *need, int n_nodes_max, const fault_t *why,
                      fault_t *fault);

// Whether the coordinator could listen at cluster.port of this host, where a cell needs one. If
// not, only cells without one can be run.
int launch_check_port(const cluster_t *cluster, const launch_need_t *need, fault_t *fault);
// The sentence for it.
void launch_deny_port(const cluster_t *cluster, const char *host, fault_t *fault);

// The process's name, as its log and its messages have it: "coordinator", "standalone", "worker-2".
void launch_process_name(const launch_cell_t *cell, int rank, char name[LAUNCH_NAME_BYTES]);

// Where standard error of that process goes: FOLDER/worker-2.log. The caller frees it.
char *launch_log_path(const launch_cell_t *cell, int rank);

// The name of the control group, container or service of that process: dmlx-<run>-<cell>-<process>.
// With rank LAUNCH_CELL the prefix of all of them, "dmlx-<run>-<cell>-".
void launch_group_name(const launch_cell_t *cell, int rank, char *name, size_t n_bytes);

// Fills in LAUNCH_ENDED: "worker-2 on 'node7' was killed by signal 9 (Killed); see
// '…/worker-2.log'", with the log's last line when it has one, which is not taken for the reason
// where ssh says that the connection ended. `status` is as waitpid gives it.
void launch_ended(const launch_cell_t *cell, int rank, const char *host, int status,
                  launch_event_t *event);

// The command line of a role, the same under every launcher:
//
//     dmlx serve - --supervised …
//     dmlx train - --supervised --threads N [--cpus X --period-us P --cgroup NAME] …
//     dmlx work ENDPOINT --supervised --identity worker-2 --threads N [--cpus X …] …
//
// `--supervised` says that standard input is the lifeline and begins with a framed text.
typedef struct launch_argv {
    const char *argv[LAUNCH_ARGS_MAX + 1]; // NULL ends
    int n;
    char texts[6][192]; // what was made up for argv
    int n_texts;
} launch_argv_t;

// `program` is argv[0]; `with_limit` adds --cpus and --cgroup, which a container's engine does
// itself. The lists in it are borrowed from the cell and from `endpoint`. `self` must stay where it
// is: argv points into it.
void launch_argv_build(launch_argv_t *self, const launch_cell_t *cell, int rank,
                       const char *program, const char *endpoint, bool with_limit);

// Replaces the data set's folder, where --data names one, by that on the role's own host; NULL
// takes the option away. `folder` is borrowed.
void launch_argv_data(launch_argv_t *self, const char *folder);

// The frame's first line: launch_text_frame gives it and the text in one, for a place that a role's
// standard input is read from later. The caller frees it.
char *launch_text_frame(const char *text);

// The framing of a text on a role's standard input: a line "dmlx-text BYTES", then the text. The
// stream stays open behind it.
int launch_text_write(int fd, const char *text, int timeout_ms, fault_t *fault);

// Reads it back, in the role. A text without the frame is read to its end, so that
// `dmlx serve - < cell.cfg` works for a person too. LAUNCH_FAILED, LAUNCH_TIMEOUT: *text is
// untouched. The caller frees it.
int launch_text_read(int fd, int timeout_ms, char **text, fault_t *fault);

#endif

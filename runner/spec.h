// spec.h — an experiment, as its file declares it, and the way from text to struct and back.
//
//     spec_options_t options = {.sets = sets, .n_sets = n};
//     experiment_t experiment;
//     if (spec_read_file("experiments/nodes.cfg", &options, &experiment, diag) != 0)
//         …diag_print(diag, stderr), exit 3…
//     …
//     experiment_free(&experiment);
//
// A file is checked whole, and every fault is told. What was read is complete: every setting has
// its value or its default, includes and --set are worked in. experiment_text gives all of it back
// as one flat file, which is what is hashed, kept beside results, and sent to workers, who read it
// with the same code.
#ifndef RUNNER_SPEC_H
#define RUNNER_SPEC_H

#include <stdbool.h>
#include <stddef.h>

#include "engine/network.h"
#include "engine/sampler.h"
#include "engine/schedule.h"
#include "engine/trainer.h"
#include "runner/diag.h"
#include "runner/repeats.h"
#include "runner/settings.h"

enum {
    SPEC_AXES_MAX = 16,
    SPEC_VALUES_MAX = 1000, // of one axis
    SPEC_RULES_MAX = 100,   // of exclude, of only
    SPEC_EXPECT_MAX = 1000,
    SPEC_JOBS_MAX = 256,
    SPEC_VALUE_BYTES = 64,
    SPEC_HASH_BYTES = 65 // SHA-256 in hexadecimal digits and the final zero
};

// The least share of a real core that a worker can sensibly be limited to.
static const double spec_cpu_limit_min = 0.01;

// The choices; settings.c has their words in the same order. PARTITION_… and SCHEDULE_… are the
// engine's.
typedef enum { DATA_CIFAR10, DATA_SYNTHETIC, DATA_OWN } data_choice_t;
typedef enum { LR_SCALING_NONE, LR_SCALING_LINEAR, LR_SCALING_SQRT } lr_scaling_t;
typedef enum { PARALLELISM_DATA, PARALLELISM_MODEL } parallelism_t;
typedef enum { STRATEGY_AVERAGE } strategy_t;
typedef enum { MOMENTUM_KEEP, MOMENTUM_RESET, MOMENTUM_AVERAGE } momentum_rounds_t;
typedef enum {
    LAUNCHER_LOCAL,
    LAUNCHER_SSH,
    LAUNCHER_DOCKER,
    LAUNCHER_PODMAN,
    LAUNCHER_SWARM,
    LAUNCHER_SLURM
} launcher_choice_t;
typedef enum { ENCRYPT_AUTO, ENCRYPT_ALWAYS } encrypt_t;
typedef enum { ON_LOSS_FAIL, ON_LOSS_CONTINUE, ON_LOSS_RESPAWN } on_loss_t;

// The network: "lenet" by name, or the layers of `model = ( … )`. experiment_network makes the
// engine's network_spec_t of it.
typedef struct model {
    char *name;           // "lenet"; "" when the file lists layers
    layer_spec_t *layers; // empty for a named model
    place_t *places;      // where each layer is written
    size_t n_layers;
} model_setting_t;

typedef struct image {
    long channels, height, width, classes;
} image_t;

// What is trained, and how.
typedef struct train {
    model_setting_t model;
    int data;          // data_choice_t
    image_t image;     // what the data set's pictures are like
    long samples;      // training images used, the first of the set; 0: all
    long test_samples; // test images used, the first of the set; 0: all
    long epochs;
    long rounds;      // over all epochs; not used when local_steps is set
    long local_steps; // steps a worker makes in a round; 0: as rounds says
    long batch;       // samples a step and worker
    double learning_rate;
    int lr_scaling;       // lr_scaling_t, over the number of nodes
    int schedule;         // schedule_kind_t
    double step_epochs;   // of schedule "step"
    double step_factor;   // of schedule "step"
    double cosine_floor;  // of schedule "cosine", a share of the full rate
    double warmup_epochs; // of any schedule; 0 for none
    bool nesterov;
    double momentum, weight_decay;
    int momentum_rounds;         // momentum_rounds_t: what a round makes of the velocities
    double server_learning_rate; // of the coordinator's step; 1 and
    double server_momentum;      // 0 are plain averaging
    double target_accuracy;      // the time to it is measured; 0: it is not
    long evaluations;            // how often the model is tested for that, evenly over the rounds
    long seed;
    int parallelism; // parallelism_t
    int partition;   // partition_t
    int strategy;    // strategy_t
} train_t;

// Where it runs, and what is done when that goes wrong.
typedef struct cluster {
    int launcher; // launcher_choice_t
    text_list_t hosts;
    char *address;     // the coordinator's, "127.0.0.1"
    char *coordinator; // "here", the host it runs on, or "own": one of hosts that no worker is on
    char *program;     // dmlx on the hosts; "": this one is copied there
    char *data_folder; // of the data set on the hosts; "": it is copied there, or into the image
    char *image, *registry, *context, *label; // of containers
    long memory_mb;                           // of a container; 0: not limited
    text_list_t options;                      // for the launcher's own program
    double cell_s;                            // longest life of an allocation
    long port;                                // its first port of two; 0: any free ones
    int encrypt;                              // encrypt_t
    bool enforce;      // whether CPU limits are set; without them a row says so
    long period_ms;    // of the CPU quota
    double core_speed; // share of a real core that an emulated one is; SETTING_AUTO until resolved
    double link_mbit;  // rate of the emulated link that each node is behind; 0: none
    double copy_s, join_s, round_s, silence_s, stop_s; // limits of waiting
    int on_loss;                                       // on_loss_t
    long min_workers;
    long retries;    // of a cell that failed
    long jobs;       // cells that may run side by side
    bool checkpoint; // whether a failed cell goes on behind its last whole round
} cluster_t;

// One value of an axis. `text` is how ids, CSV and messages show it: "32", "0.5", "fixed".
typedef struct axis_value {
    double number; // of numbers, booleans and choices
    char text[SPEC_VALUE_BYTES];
    place_t place;
} axis_value_t;

// An axis of the matrix. `path` is "matrix.nodes", "matrix.cores", "matrix.cores_per_node" or the
// path of a setting. Axes of the same dimension move together (zip); dimensions are crossed.
typedef struct axis {
    const char *path;         // of the row in settings.c: lives as long as the program
    const setting_t *setting; // NULL for the three of the matrix itself
    int dimension;
    axis_value_t *values;
    size_t n_values;
    place_t place;
} axis_t;

// "nodes is 1 or 2 and cores is 4": a cell matches when every condition holds.
typedef struct condition {
    const char *path; // of an axis
    axis_value_t *values;
    size_t n_values;
} condition_t;

typedef struct rule {
    condition_t *conditions;
    size_t n_conditions;
    place_t place;
} rule_t;

typedef struct matrix {
    bool
        is_given; // whether the file has one; without it the matrix is one node with one core, once
    axis_t axes[SPEC_AXES_MAX]; // nodes first, then cores or cores_per_node, then as written
    size_t n_axes;
    int n_dimensions;
    repeats_t repeats;
    long warmup; // runs before those that count
    rule_t *exclude, *only;
    size_t n_exclude, n_only;
    bool shuffle;      // whether each repeat is a pass over the cells in an order of its own
    long shuffle_seed; // of those orders
    place_t place;
} matrix_t;

typedef enum {
    EXPECT_T_S,
    EXPECT_WORK_S,
    EXPECT_OVERHEAD_S,
    EXPECT_WORK_SHARE,
    EXPECT_OVERHEAD_SHARE,
    EXPECT_SPEEDUP,
    EXPECT_ACCURACY,
    N_EXPECT_QUANTITIES
} expect_quantity_t;

// The names in files and in expect.csv, by expect_quantity_t.
extern const char *const expect_quantity_names[N_EXPECT_QUANTITIES];

// Reference values of one cell.
typedef struct expect {
    long nodes;
    double cores;                       // of the whole cluster
    double values[N_EXPECT_QUANTITIES]; // NAN: none
    double tolerance;                   // relative; NAN: shown, not judged
    char *source;
    place_t place;
} expect_t;

// What the experiment is said to show; plots/claims.h judges it.
typedef struct claim {
    char *name; // the claim, as a sentence
    char *kind; // "flat", "diminishing", "further", "expected"
    char *quantity, *over;
    double tolerance; // NAN: none
    char *source;
    place_t place;
} claim_t;

typedef struct experiment {
    char *name;  // of the results folder
    char *title; // of tables and figures; "" for none
    train_t train;
    cluster_t cluster;
    matrix_t matrix;
    expect_t *expect;
    size_t n_expect;
    claim_t *claims;
    size_t n_claims;
} experiment_t;

typedef struct spec_options {
    const char *const *sets; // "train.epochs=1": what --set was given
    size_t n_sets;
    bool
        is_matrix_optional; // for roles: a file without a matrix means one node with one core, once
} spec_options_t;

// Reads an experiment file with its includes (each relative to the file that has it), then the
// --set texts, and checks the whole. 0, or -1 with at least one error in `diag`; `experiment` is
// untouched then. Warnings may be in `diag` either way. `diag` must outlive `experiment`, whose
// places point into it. `options` may be NULL. Free with experiment_free.
int spec_read_file(const char *path, const spec_options_t *options, experiment_t *experiment,
                   diag_t *diag);

// The same for a text that has no file; `name` stands for the file in messages. Includes are
// refused, since the text may have come from another host.
int spec_read_text(const char *text, const char *name, const spec_options_t *options,
                   experiment_t *experiment, diag_t *diag);

// Every setting at its default, one node with one core, once: what a role runs that is given no
// file.
void experiment_default(experiment_t *experiment);

void experiment_copy(const experiment_t *source, experiment_t *target);

// Accepts a zeroed one.
void experiment_free(experiment_t *experiment);

// Replaces core_speed = "auto" by a number: nine tenths of the host's cores over the most cores
// that any cell of the matrix asks for, rounded down to four digits, at most 1. Does nothing when
// it is a number. To be called before experiment_text and experiment_hash of what is run.
void experiment_resolve(experiment_t *experiment, double host_cores);

// The whole experiment as one flat file that reads back as the same experiment, but for settings
// that only say how it is run (is_manner). Two files that mean the same give the same text. The
// caller frees it.
char *experiment_text(const experiment_t *experiment);

// SHA-256 of experiment_text: comments, white space, order of settings and includes do not matter.
void experiment_hash(const experiment_t *experiment, char hash[SPEC_HASH_BYTES]);

// What differs, a line each: "train.epochs: 2 there, 1 here\n"; `there` is the experiment of the
// results that stand. "" when nothing does. The caller frees it.
char *experiment_differences(const experiment_t *there, const experiment_t *here);

// How many hosts a cell of so many nodes takes: one a worker and, where cluster.coordinator is
// "own", one for the coordinator, which one node alone does not have.
long cluster_hosts(const cluster_t *cluster, long nodes);

// The word of a choice: experiment_choice("train.partition", experiment.train.partition) is
// "reshuffled".
const char *experiment_choice(const char *path, int value);

// The learning rate on that many nodes: learning_rate times 1, nodes or the square root of nodes;
// unscaled in model parallelism, where every node takes all steps.
double experiment_learning_rate(const experiment_t *experiment, long nodes);

// The network to build.
network_spec_t experiment_network(const experiment_t *experiment);

// The shape of the data set's images.
image_shape_t experiment_image(const experiment_t *experiment);

// Learning rate scaled to the nodes, schedule, momentum and the rest, as the engine's trainer takes
// them.
trainer_settings_t experiment_trainer(const experiment_t *experiment, long nodes);

#endif

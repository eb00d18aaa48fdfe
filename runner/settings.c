#include "runner/settings.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/memory.h"
#include "runner/spec.h"
#include "runner/suggest.h"
#include "runner/text.h"

enum { NAMES_MAX = 200 };

#define AT(field) offsetof(experiment_t, field)

static const double seed_max = 2147483647;

// A group of settings of cluster beside each other's, by the name of a launcher.
#define OF_LAUNCHER(word)                                                                          \
    {                                                                                              \
        "cluster." word, SETTING_ELSEWHERE,                                                        \
            .text = "{ }",                                                                         \
            .help = "Settings of cluster once more, which count with launcher \"" word             \
                    "\" and replace those outside of this group then."                             \
    }

const setting_t settings[] = {
    {"name", SETTING_TEXT, AT(name), .text = "",
     .help = "Name of the results folder; the file's own name unless given."},
    {"title", SETTING_TEXT, AT(title), .text = "", .help = "Title of the tables and figures."},

    {"train.model", SETTING_MODEL, AT(train.model), .text = "lenet", .also = "network net layers",
     .help =
         "The network: \"lenet\", or its layers, each { type = \"conv\"; filters = 6; kernel = 5; "
         "}. Softmax cross-entropy follows the last layer by itself."},
    {"train.data", SETTING_CHOICE, AT(train.data), .number = DATA_CIFAR10,
     .choices = {[DATA_CIFAR10] = "cifar10", [DATA_SYNTHETIC] = "synthetic", [DATA_OWN] = "own"},
     .also = "dataset data_set",
     .help =
         "The data set; own: files of CIFAR-10's binary layout with the shape of train.image, in "
         "the folder that --data or DMLX_DATA names."},
    {"train.image.channels", SETTING_INTEGER, AT(train.image.channels), 3, .min = 1, .max = 1024,
     .help = "Colours of an image: 3 for red, green and blue."},
    {"train.image.height", SETTING_INTEGER, AT(train.image.height), 32, .unit = "pixels", .min = 1,
     .max = 4096, .help = "Height of an image."},
    {"train.image.width", SETTING_INTEGER, AT(train.image.width), 32, .unit = "pixels", .min = 1,
     .max = 4096, .help = "Width of an image."},
    {"train.image.classes", SETTING_INTEGER, AT(train.image.classes), 10, .min = 2,
     .max = NETWORK_CLASSES_MAX, .help = "What an image can be one of."},
    {"train.samples", SETTING_INTEGER, AT(train.samples), 0, .unit = "images", .min = 0, .max = 1e9,
     .is_axis = true, .help = "Training images used, the first of the set; 0 uses all."},
    {"train.test_samples", SETTING_INTEGER, AT(train.test_samples), 0, .unit = "images", .min = 0,
     .max = 1e9, .help = "Test images used, the first of the set; 0 uses all."},
    {"train.epochs", SETTING_INTEGER, AT(train.epochs), 2, .min = 1, .max = 10000, .is_axis = true,
     .help = "Passes over the training images, which the nodes share."},
    {"train.rounds", SETTING_INTEGER, AT(train.rounds), 20, .min = 1, .max = 1e6, .is_axis = true,
     .help = "Times the workers' models are averaged over the whole training; not used when "
             "train.local_steps is set."},
    {"train.local_steps", SETTING_INTEGER, AT(train.local_steps), 0, .unit = "steps", .min = 0,
     .max = 1e9, .is_axis = true,
     .help = "Steps a worker makes between two averages, in place of train.rounds; 0 lets "
             "train.rounds say."},
    {"train.batch", SETTING_INTEGER, AT(train.batch), 4, .unit = "images", .min = 1, .max = 65536,
     .is_axis = true, .also = "batch_size batchsize minibatch",
     .help = "Images a step of one worker."},
    {"train.learning_rate", SETTING_REAL, AT(train.learning_rate), 0.001, .min = 1e-12, .max = 1000,
     .is_axis = true, .also = "lr rate", .help = "Learning rate of one node."},
    {"train.lr_scaling", SETTING_CHOICE, AT(train.lr_scaling), LR_SCALING_LINEAR, .is_axis = true,
     .choices =
         {[LR_SCALING_NONE] = "none", [LR_SCALING_LINEAR] = "linear", [LR_SCALING_SQRT] = "sqrt"},
     .help = "How the learning rate grows with the nodes, each of which makes fewer steps: not at "
             "all, in proportion, or with the square root."},
    {"train.schedule", SETTING_CHOICE, AT(train.schedule), SCHEDULE_CONSTANT, .is_axis = true,
     .choices =
         {[SCHEDULE_CONSTANT] = "constant", [SCHEDULE_STEP] = "step", [SCHEDULE_COSINE] = "cosine"},
     .also = "lr_schedule scheduler", .help = "The learning rate over the course of the training."},
    {"train.step_epochs", SETTING_REAL, AT(train.step_epochs), 1, .unit = "epochs", .min = 1e-6,
     .max = 10000, .is_axis = true,
     .help = "With schedule \"step\": how often the rate is multiplied by step_factor."},
    {"train.step_factor", SETTING_REAL, AT(train.step_factor), 0.1, .min = 1e-9, .max = 1,
     .is_axis = true, .also = "gamma", .help = "With schedule \"step\": what it is multiplied by."},
    {"train.cosine_floor", SETTING_REAL, AT(train.cosine_floor), 0, .min = 0, .max = 1,
     .is_axis = true,
     .help = "With schedule \"cosine\": the share of the rate that is left at the end."},
    {"train.warmup_epochs", SETTING_REAL, AT(train.warmup_epochs), 0, .unit = "epochs", .min = 0,
     .max = 10000, .is_axis = true, .also = "warmup",
     .help = "The rate climbs from 0 over so many epochs; 0 starts with the full rate."},
    {"train.momentum", SETTING_REAL, AT(train.momentum), 0.9, .min = 0, .max = 0.999999,
     .is_axis = true,
     .help = "Share of the last step's velocity that is kept, as in torch.optim.SGD."},
    {"train.nesterov", SETTING_BOOLEAN, AT(train.nesterov), false, .is_axis = true,
     .help = "Nesterov's momentum; needs momentum over 0."},
    {"train.momentum_rounds", SETTING_CHOICE, AT(train.momentum_rounds), MOMENTUM_KEEP,
     .is_axis = true,
     .choices =
         {[MOMENTUM_KEEP] = "keep", [MOMENTUM_RESET] = "reset", [MOMENTUM_AVERAGE] = "average"},
     .help = "What becomes of the workers' velocities when their models are averaged: each keeps "
             "its own, begins at 0 again, or gets the mean of all, which doubles the bytes of a "
             "round. One node keeps its own."},
    {"train.server_learning_rate", SETTING_REAL, AT(train.server_learning_rate), 1, .min = 1e-6,
     .max = 1000, .is_axis = true, .also = "server_lr outer_lr",
     .help = "How far the coordinator goes towards the mean of the models: 1 takes the mean. One "
             "node has no coordinator."},
    {"train.server_momentum", SETTING_REAL, AT(train.server_momentum), 0, .min = 0, .max = 0.999999,
     .is_axis = true, .also = "outer_momentum slow_momentum slowmo",
     .help = "Share of the coordinator's last step that is added to the next, as in FedAvgM and "
             "SlowMo; it makes steps longer by up to 1 / (1 - server_momentum)."},
    {"train.target_accuracy", SETTING_REAL, AT(train.target_accuracy), 0, .min = 0, .max = 1,
     .also = "target goal_accuracy",
     .help = "Accuracy on the test set, from 0 to 1, to which the time is measured: it becomes the "
             "column time_to_accuracy_s, empty where it was not reached. 0 measures none."},
    {"train.evaluations", SETTING_INTEGER, AT(train.evaluations), 20, .min = 1, .max = 1e6,
     .also = "evaluate_every eval_every",
     .help = "With target_accuracy: how often the model is tested, evenly over the rounds and the "
             "last time at the end, until it has that accuracy. The time of the tests is no part "
             "of T."},
    {"train.weight_decay", SETTING_REAL, AT(train.weight_decay), 0, .min = 0, .max = 1,
     .is_axis = true, .also = "decay l2",
     .help = "Share of each weight that is added to its gradient."},
    {"train.seed", SETTING_INTEGER, AT(train.seed), 1, .min = 0, .max = seed_max, .is_axis = true,
     .also = "random_seed",
     .help = "What weights and permutations are drawn from; repeat r uses seed + r - 1."},
    {"train.parallelism", SETTING_CHOICE, AT(train.parallelism), PARALLELISM_DATA, .is_axis = true,
     .choices = {[PARALLELISM_DATA] = "data", [PARALLELISM_MODEL] = "model"},
     .help = "What the nodes share out: the samples, or the parameters, each node training its "
             "part on all samples."},
    {"train.partition", SETTING_CHOICE, AT(train.partition), PARTITION_RESHUFFLED, .is_axis = true,
     .choices = {[PARTITION_RESHUFFLED] = "reshuffled", [PARTITION_FIXED] = "fixed"},
     .help = "Whether each epoch's permutation of all images is cut into parts anew, or each node "
             "keeps its part."},
    {"train.strategy", SETTING_CHOICE, AT(train.strategy), STRATEGY_AVERAGE, .is_axis = true,
     .choices = {[STRATEGY_AVERAGE] = "average"},
     .help =
         "How the workers' models become one: the mean of their weights, by samples trained on."},

    {"cluster.launcher", SETTING_CHOICE, AT(cluster.launcher), LAUNCHER_LOCAL,
     .choices = {[LAUNCHER_LOCAL] = "local",
                 [LAUNCHER_SSH] = "ssh",
                 [LAUNCHER_DOCKER] = "docker",
                 [LAUNCHER_PODMAN] = "podman",
                 [LAUNCHER_SWARM] = "swarm",
                 [LAUNCHER_SLURM] = "slurm"},
     .help = "What starts the workers: processes on this machine, on hosts reached by OpenSSH, "
             "containers of one engine, services of a Docker swarm, or a Slurm allocation."},
    {"cluster.hosts", SETTING_TEXTS, AT(cluster.hosts), .text = "", .also = "nodes machines",
     .help = "Hosts to start workers on, one worker each, named as for ssh; the launcher ssh alone "
             "uses them."},
    {"cluster.coordinator", SETTING_TEXT, AT(cluster.coordinator), .text = "here", .also = "master",
     .help = "With launcher ssh: the host that the coordinator runs on; \"here\" runs it beside "
             "dmlx run, \"own\" on one of cluster.hosts that has no worker. In a swarm it runs on "
             "the manager."},
    {"cluster.program", SETTING_TEXT, AT(cluster.program), .text = "", .also = "binary",
     .help = "Path of dmlx on the hosts of ssh and slurm; empty copies this one to hosts of ssh, "
             "and expects it at the same path under slurm."},
    {"cluster.data_folder", SETTING_TEXT, AT(cluster.data_folder), .text = "", .also = "data",
     .help = "Where the data set lies on every host; empty copies it there once (ssh), mounts this "
             "machine's (docker, podman), or adds it to the image (swarm)."},
    {"cluster.image", SETTING_TEXT, AT(cluster.image), .text = "",
     .help = "Container image; empty is dmlx:VERSION, as dmlx image makes it."},
    {"cluster.registry", SETTING_TEXT, AT(cluster.registry), .text = "",
     .help = "Registry that the image is pushed to and pulled from, such as registry:5000."},
    {"cluster.context", SETTING_TEXT, AT(cluster.context), .text = "", .also = "connection",
     .help = "Context of docker, or connection of podman; empty is the default one."},
    {"cluster.label", SETTING_TEXT, AT(cluster.label), .text = "", .also = "labels placement",
     .help = "Label of the swarm's nodes that workers run on, such as role=worker; empty takes any "
             "active node."},
    {"cluster.memory_mb", SETTING_INTEGER, AT(cluster.memory_mb), 0, .unit = "MiB", .min = 0,
     .max = 1e7, .also = "memory", .help = "Memory limit of a container; 0 for none."},
    {"cluster.options", SETTING_TEXTS, AT(cluster.options), .text = "",
     .help = "Further words for the launcher's program: for ssh, docker run, podman run, or "
             "salloc."},
    {"cluster.address", SETTING_TEXT, AT(cluster.address), .text = "127.0.0.1", .also = "host bind",
     .help = "Address at which the coordinator is reached."},
    {"cluster.port", SETTING_INTEGER, AT(cluster.port), 0, .min = 0, .max = 65534, .also = "ports",
     .help = "The coordinator's port, the next one being its second; 0 takes free ones."},
    {"cluster.encrypt", SETTING_CHOICE, AT(cluster.encrypt), ENCRYPT_AUTO, .is_axis = true,
     .choices = {[ENCRYPT_AUTO] = "auto", [ENCRYPT_ALWAYS] = "always"}, .also = "curve tls keys",
     .help = "Whether messages are encrypted and peers proven: \"auto\" does it wherever the "
             "coordinator's address is not this machine's loopback."},
    {"cluster.enforce", SETTING_BOOLEAN, AT(cluster.enforce), true,
     .help = "Whether CPU limits are set; without them cores are threads, and every row says so."},
    {"cluster.period_ms", SETTING_INTEGER, AT(cluster.period_ms), 10, .unit = "ms", .min = 1,
     .max = 1000, .is_axis = true,
     .help = "Period of the CPU quota; made longer where a quota would fall under 1 ms."},
    {"cluster.emulate.core_speed", SETTING_REAL_OR_AUTO, AT(cluster.core_speed), 1, .min = 0.001,
     .max = 1, .is_axis = true,
     .help = "Share of a real core that a core of the cluster is; \"auto\": nine tenths of the "
             "host's cores over the most cores any cell asks for, at most 1."},
    {"cluster.emulate.link_mbit", SETTING_REAL, AT(cluster.link_mbit), 0, .unit = "Mbit/s",
     .min = 0, .max = 100000, .is_axis = true, .also = "bandwidth rate network link",
     .help = "With launcher local, as root: rate of the link that each node and the coordinator "
             "are behind, both ways, in network namespaces of their own on one switch; 0 is this "
             "machine's loopback."},
    {"cluster.timeout.copy_s", SETTING_REAL, AT(cluster.copy_s), 600, .unit = "s", .min = 0.1,
     .max = 86400, .also = "pull image download",
     .help = "For all hosts to have the program or the image, and the data set, before any cell "
             "begins."},
    {"cluster.timeout.join_s", SETTING_REAL, AT(cluster.join_s), 30, .unit = "s", .min = 0.1,
     .max = 86400, .help = "For all workers to be ready, from the coordinator's start."},
    {"cluster.timeout.round_s", SETTING_REAL, AT(cluster.round_s), 600, .unit = "s", .min = 0.1,
     .max = 604800, .is_axis = true, .help = "For every update of a round, from its broadcast."},
    {"cluster.timeout.silence_s", SETTING_REAL, AT(cluster.silence_s), 4, .unit = "s", .min = 0.1,
     .max = 86400, .is_axis = true,
     .help =
         "Without a sign of life from a worker, or from the coordinator. `dmlx run`, which reads "
         "the coordinator's records, gives it up after three times that, but not before 5 s."},
    {"cluster.timeout.stop_s", SETTING_REAL, AT(cluster.stop_s), 5, .unit = "s", .min = 0.1,
     .max = 3600, .help = "For a process to end by itself before it is killed."},
    {"cluster.timeout.cell_s", SETTING_REAL, AT(cluster.cell_s), 86400, .unit = "s", .min = 60,
     .max = 1e7, .help = "Longest life of a Slurm allocation, which holds one cell."},
    {"cluster.on_loss", SETTING_CHOICE, AT(cluster.on_loss), ON_LOSS_FAIL, .is_axis = true,
     .choices =
         {[ON_LOSS_FAIL] = "fail", [ON_LOSS_CONTINUE] = "continue", [ON_LOSS_RESPAWN] = "respawn"},
     .help = "When a worker is lost: the run fails, goes on without it, or starts another."},
    {"cluster.min_workers", SETTING_INTEGER, AT(cluster.min_workers), 1, .unit = "workers",
     .min = 1, .max = 10000,
     .help = "With on_loss \"continue\": fewer than these are too few to go on."},
    {"cluster.retries", SETTING_INTEGER, AT(cluster.retries), 1, .min = 0, .max = 100,
     .also = "retry", .help = "Further attempts at a run that failed."},
    {"cluster.jobs", SETTING_INTEGER, AT(cluster.jobs), 1, .unit = "cells", .min = 1,
     .max = SPEC_JOBS_MAX, .is_manner = true, .also = "parallel concurrency parallel_cells",
     .help =
         "Cells that may run side by side, each on hosts of its own: of cluster.hosts (ssh), or "
         "nodes of the swarm or of Slurm. On one machine (local, docker, podman) they would "
         "take each other's processor, and it is 1. Results can be gone on with under another "
         "number."},
    {"cluster.checkpoint", SETTING_BOOLEAN, AT(cluster.checkpoint), false,
     .also = "resume save snapshot",
     .help = "Whether the state behind each round is kept, so that a run that broke off goes on "
             "there; it doubles the bytes of an update."},
    OF_LAUNCHER("local"),
    OF_LAUNCHER("ssh"),
    OF_LAUNCHER("docker"),
    OF_LAUNCHER("podman"),
    OF_LAUNCHER("swarm"),
    OF_LAUNCHER("slurm"),

    {"matrix.nodes", SETTING_ELSEWHERE, .text = "[ 1 ]", .unit = "workers", .min = 1, .max = 10000,
     .also = "workers clients hosts",
     .help = "An axis: how many workers; one runs standalone, without a coordinator."},
    {"matrix.cores", SETTING_ELSEWHERE, .text = "one a node", .unit = "cores", .min = 0.001,
     .max = 1e6, .also = "cpus cpu",
     .help =
         "An axis: cores of the whole cluster, divided evenly over its nodes; fractions are CPU "
         "limits. Write 1.0 beside 0.5 in [ ]."},
    {"matrix.cores_per_node", SETTING_ELSEWHERE, .text = "", .unit = "cores", .min = 0.001,
     .max = 10000, .also = "cpus_per_node",
     .help = "An axis in place of cores: cores of each node."},
    {"matrix.repeats", SETTING_REPEATS, AT(matrix.repeats), 1, .min = 1, .max = REPEATS_MAX,
     .also = "repetitions runs",
     .help =
         "How often each cell is run, each time with the next seed. With a group a cell is run "
         "again, at least min and at most max times, until half the 95 % interval of its T is "
         "within ci (0.05) of the mean; an interval that stopped its cell so holds the true mean "
         "in 90 to 95 cases of 100, not 95: with min = 5 in 92 to 95."},
    {"matrix.warmup", SETTING_INTEGER, AT(matrix.warmup), 0, .min = 0, .max = 100,
     .help =
         "Runs before those that count, so that caches and clocks are warm: of the first cell, and "
         "of each that gets a host on which nothing ran yet; they are kept beside the results, in "
         "warmup/, and counted nowhere."},
    {"matrix.zip", SETTING_ELSEWHERE, .text = "( )",
     .help =
         "Axes that move together: ( { nodes = [ 1, 2, 3 ]; cores = [ 2, 4, 6 ]; } ). Axes outside "
         "are crossed."},
    {"matrix.exclude", SETTING_ELSEWHERE, .text = "( )",
     .help =
         "Cells to leave out: ( { nodes = 1; cores = [ 5, 6 ]; } ) matches where every line of a "
         "group does."},
    {"matrix.only", SETTING_ELSEWHERE, .text = "( )",
     .help = "Cells to keep, in the same form; all others are left out."},
    {"matrix.shuffle", SETTING_BOOLEAN, AT(matrix.shuffle), true, .also = "order random",
     .help =
         "Whether each repeat runs the cells in an order of its own, so that a slow drift of the "
         "machine does not look like an effect of an axis."},
    {"matrix.shuffle_seed", SETTING_INTEGER, AT(matrix.shuffle_seed), 1, .min = 0, .max = seed_max,
     .help = "What those orders are drawn from."},

    {"expect", SETTING_ELSEWHERE, .text = "( )", .also = "reference expected",
     .help =
         "Reference values to print beside the measured ones: ( { nodes = 1; cores = 2; t_s = "
         "936.3; "
         "accuracy = 0.56; tolerance = 0.1; source = \"…\"; } ). Quantities: t_s, work_s, "
         "overhead_s, "
         "work_share, overhead_share, speedup, accuracy. With a tolerance, which is relative, they "
         "are judged: by their 95 % interval, which lies within it, beyond it, or neither."},
    {"claim", SETTING_ELSEWHERE, .text = "( )", .also = "claims assert hypothesis",
     .help = "What the experiment is said to show: ( { name = \"…\"; kind = \"flat\"; quantity = "
             "\"accuracy\"; over = \"nodes\"; tolerance = 0.01; source = \"…\"; } ). Kinds: flat: "
             "quantity stays within tolerance, in its unit, of the first cell's; diminishing: each "
             "step over nodes or cores gains less; further: over scales further than the other; "
             "expected: what expect has for quantity, or for all, lies within its tolerance, or "
             "the claim's where it has none. They are judged by their statistics."},
    {"override", SETTING_ELSEWHERE, .text = "{ }",
     .help = "Settings once more, which replace those of an included file: { train = { epochs = 1; "
             "}; }."},
};

const size_t n_settings = sizeof settings / sizeof *settings;

const setting_t *
setting_find(const char *path)
{
    for (size_t i = 0; i < n_settings; i++)
        if (strcmp(settings[i].path, path) == 0)
            return &settings[i];
    return NULL;
}

// Whether the path is the name or ends in ".name".
static bool
ends_in(const char *path, const char *name)
{
    size_t n_path = strlen(path), n_name = strlen(name);
    if (n_name > n_path || strcmp(path + n_path - n_name, name) != 0)
        return false;
    return n_name == n_path || path[n_path - n_name - 1] == '.';
}

const setting_t *
setting_match(const setting_t *rows, size_t n, const char *name, size_t *n_found)
{
    const setting_t *found = NULL;
    *n_found = 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(rows[i].path, name) == 0) {
            *n_found = 1;
            return &rows[i];
        }
        if (ends_in(rows[i].path, name)) {
            found = &rows[i];
            *n_found += 1;
        }
    }
    return *n_found == 1 ? found : NULL;
}

const char *
setting_name(const setting_t *setting)
{
    const char *dot = strrchr(setting->path, '.');
    return dot ? dot + 1 : setting->path;
}

bool
setting_is_later(const setting_t *setting, int choice)
{
    for (int i = 0; setting->later[i]; i++)
        if (strcmp(setting->later[i], setting->choices[choice]) == 0)
            return true;
    return false;
}

// The choices that there are: one of "none", "linear", "sqrt".
static void
add_choices(text_t *text, const setting_t *setting)
{
    int n = 0;
    for (int i = 0; setting->choices[i]; i++)
        n += !setting_is_later(setting, i);
    text_add(text, n > 1 ? "one of " : "");
    const char *gap = "";
    for (int i = 0; setting->choices[i]; i++)
        if (!setting_is_later(setting, i)) {
            text_add(text, "%s\"%s\"", gap, setting->choices[i]);
            gap = ", ";
        }
}

static void
add_range(text_t *text, const setting_t *setting)
{
    text_add(text, " from ");
    text_add_short(text, setting->min);
    text_add(text, " to ");
    text_add_short(text, setting->max);
    if (setting->unit)
        text_add(text, " %s", setting->unit);
}

char *
setting_allowed(const setting_t *setting)
{
    text_t text = {0};
    switch (setting->type) {
    case SETTING_INTEGER:
        text_add(&text, "an integer");
        add_range(&text, setting);
        break;
    case SETTING_REAL:
        text_add(&text, "a number");
        add_range(&text, setting);
        break;
    case SETTING_REAL_OR_AUTO:
        text_add(&text, "\"auto\" or a number");
        add_range(&text, setting);
        break;
    case SETTING_BOOLEAN:
        text_add(&text, "true or false");
        break;
    case SETTING_TEXT:
        text_add(&text, "a text");
        break;
    case SETTING_CHOICE:
        add_choices(&text, setting);
        break;
    case SETTING_TEXTS:
        text_add(&text, "a list of texts");
        break;
    case SETTING_MODEL:
        text_add(&text, "\"lenet\" or a list of layers");
        break;
    case SETTING_REPEATS:
        text_add(&text, "an integer");
        add_range(&text, setting);
        text_add(&text, ", or { min = 3; max = 20; ci = 0.05; }");
        break;
    case SETTING_ELSEWHERE:
        if (setting->max > 0) {
            text_add(&text, strcmp(setting->path, "matrix.nodes") == 0 ? "integers" : "numbers");
            add_range(&text, setting);
        } else {
            text_add(&text, setting->text[0] == '{' ? "a group" : "a list of groups");
        }
        break;
    }
    return text_take(&text);
}

// Whether the setting or group stands below the group: "train" holds "train.image.width" by
// "image". Writes that part of the path.
static bool
part_below(const char *group, const char *path, char part[SPEC_VALUE_BYTES])
{
    size_t n = strlen(group);
    if (n > 0 && (strncmp(path, group, n) != 0 || path[n] != '.'))
        return false;
    const char *rest = n > 0 ? path + n + 1 : path;
    snprintf(part, SPEC_VALUE_BYTES, "%.*s", (int)strcspn(rest, "."), rest);
    return true;
}

// The setting in the group that other programs call so, or NULL.
static const setting_t *
known_elsewhere(const char *group, const char *typed)
{
    size_t n_typed = strlen(typed);
    for (size_t i = 0; n_typed > 0 && i < n_settings; i++) {
        char part[SPEC_VALUE_BYTES];
        if (!settings[i].also || !part_below(group, settings[i].path, part))
            continue;
        for (const char *word = settings[i].also; *word; word += strspn(word, " ")) {
            size_t n_word = strcspn(word, " ");
            if (n_word == n_typed && strncmp(word, typed, n_word) == 0 &&
                strcmp(part, setting_name(&settings[i])) == 0)
                return &settings[i];
            word += n_word;
        }
    }
    return NULL;
}

char *
setting_suggest(const char *group, const char *typed)
{
    const setting_t *known = known_elsewhere(group, typed);
    if (known)
        return memory_text(setting_name(known));
    static const size_t part_bytes = SPEC_VALUE_BYTES;
    char(*parts)[SPEC_VALUE_BYTES] = memory_new(n_settings * part_bytes);
    const char **names = memory_new((n_settings + 1) * sizeof *names);
    size_t n = 0;
    for (size_t i = 0; i < n_settings; i++)
        if (part_below(group, settings[i].path, parts[n])) {
            names[n] = parts[n];
            n += 1;
        }
    const char *near = suggest_nearest(typed, names);
    char *found = near ? memory_text(near) : NULL;
    // A name that is right in another group is told with its group.
    for (size_t i = 0; !found && i < n_settings; i++)
        if (strcmp(setting_name(&settings[i]), typed) == 0)
            found = memory_text(settings[i].path);
    free(names);
    free(parts);
    return found;
}

char *
setting_suggest_any(const char *typed)
{
    const char **names = memory_new((2 * n_settings + 1) * sizeof *names);
    for (size_t i = 0; i < n_settings; i++) {
        names[2 * i] = settings[i].path;
        names[2 * i + 1] = setting_name(&settings[i]);
    }
    const char *near = suggest_nearest(typed, names);
    char *found = near ? memory_text(near) : NULL;
    free(names);
    static const char *const groups[] = {"train", "cluster", "matrix"};
    for (size_t i = 0; i < 3 && !found; i++) {
        const setting_t *known = known_elsewhere(groups[i], typed);
        found = known ? memory_text(known->path) : NULL;
    }
    return found;
}

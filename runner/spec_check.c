#include "runner/spec_check.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "runner/matrix.h"
#include "runner/model_text.h"
#include "runner/plan.h"

const char spec_name_letters[] =
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";

// Where a setting is written; else where its group is.
static place_t
place_of(const tree_t *root, const char *path)
{
    const tree_t *at = tree_at(root, path);
    char group[SPEC_VALUE_BYTES];
    snprintf(group, sizeof group, "%.*s", (int)strcspn(path, "."), path);
    if (!at)
        at = tree_at(root, group);
    return at ? at->place : root->place;
}

static void
check_image(const experiment_t *experiment, const tree_t *root, diag_t *diag)
{
    const image_t *image = &experiment->train.image;
    const long is[] = {image->channels, image->height, image->width, image->classes};
    static const long cifar[] = {3, 32, 32, 10};
    static const char *const paths[] = {"train.image.channels", "train.image.height",
                                        "train.image.width", "train.image.classes"};
    for (int i = 0; i < 4 && experiment->train.data == DATA_CIFAR10; i++)
        if (is[i] != cifar[i])
            diag_error(
                diag, place_of(root, paths[i]),
                "'%s' is %ld, but it is %ld in CIFAR-10; for other images write data = \"own\"",
                paths[i], is[i], cifar[i]);
    model_check(&experiment->train.model, image, place_of(root, "train.model"), diag);
}

static void
check_name(const experiment_t *experiment, const tree_t *root, diag_t *diag)
{
    const char *name = experiment->name;
    if (!name[0] || name[0] == '.' || strlen(name) > 100 ||
        strspn(name, spec_name_letters) != strlen(name))
        diag_error(
            diag, place_of(root, "name"),
            "'name' is '%.100s'; it names a folder: letters, digits, '.', '_' and '-', at most 100",
            name);
}

// Whether the launcher starts one worker on each of cluster.hosts; the others place workers
// themselves.
static bool
takes_hosts(int launcher)
{
    return launcher == LAUNCHER_SSH;
}

// Whether cells can have hosts of their own; else all of them are on one machine.
static bool
has_hosts(int launcher)
{
    return launcher == LAUNCHER_SSH || launcher == LAUNCHER_SWARM || launcher == LAUNCHER_SLURM;
}

static void
check_hosts(const experiment_t *experiment, const tree_t *root, diag_t *diag)
{
    int launcher = experiment->cluster.launcher;
    const cluster_t *cluster = &experiment->cluster;
    if (takes_hosts(launcher) && strcmp(cluster->coordinator, "own") == 0 &&
        strcmp(cluster->address, "127.0.0.1") != 0)
        diag_error(diag, place_of(root, "cluster.address"),
                   "'cluster.address' is one address, and 'cluster.coordinator' is \"own\": each "
                   "cell's coordinator has that of its host; leave it out");
    if (!takes_hosts(launcher) && experiment->cluster.hosts.n_items > 0)
        diag_warning(diag, place_of(root, "cluster.hosts"),
                     "'cluster.hosts' is not used by the launcher \"%s\"",
                     experiment_choice("cluster.launcher", launcher));
}

// A host for each cell, and none for two: what cluster.jobs over 1 stands on.
static void
check_disjoint(const cluster_t *cluster, const tree_t *root, diag_t *diag)
{
    bool is_own = strcmp(cluster->coordinator, "own") == 0;
    for (size_t i = 0; takes_hosts(cluster->launcher) && i < cluster->hosts.n_items; i++) {
        const char *host = cluster->hosts.items[i];
        for (size_t k = 0; k < i; k++)
            if (strcmp(host, cluster->hosts.items[k]) == 0)
                diag_error(diag, place_of(root, "cluster.hosts"),
                           "'cluster.hosts' has '%s' twice, and with 'cluster.jobs' over 1 two "
                           "cells could meet there",
                           host);
        if (strcmp(host, cluster->coordinator) == 0)
            diag_error(
                diag, place_of(root, "cluster.coordinator"),
                "the coordinator's host '%s' is one of 'cluster.hosts', and with "
                "'cluster.jobs' over 1 would be beside another cell's worker; write \"own\", "
                "or take it out of the list",
                host);
    }
    if (cluster->port > 0 && cluster->launcher != LAUNCHER_SWARM && !is_own)
        diag_error(
            diag, place_of(root, "cluster.port"),
            "'cluster.port' is that of one coordinator, and with 'cluster.jobs' over 1 there "
            "are several on the same host; write 0, for any that is free%s",
            takes_hosts(cluster->launcher) ? ", or cluster.coordinator = \"own\"" : "");
}

static void
check_jobs(const experiment_t *experiment, const tree_t *root, diag_t *diag)
{
    const cluster_t *cluster = &experiment->cluster;
    if (cluster->jobs == 1)
        return;
    if (!has_hosts(cluster->launcher))
        diag_error(
            diag, place_of(root, "cluster.jobs"),
            "'cluster.jobs' is %ld, and all cells of launcher \"%s\" are on one machine: side "
            "by side they would take each other's processor, and T would tell of that; leave "
            "it at 1, or give cells hosts of their own by launcher \"ssh\", \"swarm\" or "
            "\"slurm\"",
            cluster->jobs, experiment_choice("cluster.launcher", cluster->launcher));
    else
        check_disjoint(cluster, root, diag);
}

static void
check_emulation(const experiment_t *experiment, const tree_t *root, diag_t *diag)
{
    if (!experiment->cluster.enforce && experiment->cluster.core_speed != 1)
        diag_error(
            diag, place_of(root, "cluster.emulate.core_speed"),
            "an emulated core is a CPU limit, and 'cluster.enforce' is false; leave one of the two "
            "out");
}

static void
check_size(const experiment_t *experiment, size_t n_cells, diag_t *diag)
{
    double n_runs = (double)n_cells * (double)experiment->matrix.repeats.max;
    diag_error(diag, experiment->matrix.place,
               "the matrix has %.0f runs (cells times repeats); at most %d are taken", n_runs,
               PLAN_CELLS_MAX);
}

// What can be wrong with a cell; each is told once, for the first cell that has it.
typedef enum {
    CELL_FRACTION,
    CELL_LIMIT,
    CELL_WORKERS,
    CELL_NESTEROV,
    CELL_VELOCITIES,
    CELL_ID,
    CELL_HOSTS,
    CELL_LINKS,
    CELL_COORDINATORS,
    N_CELL_FAULTS
} cell_fault_t;

typedef struct cell_faults {
    size_t n[N_CELL_FAULTS];
    char first[N_CELL_FAULTS][MATRIX_ID_BYTES];
    double value[N_CELL_FAULTS]; // of the first
    long nodes[N_CELL_FAULTS];
} cell_faults_t;

static void
count(cell_faults_t *faults, cell_fault_t fault, const char *id, double value, long nodes)
{
    if (faults->n[fault]++ > 0)
        return;
    snprintf(faults->first[fault], MATRIX_ID_BYTES, "%s", id);
    faults->value[fault] = value;
    faults->nodes[fault] = nodes;
}

static void
look_at_cell(const experiment_t *experiment, const size_t value_index[SPEC_AXES_MAX],
             cell_faults_t *faults)
{
    const matrix_t *matrix = &experiment->matrix;
    char id[MATRIX_ID_BYTES];
    matrix_cell_id(matrix, value_index, id);
    long nodes = matrix_nodes(matrix, value_index);
    double per_node = matrix_cores(matrix, value_index) / (double)nodes;
    // Axes change plain numbers alone, so the copy may share what the original owns.
    experiment_t cell = *experiment;
    for (size_t i = 0; i < matrix->n_axes; i++)
        if (matrix->axes[i].setting)
            axis_value_apply(matrix->axes[i].setting, &matrix->axes[i].values[value_index[i]],
                             &cell);
    double speed = cell.cluster.core_speed;
    if (!cell.cluster.enforce && fabs(per_node - round(per_node)) > 1e-9)
        count(faults, CELL_FRACTION, id, per_node, nodes);
    if (cell.cluster.enforce && speed > 0 && per_node * speed < spec_cpu_limit_min)
        count(faults, CELL_LIMIT, id, per_node * speed, nodes);
    if (cell.cluster.on_loss == ON_LOSS_CONTINUE && cell.cluster.min_workers > nodes)
        count(faults, CELL_WORKERS, id, 0, nodes);
    if (cell.train.nesterov && cell.train.momentum == 0)
        count(faults, CELL_NESTEROV, id, 0, nodes);
    if (cell.train.momentum_rounds == MOMENTUM_AVERAGE &&
        cell.train.parallelism == PARALLELISM_MODEL)
        count(faults, CELL_VELOCITIES, id, 0, nodes);
    if (strlen(id) >= PLAN_ID_BYTES)
        count(faults, CELL_ID, id, 0, nodes);
    if (takes_hosts(cell.cluster.launcher) &&
        (size_t)cluster_hosts(&cell.cluster, nodes) > cell.cluster.hosts.n_items)
        count(faults, CELL_HOSTS, id, 0, nodes);
    if (cell.cluster.link_mbit > 0 && cell.cluster.launcher != LAUNCHER_LOCAL)
        count(faults, CELL_LINKS, id, cell.cluster.link_mbit, nodes);
    if (cell.cluster.jobs > 1 && nodes > 1 && has_hosts(cell.cluster.launcher) &&
        cluster_hosts(&cell.cluster, nodes) == nodes)
        count(faults, CELL_COORDINATORS, id, 0, nodes);
}

// " (and 3 more cells)"
static const char *
more(size_t n, char room[SPEC_VALUE_BYTES])
{
    room[0] = '\0';
    if (n > 1)
        snprintf(room, SPEC_VALUE_BYTES, " (and %zu more cell%s)", n - 1, n > 2 ? "s" : "");
    return room;
}

// It is the user's to judge: a model of a megabyte a second does not matter to a fast link.
static void
tell_coordinators(const cluster_t *cluster, const tree_t *root, diag_t *diag)
{
    bool is_here = cluster->launcher == LAUNCHER_SLURM || strcmp(cluster->coordinator, "here") == 0;
    char host[SPEC_VALUE_BYTES + 16];
    snprintf(host, sizeof host, "host '%.60s'", cluster->coordinator);
    diag_warning(
        diag, place_of(root, "cluster.jobs"),
        "'cluster.jobs' is %ld: coordinators of cells side by side share %s and its link%s",
        cluster->jobs,
        cluster->launcher == LAUNCHER_SWARM ? "the swarm's manager"
        : is_here                           ? "this machine"
                                            : host,
        takes_hosts(cluster->launcher)
            ? "; cluster.coordinator = \"own\" gives each a host of 'cluster.hosts'"
            : "");
}

static void
tell_cells(const experiment_t *experiment, const cell_faults_t *faults, const tree_t *root,
           diag_t *diag)
{
    char room[SPEC_VALUE_BYTES];
    place_t place = experiment->matrix.place;
    if (faults->n[CELL_FRACTION])
        diag_error(
            diag, place,
            "%s%s gives a node %g of a core, which needs a CPU limit, and 'cluster.enforce' is "
            "false",
            faults->first[CELL_FRACTION], more(faults->n[CELL_FRACTION], room),
            faults->value[CELL_FRACTION]);
    if (faults->n[CELL_LIMIT])
        diag_error(diag, place, "%s%s gives a node %g of a real core; the least is %g",
                   faults->first[CELL_LIMIT], more(faults->n[CELL_LIMIT], room),
                   faults->value[CELL_LIMIT], spec_cpu_limit_min);
    if (faults->n[CELL_WORKERS])
        diag_error(diag, place_of(root, "cluster.min_workers"),
                   "'cluster.min_workers' is %ld, and %s%s has %ld",
                   experiment->cluster.min_workers, faults->first[CELL_WORKERS],
                   more(faults->n[CELL_WORKERS], room), faults->nodes[CELL_WORKERS]);
    if (faults->n[CELL_NESTEROV])
        diag_error(diag, place_of(root, "train.nesterov"),
                   "'train.nesterov' needs a momentum over 0");
    if (faults->n[CELL_VELOCITIES])
        diag_error(diag, place_of(root, "train.momentum_rounds"),
                   "'train.momentum_rounds' is \"average\", and in model parallelism the nodes' "
                   "velocities are of different parameters; write \"keep\"");
    if (faults->n[CELL_ID])
        diag_error(diag, place,
                   "the matrix has so many axes that '%.40s…' is too long for a folder",
                   faults->first[CELL_ID]);
    if (faults->n[CELL_HOSTS])
        diag_error(
            diag, place_of(root, "cluster.hosts"),
            "%s%s asks for %ld workers%s, and 'cluster.hosts' has %zu", faults->first[CELL_HOSTS],
            more(faults->n[CELL_HOSTS], room), faults->nodes[CELL_HOSTS],
            strcmp(experiment->cluster.coordinator, "own") == 0 ? " and a host for its coordinator"
                                                                : "",
            experiment->cluster.hosts.n_items);
    if (faults->n[CELL_LINKS])
        diag_error(diag, place_of(root, "cluster.emulate.link_mbit"),
                   "'cluster.emulate.link_mbit' is for launcher \"local\"; with \"%s\" the hosts' "
                   "own links count: leave it out",
                   experiment_choice("cluster.launcher", experiment->cluster.launcher));
    if (faults->n[CELL_COORDINATORS])
        tell_coordinators(&experiment->cluster, root, diag);
}

// A rule that no cell matches is a slip: a value that is not on its axis, most likely.
static void
check_rules(const matrix_t *matrix, const char *path, const rule_t *rules, size_t n_rules,
            size_t n_cells, diag_t *diag)
{
    for (size_t i = 0; i < n_rules; i++) {
        bool is_used = false;
        for (size_t c = 0; c < n_cells && !is_used; c++) {
            size_t value_index[SPEC_AXES_MAX];
            matrix_cell(matrix, c, value_index);
            is_used = rule_matches(&rules[i], matrix, value_index);
        }
        if (!is_used)
            diag_error(diag, rules[i].place, "no cell of the matrix matches this group of '%s'",
                       path);
    }
}

static void
check_matrix(const experiment_t *experiment, const tree_t *root, diag_t *diag)
{
    const matrix_t *matrix = &experiment->matrix;
    size_t n_cells = matrix_n_cells(matrix), n_kept = 0;
    if (n_cells > PLAN_CELLS_MAX || n_cells * (size_t)matrix->repeats.max > PLAN_CELLS_MAX) {
        check_size(experiment, n_cells, diag);
        return;
    }
    check_rules(matrix, "matrix.exclude", matrix->exclude, matrix->n_exclude, n_cells, diag);
    check_rules(matrix, "matrix.only", matrix->only, matrix->n_only, n_cells, diag);
    static const cell_faults_t none;
    cell_faults_t faults = none;
    for (size_t c = 0; c < n_cells; c++) {
        size_t value_index[SPEC_AXES_MAX];
        matrix_cell(matrix, c, value_index);
        if (!matrix_keeps(matrix, value_index))
            continue;
        n_kept += 1;
        look_at_cell(experiment, value_index, &faults);
    }
    if (n_kept == 0)
        diag_error(diag, matrix->place, "'matrix.exclude' and 'matrix.only' leave no cell to run");
    tell_cells(experiment, &faults, root, diag);
}

void
spec_check(const experiment_t *experiment, const tree_t *root, bool is_matrix_whole, diag_t *diag)
{
    check_name(experiment, root, diag);
    check_image(experiment, root, diag);
    check_hosts(experiment, root, diag);
    check_emulation(experiment, root, diag);
    check_jobs(experiment, root, diag);
    if (is_matrix_whole)
        check_matrix(experiment, root, diag);
}

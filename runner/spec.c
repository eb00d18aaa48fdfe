#include "runner/spec.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runner/claim.h"
#include "runner/expect.h"
#include "runner/matrix.h"
#include "runner/memory.h"
#include "runner/model_text.h"
#include "runner/spec_check.h"
#include "runner/spec_sets.h"

void
experiment_default(experiment_t *experiment)
{
    *experiment = (experiment_t){0};
    for (size_t i = 0; i < n_settings; i++)
        setting_set_default(&settings[i], experiment);
    free(experiment->name);
    experiment->name = memory_text("experiment");
    matrix_default(&experiment->matrix);
}

void
experiment_copy(const experiment_t *source, experiment_t *target)
{
    experiment_t copy = {0};
    matrix_copy(&source->matrix, &copy.matrix);
    for (size_t i = 0; i < n_settings; i++)
        setting_copy(&settings[i], source, &copy);
    copy.expect = expect_copy(source->expect, source->n_expect);
    copy.n_expect = source->n_expect;
    copy.claims = claim_copy(source->claims, source->n_claims);
    copy.n_claims = source->n_claims;
    *target = copy;
}

void
experiment_free(experiment_t *experiment)
{
    for (size_t i = 0; i < n_settings; i++)
        setting_free(&settings[i], experiment);
    matrix_free(&experiment->matrix);
    expect_free(experiment->expect, experiment->n_expect);
    claim_free(experiment->claims, experiment->n_claims);
    *experiment = (experiment_t){0};
}

// Whether some setting's path begins with the group's.
static bool
is_group(const char *path)
{
    size_t n = strlen(path);
    for (size_t i = 0; i < n_settings; i++)
        if (strncmp(settings[i].path, path, n) == 0 && settings[i].path[n] == '.')
            return true;
    return false;
}

static void
tell_unknown(const char *group, const tree_t *member, diag_t *diag)
{
    char *near = setting_suggest(group, member->name);
    if (near)
        diag_error(diag, member->place, "unknown setting '%s'; did you mean '%s'?", member->name,
                   near);
    else
        diag_error(diag, member->place, "unknown setting '%s'; 'dmlx help settings' lists all",
                   member->name);
    free(near);
}

static void
read_group(const char *group, const tree_t *tree, experiment_t *experiment, diag_t *diag)
{
    for (size_t i = 0; i < tree->n_children; i++) {
        const tree_t *member = &tree->children[i];
        char *path = memory_format("%s%s%s", group, group[0] ? "." : "", member->name);
        const setting_t *setting = setting_find(path);
        if (setting)
            setting_read(setting, member, experiment, diag);
        else if (is_group(path) && member->kind != TREE_GROUP)
            diag_error(diag, member->place, "'%s' is %s; it takes a group: %s = { … };", path,
                       tree_kind_words(member), member->name);
        else if (is_group(path))
            read_group(path, member, experiment, diag);
        else if (strcmp(group, "matrix") != 0) // there it is an axis, or matrix_read tells
            tell_unknown(group, member, diag);
        free(path);
    }
}

// The results folder is named as the file is, unless the file says otherwise.
static void
name_by_path(experiment_t *experiment, const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *base = slash ? slash + 1 : path;
    base += strspn(base, ".");
    size_t n = strlen(base);
    if (n > 4 && strcmp(base + n - 4, ".cfg") == 0)
        n -= 4;
    if (n == 0 || n > 100)
        return;
    free(experiment->name);
    experiment->name = memory_format("%.*s", (int)n, base);
    for (char *c = experiment->name; *c; c++)
        if (!strchr(spec_name_letters, *c))
            *c = '_';
}

// Moves what the member holds into the group, where it replaces what is there; an empty group stays
// in its place.
static void
unfold(tree_t *group, tree_t *member)
{
    tree_t content = *member;
    *member = (tree_t){.name = content.name, .place = content.place};
    content.name = NULL;
    tree_merge(group, &content);
}

// What `override = { … }` holds replaces what stands outside of it, which an included file may have
// set.
static void
apply_override(tree_t *root, diag_t *diag)
{
    tree_t *override = tree_member(root, "override");
    if (!override)
        return;
    if (override->kind != TREE_GROUP) {
        setting_refuse(setting_find("override"), override, diag);
        return;
    }
    unfold(root, override);
}

// The settings of a launcher that is not chosen are checked as if they counted.
static void
check_unused(const tree_t *own, diag_t *diag)
{
    experiment_t scratch;
    experiment_default(&scratch);
    read_group("cluster", own, &scratch, diag);
    experiment_free(&scratch);
}

// Whether the group of a launcher holds what cannot be one launcher's: which it is, or another's.
static bool
is_of_all(const setting_t *launcher, const tree_t *own, diag_t *diag)
{
    bool is_refused = false;
    for (size_t k = 0; k < own->n_children; k++) {
        const tree_t *member = &own->children[k];
        bool is_wrong = strcmp(member->name, "launcher") == 0;
        for (int i = 0; launcher->choices[i]; i++)
            is_wrong = is_wrong || strcmp(member->name, launcher->choices[i]) == 0;
        if (is_wrong)
            diag_error(diag, member->place, "'%s' cannot stand in 'cluster.%s'; it goes beside it",
                       member->name, own->name);
        is_refused = is_refused || is_wrong;
    }
    return is_refused;
}

// What `cluster.podman = { … }` holds replaces what stands outside of it where the launcher is
// podman, so that one file has the settings of several launchers side by side.
static void
apply_launcher(tree_t *root, diag_t *diag)
{
    const setting_t *launcher = setting_find("cluster.launcher");
    const tree_t *chosen = tree_at(root, "cluster.launcher");
    const char *name =
        chosen && chosen->kind == TREE_TEXT ? chosen->text : launcher->choices[LAUNCHER_LOCAL];
    tree_t *cluster = tree_member(root, "cluster"), *counts = NULL;
    for (int i = 0; cluster && cluster->kind == TREE_GROUP && launcher->choices[i]; i++) {
        tree_t *own = tree_member(cluster, launcher->choices[i]);
        char *path = memory_format("cluster.%s", launcher->choices[i]);
        if (own && own->kind != TREE_GROUP)
            setting_refuse(setting_find(path), own, diag);
        else if (own && !is_of_all(launcher, own, diag)) {
            if (strcmp(own->name, name) == 0)
                counts = own;
            else
                check_unused(own, diag);
        }
        free(path);
    }
    if (counts)
        unfold(cluster, counts);
}

// From a tree that is whole to an experiment that is checked.
static void
read_root(const tree_t *root, const spec_options_t *options, experiment_t *experiment, diag_t *diag)
{
    read_group("", root, experiment, diag);
    const tree_t *matrix = tree_member(root, "matrix"), *expect = tree_member(root, "expect");
    size_t n_errors = diag_n_errors(diag);
    if (matrix && matrix->kind == TREE_GROUP)
        matrix_read(matrix, &experiment->matrix, diag);
    else if (!matrix && !options->is_matrix_optional)
        diag_error(diag, (place_t){root->place.file, 0},
                   "no matrix: write which cells to run, such as matrix = { nodes = [ 1, 2 ]; "
                   "cores = [ 2, "
                   "4 ]; repeats = 3; };");
    if (expect)
        expect_read(expect, experiment, diag);
    if (tree_member(root, "claim"))
        claim_read(tree_member(root, "claim"), experiment, diag);
    spec_sets_check(options, &experiment->matrix, diag);
    bool is_matrix_whole = diag_n_errors(diag) == n_errors;
    spec_check(experiment, root, is_matrix_whole, diag);
}

// Takes the tree over.
static int
read_tree(tree_t *root, const char *name, const spec_options_t *options, experiment_t *experiment,
          diag_t *diag)
{
    static const spec_options_t no_options;
    options = options ? options : &no_options;
    experiment_t read;
    experiment_default(&read);
    name_by_path(&read, name);
    size_t n_errors = diag_n_errors(diag);
    apply_override(root, diag);
    spec_sets_apply(options, root, diag);
    apply_launcher(root, diag);
    if (diag_n_errors(diag) == n_errors) // once more: they come before a launcher's own settings
        spec_sets_apply(options, root, diag);
    read_root(root, options, &read, diag);
    tree_free(root);
    if (diag_n_errors(diag) > n_errors) {
        experiment_free(&read);
        return -1;
    }
    *experiment = read;
    return 0;
}

int
spec_read_file(const char *path, const spec_options_t *options, experiment_t *experiment,
               diag_t *diag)
{
    tree_t root = {0};
    if (tree_read_file(path, &root, diag) != 0)
        return -1;
    return read_tree(&root, path, options, experiment, diag);
}

int
spec_read_text(const char *text, const char *name, const spec_options_t *options,
               experiment_t *experiment, diag_t *diag)
{
    tree_t root = {0};
    if (tree_read_text(text, name, &root, diag) != 0)
        return -1;
    return read_tree(&root, name, options, experiment, diag);
}

static double
most_cores(const matrix_t *matrix)
{
    double most = 0;
    size_t n_cells = matrix_n_cells(matrix);
    for (size_t c = 0; c < n_cells; c++) {
        size_t value_index[SPEC_AXES_MAX];
        matrix_cell(matrix, c, value_index);
        if (matrix_keeps(matrix, value_index))
            most = fmax(most, matrix_cores(matrix, value_index));
    }
    return most;
}

// Four digits are as many as a quota can be trusted with, and read better in tables.
static double
rounded_down(double share)
{
    double digits = pow(10, 3 - floor(log10(share)));
    return floor(share * digits * (1 + 1e-12)) / digits;
}

void
experiment_resolve(experiment_t *experiment, double host_cores)
{
    static const double left_to_the_host = 0.1;
    double share = (1 - left_to_the_host) * host_cores / most_cores(&experiment->matrix);
    double speed = share >= 1 ? 1 : fmax(rounded_down(share), 0.001);
    if (experiment->cluster.core_speed == SETTING_AUTO)
        experiment->cluster.core_speed = speed;
    for (size_t i = 0; i < experiment->matrix.n_axes; i++) {
        axis_t *axis = &experiment->matrix.axes[i];
        for (size_t k = 0; axis->setting && k < axis->n_values; k++)
            if (axis->setting->type == SETTING_REAL_OR_AUTO &&
                axis->values[k].number == SETTING_AUTO) {
                axis->values[k].number = speed;
                snprintf(axis->values[k].text, SPEC_VALUE_BYTES, "%.4g", speed);
            }
    }
}

long
cluster_hosts(const cluster_t *cluster, long nodes)
{
    bool is_own = cluster->launcher == LAUNCHER_SSH && strcmp(cluster->coordinator, "own") == 0;
    return nodes + (is_own && nodes > 1);
}

const char *
experiment_choice(const char *path, int value)
{
    const setting_t *setting = setting_find(path);
    return setting && value >= 0 && value < SETTING_CHOICES_MAX ? setting->choices[value] : NULL;
}

double
experiment_learning_rate(const experiment_t *experiment, long nodes)
{
    double rate = experiment->train.learning_rate;
    if (experiment->train.parallelism == PARALLELISM_MODEL)
        return rate; // every node takes all steps
    if (experiment->train.lr_scaling == LR_SCALING_LINEAR)
        return rate * (double)nodes;
    if (experiment->train.lr_scaling == LR_SCALING_SQRT)
        return rate * sqrt((double)nodes);
    return rate;
}

network_spec_t
experiment_network(const experiment_t *experiment)
{
    return model_network(&experiment->train.model, &experiment->train.image);
}

image_shape_t
experiment_image(const experiment_t *experiment)
{
    const image_t *image = &experiment->train.image;
    return (image_shape_t){(int)image->channels, (int)image->height, (int)image->width};
}

trainer_settings_t
experiment_trainer(const experiment_t *experiment, long nodes)
{
    const train_t *train = &experiment->train;
    return (trainer_settings_t){
        .batch = (int)train->batch,
        .learning_rate = experiment_learning_rate(experiment, nodes),
        .momentum = train->momentum,
        .weight_decay = train->weight_decay,
        .is_nesterov = train->nesterov,
        .schedule = {.kind = (schedule_kind_t)train->schedule,
                     .step_epochs = train->step_epochs,
                     .factor = train->step_factor,
                     .floor = train->cosine_floor,
                     .warmup_epochs = train->warmup_epochs},
        .seed = (uint64_t)train->seed,
    };
}

#include "runner/plan_print.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runner/memory.h"
#include "runner/scheduler.h"

enum { DURATION_BYTES = 32, ROUNDS_BYTES = 32 };

static void
duration(double seconds, char text[DURATION_BYTES])
{
    long s = lround(fmax(seconds, 1));
    if (s < 90)
        snprintf(text, DURATION_BYTES, "%ld s", s);
    else if (s < 5400)
        snprintf(text, DURATION_BYTES, "%ld min", (s + 30) / 60);
    else
        snprintf(text, DURATION_BYTES, "%.1f h", (double)s / 3600);
}

static const char *
plural(size_t n)
{
    return n == 1 ? "" : "s";
}

// ", batch 4"; nothing for an axis, which every cell tells by itself.
static void
print_setting(FILE *out, const plan_t *plan, const char *path)
{
    for (size_t i = 0; i < plan_n_further(plan); i++)
        if (strcmp(plan_further_path(plan, i), path) == 0)
            return;
    const setting_t *setting = setting_find(path);
    char *value = setting_text(setting, &plan->experiment);
    fprintf(out, ", %s %s", setting_name(setting), value);
    free(value);
}

// What cells side by side share out. The nodes of a swarm or of Slurm are not known here: as many
// as it takes, then.
static int
n_hosts_of(const plan_t *plan)
{
    const cluster_t *cluster = &plan->experiment.cluster;
    int n = scheduler_hosts_max(plan, (int)cluster->jobs);
    bool is_known = cluster->launcher == LAUNCHER_SSH;
    return is_known && (size_t)n > cluster->hosts.n_items ? (int)cluster->hosts.n_items : n;
}

static void
print_jobs(FILE *out, const plan_t *plan)
{
    const cluster_t *cluster = &plan->experiment.cluster;
    if (cluster->jobs == 1)
        return;
    fprintf(out, "  up to %ld cells side by side, on ", cluster->jobs);
    if (cluster->launcher == LAUNCHER_SSH)
        fprintf(out, "%d of %zu hosts\n", n_hosts_of(plan), cluster->hosts.n_items);
    else
        fprintf(out, "as many nodes as there are, at most %d\n", n_hosts_of(plan));
}

static void
print_head(FILE *out, const plan_t *plan, const char *path)
{
    const experiment_t *experiment = &plan->experiment;
    const train_t *train = &experiment->train;
    char hash[SPEC_HASH_BYTES];
    experiment_hash(experiment, hash);
    fprintf(out, "%s%s%s\n", experiment->name, experiment->title[0] ? ": " : "", experiment->title);
    fprintf(out, "  %s, %.12s\n", path, hash);
    fprintf(out, "  %zu cell%s, ", plan->n_matrix_cells, plural(plan->n_matrix_cells));
    if (experiment->matrix.repeats.ci > 0)
        fprintf(out, "%zu to %zu runs (until T is known within %g %%), ", plan_least_runs(plan),
                plan->n_cells, 100 * experiment->matrix.repeats.ci);
    else
        fprintf(out, "%zu run%s, ", plan->n_cells, plural(plan->n_cells));
    fprintf(out, "%s\n",
            experiment->matrix.shuffle ? "each repeat in an order of its own"
                                       : "in the order as written");
    fprintf(out, "  %s, %s", train->model.n_layers ? "layers of its own" : train->model.name,
            experiment_choice("train.data", train->data));
    static const char *const shown[] = {"train.epochs", "train.batch", "train.learning_rate",
                                        "train.lr_scaling"};
    for (size_t i = 0; i < sizeof shown / sizeof *shown; i++)
        print_setting(out, plan, shown[i]);
    fputc('\n', out);
    fprintf(out, "  launcher %s, %s\n",
            experiment_choice("cluster.launcher", experiment->cluster.launcher),
            experiment->cluster.enforce ? "CPU limits enforced" : "no CPU limits");
    if (experiment->cluster.core_speed != 1)
        fprintf(out, "  an emulated core is %g of a real one\n", experiment->cluster.core_speed);
    if (experiment->cluster.link_mbit > 0)
        fprintf(out, "  each node is behind an emulated link of %g Mbit/s\n",
                experiment->cluster.link_mbit);
    print_jobs(out, plan);
}

// Rounds of a cell: a number, or how many steps lie between two averages. One node averages with
// nobody.
static void
rounds_of(const plan_t *plan, const plan_cell_t *cell, char text[ROUNDS_BYTES])
{
    experiment_t experiment;
    plan_experiment(plan, cell, &experiment);
    if (experiment.train.local_steps > 0)
        snprintf(text, ROUNDS_BYTES, "%ld steps", experiment.train.local_steps);
    else
        snprintf(text, ROUNDS_BYTES, "%ld", experiment.train.rounds);
    experiment_free(&experiment);
}

static int
id_columns(const plan_t *plan)
{
    size_t n = strlen("cell");
    for (size_t i = 0; i < plan->n_cells; i++)
        n = strlen(plan->cells[i].id) > n ? strlen(plan->cells[i].id) : n;
    return (int)n;
}

void
plan_print(FILE *out, const plan_t *plan, const char *path, const pace_t *pace)
{
    int width = id_columns(plan);
    size_t n_shown = plan_least_runs(plan); // what follows depends on what these measure
    double *run_s = memory_new(n_shown * sizeof *run_s);
    char text[DURATION_BYTES] = "", most[DURATION_BYTES] = "", rounds[ROUNDS_BYTES];
    print_head(out, plan, path);
    fprintf(out, "\n  %6s  %-*s %6s %5s %6s %10s %7s %10s %10s%s\n", "run", width, "cell", "repeat",
            "nodes", "cores", "cores/node", "threads", "limit/node", "rounds",
            pace ? "     time" : "");
    for (size_t i = 0; i < n_shown; i++) {
        const plan_cell_t *cell = &plan->cells[i];
        rounds_of(plan, cell, rounds);
        char limit[DURATION_BYTES] = "none";
        if (plan->experiment.cluster.enforce)
            snprintf(limit, sizeof limit, "%.4g", cell->cpu_limit);
        fprintf(out, "  %6zu  %-*s %6d %5ld %6.4g %10.4g %7ld %10s %10s", i + 1, width, cell->id,
                cell->repeat, cell->nodes, cell->cores, cell->cores_per_node, cell->threads, limit,
                rounds);
        if (pace) {
            run_s[i] = pace_cell_s(pace, plan, cell);
            duration(run_s[i], text);
            fprintf(out, " %8s", text);
        }
        fputc('\n', out);
    }
    if (n_shown < plan->n_cells)
        fprintf(out, "  up to %zu further runs of the same cells, as their intervals need\n",
                plan->n_cells - n_shown);
    if (pace) {
        double sum_s = scheduler_span_s(plan, n_shown, run_s, (int)plan->experiment.cluster.jobs,
                                        plan->experiment.cluster.jobs > 1 ? n_hosts_of(plan) : 0);
        double most_s = sum_s * (double)plan->n_cells / (double)n_shown;
        duration(sum_s, text);
        duration(most_s, most);
        fprintf(out, "\n  estimated time: %s%s%s, at %.0f samples/s a real core\n", text,
                n_shown < plan->n_cells ? " to " : "", n_shown < plan->n_cells ? most : "",
                pace->samples_per_s);
    }
    free(run_s);
}

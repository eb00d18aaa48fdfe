// What rounds.csv says that the simulator draws from.
#include <gsl/gsl_statistics.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/memory.h"
#include "plots/simulate.h"

static double
cores_of(const results_run_t *run)
{
    return run->cores / run->nodes;
}

bool
calibration_has(const calibration_t *calibration, const results_run_t *run)
{
    return run->is_done && fabs(cores_of(run) - calibration->cores_a_node) < 1e-6 &&
           results_same_values(calibration->set, run->values, calibration->values);
}

// Different numbers of nodes of such a line; runs are in the order of nodes.
static size_t
sizes_on_line(const calibration_t *calibration)
{
    const results_set_t *set = calibration->set;
    size_t n = 0;
    double last = 0.0;
    for (size_t i = 0; i < set->n_runs; i++) {
        const results_run_t *run = &set->runs[i];
        if (!calibration_has(calibration, run) || run->nodes == last)
            continue;
        last = run->nodes;
        n += run->nodes > 1.0;
    }
    return n;
}

// The cores a node of the line with the most numbers of nodes. They are taken for every value of
// the further axes, or two of them would be compared on different nodes.
static double
choose_cores(const results_set_t *set)
{
    size_t most = 0;
    double cores_a_node = 0.0;
    for (size_t i = 0; i < set->n_runs; i++) {
        const calibration_t line = {
            .set = set, .values = set->runs[i].values, .cores_a_node = cores_of(&set->runs[i])};
        const size_t n = sizes_on_line(&line);
        if (n > most) {
            most = n;
            cores_a_node = line.cores_a_node;
        }
    }
    return cores_a_node;
}

typedef struct {
    double *nodes, *send_s, *aggregate_s, *sample_s, *samples;
    size_t *run;
    int *round;
    size_t n;
} columns_t;

// Rows from `first` on that are of one run, and of one round of it where `is_round`.
static size_t
group_end(const columns_t *columns, size_t first, bool is_round)
{
    size_t end = first;
    while (end < columns->n && columns->run[end] == columns->run[first] &&
           (!is_round || columns->round[end] == columns->round[first]))
        end++;
    return end;
}

// A run's time a sample by the samples of a round: sample_s + start_s / samples.
static void
fit_compute(const double *samples, const double *run_s, size_t n, calibration_t *c)
{
    double *x = plots_alloc(n + 1, sizeof *x);
    for (size_t i = 0; i < n; i++) {
        x[i] = 1.0 / samples[i];
        c->least_samples = i == 0 ? samples[i] : fmin(c->least_samples, samples[i]);
    }
    c->compute = calibrate_line(x, run_s, n, true);
    free(x);
}

// A sample's time in a round of so many.
double
calibration_sample_s(const calibration_t *c, double samples)
{
    const double start_s = c->compute.slope;
    const double counted = start_s < 0.0 ? fmax(samples, c->least_samples) : samples;
    return fmax(0.0, c->compute.intercept + start_s / counted);
}

// Parts the times of samples into runs, rounds and workers; rows come run by run, round by round.
// One worker alone tells what computing takes, and nothing of what sets workers apart.
static void
part_times(const columns_t *columns, calibration_t *c)
{
    double *samples = plots_alloc(columns->n + 1, sizeof(double));
    c->run_share = plots_alloc(columns->n + 1, sizeof(double));
    c->round_share = plots_alloc(columns->n + 1, sizeof(double));
    c->worker_share = plots_alloc(columns->n + 1, sizeof(double));
    for (size_t run = 0; run < columns->n;) {
        const size_t end = group_end(columns, run, false);
        const double run_s = gsl_stats_mean(columns->sample_s + run, 1, end - run);
        samples[c->n_run_share] = gsl_stats_mean(columns->samples + run, 1, end - run);
        c->run_share[c->n_run_share++] = run_s;
        for (size_t round = run; round < end && columns->nodes[run] > 1.0;) {
            const size_t next = group_end(columns, round, true);
            const double round_s = gsl_stats_mean(columns->sample_s + round, 1, next - round);
            c->round_share[c->n_round_share++] = round_s / run_s;
            for (; round < next; round++)
                c->worker_share[c->n_worker_share++] = columns->sample_s[round] / round_s;
        }
        run = end;
    }
    fit_compute(samples, c->run_share, c->n_run_share, c);
    for (size_t i = 0; i < c->n_run_share; i++)
        c->run_share[i] /= calibration_sample_s(c, samples[i]);
    free(samples);
}

// The rounds on the line, as columns, those of one worker included.
static columns_t
read_columns(calibration_t *calibration)
{
    const results_set_t *set = calibration->set;
    columns_t columns = {plots_alloc(set->n_rounds + 1, sizeof(double)),
                         plots_alloc(set->n_rounds + 1, sizeof(double)),
                         plots_alloc(set->n_rounds + 1, sizeof(double)),
                         plots_alloc(set->n_rounds + 1, sizeof(double)),
                         plots_alloc(set->n_rounds + 1, sizeof(double)),
                         plots_alloc(set->n_rounds + 1, sizeof(size_t)),
                         plots_alloc(set->n_rounds + 1, sizeof(int)),
                         0};
    double bytes = 0.0;
    size_t n_sent = 0;
    for (size_t i = 0; i < set->n_rounds; i++) {
        const results_round_t *round = &set->rounds[i];
        const results_run_t *run = &set->runs[round->run];
        const bool is_alone = run->nodes < 2.0;
        if (!calibration_has(calibration, run) || !(round->samples > 0.0) ||
            !isfinite(round->compute_s) ||
            (!is_alone && (!isfinite(round->send_s) || !isfinite(round->aggregate_s))))
            continue;
        columns.sample_s[columns.n] = round->compute_s / round->samples;
        columns.samples[columns.n] = round->samples;
        columns.run[columns.n] = round->run;
        columns.round[columns.n] = round->round;
        columns.nodes[columns.n] = run->nodes;
        columns.send_s[columns.n] = round->send_s;
        columns.aggregate_s[columns.n++] = round->aggregate_s;
        calibration->rounds = fmax(calibration->rounds, round->round);
        calibration->samples = isfinite(run->samples) ? run->samples : calibration->samples;
        if (!is_alone)
            bytes += isfinite(round->sent_bytes) ? round->sent_bytes : 0.0;
        n_sent += !is_alone;
    }
    calibration->model_bytes = n_sent > 0 ? bytes / (double)n_sent : 0.0;
    return columns;
}

// What the messages take: the coordinator's serial part of it, by how it grows with the workers,
// and the rest, which is the link's.
static void
fit_messages(const columns_t *columns, calibration_t *calibration)
{
    double *nodes = plots_alloc(columns->n + 1, sizeof(double));
    double *before = plots_alloc(columns->n + 1, sizeof(double));
    double *send_s = plots_alloc(columns->n + 1, sizeof(double));
    double *aggregate_s = plots_alloc(columns->n + 1, sizeof(double));
    size_t n = 0;
    for (size_t run = 0, end; run < columns->n; run = end) {
        end = group_end(columns, run, false);
        if (columns->nodes[run] < 2.0)
            continue;
        nodes[n] = columns->nodes[run];
        before[n] = 0.5 * (nodes[n] + 1.0);
        send_s[n] = gsl_stats_mean(columns->send_s + run, 1, end - run);
        aggregate_s[n++] = gsl_stats_mean(columns->aggregate_s + run, 1, end - run);
    }
    // A worker waits for its own and half of the others to be sent to, on the mean.
    calibration->send = calibrate_line(before, send_s, n, false);
    calibration->take = calibrate_line(nodes, aggregate_s, n, false);
    calibration->send_s = plots_alloc(columns->n + 1, sizeof(double));
    calibration->sent_before = plots_alloc(columns->n + 1, sizeof(double));
    for (size_t i = 0; i < columns->n; i++) {
        if (columns->nodes[i] < 2.0)
            continue;
        calibration->sent_before[calibration->n_sent++] = 0.5 * (columns->nodes[i] + 1.0);
    }
    free(before);
    free(nodes);
    free(send_s);
    free(aggregate_s);
}

// How many times its line a cost was.
static double
share_of(const calibrate_line_t *line, double x, double cost_s)
{
    const double ordinary_s = line->intercept + line->slope * x;
    return ordinary_s > 0.0 ? cost_s / ordinary_s : 1.0;
}

// The shares of one run's sending and taking, and of its rounds in those; its updates are left as
// an ordinary round's. `update` and `round` are the places of its first ones.
static void
part_messages(const columns_t *columns, size_t run, size_t end, size_t update, size_t round,
              calibration_t *c)
{
    const double nodes = columns->nodes[run];
    const double before = 0.5 * (nodes + 1.0);
    const double *send_s = columns->send_s, *aggregate_s = columns->aggregate_s;
    const double send = share_of(&c->send, before, gsl_stats_mean(send_s + run, 1, end - run));
    const double take = share_of(&c->take, nodes, gsl_stats_mean(aggregate_s + run, 1, end - run));
    c->send_run_share[c->n_message_runs] = send;
    c->take_run_share[c->n_message_runs++] = take;
    for (size_t first = run; first < end; round++) {
        const size_t next = group_end(columns, first, true);
        const double of_send =
            share_of(&c->send, before, gsl_stats_mean(send_s + first, 1, next - first));
        const double of_take = share_of(&c->take, nodes, aggregate_s[first]);
        c->send_round_share[round] = send > 0.0 ? of_send / send : 1.0;
        c->take_round_share[round] = take > 0.0 ? of_take / take : 1.0;
        for (; first < next; first++, update++)
            c->send_s[update] = of_send > 0.0 ? send_s[first] / of_send : 0.0;
    }
}

// In the order of part_times, whose rounds these are.
static void
part_all_messages(const columns_t *columns, calibration_t *c)
{
    c->send_run_share = plots_alloc(c->n_run_share + 1, sizeof(double));
    c->take_run_share = plots_alloc(c->n_run_share + 1, sizeof(double));
    c->send_round_share = plots_alloc(c->n_round_share + 1, sizeof(double));
    c->take_round_share = plots_alloc(c->n_round_share + 1, sizeof(double));
    size_t update = 0, round = 0;
    for (size_t run = 0, end; run < columns->n; run = end) {
        end = group_end(columns, run, false);
        if (columns->nodes[run] < 2.0)
            continue;
        part_messages(columns, run, end, update, round, c);
        update += end - run;
        for (size_t first = run; first < end; first = group_end(columns, first, true))
            round++;
    }
}

static void
columns_clear(columns_t *columns)
{
    free(columns->nodes);
    free(columns->send_s);
    free(columns->aggregate_s);
    free(columns->sample_s);
    free(columns->samples);
    free(columns->run);
    free(columns->round);
}

static void
calibration_clear(calibration_t *calibration)
{
    free(calibration->run_share);
    free(calibration->round_share);
    free(calibration->worker_share);
    free(calibration->send_s);
    free(calibration->sent_before);
    free(calibration->send_run_share);
    free(calibration->take_run_share);
    free(calibration->send_round_share);
    free(calibration->take_round_share);
}

static int
calibrate(calibration_t *calibration, plots_error_t *error)
{
    calibration->n_sizes = sizes_on_line(calibration);
    columns_t columns = read_columns(calibration);
    part_times(&columns, calibration);
    fit_messages(&columns, calibration);
    part_all_messages(&columns, calibration);
    columns_clear(&columns);
    if (calibration->n_sent > 0 && calibration->samples > 0.0)
        return PLOTS_OK;
    calibration_clear(calibration);
    return plots_fail(error, PLOTS_EMPTY,
                      "no rounds of two workers or more in '%s'; measure some with 'dmlx run'",
                      calibration->set->folder);
}

// Whether no run before this one has its values of the further axes.
static bool
is_first_of_its_values(const results_set_t *set, size_t run)
{
    for (size_t i = 0; i < run; i++) {
        if (results_same_values(set, set->runs[i].values, set->runs[run].values))
            return false;
    }
    return true;
}

int
calibrations_new(const results_set_t *set, calibration_t **calibrations, size_t *n,
                 draft_t *left_out, plots_error_t *error)
{
    const double cores_a_node = choose_cores(set);
    calibration_t *made = plots_alloc(set->n_runs, sizeof *made);
    size_t n_made = 0;
    int result = plots_fail(error, PLOTS_EMPTY, "no runs in '%s'", set->folder);
    for (size_t i = 0; i < set->n_runs; i++) {
        if (!is_first_of_its_values(set, i))
            continue;
        char *const *values = set->runs[i].values;
        plots_error_t fault = {""};
        made[n_made] = (calibration_t){.set = set, .values = values, .cores_a_node = cores_a_node};
        const int one = calibrate(&made[n_made], &fault);
        if (one == PLOTS_OK) {
            n_made++;
            continue;
        }
        char *label = results_values_label(set, values);
        draft_add(left_out, "%s: %s\n", label, fault.text);
        free(label);
        result = plots_fail(error, one, "%s", fault.text);
    }
    if (n_made == 0) {
        free(made);
        return result;
    }
    *calibrations = made;
    *n = n_made;
    return PLOTS_OK;
}

void
calibrations_free(calibration_t **calibrations, size_t n)
{
    for (size_t i = 0; i < n; i++)
        calibration_clear(&(*calibrations)[i]);
    free(*calibrations);
    *calibrations = NULL;
}

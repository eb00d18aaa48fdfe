#include "plots/simulate.h"

#include <gsl/gsl_rng.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/memory.h"

static double
cores_of(const results_run_t *run)
{
    return run->cores / run->nodes;
}

static bool
is_on_line(const calibration_t *calibration, const results_run_t *run)
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
        if (!is_on_line(calibration, run) || run->nodes == last)
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
static double
sample_s(const calibration_t *c, double samples)
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
        c->run_share[i] /= sample_s(c, samples[i]);
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
        if (!is_on_line(calibration, run) || !(round->samples > 0.0) ||
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
        calibration->send_s[calibration->n_sent] = columns->send_s[i];
        calibration->sent_before[calibration->n_sent++] = 0.5 * (columns->nodes[i] + 1.0);
    }
    free(before);
    free(nodes);
    free(send_s);
    free(aggregate_s);
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
}

static int
calibrate(calibration_t *calibration, plots_error_t *error)
{
    calibration->n_sizes = sizes_on_line(calibration);
    columns_t columns = read_columns(calibration);
    part_times(&columns, calibration);
    fit_messages(&columns, calibration);
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

// ---- a round ----

typedef struct {
    const calibration_t *calibration;
    gsl_rng *random;
    size_t nodes, fan;
    double *arrival_s; // [nodes]
    double run_share;  // of this run
    double compute_s, slowest_s, link_s;
} round_t;

static double
draw(round_t *round, const double *values, size_t n)
{
    return values[gsl_rng_uniform_int(round->random, n)];
}

// A measured update's time on the link: what is left of it without the serial work.
static double
link_s(const calibration_t *c, size_t update)
{
    return fmax(0.0, c->send_s[update] + c->send_shift_s - c->send.slope * c->sent_before[update]);
}

static double
draw_link_s(round_t *round)
{
    const calibration_t *c = round->calibration;
    return link_s(c, gsl_rng_uniform_int(round->random, c->n_sent));
}

// Updates are taken in the order in which they arrive, one at a time; returns when the last is.
static double
take_all(double *arrival_s, size_t n, double take_s)
{
    double now = 0.0;
    gsl_sort(arrival_s, 1, n);
    for (size_t i = 0; i < n; i++)
        now = fmax(now, arrival_s[i]) + take_s;
    return now;
}

// When a worker has the model: behind those before it at the coordinator and, in a tree, at each
// aggregator above it. A level below the coordinator is half a way on the link more.
static double
model_there_s(round_t *round, size_t worker)
{
    const calibration_t *c = round->calibration;
    size_t position = worker, n = round->nodes;
    double at_s = 0.0;
    while (round->fan > 1 && n > round->fan) {
        at_s += c->send.slope * (double)(position % round->fan + 1) + 0.5 * draw_link_s(round);
        position /= round->fan;
        n = (n + round->fan - 1) / round->fan;
    }
    return at_s + c->send.slope * (double)(position + 1);
}

static double
round_s(round_t *round)
{
    const calibration_t *c = round->calibration;
    const double samples = c->samples / c->rounds / (double)round->nodes;
    const double round_samples_s =
        samples * sample_s(c, samples) * round->run_share *
        (round->nodes > 1 ? draw(round, c->round_share, c->n_round_share) : 1.0);
    round->compute_s = round->slowest_s = round->link_s = 0.0;
    for (size_t i = 0; i < round->nodes; i++) {
        const double compute_s =
            round_samples_s *
            (round->nodes > 1 ? draw(round, c->worker_share, c->n_worker_share) : 1.0);
        const double on_link_s = round->nodes > 1 ? draw_link_s(round) : 0.0;
        const double there_s = round->nodes > 1 ? model_there_s(round, i) : 0.0;
        round->arrival_s[i] = there_s + compute_s + on_link_s;
        round->compute_s += compute_s / (double)round->nodes;
        round->link_s += on_link_s / (double)round->nodes;
        round->slowest_s = fmax(round->slowest_s, compute_s);
    }
    if (round->nodes == 1)
        return round->compute_s;
    size_t n = round->nodes;
    while (round->fan > 1 && n > round->fan) {
        size_t n_above = 0;
        for (size_t first = 0; first < n; first += round->fan) {
            const size_t n_group = n - first < round->fan ? n - first : round->fan;
            const double done_s = take_all(round->arrival_s + first, n_group, c->take.slope);
            round->arrival_s[n_above++] = done_s + c->take.intercept + 0.5 * draw_link_s(round);
        }
        n = n_above;
    }
    return take_all(round->arrival_s, n, c->take.slope) + c->take.intercept;
}

// ---- a run, and its interval ----

// What the measured runs might as well have been calibrated to.
static calibration_t
calibration_drawn(const calibration_t *calibration, gsl_rng *random)
{
    calibration_t drawn = *calibration;
    drawn.compute = calibrate_draw(&calibration->compute, random);
    drawn.send = calibrate_draw(&calibration->send, random);
    drawn.take = calibrate_draw(&calibration->take, random);
    const calibrate_line_t *send = &drawn.send;
    drawn.send_shift_s =
        send->freedom < 1.0 ? 0.0 : send->intercept + send->slope * send->mean_x - send->mean_y;
    return drawn;
}

// The mean of so many rounds of an ordinary run.
static double
rounds_mean_s(round_t *round, const calibration_t *calibration, size_t n, unsigned long seed)
{
    double sum_s = 0.0;
    round->calibration = calibration;
    round->run_share = 1.0;
    gsl_rng_set(round->random, seed);
    for (size_t i = 0; i < n; i++)
        sum_s += round_s(round);
    return sum_s / (double)n;
}

// 95 % of runs, whatever the calibration may be within its error. A drawn calibration is not run in
// full: the same few draws of rounds tell what it differs by from that which was taken.
static void
fill_interval(round_t *round, const double *t_s, unsigned long seed, simulated_t *mean)
{
    const calibration_t *taken = round->calibration;
    const size_t n = 1 + (size_t)fmin(taken->rounds - 1.0, 5000.0 / (double)round->nodes);
    const double taken_s = rounds_mean_s(round, taken, n, seed);
    double drawn_s[SIMULATE_DRAWS];
    gsl_rng *random = gsl_rng_alloc(gsl_rng_mt19937);
    gsl_rng_set(random, seed);
    for (size_t i = 0; i < SIMULATE_DRAWS; i++) {
        const calibration_t drawn = calibration_drawn(taken, random);
        const double more_s = rounds_mean_s(round, &drawn, n, seed) - taken_s;
        drawn_s[i] = fmax(0.0, t_s[i % SIMULATE_RUNS] + taken->rounds * more_s);
    }
    gsl_rng_free(random);
    round->calibration = taken;
    gsl_sort(drawn_s, 1, SIMULATE_DRAWS);
    // A slope that was not taken is drawn at zero or above: the mean may lie at the low end.
    mean->t_low_s =
        fmin(mean->t_s, gsl_stats_quantile_from_sorted_data(drawn_s, 1, SIMULATE_DRAWS, 0.025));
    mean->t_high_s =
        fmax(mean->t_s, gsl_stats_quantile_from_sorted_data(drawn_s, 1, SIMULATE_DRAWS, 0.975));
}

simulated_t
simulate(const calibration_t *calibration, size_t nodes, size_t fan, unsigned long seed)
{
    simulated_t mean = {.nodes = (double)nodes};
    double t_s[SIMULATE_RUNS] = {0.0};
    round_t round = {.calibration = calibration,
                     .random = gsl_rng_alloc(gsl_rng_mt19937),
                     .nodes = nodes,
                     .fan = fan,
                     .arrival_s = plots_alloc(nodes, sizeof(double))};
    gsl_rng_set(round.random, seed);
    for (size_t run = 0; run < SIMULATE_RUNS; run++) {
        round.run_share = draw(&round, calibration->run_share, calibration->n_run_share);
        for (double r = 0.0; r < calibration->rounds; r++) {
            t_s[run] += round_s(&round);
            mean.work_s += round.compute_s / SIMULATE_RUNS;
            mean.straggling += (round.slowest_s - round.compute_s) / SIMULATE_RUNS;
            mean.link += round.link_s / SIMULATE_RUNS;
        }
    }
    mean.t_s = gsl_stats_mean(t_s, 1, SIMULATE_RUNS);
    fill_interval(&round, t_s, seed, &mean);
    mean.overhead_s = fmax(0.0, mean.t_s - mean.work_s);
    mean.compute = mean.work_s / mean.t_s;
    mean.straggling /= mean.t_s;
    mean.link /= mean.t_s;
    mean.coordinator = fmax(0.0, 1.0 - mean.compute - mean.straggling - mean.link);
    const size_t children = fan > 1 && nodes > fan ? fan : nodes;
    mean.memory_bytes = nodes > 1 ? (2.0 + (double)children) * calibration->model_bytes : 0.0;
    gsl_rng_free(round.random);
    free(round.arrival_s);
    return mean;
}

const char *
simulate_bottleneck(const simulated_t *simulated)
{
    const double shares[] = {simulated->compute, simulated->straggling, simulated->link,
                             simulated->coordinator};
    static const char *const names[] = {"compute", "stragglers", "link", "coordinator"};
    size_t most = 0;
    for (size_t i = 1; i < 4; i++)
        most = shares[i] > shares[most] ? i : most;
    return names[most];
}

size_t
simulate_checks(const calibration_t *calibration, simulate_check_t **checks)
{
    const results_set_t *set = calibration->set;
    size_t n = 0;
    *checks = plots_alloc(set->n_runs + 1, sizeof **checks);
    for (size_t i = 0; i < set->n_runs;) {
        const double nodes = set->runs[i].nodes;
        double sum_s = 0.0, count = 0.0;
        for (; i < set->n_runs && set->runs[i].nodes == nodes; i++)
            if (is_on_line(calibration, &set->runs[i])) {
                sum_s += set->runs[i].t_s;
                count += 1.0;
            }
        if (count == 0.0)
            continue;
        const double simulated_s = simulate(calibration, (size_t)nodes, 0, 1).t_s;
        const double measured_s = sum_s / count;
        (*checks)[n++] =
            (simulate_check_t){nodes, measured_s, simulated_s, simulated_s / measured_s - 1.0};
    }
    return n;
}

void
simulate_assumptions(const calibration_t *c, size_t fan, draft_t *draft)
{
    draft_add(draft,
              "Every node has %.4g cores; a run is %.0f samples in %.0f rounds, shared out "
              "evenly.\n",
              c->cores_a_node, c->samples, c->rounds);
    draft_add(draft, "A sample takes %.3g ms", 1e3 * c->compute.intercept);
    if (c->compute.slope != 0.0)
        draft_add(draft, " and a round %+.3g ms once%s", 1e3 * c->compute.slope,
                  c->compute.slope < 0.0 ? " (what a CPU limit saves up while a worker waits)"
                                         : "");
    draft_add(draft,
              ", whatever the number of nodes: least squares over %zu measured runs; runs, rounds "
              "in them and workers in those stray from it as measured, drawn apart.\n",
              c->n_run_share);
    double sum_s = 0.0;
    for (size_t i = 0; i < c->n_sent; i++)
        sum_s += link_s(c, i);
    draft_add(draft, "An update takes %.3g ms on links that do not disturb each other.\n",
              1e3 * sum_s / (double)c->n_sent);
    draft_add(
        draft,
        "The coordinator works serially: %.3g ms to send to a worker, %.3g ms to take an update, "
        "%.3g ms a round; %s.\n",
        1e3 * c->send.slope, 1e3 * c->take.slope, 1e3 * c->take.intercept,
        c->n_sizes > 1 ? "split by how they grow over the measured numbers of nodes"
                       : "only one number of nodes was measured, so nothing is known to grow, and "
                         "the interval leaves out that something may");
    draft_add(draft, "These costs are the same however many nodes there are, and no worker strays "
                     "further than the furthest that was measured.\n");
    draft_add(draft, "%s",
              c->compute.freedom < 1.0 || c->send.freedom < 1.0
                  ? "Too few runs were measured to tell the error of these costs; the interval "
                    "leaves it out.\n"
                  : "The interval has the error of these costs, as far as the runs that were "
                    "measured differ, and how runs differ.\n");
    if (fan > 1)
        draft_add(draft, "Aggregators of %zu children work as the coordinator does.\n", fan);
    draft_add(draft,
              "The coordinator holds the model, the sum and, at worst, an update of each child.\n");
}

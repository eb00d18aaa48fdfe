#include "plots/simulate.h"

#include <gsl/gsl_rng.h>
#include <gsl/gsl_sort.h>
#include <gsl/gsl_statistics.h>
#include <math.h>
#include <stdlib.h>

#include "plots/memory.h"

// ---- a round ----

typedef struct {
    const calibration_t *calibration;
    gsl_rng *random;
    size_t nodes, fan;
    double *arrival_s;                                // [nodes]
    double run_share, send_run_share, take_run_share; // of this run
    double send_share, take_share;                    // of this round, the run's in it
    double compute_s, slowest_s, link_s;
} round_t;

static double
draw(round_t *round, const double *values, size_t n)
{
    return values[gsl_rng_uniform_int(round->random, n)];
}

// A measured update's time on the link in an ordinary round: what is left without the serial work.
static double
link_s(const calibration_t *c, size_t update)
{
    return fmax(0.0, c->send_s[update] + c->send_shift_s - c->send.slope * c->sent_before[update]);
}

static double
draw_link_s(round_t *round)
{
    const calibration_t *c = round->calibration;
    return round->send_share * link_s(c, gsl_rng_uniform_int(round->random, c->n_sent));
}

// What sets one round apart from others, all of it as it was in one that was measured. Returns the
// share of computing.
static double
draw_round(round_t *round)
{
    const calibration_t *c = round->calibration;
    const size_t measured = gsl_rng_uniform_int(round->random, c->n_round_share);
    round->send_share = round->send_run_share * c->send_round_share[measured];
    round->take_share = round->take_run_share * c->take_round_share[measured];
    return c->round_share[measured];
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
        at_s += round->send_share * c->send.slope * (double)(position % round->fan + 1) +
                0.5 * draw_link_s(round);
        position /= round->fan;
        n = (n + round->fan - 1) / round->fan;
    }
    return at_s + round->send_share * c->send.slope * (double)(position + 1);
}

static double
round_s(round_t *round)
{
    const calibration_t *c = round->calibration;
    const double samples = c->samples / c->rounds / (double)round->nodes;
    const double round_samples_s = samples * calibration_sample_s(c, samples) * round->run_share *
                                   (round->nodes > 1 ? draw_round(round) : 1.0);
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
    const double take_s = round->take_share * c->take.slope;
    const double average_s = round->take_share * c->take.intercept;
    size_t n = round->nodes;
    while (round->fan > 1 && n > round->fan) {
        size_t n_above = 0;
        for (size_t first = 0; first < n; first += round->fan) {
            const size_t n_group = n - first < round->fan ? n - first : round->fan;
            const double done_s = take_all(round->arrival_s + first, n_group, take_s);
            round->arrival_s[n_above++] = done_s + average_s + 0.5 * draw_link_s(round);
        }
        n = n_above;
    }
    return take_all(round->arrival_s, n, take_s) + average_s;
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
    round->run_share = round->send_run_share = round->take_run_share = 1.0;
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
        const size_t messages = gsl_rng_uniform_int(round.random, calibration->n_message_runs);
        round.send_run_share = calibration->send_run_share[messages];
        round.take_run_share = calibration->take_run_share[messages];
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
            if (calibration_has(calibration, &set->runs[i])) {
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
    draft_add(draft,
              "Runs stray from these costs, and rounds in them, as measured: sending, taking "
              "and computing of a round are those of one measured round, so that they go "
              "together as they did; aggregators of a tree share the round's.\n");
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

#include "runner/pace.h"

#include "runner/clock.h"
#include "runner/trainee.h"

enum { WARMUP_STEPS = 30, STEPS_MAX = 100000 };

static const double probe_s = 0.2;
static const double start_s = 0.4; // of processes, data and evaluation

// CPU time that either side spends on a float that goes out and comes back, over TCP on one
// machine: a guess for others, from experiments/accuracy.cfg on two cores of 2.4 GHz.
static const double float_s = 8e-9;

typedef struct probe {
    double began_s;
    size_t began_at;
    int steps;
} probe_t;

static int
stop_in_time(const trainer_progress_t *progress, void *arg)
{
    probe_t *probe = arg;
    if (++probe->steps == WARMUP_STEPS) {
        probe->began_s = clock_s();
        probe->began_at = progress->samples;
    }
    return probe->steps >= STEPS_MAX ||
           (probe->steps > WARMUP_STEPS && clock_s() - probe->began_s > probe_s);
}

// Too little data to tell, and so little that it hardly matters.
static const double fallback_per_s = 1e4;

int
pace_new(const plan_t *plan, const char *data_folder, pace_t *pace, fault_t *fault)
{
    experiment_t experiment = {0};
    plan_experiment(plan, &plan->cells[0], &experiment);
    trainee_t trainee;
    int result = trainee_open(&trainee, &experiment, data_folder, 1, 0, 1, fault);
    if (result == 0) {
        probe_t probe = {0};
        trainer_progress_t progress = {0};
        engine_error_t error = {{0}};
        int status = trainer_run(trainee.trainer, 0, sampler_length(trainee.sampler), stop_in_time,
                                 &probe, &progress, &error);
        pace->n_parameters = network_parameter_count(trainee.network);
        pace->n_samples = dataset_length(trainee.data, DATASET_TRAIN);
        pace->samples_per_s = fallback_per_s;
        if (probe.steps > WARMUP_STEPS)
            pace->samples_per_s =
                (double)(progress.samples - probe.began_at) / (clock_s() - probe.began_s);
        if (status != 0 && status != ENGINE_INTERRUPTED) {
            fault_set(fault, "%s", error.text);
            result = -1;
        }
        trainee_close(&trainee);
    }
    experiment_free(&experiment);
    return result;
}

// What a round costs beside training, for one node alone nothing: each worker receives the model
// and sends its own, with the velocities where they are averaged, in its share of a core; the
// coordinator has a whole core for all of theirs, one after the other, and an emulated link for
// their bytes.
static double
round_s(const pace_t *pace, const experiment_t *experiment, const plan_cell_t *cell)
{
    const train_t *train = &experiment->train;
    double nodes = (double)cell->nodes, floats = (double)pace->n_parameters;
    if (cell->nodes == 1)
        return 0;
    if (train->momentum > 0 && train->momentum_rounds == MOMENTUM_AVERAGE)
        floats *= 2;
    double share = experiment->cluster.enforce && cell->cpu_limit < 1 ? cell->cpu_limit : 1;
    double sum_s = floats * float_s * (1 / share + nodes);
    if (cell->link_mbit > 0)
        sum_s += 2 * nodes * floats * 8.0 * sizeof(float) / (cell->link_mbit * 1e6);
    return sum_s;
}

static double
n_rounds(const train_t *train, const plan_cell_t *cell, double samples)
{
    if (train->local_steps == 0)
        return (double)train->rounds;
    return samples / (double)cell->nodes / (double)train->batch / (double)train->local_steps;
}

double
pace_cell_s(const pace_t *pace, const plan_t *plan, const plan_cell_t *cell)
{
    experiment_t experiment = {0};
    plan_experiment(plan, cell, &experiment);
    double samples = (double)pace->n_samples * (double)experiment.train.epochs;
    double rounds_s = n_rounds(&experiment.train, cell, samples) * round_s(pace, &experiment, cell);
    experiment_free(&experiment);
    return samples / pace->samples_per_s / cell->cores_asked + rounds_s + start_s;
}

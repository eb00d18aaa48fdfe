#include "runner/pace.h"

#include "runner/clock.h"
#include "runner/trainee.h"

enum { WARMUP_STEPS = 30, STEPS_MAX = 100000 };

static const double probe_s = 0.2;
static const double start_s = 0.4; // of processes, data and evaluation

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

// What the coordinator's link needs for the model to every node and back, round by round.
static double
link_s(const pace_t *pace, const experiment_t *experiment, const plan_cell_t *cell, double samples)
{
    if (cell->link_mbit <= 0)
        return 0;
    const train_t *train = &experiment->train;
    double rounds = (double)train->rounds, nodes = (double)cell->nodes;
    if (train->local_steps > 0)
        rounds = samples / nodes / (double)train->batch / (double)train->local_steps;
    double bits = 8.0 * sizeof(float) * (double)pace->n_parameters;
    return 2 * rounds * nodes * bits / (cell->link_mbit * 1e6);
}

double
pace_cell_s(const pace_t *pace, const plan_t *plan, const plan_cell_t *cell)
{
    experiment_t experiment = {0};
    plan_experiment(plan, cell, &experiment);
    double samples = (double)pace->n_samples * (double)experiment.train.epochs;
    double sending_s = link_s(pace, &experiment, cell, samples);
    experiment_free(&experiment);
    return samples / pace->samples_per_s / cell->cores_asked + sending_s + start_s;
}

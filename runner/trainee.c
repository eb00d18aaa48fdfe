#include "runner/trainee.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "runner/clock.h"
#include "runner/memory.h"
#include "runner/signals.h"

static size_t
smaller(size_t a, size_t b)
{
    return a < b ? a : b;
}

int
trainee_open_data(const experiment_t *experiment, const char *folder, dataset_t **data,
                  fault_t *fault)
{
    const image_t *image = &experiment->train.image;
    image_shape_t shape = {(int)image->channels, (int)image->height, (int)image->width};
    engine_error_t error = {{0}};
    if (dataset_open(data, folder, shape, (int)image->classes, &error) != 0) {
        fault_set(fault, "%s", error.text);
        return -1;
    }
    if (experiment->train.samples > 0)
        dataset_limit(*data, DATASET_TRAIN, (size_t)experiment->train.samples);
    if (experiment->train.test_samples > 0)
        dataset_limit(*data, DATASET_TEST, (size_t)experiment->train.test_samples);
    return 0;
}

// Over how many nodes the samples are shared out: in model parallelism every node sees all of them.
static int
sample_parts(const experiment_t *experiment, int nodes)
{
    return experiment->train.parallelism == PARALLELISM_MODEL ? 1 : nodes;
}

parameter_range_t
trainee_share(const experiment_t *experiment, size_t count, int nodes, int rank)
{
    if (experiment->train.parallelism != PARALLELISM_MODEL)
        return (parameter_range_t){0, count};
    return (parameter_range_t){count * (size_t)rank / (size_t)nodes,
                               count * ((size_t)rank + 1) / (size_t)nodes};
}

// Samples that the longest of the nodes' streams has.
static size_t
longest_stream(const experiment_t *experiment, int nodes, size_t n_samples)
{
    nodes = sample_parts(experiment, nodes);
    return (n_samples + (size_t)nodes - 1) / (size_t)nodes * (size_t)experiment->train.epochs;
}

int
trainee_rounds(const experiment_t *experiment, int nodes, size_t n_samples)
{
    if (experiment->train.local_steps == 0)
        return (int)experiment->train.rounds;
    size_t round_samples = (size_t)(experiment->train.local_steps * experiment->train.batch);
    return (int)((longest_stream(experiment, nodes, n_samples) + round_samples - 1) /
                 round_samples);
}

bool
trainee_averages_velocity(const experiment_t *experiment)
{
    return experiment->train.momentum > 0 && experiment->train.momentum_rounds == MOMENTUM_AVERAGE;
}

bool
trainee_tells_velocity(const experiment_t *experiment)
{
    const cluster_t *cluster = &experiment->cluster;
    return experiment->train.momentum > 0 &&
           (cluster->checkpoint || cluster->on_loss == ON_LOSS_RESPAWN ||
            trainee_averages_velocity(experiment));
}

static int
open_network(trainee_t *trainee, const experiment_t *experiment, int threads, engine_error_t *error)
{
    network_spec_t spec = experiment_network(experiment);
    int status =
        network_new(&trainee->network, &spec, (int)experiment->train.batch, threads, error);
    if (status == 0)
        network_initialize(trainee->network, (uint64_t)experiment->train.seed);
    return status;
}

static int
open_trainer(trainee_t *trainee, const experiment_t *experiment, int nodes, int rank,
             engine_error_t *error)
{
    const train_t *train = &experiment->train;
    int parts = sample_parts(experiment, nodes);
    sampler_spec_t order = {.samples = dataset_length(trainee->data, DATASET_TRAIN),
                            .nodes = parts,
                            .rank = parts == 1 ? 0 : rank,
                            .epochs = (int)train->epochs,
                            .partition = (partition_t)train->partition,
                            .seed = (uint64_t)train->seed};
    trainee->sampler = sampler_new(&order);
    trainer_settings_t how = experiment_trainer(experiment, nodes);
    how.seed += (uint64_t)rank; // of dropout masks, which differ between nodes
    int status = trainer_new(&trainee->trainer, trainee->network, trainee->data, trainee->sampler,
                             &how, error);
    size_t count = network_parameter_count(trainee->network);
    parameter_range_t share = trainee_share(experiment, count, nodes, rank);
    if (status == 0 && share.end - share.first < count)
        trainer_set_ranges(trainee->trainer, &share, 1);
    return status;
}

int
trainee_open(trainee_t *trainee, const experiment_t *experiment, const char *data_folder, int nodes,
             int rank, int threads, fault_t *fault)
{
    *trainee = (trainee_t){0};
    if (trainee_open_data(experiment, data_folder, &trainee->data, fault) != 0)
        return -1;
    engine_error_t error = {{0}};
    int status = open_network(trainee, experiment, threads, &error);
    if (status == 0)
        status = open_trainer(trainee, experiment, nodes, rank, &error);
    if (status != 0) {
        fault_set(fault, "%s", error.text);
        trainee_close(trainee);
        return -1;
    }
    trainee->begun = -1;
    trainee->resets_velocity = nodes > 1 && experiment->train.momentum_rounds == MOMENTUM_RESET;
    if (trainee_tells_velocity(experiment))
        trainee->undo = memory_new(network_parameter_count(trainee->network) * sizeof(float));
    trainee->rounds =
        trainee_rounds(experiment, nodes, dataset_length(trainee->data, DATASET_TRAIN));
    if (experiment->train.local_steps > 0)
        trainee->round_samples = (size_t)(experiment->train.local_steps * experiment->train.batch);
    if (limits_current("", &trainee->limit, NULL) != 0)
        trainee->limit = (limits_group_t){0};
    trainee_look(trainee);
    return 0;
}

void
trainee_close(trainee_t *trainee)
{
    free(trainee->undo);
    trainee->undo = NULL;
    trainer_free(&trainee->trainer);
    sampler_free(&trainee->sampler);
    network_free(&trainee->network);
    dataset_close(&trainee->data);
}

void
trainee_look(trainee_t *trainee)
{
    host_sample_read("", &trainee->host);
}

// The positions of a round (from 0) in this node's stream.
static void
round_range(const trainee_t *trainee, int round, size_t *first, size_t *end)
{
    if (trainee->round_samples == 0) {
        sampler_range(trainee->sampler, round, trainee->rounds, first, end);
        return;
    }
    size_t length = sampler_length(trainee->sampler);
    *first = smaller((size_t)round * trainee->round_samples, length);
    *end = smaller(*first + trainee->round_samples, length);
}

static int
stop_when_asked(const trainer_progress_t *progress, void *arg)
{
    (void)progress;
    const trainee_t *trainee = arg;
    return signals_stop() || (trainee->is_unwanted && trainee->is_unwanted(trainee->context));
}

void
trainee_restore(trainee_t *trainee, const float *velocity)
{
    memcpy(trainer_velocity(trainee->trainer), velocity,
           network_parameter_count(trainee->network) * sizeof *velocity);
    trainee->begun = -1;
}

// Keeps the velocity that the round begins with, or goes back to it. Where rounds begin without one
// it is cleared first.
static void
begin_round(trainee_t *trainee, int round)
{
    float *velocity = trainer_velocity(trainee->trainer);
    size_t n_bytes = network_parameter_count(trainee->network) * sizeof *velocity;
    if (trainee->resets_velocity)
        memset(velocity, 0, n_bytes);
    if (!trainee->undo)
        return;
    if (trainee->begun == round)
        memcpy(velocity, trainee->undo, n_bytes);
    else
        memcpy(trainee->undo, velocity, n_bytes);
    trainee->begun = round;
}

int
trainee_round(trainee_t *trainee, int round, double wait_s, worker_row_t *row, fault_t *fault)
{
    size_t first = 0, end = 0;
    round_range(trainee, round, &first, &end);
    begin_round(trainee, round);
    limits_usage_t before, after;
    host_process_t process;
    trainer_progress_t progress = {0};
    engine_error_t error = {{0}};

    limits_measure(&trainee->limit, &before);
    double cpu_s = clock_cpu_s();
    double began_s = clock_s();
    int status =
        trainer_run(trainee->trainer, first, end, stop_when_asked, trainee, &progress, &error);
    // In this order: the kernel charges CPU time at ticks and where it is asked for it, and then stops
    // who has used up a limit. So what a round owes is paid here, and not in whatever comes next.
    cpu_s = clock_cpu_s() - cpu_s;
    double compute_s = clock_s() - began_s;
    limits_measure(&trainee->limit, &after);
    if (status == ENGINE_INTERRUPTED)
        return signals_stop() ? -2 : -3;
    if (status != 0) {
        fault_set(fault, "%s in round %d", error.text, round + 1);
        return -1;
    }
    host_process_read("", 0, &process);
    bool is_limited = trainee->limit.cores > 0;
    *row = (worker_row_t){
        .rank = row->rank,
        .compute_s = compute_s,
        .wait_s = wait_s,
        .send_s = NAN,
        .samples = (int64_t)progress.samples,
        .loss = progress.loss,
        .sent_bytes = -1,
        .cpu_s = cpu_s,
        .rss_bytes = process.rss_bytes > 0 ? process.rss_bytes : -1,
        .throttled_s =
            is_limited && after.throttled_s >= 0 ? after.throttled_s - before.throttled_s : NAN,
        .cores_limit = is_limited ? trainee->limit.cores : NAN,
        .temperature_c = trainee->host.temperature_c,
        .clock_mhz = trainee->host.clock_mhz,
    };
    return 0;
}

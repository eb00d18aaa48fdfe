// manifest.h — manifest.json: what made a folder of results, for whoever reads it later.
#ifndef RUNNER_MANIFEST_H
#define RUNNER_MANIFEST_H

#include "engine/dataset.h"
#include "runner/plan.h"
#include "runner/record.h"

typedef struct manifest_facts {
    const plan_t *plan;
    const char *hash; // of the experiment
    const char *launcher;
    const dataset_t *data;
    const char *data_name; // "cifar10"
    int argc;              // the command line, whole
    char *const *argv;
} manifest_facts_t;

// Writes manifest.json into the results folder. One that stands is replaced: a resumed experiment
// was last gone on with by this command.
int manifest_write(const record_t *record, const manifest_facts_t *facts, record_error_t *error);

// Writes expect.csv when the experiment has reference values.
int manifest_write_expect(const record_t *record, const experiment_t *experiment,
                          record_error_t *error);

// Writes claims.csv when the experiment has claims.
int manifest_write_claims(const record_t *record, const experiment_t *experiment,
                          record_error_t *error);

#endif

#include "runner/manifest.h"

#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/csv.h"
#include "plots/draft.h"
#include "runner/claim.h"
#include "runner/host_facts.h"
#include "runner/memory.h"
#include "runner/version.h"

static json_t *
axes_json(const plan_t *plan)
{
    json_t *axes = json_array();
    const matrix_t *matrix = &plan->experiment.matrix;
    for (size_t i = 0; i < matrix->n_axes; i++) {
        const axis_t *axis = &matrix->axes[i];
        const char *dot = strrchr(axis->path, '.');
        const char *unit = axis->setting && axis->setting->unit ? axis->setting->unit : "";
        json_array_append_new(axes, json_pack("{s:s, s:s, s:s}", "name", dot ? dot + 1 : axis->path,
                                              "setting", axis->path, "unit", unit));
    }
    return axes;
}

// As the experiment file has them: a number, or a group with a goal.
static json_t *
repeats_json(const repeats_t *repeats)
{
    if (repeats->ci <= 0)
        return json_integer(repeats->max);
    return json_pack("{s:I, s:I, s:f}", "min", (json_int_t)repeats->min, "max",
                     (json_int_t)repeats->max, "ci", repeats->ci);
}

// A number, or null where the host does not tell.
static json_t *
real_or_null(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

static json_t *
host_json(void)
{
    host_facts_t host;
    host_facts_read("", &host);
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:i, s:o, s:I, s:o}", "name", host.name, "cpu",
                     host.cpu, "arch", host.arch, "kernel", host.kernel, "governor", host.governor,
                     "cores", host.n_cpus, "cores_usable", real_or_null(host.cores), "memory_bytes",
                     (json_int_t)host.memory_bytes, "clock_mhz_max",
                     real_or_null(host.clock_mhz_max));
}

static json_t *
data_json(const manifest_facts_t *facts)
{
    char checksum[DATASET_CHECKSUM_BYTES];
    dataset_checksum(facts->data, checksum);
    return json_pack("{s:s, s:s, s:s, s:I, s:I}", "name", facts->data_name, "folder",
                     dataset_folder(facts->data), "xxh128", checksum, "train",
                     (json_int_t)dataset_length(facts->data, DATASET_TRAIN), "test",
                     (json_int_t)dataset_length(facts->data, DATASET_TEST));
}

static json_t *
command_json(const manifest_facts_t *facts)
{
    json_t *command = json_array();
    for (int i = 0; i < facts->argc; i++) {
        json_t *word = json_string(facts->argv[i]);
        json_array_append_new(command, word ? word : json_string("?"));
    }
    return command;
}

static bool
is_linked(const plan_t *plan)
{
    for (size_t i = 0; i < plan->n_cells; i++)
        if (plan->cells[i].link_mbit > 0)
            return true;
    return false;
}

int
manifest_write(const record_t *record, const manifest_facts_t *facts, record_error_t *error)
{
    const experiment_t *experiment = &facts->plan->experiment;
    const plan_cell_t *any = &facts->plan->cells[0];
    char started[32];
    record_time(started);
    json_t *manifest =
        json_pack("{s:s, s:s, s:s, s:s, s:o, s:s, s:o, s:o, s:s, s:b, s:f, s:I, s:s, s:o}", "dmlx",
                  version_text(), "revision", version_revision(), "name", experiment->name, "title",
                  experiment->title, "axes", axes_json(facts->plan), "cfg_sha256", facts->hash,
                  "command", command_json(facts), "data", data_json(facts), "launcher",
                  facts->launcher, "emulated", any->core_speed < 1 || is_linked(facts->plan),
                  "core_speed", any->core_speed, "warmup", (json_int_t)experiment->matrix.warmup,
                  "started", started, "hosts", json_pack("[o]", host_json()));
    json_object_set_new(manifest, "repeats", repeats_json(&experiment->matrix.repeats));
    json_object_set_new(manifest, "jobs", json_integer(experiment->cluster.jobs));
    if (experiment->cluster.link_mbit > 0) // else an axis, or none
        json_object_set_new(manifest, "link_mbit", json_real(experiment->cluster.link_mbit));
    char *text =
        json_dumps(manifest, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_REAL_PRECISION(9));
    json_decref(manifest);
    int status = record_file(record, "manifest.json", text, strlen(text), error);
    free(text);
    return status;
}

int
manifest_write_expect(const record_t *record, const experiment_t *experiment, record_error_t *error)
{
    if (experiment->n_expect == 0)
        return RECORD_OK;
    draft_t draft = {0};
    draft_add(&draft, "cell,nodes,cores,quantity,value,tolerance,source\n");
    for (size_t i = 0; i < experiment->n_expect; i++) {
        const expect_t *expect = &experiment->expect[i];
        for (int quantity = 0; quantity < N_EXPECT_QUANTITIES; quantity++) {
            if (!isfinite(expect->values[quantity]))
                continue;
            draft_add(&draft, ",%ld,%.9g,%s,", expect->nodes, expect->cores,
                      expect_quantity_names[quantity]);
            csv_add_number(&draft, expect->values[quantity]);
            draft_add(&draft, ",");
            csv_add_number(&draft, expect->tolerance);
            draft_add(&draft, ",");
            csv_add_text(&draft, expect->source ? expect->source : "");
            draft_add(&draft, "\n");
        }
    }
    int status = record_file(record, "expect.csv", draft.text, draft.length, error);
    draft_clear(&draft);
    return status;
}

int
manifest_write_claims(const record_t *record, const experiment_t *experiment, record_error_t *error)
{
    if (experiment->n_claims == 0)
        return RECORD_OK;
    draft_t draft = {0};
    claim_csv(experiment->claims, experiment->n_claims, &draft);
    int status = record_file(record, "claims.csv", draft.text, draft.length, error);
    draft_clear(&draft);
    return status;
}

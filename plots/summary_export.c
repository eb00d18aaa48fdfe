// The summary as data: summary.csv and JSON from one list of fields, so that they cannot disagree.
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/csv.h"
#include "plots/memory.h"
#include "plots/summary.h"

typedef struct {
    char *name;
    const char *text; // NULL for a number
    double number;    // NAN: not known
} field_t;

typedef struct {
    field_t *fields;
    size_t n, room;
} record_t;

static void
add_field(record_t *record, char *name, const char *text, double number)
{
    if (record->n == record->room) {
        record->room = record->room > 0 ? 2 * record->room : 64;
        record->fields = plots_resize(record->fields, record->room, sizeof *record->fields);
    }
    record->fields[record->n++] = (field_t){name, text, number};
}

static void
add_text(record_t *record, const char *name, const char *text)
{
    add_field(record, plots_copy(name), text, NAN);
}

static void
add_number(record_t *record, const char *name, double number)
{
    add_field(record, plots_copy(name), NULL, number);
}

static void
add_estimate(record_t *record, const char *name, estimate_t estimate)
{
    add_number(record, name, estimate.mean);
    add_field(record, plots_format("%s_sd", name), NULL, estimate.sd);
    add_field(record, plots_format("%s_low", name), NULL, estimate.low);
    add_field(record, plots_format("%s_high", name), NULL, estimate.high);
}

// The value of a further axis by its setting, "" where this set does not have it.
static const char *
value_of(const summary_t *summary, const summary_cell_t *cell, const char *setting)
{
    for (size_t i = 0; i < summary->set->n_axes; i++) {
        if (strcmp(summary->set->axes[i].setting, setting) == 0)
            return cell->values[i];
    }
    return "";
}

// The further axes of all sets together, each once, in the order they are met.
static size_t
all_axes(const summary_t *const *summaries, size_t n, const char ***settings)
{
    size_t n_settings = 0;
    *settings = NULL;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < summaries[i]->set->n_axes; j++) {
            const char *setting = summaries[i]->set->axes[j].setting;
            size_t k = 0;
            while (k < n_settings && strcmp((*settings)[k], setting) != 0)
                k++;
            if (k < n_settings)
                continue;
            *settings = plots_resize(*settings, n_settings + 1, sizeof **settings);
            (*settings)[n_settings++] = setting;
        }
    }
    return n_settings;
}

static record_t
record_of(const summary_t *summary, const summary_cell_t *cell, const char *const *settings,
          size_t n_settings)
{
    record_t record = {0};
    add_text(&record, "set", summary->set->name);
    add_text(&record, "cell", cell->cell);
    add_number(&record, "nodes", cell->nodes);
    add_number(&record, "cores", cell->cores);
    for (size_t i = 0; i < n_settings; i++)
        add_text(&record, settings[i], value_of(summary, cell, settings[i]));
    add_text(&record, "data", summary->set->data);
    add_number(&record, "n", (double)cell->n);
    add_number(&record, "n_failed", (double)cell->n_failed);
    for (quantity_t q = 0; q < N_QUANTITIES; q++)
        add_estimate(&record, quantity_name(q), cell->quantities[q]);
    add_number(&record, "target_accuracy", cell->target_accuracy);
    add_number(&record, "n_reached",
               isfinite(cell->target_accuracy) ? (double)cell->n_reached : NAN);
    const estimate_t time = cell->quantities[QUANTITY_T];
    add_number(&record, "t_variation", time.sd / time.mean);
    add_estimate(&record, "loss", cell->loss);
    add_number(&record, "samples_per_s", cell->samples_per_s.mean);
    add_number(&record, "startup_s", cell->startup_s.mean);
    add_number(&record, "evaluation_s", cell->evaluation_s.mean);
    add_number(&record, "cores_asked", cell->cores_asked);
    add_number(&record, "cores_granted", cell->cores_granted.mean);
    add_text(&record, "outlier_repeats", cell->outliers);
    return record;
}

static void
record_clear(record_t *record)
{
    for (size_t i = 0; i < record->n; i++)
        free(record->fields[i].name);
    free(record->fields);
    *record = (record_t){0};
}

static void
add_header(const record_t *record, draft_t *draft)
{
    for (size_t i = 0; i < record->n; i++) {
        draft_add(draft, i > 0 ? "," : "");
        csv_add_text(draft, record->fields[i].name);
    }
    draft_add(draft, "\n");
}

static void
add_row(const record_t *record, draft_t *draft)
{
    for (size_t i = 0; i < record->n; i++) {
        draft_add(draft, i > 0 ? "," : "");
        if (record->fields[i].text != NULL)
            csv_add_text(draft, record->fields[i].text);
        else
            csv_add_number(draft, record->fields[i].number);
    }
    draft_add(draft, "\n");
}

static json_t *
object_of(const record_t *record)
{
    json_t *object = json_object();
    for (size_t i = 0; i < record->n; i++) {
        const field_t *field = &record->fields[i];
        json_t *value = json_null();
        if (field->text != NULL)
            value = json_string(field->text);
        else if (isfinite(field->number))
            value = json_real(field->number);
        json_object_set_new(object, field->name, value);
    }
    return object;
}

typedef void record_use_t(const record_t *record, bool is_first, void *context);

static void
each_record(const summary_t *const *summaries, size_t n, record_use_t *use, void *context)
{
    const char **settings;
    const size_t n_settings = all_axes(summaries, n, &settings);
    bool is_first = true;
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < summaries[i]->n_cells; j++) {
            record_t record =
                record_of(summaries[i], &summaries[i]->cells[j], settings, n_settings);
            use(&record, is_first, context);
            is_first = false;
            record_clear(&record);
        }
    }
    free(settings);
}

static void
use_as_row(const record_t *record, bool is_first, void *context)
{
    if (is_first)
        add_header(record, context);
    add_row(record, context);
}

static void
use_as_object(const record_t *record, bool is_first, void *context)
{
    (void)is_first;
    json_array_append_new(context, object_of(record));
}

void
summary_csv(const summary_t *const *summaries, size_t n, draft_t *draft)
{
    each_record(summaries, n, use_as_row, draft);
}

void
summary_json(const summary_t *const *summaries, size_t n, draft_t *draft)
{
    json_t *array = json_array();
    each_record(summaries, n, use_as_object, array);
    char *text = json_dumps(array, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    draft_add(draft, "%s\n", text);
    free(text);
    json_decref(array);
}

int
summary_write(const summary_t *const *summaries, size_t n, const char *folder, plots_error_t *error)
{
    draft_t draft = {0};
    summary_csv(summaries, n, &draft);
    char *path = plots_format("%s/summary.csv", folder);
    const int result = draft_write(&draft, path, error);
    free(path);
    draft_clear(&draft);
    return result;
}

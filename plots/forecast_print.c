// A forecast for people and for programs.
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/csv.h"
#include "plots/forecast.h"
#include "plots/memory.h"

// "[11.9, 12.8]"; NULL where there is none.
static char *
band_of(fit_value_t value, int decimals)
{
    if (!isfinite(value.low) || !isfinite(value.high))
        return NULL;
    return plots_format("[%.*f, %.*f]", decimals, value.low, decimals, value.high);
}

// "12.3 [11.9, 12.8]" in two parts.
static void
set_value(grid_t *grid, size_t column, fit_value_t value, int decimals)
{
    grid_set(grid, column, plots_format("%.*f", decimals, value.value), band_of(value, decimals));
}

static int
decimals_of(double value)
{
    return value >= 100.0 ? 0 : value >= 10.0 ? 1 : 2;
}

static void
add_point(draft_t *notes, const char *what, fit_value_t nodes)
{
    draft_add(notes, "%s: ", what);
    if (isnan(nodes.value))
        draft_add(notes, "cannot be told");
    else if (isinf(nodes.value))
        draft_add(notes, "not up to %d nodes", FORECAST_NODES_MAX);
    else
        draft_add(notes, "at %.0f node%s", nodes.value, nodes.value == 1.0 ? "" : "s");
    if (isfinite(nodes.low) && isfinite(nodes.high))
        draft_add(notes, " (95 %%: %.0f to %.0f)", nodes.low, nodes.high);
    else if (isfinite(nodes.low))
        draft_add(notes, " (95 %%: %.0f or more)", nodes.low);
    draft_add(notes, "\n");
}

static void
add_gain(draft_t *notes, const forecast_t *forecast, const char *what, fit_value_t gain)
{
    if (!isfinite(gain.value))
        return;
    draft_add(notes, "%s at %.0f nodes: T changes by %+.3g s", what, forecast->largest,
              0.0 - gain.value);
    if (isfinite(gain.low) && isfinite(gain.high))
        draft_add(notes, " (95 %%: %+.3g to %+.3g s)", 0.0 - gain.high, 0.0 - gain.low);
    draft_add(notes, "\n");
}

static void
add_error(draft_t *notes, const char *what, const char *model, double error)
{
    draft_add(notes, "%s by model %s", what, model);
    if (isfinite(error))
        draft_add(notes, ", %.1f %% off at the held-out largest size", 100.0 * error);
    else
        draft_add(notes, ", by default: too few sizes to hold the largest out");
    draft_add(notes, "\n");
}

grid_t *
forecast_grid(const forecast_t *forecast)
{
    draft_t title = {0};
    draft_add(&title, "Forecast from %s, %.3g %s a node", forecast->set, forecast->cores_a_node,
              forecast->cores_a_node == 1.0 ? "core" : "cores");
    for (size_t i = 0; i < forecast->n_axes; i++)
        draft_add(&title, ", %s %s", forecast->axes[i], forecast->values[i]);
    static const char *const headers[] = {"nodes", "",   "T s", "T of one run", "W s",
                                          "O s",   "O%", "S",   "S/n"};
    enum { N_HEADERS = sizeof headers / sizeof *headers };
    grid_t *grid = grid_new(title.text, N_HEADERS);
    draft_clear(&title);
    grid->subtitle = plots_copy(forecast->setting);
    for (size_t i = 0; i < N_HEADERS; i++)
        grid_header(grid, i, headers[i], i == 1);
    for (size_t i = 0; i < forecast->n_rows; i++) {
        const forecast_row_t *row = &forecast->rows[i];
        grid_row(grid, false);
        grid_set(grid, 0, plots_format("%.0f", row->nodes), NULL);
        grid_set(grid, 1, plots_copy(row->is_measured ? "·" : ""), NULL);
        const int decimals = decimals_of(row->t_s.value);
        set_value(grid, 2, row->t_s, decimals);
        grid_set(grid, 3, band_of(row->run_t_s, decimals), NULL);
        set_value(grid, 4, row->work_s, decimals_of(row->work_s.value));
        set_value(grid, 5, row->overhead_s, decimals_of(row->overhead_s.value));
        grid_set(grid, 6, plots_format("%.2f", row->overhead_share.value), NULL);
        set_value(grid, 7, row->speedup, 2);
        grid_set(grid, 8, plots_format("%.2f", row->efficiency.value), NULL);
    }
    draft_t *notes = &grid->notes;
    draft_add(
        notes,
        "Mean with its 95 %% confidence band, that of O%% and S/n in CSV; T of one run: 95 %% "
        "prediction interval of one\nfurther run, that of W, O and O%% in CSV; · lies within "
        "what was measured.\n");
    add_point(notes, "Overhead outgrows work", forecast->overhead_exceeds_work);
    add_point(notes, "T is least", forecast->least_time);
    add_point(notes, "Efficiency falls below a half", forecast->half_efficiency);
    add_gain(notes, forecast, "One more node", forecast->one_more_node_s);
    add_gain(notes, forecast, "One more core in each node", forecast->one_more_core_s);
    add_error(notes, "Work", forecast->work_model, forecast->work_error);
    add_error(notes, "Overhead", forecast->overhead_model, forecast->overhead_error);
    if (*forecast->note != '\0')
        draft_add(notes, "%s\n", forecast->note);
    return grid;
}

typedef struct {
    const char *name;
    size_t offset;
    size_t run_offset; // of one further run; for the first N_RUN_COLUMNS
} column_t;

static const column_t COLUMNS[] = {
    {"t_s", offsetof(forecast_row_t, t_s), offsetof(forecast_row_t, run_t_s)},
    {"work_s", offsetof(forecast_row_t, work_s), offsetof(forecast_row_t, run_work_s)},
    {"overhead_s", offsetof(forecast_row_t, overhead_s), offsetof(forecast_row_t, run_overhead_s)},
    {"overhead_share", offsetof(forecast_row_t, overhead_share),
     offsetof(forecast_row_t, run_overhead_share)},
    {"speedup", offsetof(forecast_row_t, speedup), 0},
    {"efficiency", offsetof(forecast_row_t, efficiency), 0},
};
enum { N_COLUMNS = sizeof COLUMNS / sizeof *COLUMNS, N_RUN_COLUMNS = 4 };

static const fit_value_t *
value_at(const forecast_row_t *row, size_t offset)
{
    return (const fit_value_t *)(const void *)((const char *)row + offset);
}

static void
add_csv_header(const forecast_t *forecast, draft_t *draft)
{
    draft_add(draft, "set");
    for (size_t i = 0; i < forecast->n_axes; i++) {
        draft_add(draft, ",");
        csv_add_text(draft, forecast->axes[i]);
    }
    draft_add(draft, ",nodes,cores,is_measured");
    for (size_t i = 0; i < N_COLUMNS; i++)
        draft_add(draft, ",%s,%s_low,%s_high", COLUMNS[i].name, COLUMNS[i].name, COLUMNS[i].name);
    for (size_t i = 0; i < N_RUN_COLUMNS; i++)
        draft_add(draft, ",%s_run_low,%s_run_high", COLUMNS[i].name, COLUMNS[i].name);
    draft_add(draft, "\n");
}

static void
add_numbers(draft_t *draft, const double *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        draft_add(draft, ",");
        csv_add_number(draft, numbers[i]);
    }
}

static void
add_csv(const forecast_t *forecast, draft_t *draft)
{
    for (size_t i = 0; i < forecast->n_rows; i++) {
        const forecast_row_t *row = &forecast->rows[i];
        csv_add_text(draft, forecast->set);
        for (size_t j = 0; j < forecast->n_axes; j++) {
            draft_add(draft, ",");
            csv_add_text(draft, forecast->values[j]);
        }
        draft_add(draft, ",%.0f,%.9g,%s", row->nodes, row->cores, row->is_measured ? "yes" : "no");
        for (size_t j = 0; j < N_COLUMNS; j++) {
            const fit_value_t *value = value_at(row, COLUMNS[j].offset);
            add_numbers(draft, (const double[]){value->value, value->low, value->high}, 3);
        }
        for (size_t j = 0; j < N_RUN_COLUMNS; j++) {
            const fit_value_t *value = value_at(row, COLUMNS[j].run_offset);
            add_numbers(draft, (const double[]){value->low, value->high}, 2);
        }
        draft_add(draft, "\n");
    }
}

static json_t *
json_number_or_null(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

static json_t *
json_value(fit_value_t value)
{
    json_t *object = json_object();
    json_object_set_new(object, "value", json_number_or_null(value.value));
    json_object_set_new(object, "low", json_number_or_null(value.low));
    json_object_set_new(object, "high", json_number_or_null(value.high));
    return object;
}

static json_t *
json_row(const forecast_row_t *row)
{
    json_t *object = json_object();
    json_object_set_new(object, "nodes", json_real(row->nodes));
    json_object_set_new(object, "cores", json_real(row->cores));
    for (size_t i = 0; i < N_COLUMNS; i++) {
        json_t *value = json_value(*value_at(row, COLUMNS[i].offset));
        if (i < N_RUN_COLUMNS) {
            const fit_value_t *run = value_at(row, COLUMNS[i].run_offset);
            json_object_set_new(value, "run_low", json_number_or_null(run->low));
            json_object_set_new(value, "run_high", json_number_or_null(run->high));
        }
        json_object_set_new(object, COLUMNS[i].name, value);
    }
    return object;
}

static json_t *
json_forecast(const forecast_t *forecast)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < forecast->n_rows; i++)
        json_array_append_new(rows, json_row(&forecast->rows[i]));
    json_t *whole = json_object();
    json_object_set_new(whole, "set", json_string(forecast->set));
    for (size_t i = 0; i < forecast->n_axes; i++)
        json_object_set_new(whole, forecast->axes[i], json_string(forecast->values[i]));
    json_object_set_new(whole, "cores_a_node", json_real(forecast->cores_a_node));
    json_object_set_new(whole, "work_model", json_string(forecast->work_model));
    json_object_set_new(whole, "overhead_model", json_string(forecast->overhead_model));
    json_object_set_new(whole, "overhead_exceeds_work_nodes",
                        json_value(forecast->overhead_exceeds_work));
    json_object_set_new(whole, "least_time_nodes", json_value(forecast->least_time));
    json_object_set_new(whole, "half_efficiency_nodes", json_value(forecast->half_efficiency));
    json_object_set_new(whole, "one_more_node_s", json_value(forecast->one_more_node_s));
    json_object_set_new(whole, "one_more_core_s", json_value(forecast->one_more_core_s));
    json_object_set_new(whole, "rows", rows);
    return whole;
}

static void
add_json(forecast_t *const *forecasts, size_t n, draft_t *draft)
{
    json_t *whole = n == 1 ? json_forecast(forecasts[0]) : json_array();
    for (size_t i = 0; n > 1 && i < n; i++)
        json_array_append_new(whole, json_forecast(forecasts[i]));
    char *text = json_dumps(whole, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    draft_add(draft, "%s\n", text);
    free(text);
    json_decref(whole);
}

void
forecasts_draft(forecast_t *const *forecasts, size_t n, table_format_t format, draft_t *draft)
{
    if (format == TABLE_JSON) {
        add_json(forecasts, n, draft);
        return;
    }
    if (format == TABLE_CSV)
        add_csv_header(forecasts[0], draft);
    for (size_t i = 0; i < n; i++) {
        if (format == TABLE_CSV) {
            add_csv(forecasts[i], draft);
            continue;
        }
        grid_t *grid = forecast_grid(forecasts[i]);
        draft_add(draft, i > 0 ? "\n" : "");
        grid_render(grid, format, draft);
        grid_free(&grid);
    }
}

// A forecast for people and for programs.
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "plots/csv.h"
#include "plots/forecast.h"
#include "plots/memory.h"

// "12.3 [11.9, 12.8]" in two parts.
static void
set_value(grid_t *grid, size_t column, fit_value_t value, int decimals)
{
    char *band = NULL;
    if (isfinite(value.low) && isfinite(value.high))
        band = plots_format("[%.*f, %.*f]", decimals, value.low, decimals, value.high);
    grid_set(grid, column, plots_format("%.*f", decimals, value.value), band);
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
    grid_t *grid = grid_new(title.text, 8);
    draft_clear(&title);
    grid->subtitle = plots_copy(forecast->setting);
    static const char *const headers[] = {"nodes", "", "T s", "W s", "O s", "O%", "S", "S/n"};
    for (size_t i = 0; i < 8; i++)
        grid_header(grid, i, headers[i], i == 1);
    for (size_t i = 0; i < forecast->n_rows; i++) {
        const forecast_row_t *row = &forecast->rows[i];
        grid_row(grid, false);
        grid_set(grid, 0, plots_format("%.0f", row->nodes), NULL);
        grid_set(grid, 1, plots_copy(row->is_measured ? "·" : ""), NULL);
        set_value(grid, 2, row->t_s, decimals_of(row->t_s.value));
        set_value(grid, 3, row->work_s, decimals_of(row->work_s.value));
        set_value(grid, 4, row->overhead_s, decimals_of(row->overhead_s.value));
        grid_set(grid, 5, plots_format("%.2f", row->overhead_share.value), NULL);
        set_value(grid, 6, row->speedup, 2);
        grid_set(grid, 7, plots_format("%.2f", row->efficiency.value), NULL);
    }
    draft_t *notes = &grid->notes;
    draft_add(notes, "Mean with its 95 %% band, that of O%% and S/n in CSV; · lies within what was "
                     "measured.\n");
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
} column_t;

static const column_t COLUMNS[] = {
    {"t_s", offsetof(forecast_row_t, t_s)},
    {"work_s", offsetof(forecast_row_t, work_s)},
    {"overhead_s", offsetof(forecast_row_t, overhead_s)},
    {"overhead_share", offsetof(forecast_row_t, overhead_share)},
    {"speedup", offsetof(forecast_row_t, speedup)},
    {"efficiency", offsetof(forecast_row_t, efficiency)},
};
enum { N_COLUMNS = sizeof COLUMNS / sizeof *COLUMNS };

static const fit_value_t *
value_at(const forecast_row_t *row, size_t column)
{
    return (const fit_value_t *)(const void *)((const char *)row + COLUMNS[column].offset);
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
    draft_add(draft, "\n");
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
            const fit_value_t *value = value_at(row, j);
            const double numbers[] = {value->value, value->low, value->high};
            for (size_t k = 0; k < 3; k++) {
                draft_add(draft, ",");
                csv_add_number(draft, numbers[k]);
            }
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
json_forecast(const forecast_t *forecast)
{
    json_t *rows = json_array();
    for (size_t i = 0; i < forecast->n_rows; i++) {
        json_t *object = json_object();
        json_object_set_new(object, "nodes", json_real(forecast->rows[i].nodes));
        json_object_set_new(object, "cores", json_real(forecast->rows[i].cores));
        for (size_t j = 0; j < N_COLUMNS; j++)
            json_object_set_new(object, COLUMNS[j].name,
                                json_value(*value_at(&forecast->rows[i], j)));
        json_array_append_new(rows, object);
    }
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

#include "runner/record_rows.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "plots/csv.h"
#include "runner/memory.h"

// The next field, as text without line ends; the comma before it is the caller's business no more.
static void
add_text(draft_t *line, const char *text)
{
    char *flat = memory_text(text);
    for (char *at = flat; *at; at++)
        if (*at == '\n' || *at == '\r')
            *at = ' ';
    if (line->length)
        draft_add(line, ",");
    csv_add_text(line, flat);
    free(flat);
}

static void
add_number(draft_t *line, double number)
{
    draft_add(line, ",");
    csv_add_number(line, number);
}

static void
add_count(draft_t *line, int64_t count)
{
    if (count < 0)
        draft_add(line, ",");
    else
        draft_add(line, ",%" PRId64, count);
}

void
rows_run_header(draft_t *line, const char *const *axes, size_t n_axes)
{
    draft_add(line, "cell,nodes,cores");
    for (size_t i = 0; i < n_axes; i++) {
        draft_add(line, ",");
        csv_add_text(line, axes[i]);
    }
    draft_add(line,
              ",repeat,attempt,status,data,t_s,work_s,overhead_s,accuracy,loss,train_loss,"
              "target_accuracy,time_to_accuracy_s,samples,samples_per_s,sent_bytes,received_bytes,"
              "cores_asked,cores_granted,cores_limit,throttled_s,startup_s,evaluation_s,"
              "model_sha256,seed,started,launcher,hosts,coordinator,core_speed,link_mbit,enforced,"
              "parts,note\n");
}

void
rows_run(draft_t *line, const run_row_t *row, size_t n_axes)
{
    const result_report_t *result = &row->result;
    add_text(line, row->cell);
    add_count(line, row->nodes);
    add_number(line, row->cores);
    for (size_t i = 0; i < n_axes; i++)
        add_text(line, row->values[i]);
    add_count(line, row->repeat);
    add_text(line, row->attempt);
    add_text(line, row->is_done ? "done" : "failed");
    add_text(line, result->data);
    add_number(line, result->t_s);
    add_number(line, result->work_s);
    add_number(line, result->t_s - result->work_s);
    add_number(line, result->accuracy);
    add_number(line, result->loss);
    add_number(line, result->train_loss);
    add_number(line, result->target_accuracy);
    add_number(line, result->time_to_accuracy_s);
    add_count(line, result->samples);
    add_number(line, result->samples < 0 ? NAN : (double)result->samples / result->t_s);
    add_count(line, result->sent_bytes);
    add_count(line, result->received_bytes);
    add_number(line, row->cores_asked);
    add_number(line, result->cores_granted);
    add_number(line, result->cores_limit);
    add_number(line, result->throttled_s);
    add_number(line, result->startup_s);
    add_number(line, result->evaluation_s);
    add_text(line, result->model_sha256);
    add_count(line, row->seed);
    add_text(line, row->started);
    add_text(line, row->launcher);
    add_text(line, row->hosts ? row->hosts : "");
    add_text(line, row->coordinator ? row->coordinator : "");
    add_number(line, row->core_speed);
    add_number(line, row->link_mbit > 0 ? row->link_mbit : NAN);
    add_text(line, row->is_enforced ? "yes" : "no");
    add_count(line, result->parts > 0 ? result->parts : -1);
    add_text(line, row->note);
    draft_add(line, "\n");
}

void
rows_stop_header(draft_t *line)
{
    draft_add(line, "cell,repeats,ci,half_width\n");
}

void
rows_stop(draft_t *line, const char *cell, int repeats, double ci, double half_width)
{
    add_text(line, cell);
    add_count(line, repeats);
    add_number(line, ci);
    add_number(line, half_width);
    draft_add(line, "\n");
}

void
rows_round_header(draft_t *line)
{
    draft_add(line,
              "cell,repeat,attempt,round,rank,compute_s,wait_s,send_s,aggregate_s,round_s,"
              "samples,loss,sent_bytes,cpu_s,throttled_s,rss_bytes,temperature_c,clock_mhz\n");
}

void
rows_round(draft_t *lines, const char *cell, int repeat, const char *attempt,
           const round_report_t *round)
{
    for (int i = 0; i < round->n_workers; i++) {
        const worker_row_t *worker = &round->workers[i];
        draft_t line = {0};
        add_text(&line, cell);
        add_count(&line, repeat);
        add_text(&line, attempt);
        add_count(&line, round->round);
        add_count(&line, worker->rank);
        add_number(&line, worker->compute_s);
        add_number(&line, worker->wait_s);
        add_number(&line, worker->send_s);
        add_number(&line, round->aggregate_s);
        add_number(&line, round->round_s);
        add_count(&line, worker->samples);
        add_number(&line, worker->loss);
        add_count(&line, worker->sent_bytes);
        add_number(&line, worker->cpu_s);
        add_number(&line, worker->throttled_s);
        add_count(&line, worker->rss_bytes);
        add_number(&line, worker->temperature_c);
        add_number(&line, worker->clock_mhz);
        draft_add(&line, "\n");
        draft_add_bytes(lines, line.text, line.length);
        draft_clear(&line);
    }
}

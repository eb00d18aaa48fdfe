#include "runner/progress.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/clock.h"

enum { CELLS_SHOWN = 3 };

static const double live_interval_s = 0.25;
static const double plain_interval_s = 60;

char *
progress_duration(double seconds, char text[24])
{
    long whole = (long)ceil(fmin(fmax(seconds, 0), 1e9));
    if (whole < 60)
        snprintf(text, 24, "%ld s", whole);
    else if (whole < 3600)
        snprintf(text, 24, "%ldm %02lds", whole / 60, whole % 60);
    else
        snprintf(text, 24, "%ldh %02ldm", whole / 3600 % 100000, whole % 3600 / 60);
    return text;
}

char *
progress_thousands(double number, char text[24])
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%.0f", fmin(number, 1e15));
    char *at = text;
    for (int i = 0; i < n; i++) {
        *at++ = digits[i];
        if ((n - i - 1) % 3 == 0 && i + 1 < n && digits[i] != '-')
            *at++ = ',';
    }
    *at = '\0';
    return text;
}

void
progress_start(progress_t *progress, FILE *out, int n_cells, double total_work, double pace)
{
    *progress = (progress_t){.lock = PTHREAD_MUTEX_INITIALIZER,
                             .out = out,
                             .is_live = isatty(fileno(out)) == 1,
                             .n_cells = n_cells,
                             .pace = pace,
                             .total_work = total_work,
                             .drawn_s = clock_s()};
}

// --- what the others call with the lock held ---

static double
left_s(const progress_t *progress)
{
    double begun_work = 0, shares = 0;
    for (int i = 0; i < PROGRESS_CELLS_MAX; i++) {
        begun_work += progress->cells[i].work * progress->cells[i].share;
        shares += progress->cells[i].share;
    }
    double left = progress->total_work - progress->done_work - begun_work;
    double now_s = progress->n_running > 0 ? clock_s() - progress->busy_since_s : 0;
    double own_work = progress->own_work + begun_work;
    // The rate of this run replaces the estimate as soon as a tenth of a cell has shown it.
    double pace = own_work > 0 && shares + progress->own_work > 0.1
                      ? (progress->own_s + now_s) / own_work
                      : progress->pace;
    return fmax(0, left * pace);
}

static void
write_one(progress_t *progress, const progress_cell_t *cell)
{
    char rate[24];
    fprintf(progress->out, "cell %d/%d %s", cell->index, progress->n_cells, cell->label);
    if (cell->rounds > 0)
        fprintf(progress->out, "  round %d/%d  loss %.4f  %s samples/s", cell->round, cell->rounds,
                cell->loss, progress_thousands(cell->samples_per_s, rate));
}

// The running cell with the next number; NULL behind the last.
static const progress_cell_t *
next_cell(const progress_t *progress, int index)
{
    const progress_cell_t *next = NULL;
    for (int i = 0; i < PROGRESS_CELLS_MAX; i++) {
        const progress_cell_t *cell = &progress->cells[i];
        if (cell->index > index && (!next || cell->index < next->index))
            next = cell;
    }
    return next;
}

// Their numbers, then the first of them with their rounds.
static void
write_several(progress_t *progress)
{
    int n = 0;
    const progress_cell_t *cell;
    for (int index = 0; (cell = next_cell(progress, index)); index = cell->index)
        fprintf(progress->out, "%s%d", n++ ? ", " : "cells ", cell->index);
    fprintf(progress->out, "/%d ", progress->n_cells);
    n = 0;
    for (int index = 0; n < CELLS_SHOWN && (cell = next_cell(progress, index));
         index = cell->index) {
        fprintf(progress->out, "%s %s", n++ ? "," : "", cell->label);
        if (cell->rounds > 0)
            fprintf(progress->out, " round %d/%d", cell->round, cell->rounds);
    }
    if (progress->n_running > n)
        fprintf(progress->out, ", %d more", progress->n_running - n);
}

static void
write_line(progress_t *progress)
{
    char left[24];
    if (progress->n_running > 1)
        write_several(progress);
    else
        write_one(progress, next_cell(progress, 0));
    fprintf(progress->out, "  %s left", progress_duration(left_s(progress), left));
}

static void
tick(progress_t *progress)
{
    double now_s = clock_s();
    double interval_s = progress->is_live ? live_interval_s : plain_interval_s;
    if (progress->n_running == 0 || now_s - progress->drawn_s < interval_s)
        return;
    progress->drawn_s = now_s;
    if (progress->is_live) {
        const char *dim = getenv("NO_COLOR") ? "" : "\033[2m";
        fprintf(progress->out, "\r\033[K%s", dim);
        write_line(progress);
        fputs(*dim ? "\033[0m" : "", progress->out);
        progress->is_drawn = true;
    } else {
        write_line(progress);
        putc('\n', progress->out);
    }
    fflush(progress->out);
}

static void
take_line_off(progress_t *progress)
{
    if (progress->is_drawn)
        fputs("\r\033[K", progress->out);
    progress->is_drawn = false;
    fflush(progress->out);
}

// --- ---

void
progress_expect(progress_t *progress, int n_cells, double total_work)
{
    pthread_mutex_lock(&progress->lock);
    progress->n_cells = n_cells;
    progress->total_work = total_work;
    pthread_mutex_unlock(&progress->lock);
}

void
progress_skip(progress_t *progress, double work)
{
    pthread_mutex_lock(&progress->lock);
    progress->done_work += work;
    pthread_mutex_unlock(&progress->lock);
}

int
progress_cell(progress_t *progress, int index, const char *label, double work)
{
    int at = 0;
    pthread_mutex_lock(&progress->lock);
    while (at < PROGRESS_CELLS_MAX - 1 && progress->cells[at].index > 0)
        at++;
    progress_cell_t *cell = &progress->cells[at];
    *cell = (progress_cell_t){.index = index, .work = work};
    snprintf(cell->label, sizeof cell->label, "%s", label);
    if (progress->n_running++ == 0)
        progress->busy_since_s = clock_s();
    tick(progress);
    pthread_mutex_unlock(&progress->lock);
    return at;
}

void
progress_round(progress_t *progress, int cell, int round, int rounds, double loss,
               double samples_per_s)
{
    if (cell == PROGRESS_NO_CELL)
        return;
    pthread_mutex_lock(&progress->lock);
    progress_cell_t *at = &progress->cells[cell];
    at->round = round;
    at->rounds = rounds;
    at->loss = loss;
    at->samples_per_s = samples_per_s;
    at->share = rounds > 0 ? (double)round / rounds : 0;
    tick(progress);
    pthread_mutex_unlock(&progress->lock);
}

void
progress_cell_end(progress_t *progress, int cell)
{
    pthread_mutex_lock(&progress->lock);
    progress->own_work += progress->cells[cell].work;
    progress->done_work += progress->cells[cell].work;
    progress->cells[cell] = (progress_cell_t){0};
    if (--progress->n_running == 0)
        progress->own_s += clock_s() - progress->busy_since_s;
    pthread_mutex_unlock(&progress->lock);
}

double
progress_left_s(progress_t *progress)
{
    pthread_mutex_lock(&progress->lock);
    double seconds = left_s(progress);
    pthread_mutex_unlock(&progress->lock);
    return seconds;
}

void
progress_tick(progress_t *progress)
{
    pthread_mutex_lock(&progress->lock);
    tick(progress);
    pthread_mutex_unlock(&progress->lock);
}

void
progress_end(progress_t *progress)
{
    pthread_mutex_lock(&progress->lock);
    take_line_off(progress);
    pthread_mutex_unlock(&progress->lock);
}

void
progress_note(progress_t *progress, const char *format, ...)
{
    pthread_mutex_lock(&progress->lock);
    take_line_off(progress);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(progress->out, format, arguments);
    va_end(arguments);
    putc('\n', progress->out);
    fflush(progress->out);
    pthread_mutex_unlock(&progress->lock);
}

#include "runner/progress.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/clock.h"

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
progress_start(progress_t *progress, FILE *out, int n_cells, double total_work)
{
    *progress = (progress_t){.out = out,
                             .is_live = isatty(fileno(out)) == 1,
                             .n_cells = n_cells,
                             .total_work = total_work,
                             .drawn_s = clock_s()};
}

void
progress_expect(progress_t *progress, int n_cells, double total_work)
{
    progress->n_cells = n_cells;
    progress->total_work = total_work;
}

void
progress_skip(progress_t *progress, double work)
{
    progress->done_work += work;
}

void
progress_cell(progress_t *progress, int index, const char *cell, double work)
{
    progress->cell_index = index;
    snprintf(progress->cell, sizeof progress->cell, "%s", cell);
    progress->cell_work = work;
    progress->cell_share = 0;
    progress->cell_began_s = clock_s();
    progress->round = progress->rounds = 0;
    progress_tick(progress);
}

void
progress_round(progress_t *progress, int round, int rounds, double loss, double samples_per_s)
{
    progress->round = round;
    progress->rounds = rounds;
    progress->loss = loss;
    progress->samples_per_s = samples_per_s;
    progress->cell_share = rounds > 0 ? (double)round / rounds : 0;
    progress_tick(progress);
}

void
progress_cell_end(progress_t *progress)
{
    progress->own_work += progress->cell_work;
    progress->own_s += clock_s() - progress->cell_began_s;
    progress->done_work += progress->cell_work;
    progress->cell_work = progress->cell_share = 0;
}

double
progress_left_s(const progress_t *progress)
{
    double left = progress->total_work - progress->done_work;
    double now_s = progress->cell_work > 0 ? clock_s() - progress->cell_began_s : 0;
    double own_work = progress->own_work + progress->cell_work * progress->cell_share;
    // The rate of this run replaces the estimate as soon as a tenth of a cell has shown it.
    double pace = own_work > 0 && progress->cell_share + progress->own_work > 0.1
                      ? (progress->own_s + now_s) / own_work
                      : 1;
    return fmax(0, (left - progress->cell_work * progress->cell_share) * pace);
}

static void
write_line(progress_t *progress)
{
    char left[24], rate[24];
    fprintf(progress->out, "cell %d/%d %s", progress->cell_index, progress->n_cells,
            progress->cell);
    if (progress->rounds > 0)
        fprintf(progress->out, "  round %d/%d  loss %.4f  %s samples/s", progress->round,
                progress->rounds, progress->loss,
                progress_thousands(progress->samples_per_s, rate));
    fprintf(progress->out, "  %s left", progress_duration(progress_left_s(progress), left));
}

void
progress_tick(progress_t *progress)
{
    double now_s = clock_s();
    double interval_s = progress->is_live ? live_interval_s : plain_interval_s;
    if (progress->cell_index == 0 || now_s - progress->drawn_s < interval_s)
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

void
progress_end(progress_t *progress)
{
    if (progress->is_drawn)
        fputs("\r\033[K", progress->out);
    progress->is_drawn = false;
    fflush(progress->out);
}

void
progress_note(progress_t *progress, const char *format, ...)
{
    progress_end(progress);
    va_list arguments;
    va_start(arguments, format);
    vfprintf(progress->out, format, arguments);
    va_end(arguments);
    putc('\n', progress->out);
    fflush(progress->out);
}

// progress.h — how far a matrix is, on standard error.
//
// On a terminal one live line, drawn at most four times a second:
//
//     cell 3/27 n3-c6 r1  round 12/20  loss 1.3920  31,200 samples/s  4m 10s left
//     cells 3, 4/27  n3-c6 r1 round 12/20, n1-c2 r2 round 4/20  4m 10s left
//
// Elsewhere the same as a plain line a minute, so that a log stays short. Colour only on a terminal
// and never when NO_COLOR is set. The time left is that of the whole matrix: what is still to be
// trained over the rate seen so far, which starts out as the caller's estimate.
#ifndef RUNNER_PROGRESS_H
#define RUNNER_PROGRESS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>

enum { PROGRESS_CELLS_MAX = 256, PROGRESS_NO_CELL = -1 };

// A cell that runs.
typedef struct progress_cell {
    int index;       // from 1; 0: this place is free
    char label[160]; // its id and repeat
    double work;     // expected seconds
    double share;    // of it that is finished, 0 to 1
    int round, rounds;
    double loss, samples_per_s;
} progress_cell_t;

// Several threads may tell it of their cells at the same time.
typedef struct progress {
    pthread_mutex_t lock;
    FILE *out;
    bool is_live;   // a terminal: the line is redrawn in place
    bool is_drawn;  // the live line stands on the screen now
    double drawn_s; // when a line was last written
    int n_cells;    // of the matrix, repeats counted
    progress_cell_t cells[PROGRESS_CELLS_MAX];
    int n_running;
    double pace;         // seconds a second of work is expected to take: less than 1 side by side
    double total_work;   // of all cells: expected seconds; only ratios matter once a cell is done
    double done_work;    // of those that are finished, in this run of dmlx or before
    double own_work;     // done by this run of dmlx, the basis of the rate
    double own_s;        // the seconds it took, in which any cell ran
    double busy_since_s; // monotonic: since when any cell runs
} progress_t;

// `total_work` and the works below are expected durations in seconds, of cells each by itself;
// `pace` is what cells side by side make of them, 1 for one at a time.
void progress_start(progress_t *progress, FILE *out, int n_cells, double total_work, double pace);

// The matrix turned out longer or shorter than was thought.
void progress_expect(progress_t *progress, int n_cells, double total_work);

// A cell that was found done: it counts, but tells nothing about the rate.
void progress_skip(progress_t *progress, double work);

// A cell begins. Returns what the calls about it name it by; at most PROGRESS_CELLS_MAX run at
// once.
int progress_cell(progress_t *progress, int index, const char *label, double work);
// PROGRESS_NO_CELL: of a run that is not told of.
void progress_round(progress_t *progress, int cell, int round, int rounds, double loss,
                    double samples_per_s);
void progress_cell_end(progress_t *progress, int cell);

// Draws the line if it is time to; call it while waiting.
void progress_tick(progress_t *progress);

// A line that stays, above the live one.
void progress_note(progress_t *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// Takes the live line off the screen.
void progress_end(progress_t *progress);

// Seconds until the matrix is done, as far as can be told; NAN before anything is known.
double progress_left_s(progress_t *progress);

// "45 s", "4m 10s", "2h 05m", into `text` of at least 24 bytes; returns it.
char *progress_duration(double seconds, char text[24]);

// "31,200", into `text` of at least 24 bytes; returns it.
char *progress_thousands(double number, char text[24]);

#endif

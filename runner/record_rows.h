// record_rows.h — the lines of runs.csv and rounds.csv. A column is a name in a header and a value
// in the row beneath it, in the same place. DESIGN.md calls the columns; numbers that are not known
// (NAN, -1) stay empty.
#ifndef RUNNER_RECORD_ROWS_H
#define RUNNER_RECORD_ROWS_H

#include <stddef.h>

#include "plots/draft.h"
#include "runner/record.h"

// runs.csv: its further axes stand behind `cores`.
void rows_run_header(draft_t *line, const char *const *axes, size_t n_axes);
void rows_run(draft_t *line, const run_row_t *row, size_t n_axes);

// stops.csv.
void rows_stop_header(draft_t *line);
void rows_stop(draft_t *line, const char *cell, int repeats, double ci, double half_width);

// rounds.csv: a line a worker of the round.
void rows_round_header(draft_t *line);
void rows_round(draft_t *lines, const char *cell, int repeat, const char *attempt,
                const round_report_t *round);

#endif

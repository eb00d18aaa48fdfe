/* report_parts.h - the pieces a report is put together from; the inside of report.c. */
#ifndef PLOTS_REPORT_PARTS_H
#define PLOTS_REPORT_PARTS_H

#include "plots/draft.h"
#include "plots/results.h"

// Text with nothing in it that HTML would take for markup.
void html_add(draft_t *page, const char *text);
// Opens a frame that scrolls what is wider than the page, by keyboard too; "</div>" ends it. What
// it is called tells it from its like.
void frame_add(draft_t *page, const char *kind, const char *title);
// gnuplot's SVG without its prologue, its ids made different from those of every other figure by
// `index`, and named for screen readers.
void svg_add(draft_t *page, const char *svg, size_t index, const char *title);
// A figure's numbers as a table behind a disclosure; nothing when the file is missing or too long
// to read (a picture's pixels).
void csv_table_add(draft_t *page, const char *path, const char *title);
// A set's manifest, JSON, as a table of keys and values; objects within have their keys joined by
// dots.
void json_table_add(draft_t *page, const char *set, const char *text);
// The timelines of a set's cells; how many were drawn.
size_t timelines_add(draft_t *page, const results_set_t *set);

#endif

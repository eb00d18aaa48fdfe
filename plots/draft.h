/* draft.h - a text that grows in memory and is then written to its file in one go.
 *
 * Every file of plots/ is made this way: written aside, fsynced and renamed, so that a reader sees
 * the old one or the new one, and a full disk leaves the old one standing.
 *
 *     draft_t draft = {0};
 *     draft_add(&draft, "nodes,t_s\n");
 *     result = draft_write(&draft, "figures/fig07.csv", error);
 *     draft_clear(&draft); */
#ifndef PLOTS_DRAFT_H
#define PLOTS_DRAFT_H

#include <stddef.h>

#include "plots/error.h"

typedef struct {
    char *text;    // zero-terminated; NULL while nothing was added
    size_t length; // bytes, without the zero
    size_t room;   // bytes allocated
} draft_t;

void draft_add(draft_t *draft, const char *format, ...) __attribute__((format(printf, 2, 3)));
void draft_add_bytes(draft_t *draft, const char *bytes, size_t n);
// Frees the text; the draft is empty and may be used again.
void draft_clear(draft_t *draft);
// PLOTS_IO names the file and the reason; then no trace of the attempt is left.
int draft_write(const draft_t *draft, const char *path, plots_error_t *error);
// Replaces the draft's text by the whole of a file.
int draft_read(draft_t *draft, const char *path, plots_error_t *error);
// Makes a folder and those above it; one that stands already is fine.
int draft_folder(const char *path, plots_error_t *error);

#endif

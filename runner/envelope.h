// envelope.h — several texts as one: what a role gets on its standard input.
//
// A launcher hands each process one text. Besides the experiment that may be the process's keys,
// the id of the attempt and where an earlier attempt stopped; so the text is an envelope of named
// parts. A text that is none stands for the experiment alone, so that `dmlx serve - < cell.cfg`
// works for a person too.
//
//     dmlx-parts 1
//     experiment 1234
//     <1234 bytes>
//     keys 310
//     <310 bytes>
#ifndef RUNNER_ENVELOPE_H
#define RUNNER_ENVELOPE_H

#include <stdbool.h>

#include "runner/text.h"

#define ENVELOPE_EXPERIMENT "experiment"
#define ENVELOPE_KEYS       "keys"       // a key ring as transport/keys.h has it
#define ENVELOPE_ATTEMPT    "attempt"    // id of the attempt
#define ENVELOPE_CHECKPOINT "checkpoint" // base64 of a checkpoint_t's bytes

// Begins an empty envelope; parts are put in by envelope_add, whose content may be NULL: no part.
void envelope_begin(text_t *envelope);
void envelope_add(text_t *envelope, const char *part, const char *content);

bool envelope_is(const char *text);

// A copy of that part; NULL when it is not there, or the envelope is cut short. The caller frees
// it.
char *envelope_part(const char *text, const char *part);

// Overwrites a text that held secrets, and frees it. Accepts NULL.
void envelope_wipe(char *text);

#endif

// fault.h — a sentence about what the world refused, carried up to whoever prints it.
//
// Functions that can fail on the host (processes, CPU limits, launchers) return 0 or a small
// negative number of their own and fill one of these: lower case, no full stop, what went wrong
// first, the culprit in quotes, then what to do. Only commands print it.
#ifndef RUNNER_FAULT_H
#define RUNNER_FAULT_H

enum { FAULT_TEXT_BYTES = 1024 };

typedef struct fault {
    char text[FAULT_TEXT_BYTES];
} fault_t;

// Writes the sentence; a longer one is cut. `fault` may be NULL: nobody wants to know. An argument
// may be fault->text itself, which is how a caller puts its own words around it.
void fault_set(fault_t *fault, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif

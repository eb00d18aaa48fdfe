/* transport/incarnation.h - the number of one start of a worker. */
#ifndef TRANSPORT_INCARNATION_H
#define TRANSPORT_INCARNATION_H

#include <stdint.h>

enum { INCARNATION_RANDOM_BITS = 12 };

/* Microseconds since 1970 by the wall clock, above INCARNATION_RANDOM_BITS random bits: a later
 * start of a worker has a larger number, and so has a later call. Workers of a run must differ in
 * it, wherever they are, and processes in containers or namespaces of their own are alike in all
 * but chance: process id, addresses, and the time to the millisecond. Two that start within the
 * same millisecond have the same number once in four million times; the second is then not let in,
 * and the run fails when its time to join is over. Never 0. */
uint64_t incarnation_new(void);

#endif

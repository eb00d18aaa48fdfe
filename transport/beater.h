/* beater.h — a thread that does one small thing again and again: it keeps a peer's heart beating
 * while the caller's thread trains, averages or writes. Not a door. */
#ifndef TRANSPORT_BEATER_H
#define TRANSPORT_BEATER_H

#include <stdint.h>

typedef struct beater beater_t;

/* Calls act(argument) at once and then every so many ms (at least 1), in a thread that no signal is
 * delivered to. */
beater_t *beater_new(int64_t every_ms, void (*act)(void *argument), void *argument);

/* Returns when the last call has. Accepts NULL. */
void beater_free(beater_t *beater);

#endif

#include "transport/incarnation.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

uint64_t
incarnation_new(void)
{
    static _Atomic uint64_t last;
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    uint64_t us = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
    uint16_t chance;
    if (getrandom(&chance, sizeof chance, 0) != sizeof chance)
        abort(); /* so few bytes always come */
    uint64_t number =
        (us << INCARNATION_RANDOM_BITS) | (chance & ((UINT64_C(1) << INCARNATION_RANDOM_BITS) - 1));
    uint64_t before = atomic_load(&last);
    do
        number = number > before ? number : before + 1;
    while (!atomic_compare_exchange_weak(&last, &before, number));
    return number;
}

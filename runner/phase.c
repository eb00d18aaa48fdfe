#include "runner/phase.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PLACE_BYTES = 128, FILE_BYTES = 512 };

static const char *pauses; // NULL: nobody wants to hold us anywhere
static const char *own_name;

void
phase_name(const char *name)
{
    own_name = name;
    pauses = getenv("DMLX_TEST_PAUSE");
}

// Stops this process, unless one was stopped there before.
static void
pause_once(const char *file)
{
    char id[24];
    int fd = open(file, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return;
    int n = snprintf(id, sizeof id, "%ld\n", (long)getpid());
    if (write(fd, id, (size_t)n) == n)
        raise(SIGSTOP);
    close(fd);
}

void
phase_enter(const char *phase, int round)
{
    if (!pauses)
        return;
    char place[PLACE_BYTES], file[FILE_BYTES];
    int n = snprintf(place, sizeof place, "%s:%s:%d:", own_name, phase, round);
    for (const char *at = pauses; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
        if (strncmp(at, place, (size_t)n) == 0) {
            snprintf(file, sizeof file, "%.*s", (int)strcspn(at + n, ","), at + n);
            pause_once(file);
        }
}

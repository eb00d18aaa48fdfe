#include "runner/left_behind.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runner/data_find.h"
#include "runner/keeper.h"
#include "runner/memory.h"
#include "runner/process.h"

enum { PAUSE_MS = 100, RETRY_LIMIT_MS = 20000, LINE_BYTES = KEEPER_ID_BYTES + FAULT_TEXT_BYTES };

static char *
file_of(const char *folder)
{
    return memory_format("%s/left-behind.txt", folder);
}

int
left_behind_limit_ms(const launcher_t *launcher)
{
    return launcher->clean_ms_max > 0 ? launcher->clean_ms_max : KEEPER_LIMIT_MS;
}

int
left_behind_remove(const launcher_t *launcher, const cluster_t *cluster, const char *run_id,
                   int timeout_ms, fault_t *fault)
{
    long long until_ms = process_clock_ms() + timeout_ms;
    long long left_ms = timeout_ms;
    while (launcher->clean(cluster, run_id, (int)left_ms, fault) != 0) {
        left_ms = until_ms - process_clock_ms();
        // The fault is to say why, and not that the last of many had no time.
        if (left_ms <= PAUSE_MS + timeout_ms / 10)
            return -1;
        poll(NULL, 0, PAUSE_MS); // a refusal that comes at once would be asked for without end
        left_ms -= PAUSE_MS;
    }
    return 0;
}

void
left_behind_note(const char *folder, const char *run_id, const char *sentence)
{
    char line[LINE_BYTES];
    char *path = file_of(folder);
    int n = snprintf(line, sizeof line - 1, "%s %s", run_id, sentence);
    n = n < (int)sizeof line - 1 ? n : (int)sizeof line - 2;
    for (char *at = line; *at; at++)
        *at = *at == '\n' ? ' ' : *at;
    line[n++] = '\n';
    data_make_folder(folder, NULL);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (fd >= 0) {
        process_write(fd, line, (size_t)n, PAUSE_MS, NULL);
        close(fd);
    }
    free(path);
}

// Returns whether what the line is about is gone.
static bool
retry_line(char *line, const launcher_t *launcher, const cluster_t *cluster, launch_say_t *say)
{
    char text[2 * FAULT_TEXT_BYTES];
    fault_t fault = {{0}};
    line[strcspn(line, "\n")] = 0;
    char *sentence = strchr(line, ' ');
    if (!sentence)
        return true;
    *sentence++ = 0;
    snprintf(text, sizeof text, "a run before this left something behind: %s", sentence);
    say(text);
    int limit_ms = left_behind_limit_ms(launcher);
    bool is_gone =
        left_behind_remove(launcher, cluster, line,
                           limit_ms < RETRY_LIMIT_MS ? limit_ms : RETRY_LIMIT_MS, &fault) == 0;
    snprintf(text, sizeof text, "%s", is_gone ? "it is removed now" : fault.text);
    say(text);
    return is_gone;
}

void
left_behind_retry(const char *folder, const launcher_t *launcher, const cluster_t *cluster,
                  launch_say_t *say)
{
    char line[LINE_BYTES];
    char *path = file_of(folder);
    FILE *file = fopen(path, "re");
    bool is_all_gone = true;
    while (file && fgets(line, sizeof line, file))
        is_all_gone = retry_line(line, launcher, cluster, say) && is_all_gone;
    if (file)
        fclose(file);
    if (file && is_all_gone)
        unlink(path);
    free(path);
}

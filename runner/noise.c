#include "runner/noise.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#include "runner/clock.h"

static const double steal_limit = 0.02;
static const double others_limit = 0.1;

static double
seconds(struct timeval time)
{
    return (double)time.tv_sec + 1e-6 * (double)time.tv_usec;
}

static double
own_cpu_s(void)
{
    struct rusage self, children;
    getrusage(RUSAGE_SELF, &self);
    getrusage(RUSAGE_CHILDREN, &children);
    return seconds(self.ru_utime) + seconds(self.ru_stime) + seconds(children.ru_utime) +
           seconds(children.ru_stime);
}

static void
add(char text[NOISE_TEXT_BYTES], const char *words)
{
    size_t n = strlen(text);
    snprintf(text + n, NOISE_TEXT_BYTES - n, "%s%s", n > 0 ? ", " : "noisy: ", words);
}

static void
add_share(char text[NOISE_TEXT_BYTES], const char *who, double share, const char *of)
{
    char words[48];
    snprintf(words, sizeof words, "%s %.0f %%%s", who, 100 * share, of);
    add(text, words);
}

bool
noise_judge(const host_sample_t *before, const host_sample_t *after, double wall_s, double own_s,
            int n_cpus, char text[NOISE_TEXT_BYTES])
{
    double host_s = wall_s * n_cpus;
    double steal = (after->steal_s - before->steal_s) / host_s;
    double others = (after->busy_s - before->busy_s - own_s) / host_s;
    text[0] = '\0';
    if (host_s <= 0)
        return false;
    if (isfinite(steal) && steal >= steal_limit)
        add_share(text, "steal", steal, "");
    if (isfinite(others) && others >= others_limit)
        add_share(text, "others", others, " of the host");
    if (after->throttle_count > before->throttle_count || before->is_throttled == 1 ||
        after->is_throttled == 1)
        add(text, "throttled");
    return text[0] != '\0';
}

void
noise_begin(noise_t *noise)
{
    host_sample_read("", &noise->before);
    noise->began_s = clock_s();
    noise->own_s = own_cpu_s();
}

bool
noise_end(const noise_t *noise, char text[NOISE_TEXT_BYTES])
{
    host_facts_t host;
    host_sample_t after;
    double own_s = own_cpu_s() - noise->own_s, wall_s = clock_s() - noise->began_s;
    host_sample_read("", &after);
    host_facts_read("", &host);
    return noise_judge(&noise->before, &after, wall_s, own_s, host.n_cpus, text);
}

#include "runner/silence.h"

#include <math.h>

// What counts of a time in which we did not look: more than a tick of any loop, and far less than a
// limit.
static const double absence_s = 1;

// Records may come through a container engine's log, so they have three times what is asked of
// workers; no less than these seconds, whatever is asked.
static const double silences = 3, least_s = 5;

// Of the interval between beats: what a busy machine may be late by is no reason for suspicion.
static const double late = 1.2;

silence_t
silence_begin(double now_s)
{
    return (silence_t){.looked_s = now_s};
}

void
silence_pass(silence_t *silence, double now_s)
{
    double passed_s = fmin(now_s - silence->looked_s, absence_s);
    silence->looked_s = now_s;
    silence->quiet_s += passed_s;
    silence->news_s += passed_s;
}

void
silence_hear(silence_t *silence, bool is_beat)
{
    silence->quiet_s = 0;
    silence->is_heard = true;
    silence->beats = silence->beats || is_beat;
    if (!is_beat)
        silence->news_s = 0;
}

double
silence_interval_s(const cluster_t *cluster)
{
    return cluster->silence_s / 2;
}

double
silence_limit_s(const cluster_t *cluster)
{
    return fmax(silences * cluster->silence_s, least_s);
}

// The longest that a coordinator may have nothing to tell: it has limits of its own for everything,
// so this only finds one that goes round and round, or never began.
static double
news_limit_s(const silence_t *silence, const cluster_t *cluster)
{
    double phase_s = silence->is_heard ? fmax(cluster->join_s, cluster->round_s) : cluster->join_s;
    return phase_s + 2 * cluster->silence_s + cluster->stop_s;
}

silence_verdict_t
silence_judge(const silence_t *silence, const cluster_t *cluster, bool is_told, double *limit_s)
{
    if (silence->beats && !is_told && silence->quiet_s > silence_limit_s(cluster)) {
        *limit_s = silence_limit_s(cluster);
        return SILENCE_DEAD;
    }
    if (silence->news_s > news_limit_s(silence, cluster)) {
        *limit_s = news_limit_s(silence, cluster);
        return silence->quiet_s < silence->news_s ? SILENCE_NO_NEWS : SILENCE_DEAD;
    }
    return SILENCE_NONE;
}

bool
silence_is_suspicious(const silence_t *silence, const cluster_t *cluster)
{
    return silence->beats && silence->quiet_s > late * silence_interval_s(cluster);
}

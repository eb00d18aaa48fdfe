/* engine/schedule.c - the learning rate over the course of a training. */
#include "engine/schedule.h"

#include <math.h>

static const double PI = 3.14159265358979323846;

double
schedule_factor(const schedule_t *schedule, double epoch, double epochs)
{
    double factor = 1;
    if (schedule->kind == SCHEDULE_STEP && schedule->step_epochs > 0)
        factor = pow(schedule->factor, floor(epoch / schedule->step_epochs));
    if (schedule->kind == SCHEDULE_COSINE && epochs > 0)
        factor = schedule->floor + (1 - schedule->floor) * 0.5 * (1 + cos(PI * epoch / epochs));
    if (epoch < schedule->warmup_epochs)
        factor *= epoch / schedule->warmup_epochs;
    return factor;
}

/* engine/schedule.h - the learning rate over the course of a training. */
#ifndef ENGINE_SCHEDULE_H
#define ENGINE_SCHEDULE_H

typedef enum {
    SCHEDULE_CONSTANT,
    SCHEDULE_STEP,  /* times `factor` after every `step_epochs` epochs */
    SCHEDULE_COSINE /* half a cosine from the full rate down to `floor` times it at the end */
} schedule_kind_t;

typedef struct {
    schedule_kind_t kind;
    double step_epochs;   /* SCHEDULE_STEP */
    double factor;        /* SCHEDULE_STEP */
    double floor;         /* SCHEDULE_COSINE, a share of the full rate */
    double warmup_epochs; /* of any kind: linear from 0 up to the full rate; 0 for none */
} schedule_t;

/* The factor on the learning rate at EPOCH (a fraction counts) of EPOCHS in all. All zeros is
 * constant 1. */
double schedule_factor(const schedule_t *schedule, double epoch, double epochs);

#endif

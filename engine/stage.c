/* engine/stage.c - what several kinds of stages share. */
#include "engine/stage.h"

#include <stdlib.h>
#include <string.h>

int
stage_one_piece(const stage_t *stage, const pass_t *pass)
{
    (void)stage;
    (void)pass;
    return 1;
}

void
stage_partials(stage_t *stage, size_t count)
{
    int chunk = stage_chunk(stage->batch_max);
    int pieces = (stage->batch_max + chunk - 1) / chunk;
    pieces = pieces > PASS_PIECES ? pieces : PASS_PIECES;
    pieces = pieces < stage->batch_max ? pieces : stage->batch_max;
    count = (count + 15) / 16 * 16; /* whole lines of the cache */
    stage->partial_count = count;
    stage->partials = engine_alloc((size_t)pieces * count * sizeof(float));
}

float *
stage_partial(stage_t *stage, const pass_t *pass, int piece)
{
    float *partial = stage->partials + (size_t)piece * stage->partial_count;
    return pass->first ? partial : memset(partial, 0, stage->partial_count * sizeof(float));
}

/* Floats a piece of the sums: a few of them fit the first cache. */
enum { SUM_PIECE = 4096 };

int
stage_sum_pieces(const stage_t *stage, const pass_t *pass)
{
    return pass_is_last(pass) ? (int)((stage->count + SUM_PIECE - 1) / SUM_PIECE) : 0;
}

void
stage_add_partials(const stage_t *stage, const pass_t *pass, size_t first, size_t end,
                   float *restrict sum)
{
    memcpy(sum, stage->partials + first, (end - first) * sizeof(float));
    for (int p = 1; p < pass->partials; p++) {
        const float *restrict partial = stage->partials + (size_t)p * stage->partial_count + first;
        for (size_t i = 0; i < end - first; i++)
            sum[i] += partial[i];
    }
}

void
stage_sum_partials(stage_t *stage, const pass_t *pass, int piece, int thread)
{
    (void)thread;
    size_t first = (size_t)piece * SUM_PIECE, end = first + SUM_PIECE;
    end = end < stage->count ? end : stage->count;
    stage_add_partials(stage, pass, first, end, stage->gradients + first);
    stage_update(stage, pass, first, end);
}

void
stage_update(stage_t *stage, const pass_t *pass, size_t first, size_t end)
{
    if (pass->sgd && pass_is_last(pass))
        sgd_update(pass->sgd, stage->gradients + first, stage->offset + first, stage->offset + end);
}

/* engine/conv5.h - convolution of 5 by 5, relu and max-pool of 2 by 2 as one step: the derivation
 * (inside the engine only).
 *
 * Letters: C channels of H by W in, K filters, P = H - 4 by Q = W - 4 convolved, I = P/2 by J = Q/2
 * pooled (rounded down). Doing the three layers at once saves arithmetic twice.
 *
 * 1. Forward: fewer products, by two tricks that are known to filter design as fast FIR algorithms.
 *
 * Along a row, Karatsuba's. The filter h has five taps; call its even ones H0 = (h0, h2, h4), its
 * odd ones H1 = (h1, h3), and likewise X0, X1 the even and odd inputs. With (H * X)(i) = sum over j
 * of H(j) X(i + j), two neighbouring outputs are
 *
 *     y(2i)   = (H0 * X0)(i) + (H1 * X1)(i)
 *     y(2i+1) = (H0 * X1)(i) + (H1 * X0)(i + 1)
 *
 * which is ten products. With S X0 for X0 shifted by one, (S X0)(i) = X0(i + 1), three filters do,
 * with 3 + 3 + 2 = 8 products; expand them to see that X1's extra terms cancel:
 *
 *     p0 = H0 * (X0 - X1)      p1 = (H0 + H1) * X1      p2 = H1 * (S X0 - X1)
 *     y(2i) = p0 + p1          y(2i+1) = p1 + p2
 *
 * Down a column, Toom's and Cook's, as Winograd turned it round. Polynomials of degree 3 and 4 have
 * a product of degree 7, which its values at eight points determine: 0, 1, -1, 2, -2, 1/2, -1/2 and
 * infinity. Transposed, that gives four neighbouring outputs of a filter of five taps from eight
 * inputs by eight products in place of twenty,
 *
 *     y = A' ((G h) . (B' x))
 *
 * where row p of G evaluates the filter at point p (and has the constants), row p of A' are the
 * powers 1, p, p^2, p^3, and B' has the coefficients of the other points' factors, multiplied out.
 * The method is explained in A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural
 * Networks (2016). In one dimension it costs a digit or less of precision (tests/unit/test_kernels
 * bounds it); in both it would cost more than it saves, with so few channels.
 *
 * Both at once: 24 filters F[p][b] on 24 inputs D[p][b], p the point and b Karatsuba's part, with 8
 * x 8 = 64 products in place of 200 for a block of four rows by two columns: two pooled outputs, a
 * group. D is made group by group (conv5's scratch), first down the columns, then along the rows,
 * whose parts are made of vectors at hand; F once a step (packed).
 *
 * 2. Backward: the pool makes the gradient sparse. Of every 2x2 outputs only the winner has a
 * gradient, and only if relu let it through: at most 1 in 4, in training about 1 in 8. So the
 * gradients are lists of (place, slope), and with g = dy at a winner in row r = 2i + a, column s =
 * 2j + b
 *
 *     dw[k][c][u][v] += g x[c][r + u][s + v]        a patch of the input, times a number
 *     dx[c][r + u][s + v] += g w[k][c][u][v]        a filter, times a number
 *
 * For dw a filter's list is gone through with that filter's gradient in registers, three to five
 * rows of it at a time. The image is copied channel-last for that, since a row of a patch, five
 * pixels, then stands in one piece: 15 floats of conv1 are two vectors of 8 where three channels
 * of 5 would be three. Past four channels a pixel is filled up to whole vectors, none of which
 * crosses a line of the cache; an access that does takes twice as long. For dx
 * the 6x6 window that the four places of a pool can reach is in registers, three rows of it at a
 * time; a filter in a border of zeros, taken from an offset by (a, b), is added to it. Both are
 * channel-last: a row of a window of conv2 is then 36 floats, five vectors of 8, where six channels
 * of rows of their own would be six. Its lists go by place and what forward left goes by filter, so
 * squares of four by four are transposed on the way. A copy of the filters for each b, every access
 * of which stays within a line, no longer fits the first cache: a third slower. */
#ifndef ENGINE_CONV5_H
#define ENGINE_CONV5_H

#include "engine/shape.h"

#include <stddef.h>
#include <stdint.h>

typedef struct {
    int C, H, W, K, I, J;
    int groups;  /* of two pooled rows, each from eight rows of x: (I + 1) / 2 */
    int is_deep; /* vectors run over filters and not along a row: K is a multiple of 16 */
    int group;   /* filters that are computed at once when they do not */
    int pitch; /* floats in a row of D: J + 2 and as few more as vectors can do with. They read and
                * write on into the next row, which is garbage in lanes past J, or written later */
    int depth; /* floats of a pixel in a channel-last image: C, or filled up so that vectors of 8
                * start where lines of the cache do */
} conv5_t;

/* H and W are at least 6. Six filters at once fill the registers best; four waste less of some
 * numbers of filters. */
static inline conv5_t
conv5_shape(image_shape_t in, int K)
{
    conv5_t conv = {.C = in.channels, .H = in.height, .W = in.width, .K = K};
    conv.I = (in.height - 4) / 2;
    conv.J = (in.width - 4) / 2;
    conv.groups = (conv.I + 1) / 2;
    conv.is_deep = K % 16 == 0;
    conv.group = (K + 5) / 6 * 6 <= (K + 3) / 4 * 4 ? 6 : 4;
    conv.pitch = conv.J + 2 <= 8 ? 8 : (conv.J + 2 + 15) / 16 * 16;
    conv.depth = conv.C <= 4 ? conv.C : (conv.C + 7) / 8 * 8;
    return conv;
}

enum {
    CONV5_POINTS = 8,          /* that Toom's and Cook's algorithm evaluates at */
    CONV5_TILE_GROUPS_MAX = 2, /* of a tile, whatever the vectors */
    CONV5_SPARE = 64           /* floats that vectors may read past the end of x, dx, D */
};

/* Sizes, in floats. */
static inline size_t
conv5_packed_count(const conv5_t *conv)
{
    size_t filters = conv->is_deep
                         ? (size_t)conv->K
                         : (size_t)((conv->K + conv->group - 1) / conv->group * conv->group);
    return 64 * (size_t)conv->C * filters;
}

/* Of a row of a filter's gradient: five pixels, whole vectors of them. */
static inline size_t
conv5_gradient_pitch(const conv5_t *conv)
{
    return (size_t)((5 * conv->depth + 15) / 16 * 16);
}

/* Of a filter's gradient: five such rows, one for each row of the filter, [v][c] within it. */
static inline size_t
conv5_gradient_count(const conv5_t *conv)
{
    return 5 * conv5_gradient_pitch(conv);
}

/* Of the filters in their borders of zeros: six rows of six pixels each, the rows whole vectors;
 * the last filter's border is two more. */
static inline size_t
conv5_padded_count(const conv5_t *conv)
{
    return (6 * (size_t)conv->K + 2) * (size_t)((6 * conv->C + 15) / 16 * 16);
}

/* Of D: deep, all groups of an image; otherwise those of a tile. One more row takes what vectors
 * write past the last. */
static inline size_t
conv5_planes_count(const conv5_t *conv)
{
    int rows = conv->is_deep ? conv->groups : CONV5_TILE_GROUPS_MAX;
    return 3 * CONV5_POINTS * (size_t)(conv->C * (rows + 1) * conv->pitch) + CONV5_SPARE;
}

static inline size_t
conv5_scratch_count(const conv5_t *conv)
{
    size_t planes = conv5_planes_count(conv);
    size_t vectors = (size_t)(conv->J + 2 + 15) / 16 * 16; /* a split row, in whole ones */
    size_t room = 8 * 2 * vectors;                         /* for the eight rows of a group */
    size_t window = (size_t)conv->depth * (size_t)conv->H * (size_t)conv->W;
    size_t lists = (size_t)(conv->I * conv->J) * (size_t)(2 * conv->K + 20);
    return planes + room + window + lists + 10 * CONV5_SPARE;
}

#endif

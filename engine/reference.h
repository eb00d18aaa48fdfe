/* engine/reference.h - the whole network once more, as plainly as it can be said, in double
 * precision.
 *
 * What the fast stages are held against: no cuts, no threads, no packing, one loop an index of the
 * formula. Nothing but tests calls it. Dropout is left out (as at evaluation), since its masks are
 * tested by themselves. */
#ifndef ENGINE_REFERENCE_H
#define ENGINE_REFERENCE_H

#include "engine/network.h"

/* Mean loss of the batch as in training. GRADIENTS (of the block's layout) and DX (n, C, H, W) are
 * overwritten unless NULL; parameters are only read, batch-norm's running statistics included. */
double reference_gradient(const network_spec_t *spec, const float *parameters, const float *x,
                          const uint8_t *labels, int n, double *gradients, double *dx);

#endif

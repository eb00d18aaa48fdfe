/* wire.c — libFuzzer's way into wire_decode. An input is one byte (bit 0: upwards; bits 1 and 2:
 * how many frames), two bytes of array size in floats, and the first frame. What is accepted must
 * be written back as the very same bytes, so nothing is accepted that a dmlx would not have sent.
 */
#include "transport/wire.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    if (bytes < 3)
        return 0;
    bool is_upwards = data[0] & 1;
    int n_frames = 1 + (data[0] >> 1 & 3);
    size_t array_bytes = 4 * ((size_t)data[1] | (size_t)data[2] << 8), first_bytes = bytes - 3;
    /* A block of its own, so that a read behind its end is seen. */
    unsigned char *first = malloc(first_bytes ? first_bytes : 1);
    if (!first)
        abort();
    memcpy(first, data + 3, first_bytes);
    wire_message_t message;
    drop_t reason = DROP_REASONS;
    uint64_t peer;
    if (wire_decode(first, first_bytes, array_bytes, n_frames, is_upwards, &message, &reason,
                    &peer) != 0) {
        if (reason != DROP_VERSION && reason != DROP_MALFORMED && reason != DROP_OVERSIZED)
            abort();
    } else {
        if (wire_frame_bytes(&message) != first_bytes || 4 * (size_t)message.n != array_bytes ||
            message.peer != peer)
            abort();
        unsigned char *again = malloc(first_bytes);
        if (!again)
            abort();
        wire_encode(&message, again);
        if (memcmp(again, first, first_bytes) != 0)
            abort();
        free(again);
    }
    free(first);
    return 0;
}

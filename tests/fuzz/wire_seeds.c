/* wire_seeds.c — writes one input of each kind for wire.c into the folder named: run by hand when
 * the format changes. */
#include "transport/wire.h"

#include <stdio.h>
#include <string.h>

static int
write_seed(const char *folder, const wire_message_t *message, unsigned char manner)
{
    unsigned char frame[1024];
    char path[512];
    wire_encode(message, frame);
    snprintf(path, sizeof path, "%s/%s-%s", folder, wire_kind_name(message->kind),
             manner & 1 ? "up" : "down");
    FILE *file = fopen(path, "wb");
    if (!file)
        return 1;
    const unsigned char prefix[3] = {(unsigned char)(manner | (message->n ? 2 : 0)),
                                     (unsigned char)message->n, 0};
    fwrite(prefix, 1, sizeof prefix, file);
    fwrite(frame, 1, wire_frame_bytes(message), file);
    return fclose(file) != 0;
}

int
main(int argc, char **argv)
{
    const wire_message_t up = {
        .version = WIRE_VERSION, .peer = 0x18f2c3d4e5000001, .run = "run-1", .sequence = 9};
    const wire_message_t seeds[] = {
        {.kind = WIRE_HELLO, .identity = "node7", .host = "pi 7", .text = "{\"cores\":4}"},
        {.kind = WIRE_WELCOME, .rank = 2, .limit_ms = 3000, .text = "name = \"smoke\";"},
        {.kind = WIRE_READY, .rank = 2, .text = "{\"data\":\"xxh128\"}"},
        {.kind = WIRE_ROUND, .turn = 3, .round = 2, .n = 16},
        {.kind = WIRE_UPDATE, .turn = 3, .round = 2, .rank = 2, .n = 16, .text = "{\"loss\":1.5}"},
        {.kind = WIRE_BEAT, .turn = 3, .rank = 2, .flags = WIRE_ANSWERED},
        {.kind = WIRE_BEAT, .turn = 3},
        {.kind = WIRE_ERROR, .rank = 2, .text = "disk full"},
        {.kind = WIRE_ABORT, .text = "worker 1 was lost"},
        {.kind = WIRE_DONE, .text = ""},
    };
    static const bool goes_up[] = {true, false, true, false, true, true, false, true, false, false};
    int status = argc != 2;
    for (size_t i = 0; status == 0 && i < sizeof seeds / sizeof *seeds; i++) {
        wire_message_t seed = seeds[i];
        seed.version = up.version;
        seed.peer = goes_up[i] || seed.kind == WIRE_WELCOME ? up.peer : 0;
        seed.sequence = up.sequence;
        memcpy(seed.run, up.run, sizeof seed.run);
        status = write_seed(argv[1], &seed, goes_up[i]);
    }
    return status;
}

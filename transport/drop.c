#include "transport/drop.h"

const char *
drop_name(drop_t reason)
{
    static const char *const names[DROP_REASONS] = {
        [DROP_LATE] = "from a lost worker",
        [DROP_STALE] = "for an earlier turn",
        [DROP_RUN] = "of another run",
        [DROP_VERSION] = "of another version",
        [DROP_MALFORMED] = "malformed",
        [DROP_FINITE] = "not finite",
        [DROP_OVERSIZED] = "oversized",
        [DROP_DUPLICATE] = "duplicate",
        [DROP_REPLAYED] = "replayed",
        [DROP_UNKNOWN] = "from an unknown sender",
        [DROP_IDENTITY] = "under another's identity",
        [DROP_PLAIN] = "without a key",
        [DROP_HANDSHAKE] = "with no handshake for this coordinator's key",
        [DROP_KEY] = "with a key that is not listed",
    };
    return (unsigned)reason < DROP_REASONS ? names[reason] : "?";
}

#include "transport/error.h"

#include <stdarg.h>
#include <stdio.h>

const char *
transport_strerror(int code)
{
    switch ((transport_code_t)code) {
    case TRANSPORT_OK:
        return "no error";
    case TRANSPORT_TIMEOUT:
        return "a time limit ran out";
    case TRANSPORT_LOST:
        return "a peer was lost";
    case TRANSPORT_REFUSED:
        return "refused";
    case TRANSPORT_STOPPED:
        return "stopped";
    case TRANSPORT_ABORTED:
        return "the coordinator ended the run";
    case TRANSPORT_ADDRESS:
        return "an endpoint cannot be used";
    case TRANSPORT_INVALID:
        return "a value cannot be sent";
    case TRANSPORT_KEYS:
        return "keys cannot be used";
    }
    return "unknown error";
}

void
transport_clean(char *text)
{
    for (unsigned char *c = (unsigned char *)text; *c; c++)
        if (*c < 0x20 || *c == 0x7f)
            *c = '?';
}

int
transport_fail(transport_error_t *error, int code, const char *format, ...)
{
    if (!error)
        return code;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->text, sizeof error->text, format, arguments);
    va_end(arguments);
    transport_clean(error->text);
    return code;
}

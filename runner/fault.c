#include "runner/fault.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void
fault_set(fault_t *fault, const char *format, ...)
{
    if (!fault)
        return;
    char text[FAULT_TEXT_BYTES]; // aside, since an argument may lie in *fault
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    memcpy(fault->text, text, sizeof text);
}

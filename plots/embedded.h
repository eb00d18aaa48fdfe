/* embedded.h - files of this folder that travel inside the program; embedded.c is made from them by
 * CMake. */
#ifndef PLOTS_EMBEDDED_H
#define PLOTS_EMBEDDED_H

#include <stddef.h>

extern const unsigned char EMBEDDED_COMMON_GP[];
extern const size_t EMBEDDED_COMMON_GP_BYTES;
extern const unsigned char EMBEDDED_REPORT_CSS[];
extern const size_t EMBEDDED_REPORT_CSS_BYTES;

#endif

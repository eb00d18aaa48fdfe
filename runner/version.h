// version.h — which dmlx this is, and the libraries it runs with.
#ifndef RUNNER_VERSION_H
#define RUNNER_VERSION_H

#include <stdio.h>

// "0.1.0", from CMakeLists.txt. Workers of another version are refused.
const char *version_text(void);

// The git revision that was built, "abc1234" or "abc1234-dirty"; "unknown" outside a checkout.
const char *version_revision(void);

// One line for `dmlx --version`: version, revision and the instruction set the engine picked.
void version_print(FILE *out);

#endif

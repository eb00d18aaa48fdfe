#include "runner/version.h"

#include "runner/revision.h" // made by the build: DMLX_VERSION, DMLX_REVISION

const char *
version_text(void)
{
    return DMLX_VERSION;
}

const char *
version_revision(void)
{
    return DMLX_REVISION;
}

void
version_print(FILE *out)
{
    fprintf(out, "dmlx %s (%s)\n", version_text(), version_revision());
}

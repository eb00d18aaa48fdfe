# Writes runner/revision.h into the build folder at every build; touches it only when it says something new.
#   cmake -DSOURCE=… -DOUTPUT=… -DVERSION=… -P revision.cmake
execute_process(COMMAND git describe --always --dirty --abbrev=10 --exclude=* WORKING_DIRECTORY ${SOURCE}
    OUTPUT_VARIABLE revision OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT revision)
    set(revision unknown)
endif()
set(text "#define DMLX_VERSION \"${VERSION}\"\n#define DMLX_REVISION \"${revision}\"\n")
if(EXISTS ${OUTPUT})
    file(READ ${OUTPUT} old)
endif()
if(NOT text STREQUAL "${old}")
    file(WRITE ${OUTPUT} "${text}")
endif()

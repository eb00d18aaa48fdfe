# The flags of our own targets, and the functions behind each folder's list of sources and tests.

add_library(dmlx_flags INTERFACE)
target_compile_definitions(dmlx_flags INTERFACE _POSIX_C_SOURCE=200809L)
target_include_directories(dmlx_flags INTERFACE ${CMAKE_SOURCE_DIR})
target_compile_options(dmlx_flags INTERFACE -Wall -Wextra -Wpedantic -Wshadow -Wvla -Wstrict-prototypes
    -Wmissing-prototypes -Wwrite-strings -Wformat=2 $<$<BOOL:${DMLX_WERROR}>:-Werror>)

# dmlx_leaf(NAME SOURCES … LINKS …): the static library dmlx_NAME. Includes are written from the root
# ("engine/network.h"), so that a call across layers is seen where it is written.
function(dmlx_leaf name)
    cmake_parse_arguments(LEAF "" "" "SOURCES;LINKS" ${ARGN})
    add_library(dmlx_${name} STATIC ${LEAF_SOURCES})
    target_link_libraries(dmlx_${name} PUBLIC dmlx_flags ${LEAF_LINKS})
endfunction()

# dmlx_unit(MODULE LEAF): tests/unit/test_MODULE.c, linked with that one leaf and cmocka, run as test
# unit.MODULE. A test that links a single leaf cannot call upwards. The limit is ThreadSanitizer's: training takes it
# many times as long.
function(dmlx_unit module leaf)
    if(NOT BUILD_TESTING)
        return()
    endif()
    add_executable(test_${module} ${CMAKE_SOURCE_DIR}/tests/unit/test_${module}.c)
    target_link_libraries(test_${module} PRIVATE dmlx_${leaf} PkgConfig::cmocka)
    target_compile_definitions(test_${module} PRIVATE TEST_DATA="${CMAKE_SOURCE_DIR}/tests/data")
    add_test(NAME unit.${module} COMMAND test_${module})
    set_tests_properties(unit.${module} PROPERTIES LABELS "unit;${leaf}" TIMEOUT 300 PROCESSORS 3)
endfunction()

# dmlx_embed(LEAF FILE NAME): "LEAF/FILE.h" has the text FILE of the leaf's folder as the array NAME.
function(dmlx_embed leaf file name)
    set(header ${CMAKE_BINARY_DIR}/generated/${leaf}/${file}.h)
    add_custom_command(OUTPUT ${header}
        COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_CURRENT_SOURCE_DIR}/${file} -DOUTPUT=${header} -DNAME=${name}
            -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
        DEPENDS ${file} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake)
    target_sources(dmlx_${leaf} PRIVATE ${header})
endfunction()

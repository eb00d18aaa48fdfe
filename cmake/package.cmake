# `make install` and `make package`: the program, its man page, completion, and the experiments of the paper.

# Made by running the program, so not when it was built for another kind of machine.
if(NOT CMAKE_CROSSCOMPILING)
    add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/dmlx.1
        COMMAND sh ${CMAKE_SOURCE_DIR}/cmake/manual.sh $<TARGET_FILE:dmlx> ${CMAKE_SOURCE_DIR}/cmake/dmlx.1.in
            > ${CMAKE_BINARY_DIR}/dmlx.1.new
        COMMAND ${CMAKE_COMMAND} -E rename ${CMAKE_BINARY_DIR}/dmlx.1.new ${CMAKE_BINARY_DIR}/dmlx.1
        DEPENDS dmlx ${CMAKE_SOURCE_DIR}/cmake/manual.sh ${CMAKE_SOURCE_DIR}/cmake/dmlx.1.in
        VERBATIM)
    add_custom_target(manual ALL DEPENDS ${CMAKE_BINARY_DIR}/dmlx.1)
    install(FILES ${CMAKE_BINARY_DIR}/dmlx.1 DESTINATION ${CMAKE_INSTALL_MANDIR}/man1)
endif()
install(TARGETS dmlx DESTINATION ${CMAKE_INSTALL_BINDIR})
install(FILES cmake/completion.bash RENAME dmlx
    DESTINATION ${CMAKE_INSTALL_DATADIR}/bash-completion/completions)
install(DIRECTORY experiments/ DESTINATION ${CMAKE_INSTALL_DATADIR}/dmlx/experiments
    FILES_MATCHING PATTERN "*.cfg" PATTERN "*.csv" PATTERN "*.json")
install(FILES README.md CHANGELOG.md LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR})

set(CPACK_GENERATOR "DEB;TGZ")
set(CPACK_PACKAGE_CONTACT "the dmlx maintainers <maintainers@invalid>")
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION science)
# The libraries are found by what the program is linked with; gnuplot is a process, which no linker sees.
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# These libraries are opened when they are needed, which a look at the program does not show.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "gnuplot-nox, libarchive13, libcurl4")
include(CPack)

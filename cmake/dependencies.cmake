# The libraries dmlx stands on. Makefile names the Debian packages that hold them.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

function(dmlx_require name module)
    pkg_check_modules(${name} REQUIRED IMPORTED_TARGET GLOBAL ${module})
endfunction()
dmlx_require(czmq libczmq)
dmlx_require(zmq libzmq)
dmlx_require(config libconfig)
dmlx_require(jansson jansson)
dmlx_require(curl libcurl)
dmlx_require(archive libarchive)
dmlx_require(gsl gsl)
dmlx_require(md libmd)
dmlx_require(xxhash libxxhash)
if(BUILD_TESTING)
    dmlx_require(cmocka cmocka)
endif()

# Debian's BLIS has no .pc file. The pthread build is named first: it is the one the Makefile installs.
find_path(BLIS_INCLUDE_DIR blis.h PATH_SUFFIXES ${CMAKE_LIBRARY_ARCHITECTURE}/blis-pthread
    ${CMAKE_LIBRARY_ARCHITECTURE}/blis-serial ${CMAKE_LIBRARY_ARCHITECTURE}/blis-openmp blis REQUIRED)
find_library(BLIS_LIBRARY blis PATH_SUFFIXES blis-pthread blis-serial blis-openmp REQUIRED)
add_library(BLIS::BLIS UNKNOWN IMPORTED GLOBAL)
set_target_properties(BLIS::BLIS PROPERTIES IMPORTED_LOCATION ${BLIS_LIBRARY}
    INTERFACE_INCLUDE_DIRECTORIES ${BLIS_INCLUDE_DIR} INTERFACE_LINK_LIBRARIES Threads::Threads)

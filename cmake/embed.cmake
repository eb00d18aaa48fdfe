# Makes a header of a text file, an array of its bytes that ends with a 0, so that a shell script can be read, and
# highlighted, as one.
#   cmake -DSOURCE=… -DOUTPUT=… -DNAME=… -P embed.cmake
get_filename_component(file ${SOURCE} NAME)
file(READ ${SOURCE} bytes HEX)
string(REGEX REPLACE "(................)" "\\1\n" bytes "${bytes}")
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "'\\\\x\\1'," bytes "${bytes}")
file(WRITE ${OUTPUT} "/* ${file}, by cmake/embed.cmake */\nstatic const char ${NAME}[] = {\n${bytes}0};\n")

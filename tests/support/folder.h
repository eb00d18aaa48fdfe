/* tests/support/folder.h - a folder of a test's own: made before it, removed with its files after
 * it. */
#ifndef TESTS_SUPPORT_FOLDER_H
#define TESTS_SUPPORT_FOLDER_H

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

enum { FOLDER_PATH_BYTES = 512 };

static char folder[64];

static inline void
path_in(char path[FOLDER_PATH_BYTES], const char *name)
{
    snprintf(path, FOLDER_PATH_BYTES, "%s/%s", folder, name);
}

static inline void
write_bytes(const char *name, const void *bytes, size_t n)
{
    char path[FOLDER_PATH_BYTES];
    path_in(path, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, n, file), n);
    assert_int_equal(fclose(file), 0);
}

static inline void
remove_file(const char *name)
{
    char path[FOLDER_PATH_BYTES];
    path_in(path, name);
    unlink(path);
}

static inline int
make_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/dmlx-test-XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static inline int
remove_folder(void **state)
{
    (void)state;
    DIR *entries = opendir(folder);
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        if (entry->d_name[0] != '.')
            remove_file(entry->d_name);
    if (entries)
        closedir(entries);
    return rmdir(folder);
}

#endif

#define _GNU_SOURCE // O_CLOEXEC beside plain open
#include "runner/kernel_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 2048, FILE_BYTES = 64 << 10 };

static int
open_in(const char *folder, const char *name, int flags)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof path, "%s%s%s", folder, *folder ? "/" : "", name);
    if (n < 0 || (size_t)n >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, flags | O_CLOEXEC);
}

int
kernel_file_read(const char *folder, const char *name, char *text, size_t n_bytes)
{
    *text = 0;
    int fd = open_in(folder, name, O_RDONLY);
    if (fd < 0)
        return -1;
    size_t n = 0;
    ssize_t n_read;
    while (n + 1 < n_bytes && (n_read = read(fd, text + n, n_bytes - 1 - n)) > 0)
        n += (size_t)n_read;
    close(fd);
    if (n > 0 && text[n - 1] == '\n')
        n--;
    text[n] = 0;
    return 0;
}

int
kernel_file_write(const char *folder, const char *name, const char *text)
{
    int fd = open_in(folder, name, O_WRONLY);
    if (fd < 0)
        return -1;
    ssize_t n_written = write(fd, text, strlen(text));
    int reason = errno;
    close(fd);
    errno = reason;
    return n_written < 0 ? -1 : 0;
}

double
kernel_file_number(const char *folder, const char *name, double otherwise)
{
    char text[64], *end;
    if (kernel_file_read(folder, name, text, sizeof text) != 0)
        return otherwise;
    double number = strtod(text, &end);
    return end == text ? otherwise : number;
}

double
kernel_file_field(const char *folder, const char *name, const char *key, double otherwise)
{
    char text[FILE_BYTES];
    kernel_file_read(folder, name, text, sizeof text);
    size_t n_key = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n')) {
        line += *line == '\n';
        const char *value = line + n_key;
        if (strncmp(line, key, n_key) != 0 || !strchr(" \t:", *value) || !*value)
            continue;
        value += strspn(value, " \t:");
        char *end;
        double number = strtod(value, &end);
        return end == value ? otherwise : number;
    }
    return otherwise;
}

bool
kernel_file_has_word(const char *list, const char *word, const char *separators)
{
    size_t n_word = strlen(word);
    for (const char *at = list; *at; at += strspn(at, separators)) {
        size_t n = strcspn(at, separators);
        if (n == n_word && strncmp(at, word, n) == 0)
            return true;
        at += n;
    }
    return false;
}

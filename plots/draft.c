#include "plots/draft.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "plots/memory.h"

static void
make_room(draft_t *draft, size_t n)
{
    if (draft->length + n + 1 <= draft->room)
        return;
    size_t room = draft->room > 0 ? draft->room : 256;
    while (room < draft->length + n + 1)
        room *= 2;
    draft->text = plots_resize(draft->text, room, 1);
    draft->room = room;
}

void
draft_add_bytes(draft_t *draft, const char *bytes, size_t n)
{
    make_room(draft, n);
    if (n > 0)
        memcpy(draft->text + draft->length, bytes, n);
    draft->length += n;
    draft->text[draft->length] = '\0';
}

void
draft_add(draft_t *draft, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    const int length = vsnprintf(NULL, 0, format, arguments);
    va_end(arguments);
    if (length < 0)
        abort();
    make_room(draft, (size_t)length);
    va_start(arguments, format);
    vsnprintf(draft->text + draft->length, (size_t)length + 1, format, arguments);
    va_end(arguments);
    draft->length += (size_t)length;
}

void
draft_clear(draft_t *draft)
{
    free(draft->text);
    *draft = (draft_t){0};
}

static int
write_all(int file, const char *text, size_t length)
{
    while (length > 0) {
        const ssize_t n = write(file, text, length);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -1;
        text += n;
        length -= (size_t)n;
    }
    return 0;
}

// Makes the rename itself last: the folder's entry is data too.
static void
sync_folder_of(const char *path)
{
    char *folder = plots_copy(path);
    char *slash = strrchr(folder, '/');
    if (slash != NULL)
        slash[1] = '\0';
    const int file = open(slash != NULL ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (file >= 0) {
        (void)fsync(file);
        close(file);
    }
    free(folder);
}

int
draft_write(const draft_t *draft, const char *path, plots_error_t *error)
{
    char *aside = plots_format("%s.%ld.part", path, (long)getpid());
    int result = PLOTS_OK;
    const int file = open(aside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0) {
        result = plots_fail(error, PLOTS_IO, "cannot write '%s': %s", path, strerror(errno));
        goto done;
    }
    bool is_written = write_all(file, draft->text, draft->length) == 0 && fsync(file) == 0;
    int reason = errno;
    if (close(file) != 0 && is_written) {
        is_written = false;
        reason = errno;
    }
    if (is_written && rename(aside, path) != 0) {
        is_written = false;
        reason = errno;
    }
    if (is_written) {
        sync_folder_of(path);
    } else {
        unlink(aside);
        result = plots_fail(error, PLOTS_IO, "cannot write '%s': %s; what stood there is unchanged",
                            path, strerror(reason));
    }
done:
    free(aside);
    return result;
}

int
draft_read(draft_t *draft, const char *path, plots_error_t *error)
{
    FILE *stream = fopen(path, "re");
    if (stream == NULL)
        return plots_fail(error, PLOTS_IO, "cannot read '%s': %s", path, strerror(errno));
    draft_clear(draft);
    char bytes[65536];
    size_t n;
    while ((n = fread(bytes, 1, sizeof bytes, stream)) > 0)
        draft_add_bytes(draft, bytes, n);
    const bool is_read = ferror(stream) == 0;
    const int reason = errno;
    fclose(stream);
    draft_add_bytes(draft, "", 0);
    if (!is_read)
        return plots_fail(error, PLOTS_IO, "cannot read '%s': %s", path, strerror(reason));
    return PLOTS_OK;
}

int
draft_folder(const char *path, plots_error_t *error)
{
    char *part = plots_copy(path);
    int result = PLOTS_OK;
    for (char *end = part; result == PLOTS_OK && end != NULL;) {
        end = strchr(end + 1, '/');
        if (end != NULL)
            *end = '\0';
        if (*part != '\0' && mkdir(part, 0777) != 0 && errno != EEXIST)
            result = plots_fail(error, PLOTS_IO, "cannot make the folder '%s': %s", part,
                                strerror(errno));
        if (end != NULL)
            *end = '/';
    }
    free(part);
    return result;
}

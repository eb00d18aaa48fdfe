// kernel_file.h — the kernel's small files: a text that is read or written in one go.
#ifndef RUNNER_KERNEL_FILE_H
#define RUNNER_KERNEL_FILE_H

#include <stdbool.h>
#include <stddef.h>

// The file FOLDER/NAME (NAME alone with an empty folder) up to n_bytes - 1, 0-terminated, without
// the last newline. -1: it cannot be read, errno says why, `text` is "".
int kernel_file_read(const char *folder, const char *name, char *text, size_t n_bytes);

// Writes the text in one write, never creating the file. -1: errno says why.
int kernel_file_write(const char *folder, const char *name, const char *text);

// The number that FOLDER/NAME holds; `otherwise` when there is none.
double kernel_file_number(const char *folder, const char *name, double otherwise);

// The number behind `key` in FOLDER/NAME, a file of lines "key number" or "key: number unit";
// `otherwise` when there is none.
double kernel_file_field(const char *folder, const char *name, const char *key, double otherwise);

// True when `word` is one of the words in `list`, parted by any of `separators`.
bool kernel_file_has_word(const char *list, const char *word, const char *separators);

#endif

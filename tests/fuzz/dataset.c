// Whatever a data file holds: every label and pixel of it can be read, or a sentence says why not.
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "engine/dataset.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

static char folder[] = "/dev/shm/dmlx-fuzz-XXXXXX";

static void
write_file(const char *name, const void *bytes, size_t n)
{
    char path[96];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, n, file) != n || fclose(file) != 0)
        abort();
}

static void
remove_folder(void)
{
    static const char *const names[] = {"data_batch_1.bin", "data_batch_2.bin", "data_batch_3.bin",
                                        "data_batch_4.bin", "data_batch_5.bin", "test_batch.bin",
                                        "batches.meta.txt"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

// Images of 1 x 2 x 2 in two classes: a record is five bytes. The input is the test batch, and
// behind a first byte that is odd the names of the classes.
int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const uint8_t good[5] = {1, 2, 3, 4, 5};
    static bool has_folder = false; // its name does not tell: what replaces the X may be one
    if (!has_folder) {
        if (!mkdtemp(folder))
            abort();
        has_folder = true;
        atexit(remove_folder);
        for (int i = 1; i <= 5; i++) {
            char name[24];
            snprintf(name, sizeof name, "data_batch_%d.bin", i);
            write_file(name, good, sizeof good);
        }
    }
    bool is_meta = n > 0 && data[0] % 2 == 1;
    size_t skip = n > 0 ? 1 : 0;
    write_file("test_batch.bin", is_meta ? good : data + skip, is_meta ? sizeof good : n - skip);
    write_file("batches.meta.txt", is_meta ? data + skip : good, is_meta ? n - skip : 0);
    dataset_t *set = NULL;
    engine_error_t error = {{0}};
    if (dataset_open(&set, folder, (image_shape_t){1, 2, 2}, 2, &error) == 0) {
        unsigned sum = 0;
        for (size_t i = 0; i < dataset_length(set, DATASET_TEST); i++) {
            const uint8_t *image = dataset_image(set, DATASET_TEST, i);
            for (int k = 0; k < 4; k++)
                sum += image[k];
            if (dataset_label(set, DATASET_TEST, i) > 1)
                abort();
        }
        for (int label = 0; label < 2; label++)
            sum += (unsigned)strlen(dataset_class_name(set, label));
        if (sum == UINT32_MAX)
            abort();
    } else if (!error.text[0]) {
        abort(); // refused without a word
    }
    dataset_close(&set);
    return 0;
}

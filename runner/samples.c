#include "runner/samples.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "plots/csv.h"
#include "runner/memory.h"

enum { NAME_COLUMNS = 12, GRID_GAP = 2 };

typedef struct pixel {
    uint8_t red, green, blue;
} pixel_t;

// The picked pictures: `images[class * n_per_class + i]`, NULL where a class has fewer.
static const uint8_t **
pick(const dataset_t *set, int n_per_class)
{
    int n_classes = dataset_classes(set);
    size_t n_wanted = (size_t)n_classes * (size_t)n_per_class;
    const uint8_t **images = memory_new(n_wanted * sizeof *images);
    int *n_found = memory_new((size_t)n_classes * sizeof *n_found);
    size_t n_images = dataset_length(set, DATASET_TRAIN);
    for (size_t i = 0, n = 0; i < n_images && n < n_wanted; i++) {
        int label = dataset_label(set, DATASET_TRAIN, i);
        if (n_found[label] == n_per_class)
            continue;
        images[label * n_per_class + n_found[label]++] = dataset_image(set, DATASET_TRAIN, i);
        n++;
    }
    free(n_found);
    return images;
}

// Planes (C, H, W); one plane is grey.
static pixel_t
pixel_at(const uint8_t *image, image_shape_t shape, int row, int column)
{
    size_t plane = (size_t)shape.height * (size_t)shape.width;
    const uint8_t *at = image + (size_t)row * (size_t)shape.width + column;
    if (shape.channels < 3)
        return (pixel_t){at[0], at[0], at[0]};
    return (pixel_t){at[0], at[plane], at[2 * plane]};
}

char *
samples_csv(const dataset_t *set, int n_per_class, size_t *n_bytes)
{
    image_shape_t shape = dataset_shape(set);
    const uint8_t **images = pick(set, n_per_class);
    draft_t text = {0};
    draft_add(&text, "class,name,index,row,column,red,green,blue\n");
    for (int i = 0; i < dataset_classes(set) * n_per_class; i++) {
        if (!images[i])
            continue;
        int label = i / n_per_class;
        draft_t name = {0};
        csv_add_text(&name, dataset_class_name(set, label));
        for (int y = 0; y < shape.height; y++) {
            for (int x = 0; x < shape.width; x++) {
                pixel_t pixel = pixel_at(images[i], shape, y, x);
                draft_add(&text, "%d,%s,%d,%d,%d,%d,%d,%d\n", label, name.text, i % n_per_class, y,
                          x, pixel.red, pixel.green, pixel.blue);
            }
        }
        draft_clear(&name);
    }
    free(images);
    *n_bytes = text.length;
    return text.text;
}

unsigned char *
samples_ppm(const dataset_t *set, int n_per_class, size_t *n_bytes)
{
    image_shape_t shape = dataset_shape(set);
    const uint8_t **images = pick(set, n_per_class);
    int width = n_per_class * (shape.width + GRID_GAP) + GRID_GAP;
    int height = dataset_classes(set) * (shape.height + GRID_GAP) + GRID_GAP;
    char head[64];
    int n_head = snprintf(head, sizeof head, "P6\n%d %d\n255\n", width, height);
    *n_bytes = (size_t)n_head + 3 * (size_t)width * (size_t)height;
    unsigned char *picture = memory_new(*n_bytes);
    memset(picture, 255, *n_bytes); // gaps, and pictures that a class lacks, are white
    memcpy(picture, head, (size_t)n_head);

    for (int i = 0; i < dataset_classes(set) * n_per_class; i++) {
        int top = GRID_GAP + i / n_per_class * (shape.height + GRID_GAP);
        int left = GRID_GAP + i % n_per_class * (shape.width + GRID_GAP);
        for (int y = 0; images[i] && y < shape.height; y++) {
            for (int x = 0; x < shape.width; x++) {
                pixel_t pixel = pixel_at(images[i], shape, y, x);
                size_t at = (size_t)(top + y) * (size_t)width + (size_t)(left + x);
                memcpy(picture + n_head + 3 * at,
                       (unsigned char[]){pixel.red, pixel.green, pixel.blue}, 3);
            }
        }
    }
    free(images);
    return picture;
}

// The mean of the up to 2 x 2 pixels whose upper left one is given.
static pixel_t
mean_at(const uint8_t *image, image_shape_t shape, int row, int column)
{
    int red = 0, green = 0, blue = 0, n = 0;
    for (int y = row; y < row + 2 && y < shape.height; y++) {
        for (int x = column; x < column + 2 && x < shape.width; x++, n++) {
            pixel_t pixel = pixel_at(image, shape, y, x);
            red += pixel.red;
            green += pixel.green;
            blue += pixel.blue;
        }
    }
    if (n == 0)
        return (pixel_t){0};
    return (pixel_t){(uint8_t)(red / n), (uint8_t)(green / n), (uint8_t)(blue / n)};
}

// A letter stands for two half-size pixels, one above the other.
static void
draw_letter(pixel_t upper, pixel_t lower, bool is_colour, FILE *out)
{
    static const char ramp[] = " .:-=+*#%@";
    if (is_colour) {
        fprintf(out, "\033[38;2;%d;%d;%d;48;2;%d;%d;%dm▀", upper.red, upper.green, upper.blue,
                lower.red, lower.green, lower.blue);
        return;
    }
    int sum = upper.red + upper.green + upper.blue + lower.red + lower.green + lower.blue;
    fputc(ramp[sum * (int)(sizeof ramp - 2) / (6 * 255)], out);
}

void
samples_draw(const dataset_t *set, int n_per_class, bool is_colour, FILE *out)
{
    image_shape_t shape = dataset_shape(set);
    const uint8_t **images = pick(set, n_per_class);
    for (int label = 0; label < dataset_classes(set); label++) {
        for (int y = 0; y < shape.height; y += 4) {
            fprintf(out, "%-*s", NAME_COLUMNS, y == 0 ? dataset_class_name(set, label) : "");
            for (int i = 0; i < n_per_class; i++) {
                const uint8_t *image = images[label * n_per_class + i];
                for (int x = 0; image && x < shape.width; x += 2)
                    draw_letter(mean_at(image, shape, y, x), mean_at(image, shape, y + 2, x),
                                is_colour, out);
                fputs(is_colour ? "\033[0m " : " ", out);
            }
            fputc('\n', out);
        }
    }
    free(images);
}

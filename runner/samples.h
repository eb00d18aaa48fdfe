// samples.h — a few pictures of each class: figure 3 of the paper, and a look at a data set.
//
// The pictures of a class are the first ones of the training set that carry its label, so the same
// data gives the same figure.
#ifndef RUNNER_SAMPLES_H
#define RUNNER_SAMPLES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "engine/dataset.h"

enum { SAMPLES_PER_CLASS = 6 }; // in a results folder: 61,440 pixels of CIFAR-10

// The text of samples.csv, a row a pixel: class,name,index,row,column,red,green,blue. `index`
// counts the pictures of a class from 0. Grey pictures have three equal colours. The caller frees
// it.
char *samples_csv(const dataset_t *set, int n_per_class, size_t *n_bytes);

// The grid as a picture in PPM (P6), a row a class. The caller frees it.
unsigned char *samples_ppm(const dataset_t *set, int n_per_class, size_t *n_bytes);

// Draws the grid in text at half its size, a class under the other: in colour for a terminal that
// knows 24 bits of it, else by brightness in ten letters.
void samples_draw(const dataset_t *set, int n_per_class, bool is_colour, FILE *out);

#endif

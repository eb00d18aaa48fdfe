#!/usr/bin/env python3
"""make_data.py FOLDER [TRAIN [TEST]]: a small data set of CIFAR-10's layout, the same bytes each time.

FOLDER/cifar-10-batches-bin gets five batches of TRAIN (20) images in all and a test batch of TEST (10). The label
of image i is i mod 10; its pixels depend on the label, so that a net can learn them.
"""
import os
import random
import sys

CLASSES = "airplane automobile bird cat deer dog frog horse ship truck".split()


def record(label, dice):
    return bytes([label]) + bytes((label * 20 + x % 64) for x in dice.randbytes(3072))


def main(folder, n_train=20, n_test=10):
    folder = os.path.join(folder, "cifar-10-batches-bin")
    os.makedirs(folder)
    dice = random.Random(1)
    n_batch = int(n_train) // 5
    for batch in range(5):
        with open(os.path.join(folder, f"data_batch_{batch + 1}.bin"), "wb") as out:
            out.write(b"".join(record(i % 10, dice) for i in range(batch * n_batch, (batch + 1) * n_batch)))
    with open(os.path.join(folder, "test_batch.bin"), "wb") as out:
        out.write(b"".join(record(i % 10, dice) for i in range(int(n_test))))
    with open(os.path.join(folder, "batches.meta.txt"), "w") as out:
        out.write("\n".join(CLASSES) + "\n")


main(*sys.argv[1:])

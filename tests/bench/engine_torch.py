#!/usr/bin/env python3
"""PyTorch as one of the programs that engine.py has run in turn: the same nets, data, order of work and answers as
engine.c. The images lie in memory as floats already, so that only indexing them is counted.

    engine_torch.py DATA NET BATCH THREADS"""

import glob
import os
import sys
import time

import numpy
import torch
import torch.nn as nn

NETS = {
    "lenet": lambda: nn.Sequential(
        nn.Conv2d(3, 6, 5), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(400, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
    "conv3": lambda: nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(512, 10)),
    "mlp": lambda: nn.Sequential(
        nn.Flatten(), nn.Linear(3072, 512), nn.ReLU(), nn.Linear(512, 256), nn.ReLU(), nn.Linear(256, 10)),
    "wide": lambda: nn.Sequential(
        nn.Conv2d(3, 64, 3, padding=1), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(64, 64, 3, padding=1), nn.ReLU(), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(1024, 10)),
}


def read(folder, pattern):
    inner = os.path.join(folder, "cifar-10-batches-bin")
    folder = inner if os.path.isdir(inner) else folder
    files = sorted(glob.glob(os.path.join(folder, pattern)))
    records = numpy.concatenate([numpy.fromfile(f, dtype=numpy.uint8).reshape(-1, 3073) for f in files])
    x = torch.tensor(records[:, 1:].reshape(-1, 3, 32, 32)).float().div_(255).sub_(0.5).div_(0.5)
    return x, torch.tensor(records[:, 0].astype(numpy.int64))


class Order:
    """Sample numbers in an order that is random anew each epoch."""

    def __init__(self, length):
        self.length, self.left = length, torch.empty(0, dtype=torch.int64)

    def take(self, n):
        if len(self.left) == 0:
            self.left = torch.randperm(self.length)
        chosen, self.left = self.left[:n], self.left[n:]
        return chosen


def train(net, optimizer, x, y, order, batch, samples):
    total, done = 0.0, 0
    while done < samples:
        chosen = order.take(batch)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x[chosen]), y[chosen])
        loss.backward()
        optimizer.step()
        total += loss.item() * len(chosen)
        done += len(chosen)
    return total / done


@torch.no_grad()
def evaluate(net, x, y):
    net.eval()
    right = sum((net(x[i : i + 250]).argmax(1) == y[i : i + 250]).sum().item() for i in range(0, len(x), 250))
    net.train()
    return right / len(x)


def timed(work, *arguments):
    start, start_cpu = time.monotonic(), time.process_time()
    result = work(*arguments)
    print("%.6f %.6f %.6f" % (time.monotonic() - start, time.process_time() - start_cpu, result), flush=True)


def main():
    folder, name, batch, threads = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    net = NETS[name]()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.001, momentum=0.9)
    x, y = read(folder, "data_batch_*.bin")
    x_test, y_test = read(folder, "test_batch.bin")
    order = Order(len(x))
    print(f"ready PyTorch {torch.__version__}", flush=True)
    for line in sys.stdin:
        if line.startswith("train "):
            timed(train, net, optimizer, x, y, order, batch, int(line.split()[1]))
        elif line == "evaluate\n":
            timed(evaluate, net, x_test, y_test)
        else:
            break


main()

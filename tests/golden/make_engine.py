#!/usr/bin/env python3
"""Makes tests/data/engine_golden.txt: gradients and ten steps of losses by PyTorch, for test_golden.c.

    /usr/bin/python3 tests/golden/make_engine.py > tests/data/engine_golden.txt

Parameters, images and labels come from a small generator that the test has too (noise() below), so that only
results are kept. Needs PyTorch; the test does not."""

import numpy
import torch
import torch.nn as nn


class Noise:
    def __init__(self, seed):
        self.state = seed

    def __call__(self):
        """The next number in [0, 1), 24 bits."""
        self.state = (self.state * 1664525 + 1013904223) % 2**32
        return (self.state >> 8) / 2.0**24


class Lenet(nn.Module):
    shape, classes, batch = (3, 32, 32), 10, 4

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.conv2 = nn.Conv2d(6, 16, 5)
        self.fc1 = nn.Linear(400, 120)
        self.fc2 = nn.Linear(120, 84)
        self.fc3 = nn.Linear(84, 10)

    def forward(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.conv1(x)), 2)
        x = nn.functional.max_pool2d(torch.relu(self.conv2(x)), 2)
        x = torch.relu(self.fc1(x.flatten(1)))
        return self.fc3(torch.relu(self.fc2(x)))


class Mixed(nn.Module):
    """One of everything: stride, padding, sides that differ, batch-norm, both pools."""

    shape, classes, batch = (2, 13, 11), 3, 5

    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(2, 5, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(5)
        self.conv2 = nn.Conv2d(5, 4, 4, stride=2, padding=2)
        self.fc1 = nn.Linear(64, 7)
        self.fc2 = nn.Linear(7, 3)

    def forward(self, x):
        x = torch.relu(self.bn1(self.conv1(x)))
        x = nn.functional.avg_pool2d(x, 3, stride=2, padding=1)
        x = nn.functional.max_pool2d(self.conv2(x), 3, stride=1, padding=1)
        return self.fc2(torch.relu(self.fc1(x.flatten(1))))


def fill(net):
    noise = Noise(1)
    bound = 1
    for name, tensor in net.state_dict().items():
        if "running" in name or "tracked" in name:
            continue
        if name.endswith("weight") and "bn" not in name:
            bound = (tensor.shape[0] / tensor.numel()) ** 0.5
        values = [bound * (2 * noise() - 1) for _ in range(tensor.numel())]
        if name.startswith("bn") and name.endswith("weight"):
            values = [1 + v for v in values]
        tensor.copy_(torch.tensor(numpy.array(values, dtype=numpy.float32)).reshape(tensor.shape))


def batch(net, noise):
    count = int(numpy.prod(net.shape))
    images = [[int(256 * noise()) for _ in range(count)] for _ in range(net.batch)]
    labels = [int(net.classes * noise()) for _ in range(net.batch)]
    x = torch.tensor(images, dtype=torch.float32).reshape(-1, *net.shape)
    return (x / 255 - 0.5) / 0.5, torch.tensor(labels)


def losses(kind, **options):
    net, noise = kind(), Noise(2)
    with torch.no_grad():
        fill(net)
    optimizer = torch.optim.SGD(net.parameters(), **options)
    result = []
    for _ in range(10):
        x, labels = batch(net, noise)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(net(x), labels)
        loss.backward()
        optimizer.step()
        result.append(loss.item())
    return net, result


def gradient(kind):
    net, noise = kind(), Noise(2)
    with torch.no_grad():
        fill(net)
    x, labels = batch(net, noise)
    nn.functional.cross_entropy(net(x), labels).backward()
    return [(name, p.grad.flatten()) for name, p in net.named_parameters()]


OPTIONS = [
    dict(lr=0.01, momentum=0.9),
    dict(lr=0.05, momentum=0.8, weight_decay=0.01),
    dict(lr=0.02, momentum=0.9, weight_decay=0.001, nesterov=True),
    dict(lr=0.1, momentum=0),
]

print(f"# PyTorch {torch.__version__}, made by tests/golden/make_engine.py")
for kind in Lenet, Mixed:
    print(f"net {kind.__name__.lower()}")
    for name, values in gradient(kind):
        # Every so many-th entry, and the norm of all.
        stride = max(1, len(values) // 40)
        print(f"gradient {name} {stride} {values.double().norm().item():.9g}", end="")
        print("".join(f" {v:.9g}" for v in values[::stride].tolist()))
    for options in OPTIONS:
        net, result = losses(kind, **options)
        print("losses", options["lr"], options["momentum"], options.get("weight_decay", 0), end="")
        print("", int(options.get("nesterov", False)), "".join(f" {v:.9g}" for v in result))
    if kind is Mixed:
        for name in "running_mean", "running_var":
            values = net.state_dict()["bn1." + name].tolist()
            print(f"buffer bn1.{name}", "".join(f" {v:.9g}" for v in values))

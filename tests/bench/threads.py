#!/usr/bin/env python3
"""How two threads of the engine behave: alone, under a CPU quota, beside a process that hogs a core; and how it starts.

    tests/bench/threads.py --build BUILD --data FOLDER [--csv FILE] [--batches 4,32,256] [--turns 5] [--samples 50000]

One thread alone, two alone, two processes of one thread each at the same time, one and two threads under a quota of 0.66
core and two beside a busy loop pinned to a core take turns epoch by epoch after one of warm-up; a ratio is the median of
the turns'. The two processes have nothing to do with each other, so they show what the machine's two cores are worth: a
virtual machine's may share a core of the host, or one of them may have a neighbour on it, and then two threads can't be
twice as fast as one. The quota is kept over periods of 10 ms, dmlx's
own, and of 100 ms, the kernel's and docker's. One thread under a quota shows what stopping and going on costs by itself. A
quota needs root and control groups (version 1 or 2); without them its columns are empty and
the program says so. A start is from exec to the end of the first step, data in the
page cache, the lowest and the median of some."""

import argparse
import contextlib
import csv
import os
import statistics
import subprocess
import time

from engine import Program, machine

QUOTA, PERIODS_MS = 0.66, (10, 100)
HOG = "import os\nos.sched_setaffinity(0, {os.cpu_count() - 1})\nprint('ready', flush=True)\nwhile True: pass"


class Group:
    """A control group with QUOTA of a core in each period; removed when the with-block ends."""

    def __init__(self, period_ms):
        name, period_us = f"dmlx-bench-{os.getpid()}-{period_ms}", period_ms * 1000
        if os.path.isdir("/sys/fs/cgroup/cpu"):
            self.path = f"/sys/fs/cgroup/cpu/{name}"
            self.limits = {"cpu.cfs_period_us": period_us, "cpu.cfs_quota_us": int(QUOTA * period_us)}
        else:
            self.path = f"/sys/fs/cgroup/{name}"
            self.limits = {"cpu.max": f"{int(QUOTA * period_us)} {period_us}"}

    def __enter__(self):
        os.mkdir(self.path)
        try:
            for file, value in self.limits.items():
                self.write(file, value)
        except OSError:
            os.rmdir(self.path)
            raise
        return self

    def write(self, file, value):
        with open(os.path.join(self.path, file), "w") as out:
            out.write(str(value))

    def __exit__(self, *_):
        os.rmdir(self.path)


@contextlib.contextmanager
def groups_where_possible():
    """By period in ms; empty where this machine lets us have none."""
    with contextlib.ExitStack() as stack:
        groups = {}
        try:
            for period_ms in PERIODS_MS:
                groups[period_ms] = stack.enter_context(Group(period_ms))
        except OSError as error:
            print(f"no quota ({error}): its columns stay empty")
            groups = {}
        yield groups


@contextlib.contextmanager
def hog():
    process = subprocess.Popen(["python3", "-c", HOG], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        yield
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


class Pair:
    """Two programs at the same time; the rate of both together."""

    def __init__(self, first, second):
        self.programs = first, second
        self.rates = []

    def train(self, samples):
        for each in self.programs:
            each.tell(f"train {samples}")
        for each in self.programs:
            each.take_rate(samples)
        self.rates.append(sum(each.rates[-1] for each in self.programs))

    def close(self):
        for each in self.programs:
            each.close()


def ratio(program, reference, factor=1.0):
    return round(statistics.median(a / b / factor for a, b in zip(program.rates, reference.rates)), 3)


def measure(options, batch, groups):
    def program(threads):
        return Program("dmlx", [options.program, options.data, "lenet", str(batch), str(threads)])

    one, two, hogged, pair = program(1), program(2), program(2), Pair(program(1), program(1))
    limited = {period_ms: (program(1), program(2)) for period_ms in groups}
    programs = [one, two, pair, hogged, *(each for both in limited.values() for each in both)]
    try:
        for period_ms, both in limited.items():
            for each in both:
                groups[period_ms].write("cgroup.procs", each.process.pid)
        for turn in range(options.turns + 1):
            for each in programs:
                with hog() if each is hogged else contextlib.nullcontext():
                    each.train(options.samples)
            if turn == 0:
                for each in programs:
                    each.rates.clear()
        row = {"batch": batch, "one_per_s": round(statistics.median(one.rates)),
               "two_per_s": round(statistics.median(two.rates)), "two_to_one": ratio(two, one),
               "two_processes_to_one": ratio(pair, one), "two_to_two_processes": ratio(two, pair),
               "hogged_to_one": ratio(hogged, one)}
        for period_ms in PERIODS_MS:
            for name, each in zip(("one", "two"), limited.get(period_ms, (None, None))):
                row[f"quota_{period_ms}ms_{name}_to_its_share"] = ratio(each, one, QUOTA) if each else ""
        return row
    finally:
        for each in programs:
            each.close()


def starts(options, batch, threads, count=20):
    """Seconds from exec to the end of the first step."""
    seconds = []
    for _ in range(count):
        began = time.monotonic()
        program = Program("dmlx", [options.program, options.data, "lenet", str(batch), str(threads)])
        program.train(batch)
        seconds.append(time.monotonic() - began)
        program.close()
    return min(seconds), statistics.median(seconds)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="the build folder, for bench_engine")
    parser.add_argument("--data", required=True)
    parser.add_argument("--csv")
    parser.add_argument("--batches", default="4,32,256")
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--samples", type=int, default=50000)
    options = parser.parse_args()
    options.program = os.path.join(options.build, "engine", "bench_engine")
    rows = []
    with groups_where_possible() as groups:
        print(f"{'':87}under {QUOTA} core, to {QUOTA} of one, in periods of")
        print("batch   one thread  two threads  two/one  processes/one  two/processes  hogged/one"
              + "".join(f"{f'{period_ms} ms: one':>16}   two" for period_ms in PERIODS_MS))
        for batch in map(int, options.batches.split(",")):
            row = measure(options, batch, groups)
            rows.append({**row, **machine()})
            print(f"{row['batch']:5} {row['one_per_s']:12,} {row['two_per_s']:12,} {row['two_to_one']:8.2f}"
                  f" {row['two_processes_to_one']:14.2f} {row['two_to_two_processes']:14.2f} {row['hogged_to_one']:11.2f}"
                  + "".join(f"{row[f'quota_{period_ms}ms_one_to_its_share']:>16} {row[f'quota_{period_ms}ms_two_to_its_share']:>5}"
                            for period_ms in PERIODS_MS), flush=True)
    for threads in (1, 2):
        least, median = starts(options, 4, threads)
        print(f"start to the end of the first step, {threads} thread{'s' * (threads > 1)}:"
              f" {least * 1e3:.0f} ms at least, {median * 1e3:.0f} ms at the median")
    if options.csv:
        with open(options.csv, "w", newline="") as file:
            writer = csv.DictWriter(file, rows[0].keys(), lineterminator="\r\n")
            writer.writeheader()
            writer.writerows(rows)


main()

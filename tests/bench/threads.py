#!/usr/bin/env python3
"""How two threads of the engine behave: alone, under a CPU quota, beside a process that hogs a core; and how it starts.

    tests/bench/threads.py --build BUILD --data FOLDER [--csv FILE] [--batches 4,32,256] [--turns 5] [--samples 50000]

One thread alone, two alone, one and two under a quota of 0.66 core and two beside a busy loop pinned to a core take turns
epoch by epoch after one of warm-up; a ratio is the median of the turns'. One thread under the quota shows what stopping and
going on costs by itself. The quota needs root and control groups (version 1 or 2); without them its columns are empty and
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

QUOTA, PERIOD_US = 0.66, 10000
HOG = "import os\nos.sched_setaffinity(0, {os.cpu_count() - 1})\nprint('ready', flush=True)\nwhile True: pass"


class Group:
    """A control group with QUOTA of a core; removed when the with-block ends."""

    def __init__(self):
        name = f"dmlx-bench-{os.getpid()}"
        if os.path.isdir("/sys/fs/cgroup/cpu"):
            self.path = f"/sys/fs/cgroup/cpu/{name}"
            self.limits = {"cpu.cfs_period_us": PERIOD_US, "cpu.cfs_quota_us": int(QUOTA * PERIOD_US)}
        else:
            self.path = f"/sys/fs/cgroup/{name}"
            self.limits = {"cpu.max": f"{int(QUOTA * PERIOD_US)} {PERIOD_US}"}

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
def group_or_none():
    try:
        group = Group().__enter__()
    except OSError as error:
        print(f"no quota ({error}): its column stays empty")
        yield None
        return
    try:
        yield group
    finally:
        group.__exit__()


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


def ratio(program, reference, factor=1.0):
    return round(statistics.median(a / b / factor for a, b in zip(program.rates, reference.rates)), 3)


def measure(options, batch, group):
    def program(threads):
        return Program("dmlx", [options.program, options.data, "lenet", str(batch), str(threads)])

    limited = [program(threads) for threads in (1, 2)] if group else [None, None]
    one, two, hogged = program(1), program(2), program(2)
    programs = [one, two, hogged, *limited]
    try:
        for each in filter(None, limited):
            group.write("cgroup.procs", each.process.pid)
        for turn in range(options.turns + 1):
            for each in filter(None, (one, two, *limited)):
                each.train(options.samples)
            with hog():
                hogged.train(options.samples)
            if turn == 0:
                for each in filter(None, programs):
                    each.rates.clear()
        return {"batch": batch, "one_per_s": round(statistics.median(one.rates)),
                "two_per_s": round(statistics.median(two.rates)), "two_to_one": ratio(two, one),
                "quota_one_to_its_share": ratio(limited[0], one, QUOTA) if group else "",
                "quota_two_to_its_share": ratio(limited[1], one, QUOTA) if group else "",
                "hogged_to_one": ratio(hogged, one)}
    finally:
        for each in filter(None, programs):
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
    with group_or_none() as group:
        print(f"batch   one thread  two threads   two/one  under {QUOTA} core, to {QUOTA} of one: one, two  beside a hog: two/one")
        for batch in map(int, options.batches.split(",")):
            row = measure(options, batch, group)
            rows.append({**row, **machine()})
            print(f"{row['batch']:5} {row['one_per_s']:12,} {row['two_per_s']:12,} {row['two_to_one']:9.2f}"
                  f" {row['quota_one_to_its_share']:>35} {row['quota_two_to_its_share']:>5} {row['hogged_to_one']:22.2f}", flush=True)
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

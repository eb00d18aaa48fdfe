#!/usr/bin/env python3
"""How two threads of the engine behave: alone, under a CPU quota, beside a process that hogs a core; and how it starts.

    tests/bench/threads.py --build BUILD --data FOLDER [--csv FILE] [--batches 4,32,256] [--epochs 5] [--samples 50000]
                           [--windows 300]

One thread alone, two alone, two processes of one thread each at the same time, one and two threads under a quota of 0.66
core and one and two beside a busy loop pinned to a core take turns by parts of an epoch (engine.py), each after LEAD images
that don't count: what a quota's group saved while others had their turns is then used up. A ratio is the median of the
epochs'. The two processes have nothing to do with each other, so they show what the machine's two cores are worth: a
virtual machine's may share a core of the host, or one of them may have a neighbour on it, and then two threads can't be
twice as fast as one. The quota is kept over periods of 10 ms, dmlx's
own, and of 100 ms, the kernel's and docker's. One thread under a quota, or beside the loop, shows what that costs by itself. A
quota needs root and control groups (version 1 or 2); without them its columns are empty and
the program says so. A start is from exec to the end of the first step, data in the
page cache, the lowest and the median of some.

A second table, and FILE_by_round_trip.csv, has the same two and one in short windows, by how long a cache line takes from a
core to the other and back before and after (round_trip.c): a host that moves a virtual machine's processors about makes them two threads of one core,
cores that share a cache, or cores that don't, and two threads are worth as much as that."""

import argparse
import contextlib
import os
import statistics
import subprocess
import time

from engine import Program, train_epochs, whole_batches, write_csv

QUOTA, PERIODS_MS = 0.66, (10, 100)
LEAD = 2500  # more than a quota's period
WINDOW = 2000  # images
ROUND_TRIPS_NS = (0, 90, 200, float("inf"))  # of the rows; on an EPYC: within a core or a fast cache, a cache, beyond
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
            each.start(samples)
        for each in self.programs:
            each.finish(samples)

    def end_epoch(self, counts):
        for each in self.programs:
            each.end_epoch(counts)
        if counts:
            self.rates.append(sum(each.rates[-1] for each in self.programs))

    def close(self):
        for each in self.programs:
            each.close()


def ratio(program, reference, factor=1.0):
    return round(statistics.median(a / b / factor for a, b in zip(program.rates, reference.rates)), 3)


def lenet(options, batch, threads):
    return Program("dmlx", [options.program, options.data, "lenet", str(batch), str(threads)])


def measure(options, batch, groups):
    one, two, hogged_one, hogged_two = (lenet(options, batch, threads) for threads in (1, 2, 1, 2))
    pair = Pair(lenet(options, batch, 1), lenet(options, batch, 1))
    limited = {period_ms: (lenet(options, batch, 1), lenet(options, batch, 2)) for period_ms in groups}
    programs = [one, two, pair, hogged_one, hogged_two, *(each for both in limited.values() for each in both)]

    def turn(program, samples):
        with hog() if program in (hogged_one, hogged_two) else contextlib.nullcontext():
            for each in getattr(program, "programs", [program]):
                each.ask(f"train {whole_batches(LEAD, batch)}")
            program.train(samples)

    try:
        for period_ms, both in limited.items():
            for each in both:
                groups[period_ms].write("cgroup.procs", each.process.pid)
        train_epochs(programs, options.epochs, options.samples, batch, turn)
        row = {"batch": batch, "one_per_s": round(statistics.median(one.rates)),
               "two_per_s": round(statistics.median(two.rates)), "two_to_one": ratio(two, one),
               "two_processes_to_one": ratio(pair, one), "two_to_two_processes": ratio(two, pair),
               "hogged_one_to_one": ratio(hogged_one, one), "hogged_two_to_one": ratio(hogged_two, one)}
        for period_ms in PERIODS_MS:
            for name, each in zip(("one", "two"), limited.get(period_ms, (None, None))):
                row[f"quota_{period_ms}ms_{name}_to_its_share"] = ratio(each, one, QUOTA) if each else ""
        return row
    finally:
        for each in programs:
            each.close()


def measure_by_round_trip(options, batch):
    """A row for each kind of window that was seen."""
    tool = Program("round trip", [os.path.join(options.build, "engine", "bench_round_trip")])
    if not tool.version:
        tool.close()
        print("one processor: no round trips")
        return []
    one, two = lenet(options, batch, 1), lenet(options, batch, 2)
    samples = whole_batches(WINDOW, batch)
    windows = []
    try:
        for each in (one, two):
            each.ask(f"train {whole_batches(options.samples, batch)}")
        for _ in range(options.windows):
            before = float(tool.ask("")[0])
            seconds = [float(each.ask(f"train {samples}")[0]) for each in (two, one)]
            windows.append((before, float(tool.ask("")[0]), *(samples / each for each in seconds)))
    finally:
        for each in (one, two, tool):
            each.close()
    rows = []
    for low, high in zip(ROUND_TRIPS_NS, ROUND_TRIPS_NS[1:]):
        chosen = [window for window in windows if low <= min(window[:2]) and max(window[:2]) < high]
        if chosen:
            rows.append({
                "batch": batch, "windows": len(chosen), "lowest_ns": min(min(window[:2]) for window in chosen),
                "highest_ns": max(max(window[:2]) for window in chosen),
                "one_per_s": round(statistics.median(one for _, _, _, one in chosen)),
                "two_per_s": round(statistics.median(two for _, _, two, _ in chosen)),
                "two_to_one": round(statistics.median(two / one for _, _, two, one in chosen), 3)})
    return rows


def starts(options, batch, threads, count=20):
    """Seconds from exec to the end of the first step."""
    seconds = []
    for _ in range(count):
        began = time.monotonic()
        program = lenet(options, batch, threads)
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
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--samples", type=int, default=50000)
    parser.add_argument("--windows", type=int, default=300)
    options = parser.parse_args()
    options.program = os.path.join(options.build, "engine", "bench_engine")
    rows = []
    with groups_where_possible() as groups:
        print(f"{'':72}beside a hog, to one{'':11}under {QUOTA} core, to {QUOTA} of one, in periods of")
        print("batch   one thread  two threads  two/one  processes/one  two/processes     one   two"
              + "".join(f"{f'{period_ms} ms: one':>16}   two" for period_ms in PERIODS_MS))
        for batch in map(int, options.batches.split(",")):
            row = measure(options, batch, groups)
            rows.append(row)
            print(f"{row['batch']:5} {row['one_per_s']:12,} {row['two_per_s']:12,} {row['two_to_one']:8.2f}"
                  f" {row['two_processes_to_one']:14.2f} {row['two_to_two_processes']:14.2f}"
                  f" {row['hogged_one_to_one']:7.2f} {row['hogged_two_to_one']:5.2f}"
                  + "".join(f"{row[f'quota_{period_ms}ms_one_to_its_share']:>16} {row[f'quota_{period_ms}ms_two_to_its_share']:>5}"
                            for period_ms in PERIODS_MS), flush=True)
    print("batch  round trip of a line   windows  one thread  two threads  two/one")
    windows = []
    for batch in map(int, options.batches.split(",") if options.windows else ()):
        for row in measure_by_round_trip(options, batch):
            windows.append(row)
            print(f"{batch:5} {row['lowest_ns']:9.0f} to {row['highest_ns']:5.0f} ns {row['windows']:10} {row['one_per_s']:11,}"
                  f" {row['two_per_s']:12,} {row['two_to_one']:8.2f}", flush=True)
    for threads in (1, 2):
        least, median = starts(options, 4, threads)
        print(f"start to the end of the first step, {threads} thread{'s' * (threads > 1)}:"
              f" {least * 1e3:.0f} ms at least, {median * 1e3:.0f} ms at the median")
    if options.csv:
        write_csv(options.csv, rows)
        if windows:
            write_csv(options.csv.removesuffix(".csv") + "_by_round_trip.csv", windows)


main()

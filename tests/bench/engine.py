#!/usr/bin/env python3
"""How fast the engine trains, beside PyTorch and oneDNN if they are here.

    tests/bench/engine.py --build BUILD [--data FOLDER] [--csv FILE] [--batches 4,32,256] [--threads 1,2]
                          [--isas avx2,plain] [--nets lenet] [--epochs 5] [--samples 50000] [--windows 200]
                          [--peers torch,onednn]

Every program trains the same net on the same images, whole epochs in random order, one epoch of warm-up first (dead
relus are part of the speed). Programs take turns by parts of an epoch, so that a machine that gets slower gets slower for all;
a row is the median over its epochs, a ratio the median of the epochs' ratios to PyTorch. The second ratio is by processor time,
which holds on a machine that others use too. --samples takes shorter epochs, for a quick look.

On a virtual machine a neighbour may share the core's units and caches, which no clock of this machine sees, and what does
much a cycle loses most by it. So after the epochs the programs also train in turns of WINDOW_S, the same for all, and
"undisturbed" is the rate that a twentieth of a program's turns reach, with its ratio to PyTorch's."""

import argparse
import csv
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
WINDOW_S = 0.05
PARTS = 10  # of an epoch, in which programs take turns


class Program:
    def __init__(self, name, command, isa=None):
        self.name, self.isa = name, isa or ""
        environment = dict(os.environ)
        if isa:
            environment["DMLX_ISA"] = isa
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env=environment)
        ready = self.process.stdout.readline()
        self.version = ready.partition(" ")[2].strip() if ready.startswith("ready") else None
        self.rates, self.cpu_rates, self.window_rates = [], [], []  # of epochs, and of windows
        self.samples = self.seconds = self.cpu_seconds = 0  # of the epoch so far
        self.undisturbed = None
        self.loss = self.evaluation = self.accuracy = None

    def tell(self, what):
        self.process.stdin.write(what + "\n")
        self.process.stdin.flush()

    def answer(self):
        return self.process.stdout.readline().split()

    def ask(self, what):
        self.tell(what)
        return self.answer()

    def start(self, samples):
        self.tell(f"train {samples}")

    def finish(self, samples):
        seconds, cpu_seconds, self.loss = map(float, self.answer())
        self.samples += samples
        self.seconds += seconds
        self.cpu_seconds += cpu_seconds

    def train(self, samples):
        self.start(samples)
        self.finish(samples)

    def end_epoch(self, counts):
        if counts:
            self.rates.append(self.samples / self.seconds)
            self.cpu_rates.append(self.samples / self.cpu_seconds)
        self.samples = self.seconds = self.cpu_seconds = 0

    def train_window(self, batch):
        samples = whole_batches(statistics.median(self.rates) * WINDOW_S, batch)
        self.window_rates.append(samples / float(self.ask(f"train {samples}")[0]))

    def evaluate(self):
        seconds, cpu_seconds, self.accuracy = map(float, self.ask("evaluate"))
        self.evaluation, self.cpu_evaluation = 10000 / seconds, 10000 / cpu_seconds

    def close(self):
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


def find_data(options):
    if options.data:
        return options.data, None
    if os.environ.get("DMLX_DATA"):
        return os.environ["DMLX_DATA"], None
    folder = tempfile.mkdtemp(prefix="dmlx-bench-")
    print("no data given (--data, DMLX_DATA): training on a synthetic set", file=sys.stderr)
    subprocess.run([options.program, "--synthetic", folder + "/synthetic"], check=True)
    return folder + "/synthetic", folder


def python_with_torch():
    """The first interpreter that has PyTorch: the system's may, while another one is first in the path."""
    for python in dict.fromkeys([sys.executable, "/usr/bin/python3"]):
        found = subprocess.run([python, "-c", "import torch"], capture_output=True)
        if found.returncode == 0:
            return python
    return None


def programs_for(options, data, net, batch, threads):
    arguments = [data, net, str(batch), str(threads)]
    yield Program("dmlx", [options.program, *arguments])
    for isa in filter(None, options.isas.split(",")):
        program = Program("dmlx", [options.program, *arguments], isa)
        if program.version:
            yield program
        else:
            program.close()
    if "onednn" in options.peers and net == "lenet" and os.path.exists(options.onednn):
        yield Program("oneDNN", [options.onednn, *arguments])
    if "torch" in options.peers and options.python:
        yield Program("PyTorch", [options.python, os.path.join(HERE, "engine_torch.py"), *arguments])


def machine():
    cpu = platform.machine()
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                cpu = line.partition(":")[2].strip()
                break
    return {"cpu": cpu, "cores": os.cpu_count(), "system": platform.platform()}


def write_csv(path, rows):
    """The rows, each with the machine's description."""
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, [*rows[0], *machine()], lineterminator="\r\n")
        writer.writeheader()
        writer.writerows({**row, **machine()} for row in rows)


def ratio(program, reference, rates):
    pairs = zip(getattr(program, rates), getattr(reference, rates))
    return round(statistics.median(a / b for a, b in pairs), 2)


def whole_batches(samples, batch):
    return -(-int(samples) // batch) * batch


def train_epochs(programs, epochs, samples, batch, turn=Program.train):
    """EPOCHS behind one of warm-up, of about so many SAMPLES. TURN is what a program does with its part of one."""
    for epoch in range(epochs + 1):
        for _ in range(PARTS):
            for program in programs:
                turn(program, whole_batches(samples / PARTS, batch))
        for program in programs:
            program.end_epoch(counts=epoch > 0)


def train_in_windows(programs, batch, count):
    """One after the other, COUNT times, so that all meet the same neighbours."""
    for _ in range(count):
        for program in programs:
            program.train_window(batch)
    for program in programs:
        program.undisturbed = sorted(program.window_rates)[-(-19 * count // 20) - 1] if count else None


def measure(options, data, net, batch, threads, rows):
    programs = list(programs_for(options, data, net, batch, threads))
    train_epochs(programs, options.epochs, options.samples, batch)
    train_in_windows(programs, batch, options.windows)
    reference = next((p for p in programs if p.name == "PyTorch"), None)
    for program in programs:
        if program.name != "oneDNN":
            program.evaluate()
        rows.append({
            "net": net, "batch": batch, "threads": threads, "program": program.name, "isa": program.isa,
            "version": program.version, "samples_per_s": round(statistics.median(program.rates)),
            "lowest": round(min(program.rates)), "highest": round(max(program.rates)),
            "samples_per_cpu_s": round(statistics.median(program.cpu_rates)),
            "ratio": ratio(program, reference, "rates") if reference else "",
            "cpu_ratio": ratio(program, reference, "cpu_rates") if reference else "",
            "undisturbed_per_s": round(program.undisturbed) if program.undisturbed else "",
            "undisturbed_ratio": round(program.undisturbed / reference.undisturbed, 2)
            if reference and program.undisturbed else "",
            "evaluation_per_s": round(program.evaluation) if program.evaluation else "",
            "loss": round(program.loss, 4), "accuracy": program.accuracy or ""})
        row = rows[-1]
        print(f"{net:6} {batch:5} {threads:7}  {program.name + ' ' + program.isa:14} {row['samples_per_s']:9,}"
              f" {row['ratio']:>7} {row['cpu_ratio']:>7} {row['undisturbed_per_s']:>11} {row['undisturbed_ratio']:>7}"
              f" {row['evaluation_per_s']:>11}  {row['loss']:.3f}"
              f"  {row['version']}", flush=True)
        program.close()


def breakdown(options, data):
    """Nanoseconds a sample by stage, forward and backward."""
    program = Program("dmlx", [options.program, data, "lenet", "4", "1"])
    program.train(options.samples)
    words = program.ask(f"profile {options.samples}")
    print("\nbatch 4, one thread, nanoseconds a sample      forward  backward")
    for name, forward, backward in zip(words[::3], words[1::3], words[2::3]):
        print(f"  {name:44} {int(forward):8,} {int(backward):9,}")
    print(f"memory of its own: {int(program.ask('memory')[0]) / 1024:.1f} MiB")
    print(f"bli_sgemm 2000^3, one thread: {program.ask('gemm')[0]} GF/s")
    program.close()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--build", required=True, help="the build folder, for bench_engine")
    parser.add_argument("--data")
    parser.add_argument("--csv")
    parser.add_argument("--batches", default="4,32,256")
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--isas", default="", help="further rows with DMLX_ISA forced to each of these")
    parser.add_argument("--nets", default="lenet")
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--samples", type=int, default=50000)
    parser.add_argument("--windows", type=int, default=200, help="turns of the undisturbed rate; 0: none")
    parser.add_argument("--peers", default="torch,onednn")
    options = parser.parse_args()
    options.program = os.path.join(options.build, "engine", "bench_engine")
    options.onednn = os.path.join(options.build, "engine", "bench_onednn")
    options.python = python_with_torch()
    if "torch" in options.peers and not options.python:
        print("no PyTorch here (Debian: python3-torch): its rows and the ratios are left out")
    if "onednn" in options.peers and not os.path.exists(options.onednn):
        print("no oneDNN when this was built (Debian: libdnnl-dev): its rows are left out")
    data, made = find_data(options)
    rows = []
    try:
        print("net    batch threads  program        samples/s   ratio  by cpu undisturbed   ratio evaluated/s  loss   version")
        for net in options.nets.split(","):
            for threads in options.threads.split(","):
                for batch in options.batches.split(","):
                    measure(options, data, net, int(batch), int(threads), rows)
        breakdown(options, data)
    finally:
        if made:
            shutil.rmtree(made)
    if options.csv:
        write_csv(options.csv, rows)


if __name__ == "__main__":
    main()

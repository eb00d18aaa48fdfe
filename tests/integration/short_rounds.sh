#!/bin/bash
# A limit on CPU time holds for T also where a round is a step and far shorter than the limit's period: what the kernel makes
# one node wait for between its rounds is part of its T, which is no faster than the core it was given.
N_TRAIN=4000 N_TEST=10
. "$SUPPORT/experiment.sh"
[ "$enforce" = true ] || { echo "skipped: CPU limits cannot be set here"; exit 77; }
cat >short.cfg <<CFG
name = "short";
train = { epochs = 1; local_steps = 1; batch = 4; };
cluster = { emulate = { core_speed = 0.2; }; };
matrix = { nodes = [ 1 ]; cores_per_node = [ 1 ]; repeats = 1; };
CFG
dmlx run --no-figures short.cfg >run.out 2>&1 || fault "$(cat run.out)"
granted=$(column results/short/runs.csv cores_granted)
t_s=$(column results/short/runs.csv t_s)
cpu_s=$(column results/short/rounds.csv cpu_s | awk '{ sum += $1 } END { print sum }')
expect_equal "rounds" 1000 "$(column results/short/rounds.csv round | wc -l)"
awk "BEGIN { exit !($granted < 0.25) }" || fault "granted $granted cores of 0.2"
awk "BEGIN { exit !($t_s > 0.8 * $cpu_s / 0.2) }" || fault "T is $t_s s for $cpu_s s of CPU time at a fifth of a core"

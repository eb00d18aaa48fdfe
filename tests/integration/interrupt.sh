#!/bin/bash
# Ctrl-C: the workers end, the rows so far are whole, the command that goes on is told, and it does go on.
. "$SUPPORT/experiment.sh"

dmlx run small.cfg >/dev/null 2>run.err &
run=$!
wait_for_line results/small/runs.csv ',done,' 60 || fault "no row within 60 s: $(cat run.err)"
kill -INT "$run"
wait "$run"
expect_equal "exit status" 130 "$?"
left=$(marked_gone_within "$DMLX_CASE_MARK" 5) || fault "processes after Ctrl-C: $left"
left=$(cgroups_gone_within "dmlx-*-$run-" 5) || fault "groups after Ctrl-C: $left"
grep -q 'dmlx run.*small.cfg' run.err || fault "the command that goes on is not told: $(cat run.err)"
n_rows=$(column results/small/runs.csv status | grep -cx done)
[ "$n_rows" -ge 1 ] && [ "$n_rows" -lt 4 ] || fault "$n_rows rows stood after the interrupt"

dmlx run small.cfg >/dev/null 2>again.err || fault "it does not go on: $(cat again.err)"
expect_equal "cells and repeats done" 4 \
    "$(awk -F, '/,done,/' results/small/runs.csv | wc -l)"

#!/bin/bash
# A second Ctrl-C ends dmlx at once, and what watches over the run clears away.
. "$SUPPORT/experiment.sh"

# Longer than a busy machine may take to come back here.
dmlx run small.cfg --only nodes=2 --set train.epochs=100 --set train.rounds=500 >/dev/null 2>run.err &
run=$!
wait_for_line results/small/rounds.csv '^n2-' 60 || fault "no round of two nodes within 60 s: $(cat run.err)"
kill -INT "$run"
kill -INT "$run"
wait "$run"
expect_equal "exit status" 130 "$?"
left=$(marked_gone_within "$DMLX_CASE_MARK" 5) || fault "processes after two Ctrl-C: $left"
left=$(cgroups_gone_within "dmlx-*-$run-" 5) || fault "groups after two Ctrl-C: $left"

#!/bin/bash
# kill -9 of dmlx in mid-round: five seconds later nothing of it lives, and the next one goes on.
. "$SUPPORT/experiment.sh"

dmlx run small.cfg >/dev/null 2>run.err &
run=$!
wait_for_line results/small/rounds.csv '^n2-' 60 || fault "no round of two nodes within 60 s: $(cat run.err)"
kill -KILL "$run"
wait "$run" 2>/dev/null
left=$(marked_gone_within "$DMLX_CASE_MARK" 5) || fault "processes after kill -9: $left"
left=$(cgroups_gone_within "dmlx-*-$run-" 5) || fault "groups after kill -9: $left"

dmlx run small.cfg >/dev/null 2>again.err || fault "it does not go on: $(cat again.err)"
expect_equal "cells and repeats done" "n1-c1 1,n1-c1 2,n2-c2 1,n2-c2 2," \
    "$(paste -d' ' <(column results/small/runs.csv cell) <(column results/small/runs.csv repeat) | sort | tr '\n' ',')"

#!/bin/bash
# A whole small matrix: rows, models and figures come out; what is done is not run again; another experiment in the
# same place is refused.
. "$SUPPORT/experiment.sh"

dmlx run small.cfg >run.out 2>run.err || fault "dmlx run failed: $(cat run.err)"
expect_equal "rows" 4 "$(column results/small/runs.csv status | grep -cx done)"
expect_equal "repeats of each cell" "n1-c1 n1-c1 n2-c2 n2-c2 " \
    "$(column results/small/runs.csv cell | sort | tr '\n' ' ')"
host=$(uname -n)
expect_equal "hosts of the runs" "n1-c1,$host, n1-c1,$host, n2-c2,$host,$host n2-c2,$host,$host " \
    "$(paste -d, <(column results/small/runs.csv cell) <(column results/small/runs.csv hosts) \
        <(column results/small/runs.csv coordinator) | sort | tr '\n' ' ')"
for run in n1-c1-r1 n1-c1-r2 n2-c2-r1 n2-c2-r2; do
    [ -s "results/small/runs/$run/model.safetensors" ] || fault "no model of $run"
done

before=$(sha256sum results/small/runs.csv)
dmlx run small.cfg >/dev/null 2>&1 || fault "a finished matrix is not found done"
expect_equal "runs.csv after a second run" "$before" "$(sha256sum results/small/runs.csv)"

dmlx run --set train.batch=8 small.cfg >/dev/null 2>refused.err
[ $? != 0 ] || fault "results of another experiment were not refused"
grep -q batch refused.err || fault "what differs is not told: $(cat refused.err)"
expect_equal "runs.csv after the refusal" "$before" "$(sha256sum results/small/runs.csv)"

dmlx plot results/small >table.txt 2>plot.err
status=$?
if command -v gnuplot >/dev/null; then
    expect_equal "status of dmlx plot" 0 "$status"
    ls results/small/figures/*.svg >/dev/null || fault "no figures"
fi
[ -s results/small/summary.csv ] || fault "no summary"

#!/bin/bash
# Warm-up runs are kept beside the results and counted nowhere; a finished matrix is not warmed up for.
. "$SUPPORT/experiment.sh"

sed 's/repeats = 2;/repeats = 1; warmup = 2;/' small.cfg >warm.cfg
dmlx run --no-figures -o out warm.cfg >table.txt 2>run.err || fault "dmlx run failed: $(cat run.err)"
expect_equal "rows" "n1-c1 n2-c2 " "$(column out/small/runs.csv cell | sort | tr '\n' ' ')"
expect_equal "rows of the warm-up" 2 "$(column out/small/warmup/runs.csv status | grep -cx done)"
expect_equal "cells that warm up" 1 "$(column out/small/warmup/runs.csv cell | sort -u | wc -l)"
grep -q "^warm-up 2 of 2" run.err || fault "it is not told: $(cat run.err)"
grep -q '"warmup": 2' out/small/manifest.json || fault "the manifest does not say it"
dmlx table out >table.txt 2>table.err || fault "dmlx table failed: $(cat table.err)"
grep -q "left out" table.err && fault "the warm-up is mixed in: $(cat table.err)"

before=$(sha256sum out/small/warmup/runs.csv)
dmlx run --no-figures -o out warm.cfg >/dev/null 2>&1 || fault "a finished matrix is not found done"
expect_equal "warm-up runs of a finished matrix" "$before" "$(sha256sum out/small/warmup/runs.csv)"

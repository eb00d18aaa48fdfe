#!/bin/bash
# Repeats with a goal: cells are run pass by pass until T is known well enough or max is reached, and what stands
# counts.
. "$SUPPORT/experiment.sh"

# matrix REPEATS: small.cfg with those repeats.
matrix() {
    sed "s/repeats = 2;/repeats = $1;/" small.cfg
}
repeats_of() {
    column "results/$1/runs.csv" cell | grep -cx "$2"
}

# A goal that no machine misses is reached with min, one that none reaches ends at max.
matrix '{ min = 3; max = 6; ci = 1.0; }' | sed 's/"small"/"easy"/' >easy.cfg
dmlx run --no-figures easy.cfg >/dev/null 2>run.err || fault "easy: $(cat run.err)"
expect_equal "repeats of an easy goal" "3 3" "$(repeats_of easy n1-c1) $(repeats_of easy n2-c2)"

matrix '{ min = 2; max = 4; ci = 0.0001; }' | sed 's/"small"/"hard"/' >hard.cfg
dmlx run --no-figures --only nodes=1 hard.cfg >/dev/null 2>run.err || fault "hard: $(cat run.err)"
expect_equal "repeats of a part" "4" "$(repeats_of hard n1-c1)"
dmlx run --no-figures hard.cfg >/dev/null 2>run.err || fault "hard: $(cat run.err)"
expect_equal "repeats of a hard goal" "4 4" "$(repeats_of hard n1-c1) $(repeats_of hard n2-c2)"
grep -q "^4 of 6 runs or more" run.err || fault "what stands is not told: $(cat run.err)"
expect_equal "repeats, each once" "1 2 3 4 " \
    "$(awk -F, '/^n2-c2/ { print $4 }' results/hard/runs.csv | sort | tr '\n' ' ')"

before=$(sha256sum results/hard/runs.csv)
dmlx run --no-figures hard.cfg >/dev/null 2>run.err || fault "again: $(cat run.err)"
expect_equal "runs.csv when all is done" "$before" "$(sha256sum results/hard/runs.csv)"

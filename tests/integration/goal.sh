#!/bin/bash
# Repeats with a goal: cells are run pass by pass until T is known well enough or max is reached, and what stands
# counts.
N_TRAIN=300 N_TEST=50 # what is shown does not depend on them, and sanitizers are slow
. "$SUPPORT/experiment.sh"

# matrix REPEATS: small.cfg with those repeats.
matrix() {
    sed "s/repeats = 2;/repeats = $1;/" small.cfg
}
repeats_of() {
    column "results/$1/runs.csv" cell | grep -cx "$2"
}

# wanted NAME CELL CI MIN MAX: the repeats after which half the interval of T was within CI of its mean, from the rows, so
# that it holds on any machine.
wanted() {
    paste -d, <(column "results/$1/runs.csv" cell) <(column "results/$1/runs.csv" repeat) \
        <(column "results/$1/runs.csv" t_s) | grep "^$2," | sort -t, -k2n | awk -F, -v ci="$3" -v min="$4" -v max="$5" '
        BEGIN { split("0 12.706 4.303 3.182 2.776 2.571", t975, " ") }
        { n++; sum += $3; squares += $3 * $3; mean = sum / n
          variance = n > 1 ? (squares - n * mean * mean) / (n - 1) : 0
          if (!stop && n >= min && (n == max || t975[n] * sqrt(variance / n) <= ci * mean)) stop = n }
        END { print stop }'
}

# A goal that is nearly always reached with min, and one that never is and ends at max.
matrix '{ min = 3; max = 6; ci = 1.0; }' | sed 's/"small"/"easy"/' >easy.cfg
dmlx run --no-figures easy.cfg >/dev/null 2>run.err || fault "easy: $(cat run.err)"
for cell in n1-c1 n2-c2; do
    expect_equal "repeats of an easy goal, $cell" "$(wanted easy $cell 1 3 6)" "$(repeats_of easy $cell)"
done

told() {
    dmlx table "results/$1" | grep '^Repeats stopped' || true
}
grep -q '^Repeats stopped at a narrow interval of T (100 %)' <(told easy) || fault "the table does not tell"

# stops NAME: cells and repeats of stops.csv, in order.
stops() {
    paste -d' ' <(column "results/$1/stops.csv" cell) <(column "results/$1/stops.csv" repeats) | sort | tr '\n' ','
}
stopped="n1-c1 $(repeats_of easy n1-c1),n2-c2 $(repeats_of easy n2-c2),"
[[ $stopped == *" 6,"* ]] || expect_equal "cells that were stopped" "$stopped" "$(stops easy)"

# Results of a dmlx that wrote no such file: read as they are, and gone on with, which writes it, whatever part is asked for.
# A row of it that was cut is written again.
before=$(told easy)
rm results/easy/stops.csv
expect_equal "what is told without stops.csv" "$before" "$(told easy)"
dmlx run --no-figures --only nodes=1 easy.cfg >/dev/null 2>run.err || fault "easy again: $(cat run.err)"
[[ $stopped == *" 6,"* ]] || expect_equal "cells that had been stopped" "$stopped" "$(stops easy)"
truncate -s -3 results/easy/stops.csv
dmlx run --no-figures easy.cfg >/dev/null 2>run.err || fault "easy once more: $(cat run.err)"
[[ $stopped == *" 6,"* ]] || expect_equal "rows, each once" "$stopped" "$(stops easy)"
expect_equal "what is told at the end" "$before" "$(told easy)"

matrix '{ min = 2; max = 4; ci = 0.0001; }' | sed 's/"small"/"hard"/' >hard.cfg
dmlx run --no-figures --only nodes=1 hard.cfg >/dev/null 2>run.err || fault "hard: $(cat run.err)"
expect_equal "repeats of a part" "4" "$(repeats_of hard n1-c1)"
dmlx run --no-figures hard.cfg >/dev/null 2>run.err || fault "hard: $(cat run.err)"
expect_equal "repeats of a hard goal" "4 4" "$(repeats_of hard n1-c1) $(repeats_of hard n2-c2)"
grep -q "^4 of 6 runs or more" run.err || fault "what stands is not told: $(cat run.err)"
expect_equal "repeats, each once" "1 2 3 4 " \
    "$(awk -F, '/^n2-c2/ { print $4 }' results/hard/runs.csv | sort | tr '\n' ' ')"

! grep -q . <(told hard) || fault "what ended at max is said to be narrow"

before=$(sha256sum results/hard/runs.csv)
dmlx run --no-figures hard.cfg >/dev/null 2>run.err || fault "again: $(cat run.err)"
expect_equal "runs.csv when all is done" "$before" "$(sha256sum results/hard/runs.csv)"

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

grep -q '^Repeats stopped at a narrow interval of T (100 %)' <(dmlx table results/easy) || fault "the table does not tell"

matrix '{ min = 2; max = 4; ci = 0.0001; }' | sed 's/"small"/"hard"/' >hard.cfg
dmlx run --no-figures --only nodes=1 hard.cfg >/dev/null 2>run.err || fault "hard: $(cat run.err)"
expect_equal "repeats of a part" "4" "$(repeats_of hard n1-c1)"
dmlx run --no-figures hard.cfg >/dev/null 2>run.err || fault "hard: $(cat run.err)"
expect_equal "repeats of a hard goal" "4 4" "$(repeats_of hard n1-c1) $(repeats_of hard n2-c2)"
grep -q "^4 of 6 runs or more" run.err || fault "what stands is not told: $(cat run.err)"
expect_equal "repeats, each once" "1 2 3 4 " \
    "$(awk -F, '/^n2-c2/ { print $4 }' results/hard/runs.csv | sort | tr '\n' ' ')"

! grep -q 'Repeats stopped' <(dmlx table results/hard) || fault "what ended at max is said to be narrow"

before=$(sha256sum results/hard/runs.csv)
dmlx run --no-figures hard.cfg >/dev/null 2>run.err || fault "again: $(cat run.err)"
expect_equal "runs.csv when all is done" "$before" "$(sha256sum results/hard/runs.csv)"

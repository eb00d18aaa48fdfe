#!/bin/bash
# The time to an accuracy: what it is where the model has it, empty where it never does; and testing the model between
# rounds changes neither the model nor T. The test set is large beside the other, so that its time could not hide.
# times: when the accuracy was there, and T without the tests of the model
N_TRAIN=300 N_TEST=2400
. "$SUPPORT/experiment.sh"

# try NAME TARGET [OPTION…]: runs small.cfg once for one and for two nodes with that target.
try() {
    local name=$1 target=$2
    shift 2
    dmlx run --no-figures --set matrix.repeats=1 --set "name=$name" --set "train.target_accuracy=$target" \
        --set train.evaluations=5 "$@" small.cfg >"$name.out" 2>&1 || fault "$name: $(cat "$name.out")"
}

# of NAME COLUMN: its values for one and for two nodes, each with a mark, since they may be empty.
of() {
    paste -d' ' <(column "results/$1/runs.csv" cell) <(column "results/$1/runs.csv" "$2") | sort | cut -d' ' -f2 |
        sed 's/$/;/' | tr '\n' ' '
}

# is EXPRESSION: whether awk calls it true.
is() { awk "BEGIN { exit !($1) }"; }

try none 0
try low 0.01
try high 1

expect_equal "the models of a target never reached" "$(of none model_sha256)" "$(of high model_sha256)"
expect_equal "the models of a target reached" "$(of none model_sha256)" "$(of low model_sha256)"
expect_equal "the target where there is none" "; ; " "$(of none target_accuracy)"
expect_equal "the time to no target" "; ; " "$(of none time_to_accuracy_s)"
expect_equal "the target" "0.01; 0.01; " "$(of low target_accuracy)"
expect_equal "the time to a target never reached" "; ; " "$(of high time_to_accuracy_s)"

# The first of five tests is behind the first of five rounds, so that is when a target that any model has is reached.
for cell in n1-c1 n2-c2; do
    row=$(grep "^$cell," results/low/runs.csv)
    first_s=$(awk -F, -v cell=$cell '$1 == cell && $4 == 1' results/low/rounds.csv |
        column <(head -1 results/low/rounds.csv; cat) round_s | head -1)
    reached_s=$(column <(head -1 results/low/runs.csv; echo "$row") time_to_accuracy_s)
    is "$reached_s > 0.9 * $first_s && $reached_s < 1.5 * $first_s + 0.05" ||
        fault "$cell: reached after '$reached_s' s, and the first round took '$first_s' s"
done

# A target that is never reached costs five tests, of which T knows nothing: it is what the rounds took.
for cell in n1-c1 n2-c2; do
    row=$(grep "^$cell," results/high/runs.csv)
    t_s=$(column <(head -1 results/high/runs.csv; echo "$row") t_s)
    tests_s=$(column <(head -1 results/high/runs.csv; echo "$row") evaluation_s)
    rounds_s=$(awk -F, -v cell=$cell '$1 == cell && $5 == 0' results/high/rounds.csv |
        column <(head -1 results/high/rounds.csv; cat) round_s | awk '{ sum += $1 } END { print sum }')
    is "$t_s - $rounds_s < 0.6 * $tests_s" ||
        fault "$cell: T is $t_s s, its rounds took $rounds_s s, and the tests $tests_s s"
done

# A run that goes on from a checkpoint knows that the target was reached before.
file=$work/paused
DMLX_TEST_PAUSE=worker-1:training:4:$file try resumed 0.01 --only nodes=2 --set cluster.checkpoint=true \
    --set cluster.retries=1 &
wait_for_line "$file" . 60 || fault "worker-1 does not come to round 4"
kill -KILL "$(cat "$file")"
wait $!
expect_equal "parts" 2 "$(column results/resumed/runs.csv parts | tail -1)"
reached_s=$(column results/resumed/runs.csv time_to_accuracy_s | tail -1)
t_s=$(column results/resumed/runs.csv t_s | tail -1)
is "$reached_s > 0 && $reached_s < 0.6 * $t_s" || fault "resumed: reached after '$reached_s' of $t_s s"

# The table has it, and says what it is.
dmlx table results/low >table.txt || fault "no table"
grep -q 'to 1 % s' table.txt || fault "the table does not have the time: $(cat table.txt)"
dmlx table results/high | grep -q '0 of 1' || fault "the table does not say that the target was not reached"

#!/bin/bash
# What becomes of the velocities between rounds, and the coordinator's own rate and momentum: each changes the model,
# the same seed makes the same bits again, and where they should change nothing they do not.
N_TRAIN=300 N_TEST=50 # what is shown does not depend on them, and sanitizers are slow
. "$SUPPORT/experiment.sh"

# Nothing here is about time: no limits.
sed -i 's/^cluster = .*/cluster = { enforce = false; };/' small.cfg

# model NAME [KEY=VALUE…]: runs the cell of two nodes once and leaves its model's sum in $NAME.
model() {
    local name=$1 sets=(--set matrix.repeats=1 --set "name=$1")
    shift
    for set in "$@"; do sets+=(--set "$set"); done
    dmlx run --only nodes=2 --no-figures "${sets[@]}" small.cfg >"$name.out" 2>&1 || fault "$name: $(cat "$name.out")"
    declare -g "$name=$(sha256sum <"results/$name/runs/n2-c2-r1/model.safetensors")"
}

sent() { column "results/$1/runs.csv" sent_bytes; }

model plain
model keep train.momentum_rounds=keep train.server_learning_rate=1 train.server_momentum=0
model reset train.momentum_rounds=reset
model average train.momentum_rounds=average
model again train.momentum_rounds=average
model kept train.momentum_rounds=average cluster.checkpoint=true
model rate train.server_learning_rate=0.5
model momentum train.server_momentum=0.5
model momentum_again train.server_momentum=0.5
model without train.momentum=0
model without_average train.momentum=0 train.momentum_rounds=average

expect_equal "the model with the defaults written out" "$plain" "$keep"
expect_equal "different models" 5 "$(printf '%s\n' "$plain" "$reset" "$average" "$rate" "$momentum" | sort -u | wc -l)"
expect_equal "the same seed's model, momentum averaged" "$average" "$again"
expect_equal "the same seed's model, momentum averaged and kept in checkpoints" "$average" "$kept"
expect_equal "the same seed's model, momentum at the coordinator" "$momentum" "$momentum_again"
expect_equal "the model without momentum to average" "$without" "$without_average"
[ "$(sent average)" -gt $(($(sent plain) * 19 / 10)) ] || fault "averaged velocities are not sent"
[ "$(sent without_average)" -lt $(($(sent plain) * 11 / 10)) ] || fault "velocities are sent that are not there"

# A worker is killed in the middle: a run that goes on from a checkpoint, or with another worker in its place, has the
# averaged velocity again, and the coordinator's own, and ends with the bits of an undisturbed one.
model_after_a_loss() {
    local name=$1 undisturbed=$2 file=$work/paused-$1
    shift 2
    DMLX_TEST_PAUSE=worker-1:training:3:$file model "$name" "$@" &
    wait_for_line "$file" . 60 || fault "$name: worker-1 does not come to round 3"
    kill -KILL "$(cat "$file")"
    wait $! || fault "$name: $(cat "$name.out")"
    expect_equal "the model after a loss: $name" "$undisturbed" \
        "$(sha256sum <"results/$name/runs/n2-c2-r1/model.safetensors")"
}
model_after_a_loss resumed "$average" train.momentum_rounds=average cluster.checkpoint=true cluster.retries=1
expect_equal "parts" 2 "$(column results/resumed/runs.csv parts | tail -1)"
model_after_a_loss respawned "$average" train.momentum_rounds=average cluster.on_loss=respawn
model_after_a_loss resumed_momentum "$momentum" train.server_momentum=0.5 cluster.checkpoint=true cluster.retries=1
expect_equal "parts, momentum at the coordinator" 2 "$(column results/resumed_momentum/runs.csv parts | tail -1)"
model_after_a_loss respawned_momentum "$momentum" train.server_momentum=0.5 cluster.on_loss=respawn

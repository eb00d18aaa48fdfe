#!/bin/bash
# The paper's three programs, started by hand: a coordinator and two workers make the model that `dmlx run` makes of
# the same cell, bit for bit, whatever the number of threads; `dmlx test` reads it; the standalone role runs alone; and a
# coordinator hears of a worker that is ended.
. "$SUPPORT/experiment.sh"

# by_hand THREADS: one coordinator, two workers; the model is left in by-hand-THREADS.safetensors.
by_hand() {
    local serve endpoint worker
    dmlx serve --only nodes=2 --model "by-hand-$1.safetensors" small.cfg >"serve-$1.out" 2>"serve-$1.err" &
    serve=$!
    wait_for_line "serve-$1.out" '"listening"' 20 || fault "serve does not listen: $(cat "serve-$1.err")"
    endpoint=$(sed -nE '/"listening"/s/.*"endpoint": *"([^"]*)".*/\1/p' "serve-$1.out")
    dmlx work --threads "$1" --identity left "$endpoint" >left.out 2>&1 &
    worker=$!
    dmlx work --threads "$1" --identity right "$endpoint" >right.out 2>&1 || fault "right: $(cat right.out)"
    wait "$worker" || fault "left: $(cat left.out)"
    wait "$serve" || fault "serve: $(cat "serve-$1.err")"
}

by_hand 1
by_hand 2
dmlx run --only nodes=2 --no-figures small.cfg >/dev/null 2>run.err || fault "dmlx run: $(cat run.err)"
models=(by-hand-1.safetensors by-hand-2.safetensors results/small/runs/n2-c2-r1/model.safetensors)
sha256sum "${models[@]}" >sums
expect_equal "different models" 1 "$(cut -d' ' -f1 sums | sort -u | wc -l)"
[ "$faults" = 0 ] || cat sums

dmlx test by-hand-1.safetensors >test.out 2>&1 || fault "dmlx test: $(cat test.out)"
grep -qi accuracy test.out || fault "no accuracy: $(cat test.out)"
dmlx train --only nodes=1 --model alone.safetensors small.cfg >train.out 2>&1 || fault "train: $(cat train.out)"
[ -s alone.safetensors ] || fault "train leaves no model"

# A worker that a signal ends says so: the coordinator names that as the reason, where it would else wait for silence.
dmlx serve --only nodes=2 --set train.epochs=2000 small.cfg >serve.out 2>serve.err &
serve=$!
wait_for_line serve.out '"listening"' 20 || fault "serve does not listen: $(cat serve.err)"
endpoint=$(sed -nE '/"listening"/s/.*"endpoint": *"([^"]*)".*/\1/p' serve.out)
dmlx work --identity left "$endpoint" >left.out 2>&1 &
left=$!
wait_for_line serve.err 'left .*came' 20 || fault "left does not join: $(cat serve.err left.out)"
dmlx work --identity right "$endpoint" >right.out 2>&1 &
right=$!
wait_for_line serve.out '"started"' 20 || fault "no round begins: $(cat serve.err)"
kill -TERM "$left"
wait "$left"
expect_equal "status of a worker that TERM ended" 130 "$?"
wait "$serve"
expect_equal "status of its coordinator" 1 "$?"
wait "$right"
expect_equal "status of the other worker" 1 "$?"
grep -q "worker 0 (left .*it gave up: ended by signal 15 (Terminated)" serve.err || fault "it is told as: $(cat serve.err)"

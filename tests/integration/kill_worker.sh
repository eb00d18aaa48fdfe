#!/bin/bash
# kill -9 of a worker's guard, and of the worker itself, in mid-round: the cell fails and names the worker, the
# matrix goes on, no group and no process of it stays.
. "$SUPPORT/experiment.sh"
needs cgroup

# kill_in_round WHO: runs the experiment, kills that process of worker 1, which has stopped itself in the second round:
# on a busy machine a run may be over before it is looked for.
kill_in_round() {
    rm -rf results
    local file=$work/paused-$1 run worker victim
    DMLX_TEST_PAUSE=worker-1:training:2:$file dmlx run small.cfg --only nodes=2 --set cluster.retries=0 >/dev/null 2>run.err &
    run=$!
    wait_for_line "$file" . 60 || fault "worker-1 does not come to round 2 within 60 s: $(cat run.err)"
    worker=$(cat "$file")
    victim=$worker
    # The guard is its parent.
    [ "$1" = worker ] || victim=$(awk '$1 == "PPid:" { print $2 }' "/proc/$worker/status")
    [ "$victim" != "$run" ] && kill -KILL "$victim" || fault "there is no $1 to kill"
    kill -CONT "$worker" 2>/dev/null
    wait "$run"
    expect_equal "exit status after the $1's end" 1 "$?"
    column results/small/runs.csv status | grep -qx failed || fault "no failed row after the $1's end"
    grep -q "worker-1" run.err results/small/runs.csv || fault "nobody names worker-1 after the $1's end"
    left=$(cgroups_gone_within "dmlx-*-$run-" 5) || fault "groups after the $1's end: $left"
}

kill_in_round guard
kill_in_round worker

# A role by hand gets its limit too, and takes the group along when it ends.
dmlx train small.cfg --only nodes=1 --cpus 0.4 --cgroup "dmlx-hand-$$" --records >records || fault "no training by hand"
grep -q '"cores_limit":0.4' records || fault "the limit read back is not 0.4: $(grep -o '"cores_limit":[^,]*' records | tail -1)"
left=$(cgroups_gone_within "dmlx-hand-$$" 5) || fault "groups after training by hand: $left"

#!/bin/bash
# kill -9 of a worker's guard, and of the worker itself, in mid-round: the cell fails and names the worker, the
# matrix goes on, no group and no process of it stays.
. "$SUPPORT/experiment.sh"
needs cgroup

# kill_in_round WHO ROLE: runs the experiment, kills that process of worker 1 once rounds come.
kill_in_round() {
    rm -rf results
    dmlx run small.cfg --only nodes=2 --set cluster.retries=0 >/dev/null 2>run.err &
    local run=$! guard victim
    wait_for_line results/small/rounds.csv '^n2-' 60 || fault "no round of two nodes within 60 s: $(cat run.err)"
    # The guard is the parent, the worker its only child.
    guard=$(pgrep -P "$run" -f -- '--identity worker-1' | head -1)
    victim=$guard
    [ "$1" = worker ] && victim=$(pgrep -P "$guard")
    [ -n "$victim" ] && kill -KILL "$victim"
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

#!/bin/bash
# dmlx run is killed (kill -9), or its terminal closed, in each phase: five seconds later nothing of it lives, and the same
# command goes on; every row is there once.
# cases: killed_joining killed_loading killed_training killed_sending killed_averaging killed_writing
# cases: hangup_joining hangup_loading hangup_training hangup_sending hangup_averaging hangup_writing
# cases: killed_writing_model checkpoint_training
. "$SUPPORT/faults.sh"
IFS=_ read -r how phase <<<"$case"
options=()
sed -i 's/^matrix.*/matrix = { nodes = [ 2, 3 ]; cores_per_node = [ 1 ]; shuffle = false; };/' tiny.cfg

case $phase in
joining | loading) place=worker-2:$phase:0 ;;
training | sending) place=worker-2:$phase:3 ;;
averaging) place=coordinator:averaging:3 ;;
writing) place=run:writing:3 ;;
writing_model) place=coordinator:writing:5 ;;
esac
if [ "$how" = checkpoint ]; then
    options=(--set cluster.checkpoint=true)
    model=$(undisturbed)
fi
pause_at "$place"
if [ "$how" = hangup ]; then
    # A terminal of its own, which goes away with the python that holds its other end.
    python3 -c 'import pty, sys; pty.spawn(sys.argv[1:])' dmlx run --no-figures tiny.cfg </dev/null >run.out 2>run.err &
    terminal=$! run=$terminal
    await_pause "$place"
    kill -KILL "$terminal"
    [ "$phase" != writing ] || kill -CONT "$paused"
    wait "$terminal" 2>/dev/null
else
    start_run "${options[@]}"
    await_pause "$place"
    kill -KILL "$run"
    finish_run 2>/dev/null
fi
left=$(marked_gone_within "$DMLX_CASE_MARK" 5) || fault "processes after it: $left"
left=$(cgroups_gone_within "dmlx-*-$run-" 5) || fault "groups after it: $left"

start_run "${options[@]}"
finish_run
expect_equal "status ($(cat run.err))" 0 "$status"
expect_equal "done rows" "n2-c2 n3-c3 " "$(awk -F, '/,done,/ { print $1 }' results/tiny/runs.csv | sort | tr '\n' ' ')"
expect_equal "rows of no attempt" "" "$(grep -cv -e '^cell' -e ',done,' -e ',failed,' results/tiny/runs.csv | grep -vx 0)"
expect_rounds "$(awk -F, '/,done,/ { n = $2 * 4 } END { print n }' results/tiny/runs.csv)"
if [ "$how" = checkpoint ]; then
    expect_equal "model" "$model" "$(sum_of $run_folder/model.safetensors)"
    grep '^n3-c3,.*,done,' results/tiny/runs.csv >row
    # Round 2's checkpoint may have been on its way home still when dmlx run died.
    expect_text "it began anew" 'resumed behind round [12] ' row
fi

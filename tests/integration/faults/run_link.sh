#!/bin/bash
# A cut link of a run that `dmlx run` supervises: three workers behind emulated links, each in a namespace of its own, and
# worker 1's is taken down in each phase. Respawn: dmlx run replaces the worker, and the model has the bits of an undisturbed
# run. Continue: it goes on with two of three. Fail: the cell fails, naming worker, host, phase, limit and log. Nothing is left.
# cases: respawn_loading respawn_training respawn_sending respawn_averaging
# cases: continue_loading continue_training continue_sending continue_averaging
# cases: fail_loading fail_training fail_sending fail_averaging
. "$SUPPORT/needs.sh"
needs root ip tc nsenter
. "$SUPPORT/faults.sh"
IFS=_ read -r policy phase <<<"$case"
options=(--set "cluster.on_loss=$policy" --set cluster.emulate.link_mbit=100)
# What a busy machine does to the others must not look like a link that is cut.
sed -i 's/join_s = 20; round_s = 30; silence_s = 4;/join_s = 60; round_s = 60; silence_s = 15;/' tiny.cfg

case $phase in
loading) place=worker-1:loading:0 rounds=8 ;;
training | sending) place=worker-1:$phase:2 rounds=9 ;;
averaging) place=coordinator:averaging:2 rounds=10 ;;
esac

# Of worker 1's link. The first look at the namespaces is while others wait for who is paused, so it is a short one.
link() {
    nsenter "--net=$path" sh -c "ip -o addr | grep -qF ' 10.77.0.3/' && ip link set eth0 $1" ||
        fault "worker 1's link does not go $1"
}

[ "$policy" != respawn ] || model=$(undisturbed "${options[@]}")
pause_at "$place"
start_run "${options[@]}"
await_pause "$place"
path=$(find "/proc/$run/fd" -lname 'net:*' | sort -V | sed -n 4p) # behind the switch, the coordinator and worker 0
link down
kill -CONT "$paused"
hold_spaces "$run"
expect_equal "network namespaces of a switch, a coordinator and three workers" 5 "${#spaces[@]}"
if [ "$policy" = respawn ]; then
    wait_for_line run.err 'worker.1.*it is started again' 60 || fault "it was not missed: $(cat run.err)"
    link up
fi
finish_run
left=$(marked_gone_within "$DMLX_CASE_MARK" 6) || fault "processes after it: $left"
left=$(spaces_left_alone_within 3) || fault "namespaces after it: $left"

grep -v '^cell' results/tiny/runs.csv >row
if [ "$policy" = fail ]; then
    expect_equal "status" 1 "$status"
    expect_equal "failed rows" 1 "$(rows failed)"
    # The coordinator's words, or those of the worker, which may miss the coordinator before it is missed.
    for file in row run.err; do
        expect_text "the worker is not named" 'worker.1' $file
        expect_text "the host is not named" "on '?$(hostname)" $file
        expect_text "the phase is not told" 'of loading|while joining|in round [23]' $file
        expect_text "the limit is not told" 'no sign of life for [0-9]{5} ms' $file
        expect_text "the log is not named" 'worker-1\.log' $file
    done
else
    expect_equal "status ($(cat run.err))" 0 "$status"
    expect_equal "done rows" 1 "$(rows 'done')"
    expect_text "the loss is not recorded" 'worker.1' row
fi
case $policy in
respawn)
    expect_equal "model" "$model" "$(sum_of $run_folder/model.safetensors)"
    expect_rounds 12
    ;;
continue)
    expect_text "the loss is not recorded" 'going on with 2 of 3 workers' row
    expect_rounds $rounds
    ;;
esac

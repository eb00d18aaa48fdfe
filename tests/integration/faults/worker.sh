#!/bin/bash
# A worker is killed (kill -9), or stopped (SIGSTOP), in each phase, under each policy: respawn does the round again and
# ends with the bits of an undisturbed run; continue goes on with two of three; fail names the worker, and its log. One that
# comes back when the others have gone on is told so, and what it says is dropped and recorded.
# cases: killed_respawn_joining killed_respawn_loading killed_respawn_training killed_respawn_sending
# cases: killed_respawn_averaging killed_respawn_writing
# cases: killed_continue_joining killed_continue_loading killed_continue_training killed_continue_sending
# cases: killed_continue_averaging killed_continue_writing
# cases: killed_fail_joining killed_fail_loading killed_fail_training killed_fail_sending killed_fail_averaging
# cases: killed_fail_writing
# cases: stopped_respawn_joining stopped_respawn_loading stopped_respawn_training stopped_respawn_sending
# cases: stopped_respawn_averaging stopped_respawn_writing
# cases: stopped_continue_joining stopped_continue_loading stopped_continue_training stopped_continue_sending
# cases: stopped_continue_averaging stopped_continue_writing
# cases: stopped_fail_joining stopped_fail_loading stopped_fail_training stopped_fail_sending stopped_fail_averaging
# cases: stopped_fail_writing
# cases: stopped_late_joining stopped_late_loading stopped_late_training stopped_late_sending stopped_late_averaging
# cases: stopped_late_writing
. "$SUPPORT/faults.sh"
IFS=_ read -r how policy phase <<<"$case"
options=(--set "cluster.on_loss=$policy")
# It is the silence that tells of one who is stopped; a busy machine keeps the others silent for a second, too.
[ "$how" = killed ] || options+=(--set cluster.timeout.silence_s=3)
[ "$phase" != joining ] || options+=(--set cluster.timeout.join_s=6)

case $phase in
joining | loading) place=worker-1:$phase:0 ;;
training | sending) place=worker-1:$phase:2 ;;
averaging) place=coordinator:averaging:2 ;;
writing) place=coordinator:writing:4 ;;
esac

# What it says when the others have gone on, and what it hears: in mid-training, and before it has begun to send, its beat
# may come first, and the answer to that spares it the update.
late='UPDATE from worker . .worker-1.*from a lost worker' told='the run goes on without this worker'
case $phase in
joining) late='HELLO: from an unknown sender' told='is not expected in this run' ;;
loading) late='(READY|BEAT) from worker . .worker-1.*from a lost worker' ;;
training | sending) late='(UPDATE|BEAT) from worker . .worker-1.*from a lost worker' ;;
esac

expect_dropped() {
    wait_for_line serve.err "dropped $late" 20 || fault "nothing late came: $(cat serve.err)"
    wait "${workers[1]}" && fault "the late one thinks that all is well"
    expect_text "it was not told" "$told" worker-1.out
}

# By hand, since it is to last until the worker is back.
come_late() {
    sed -i 's/epochs = 1; rounds = 4;/epochs = 10000; rounds = 100000;/; s/silence_s = 4/silence_s = 3/' tiny.cfg
    [ "$phase" != joining ] || sed -i 's/join_s = 20/join_s = 6/' tiny.cfg
    pause_at "$place"
    start_by_hand --set cluster.on_loss=continue
    for rank in 0 1 2; do start_worker "worker-$rank" --identity "worker-$rank"; done
    await_pause "$place"
    wait_for_line serve.out 'going on with 2 of 3 workers' 20 || fault "nobody misses it: $(cat serve.err)"
    kill -CONT "$paused"
    expect_dropped
    kill -TERM "$serve"
    wait "$serve"
    expect_equal "status" 130 "$?"
    expect_text "it is not recorded" "\"record\":\"event\",\"text\":\"dropped $late" serve.out
    exit
}

# Its update comes while the coordinator averages, or writes, what the others have: it was held in sending until it was
# given up. The model is that of a run in which it died there.
come_late_to() {
    model=$(
        pause_at worker-1:sending:2
        start_run -o without "${options[@]}" --set cluster.on_loss=continue
        await_pause worker-1:sending:2
        kill -KILL "$paused"
        finish_run
        sum_of without/tiny/runs/n3-c3-r1/model.safetensors
    )
    rm -f paused-*
    pause_at worker-1:sending:2 "coordinator:$phase:2"
    start_by_hand --set cluster.on_loss=continue
    for rank in 0 1 2; do
        start_worker "worker-$rank" --identity "worker-$rank"
        wait_for_line serve.err "worker $rank .*worker-$rank .*came" 20 || fault "worker $rank did not come"
    done
    await_pause worker-1:sending:2
    sender=$paused
    await_pause "coordinator:$phase:2"
    kill -CONT "$sender"
    until_true 5 holds_update "$serve" "$endpoint" || fault "its update did not come: $(cat worker-1.out)"
    kill -CONT "$paused"
    expect_dropped
    unset "workers[1]"
    finish_by_hand
    expect_text "it is not recorded" "\"record\":\"event\",\"text\":\"dropped $late" serve.out
    exit
}
case $policy-$phase in
late-averaging | late-writing) come_late_to ;;
late-*) come_late ;;
esac

[ "$policy" != respawn ] || model=$(undisturbed "${options[@]}")
pause_at "$place"
start_run "${options[@]}"
# Looked up while nobody waits for who is paused: that takes long on a busy machine.
[ "${place%%:*}" = worker-1 ] || until_true 60 has_role worker-1 || fault "worker 1 does not come: $(cat run.err)"
await_pause "$place"
victim=$paused
[ "${place%%:*}" = worker-1 ] || victim=$role
kill -"$([ "$how" = killed ] && echo KILL || echo STOP)" "$victim"
[ "${place%%:*}" = worker-1 ] || kill -CONT "$paused"
finish_run

# Everything a person needs: who, where, in which phase, after which limit, and which log.
expect_story() {
    expect_text "the worker is not named" 'worker.1' "$1"
    expect_text "the host is not named" "$(hostname)" "$1"
    expect_text "the log is not named" 'worker-1\.log|coordinator\.log' "$1"
    expect_text "the phase is not told" 'joining|loading|training|waiting|in round|ending|after the last' "$1"
    [ "$how" = killed ] || expect_text "the limit is not told" '[0-9]+ m?s' "$1"
}

grep -v '^cell' results/tiny/runs.csv >row
if [ "$policy" = fail ] && [ "$phase$how" != writingstopped ]; then
    expect_equal "status" 1 "$status"
    expect_equal "failed rows" 1 "$(rows failed)"
    expect_story row
    expect_text "not told" 'failed' run.err
else
    expect_equal "status ($(cat run.err))" 0 "$status"
    expect_equal "done rows" 1 "$(rows 'done')"
fi
case $policy-$phase in
respawn-*)
    expect_equal "model" "$model" "$(sum_of $run_folder/model.safetensors)"
    expect_rounds 12
    [ "$phase$how" = writingstopped ] || expect_text "the loss is not recorded" 'worker.1' row
    ;;
continue-writing)
    expect_rounds 12
    ;;
continue-*)
    expect_story row
    expect_text "the loss is not recorded" 'going on with 2 of 3 workers' row
    case $phase in
    joining | loading) expect_rounds 8 ;;
    training | sending) expect_rounds 9 ;;
    averaging) expect_rounds 10 ;;
    esac
    ;;
esac

#!/bin/bash
# A cut link: the coordinator in one network namespace, a worker in another, a veth pair between them, taken down in each
# phase. Off loopback, so with keys. The worker is named after the limit and the policy applied; its late update is
# dropped and recorded; a link healed within the limit costs nothing but time, and nothing is counted twice.
# cases: fail_joining fail_loading fail_training fail_sending fail_averaging fail_writing
# cases: continue_joining continue_loading continue_training continue_sending continue_averaging continue_writing
# cases: respawn_joining respawn_loading respawn_training respawn_sending respawn_averaging respawn_writing
# cases: healed_joining healed_loading healed_training healed_sending healed_averaging healed_writing
# cases: late_joining late_loading late_training late_sending late_averaging late_writing
. "$SUPPORT/needs.sh"
needs root ip unshare
. "$SUPPORT/faults.sh"
IFS=_ read -r what phase <<<"$case"
far="dmlx-far-$$"
third=$((RANDOM % 200 + 20)) second=$((RANDOM % 250))
address="10.$third.$second.1"

trap 'status=$?; ip netns del "$far" 2>/dev/null; ip netns del "$far-here" 2>/dev/null; (exit $status); finish' EXIT
ip netns add "$far-here" && ip netns add "$far" || exit 1
here=(ip netns exec "$far-here") # which becomes what it starts, so that $! is that
ip -n "$far-here" link add here type veth peer name there netns "$far" || exit 1
ip -n "$far-here" addr add "$address/24" dev here
ip -n "$far" addr add "${address%.1}.2/24" dev there
for side in "$far-here:lo" "$far-here:here" "$far:lo" "$far:there"; do
    ip -n "${side%:*}" link set "${side#*:}" up
done
# TCP tries a link again after twice as long as the last time; once a second where the kernel lets us say so.
for side in "$far" "$far-here"; do
    ip netns exec "$side" sh -c 'f=/proc/sys/net/ipv4/tcp_rto_max_ms; [ ! -e $f ] || echo 1000 >$f' || exit 1
done
link() {
    ip -n "$far" link set there "$1" || fault "the link does not go $1"
}

# has_unsent PID [HEX]: whether bytes, or more of them, wait to be acknowledged between the two namespaces, as PID's end of
# it has them.
has_unsent() {
    awk -v far="$(printf '%02X%02X%02X%02X' 2 "$second" "$third" 10)" -v more="${2:-00000000}" \
        'index($2 " " $3, far ":") && $4 == "01" && substr($5, 1, 8) > more { found = 1 } END { exit !found }' \
        "/proc/$1/net/tcp"
}

has_no_unsent() {
    ! has_unsent "$1"
}

# How often PID's first thread has slept.
naps() {
    awk '$1 == "voluntary_ctxt_switches:" { print $2 }' "/proc/$1/status"
}
has_napped() {
    [ "$(naps "$1")" -ge "$2" ]
}

policy=$what silence=3 patience=5 late='UPDATE from worker 2'
case $what in
late) policy=continue patience=20 ;;
healed) policy=fail silence=20 patience=20 ;;
esac
[ "$phase" != joining ] || [ "$what" = healed ] || sed -i 's/join_s = 20/join_s = 8/' tiny.cfg
held=
case $what-$phase in
*-joining | *-loading) place=worker-2:$phase:0 ;;
*-training | *-sending) place=worker-2:$phase:2 ;;
late-averaging | late-writing)
    # Its update comes while the coordinator is in that phase, to which it has gone on without it.
    place=worker-2:sending:2 held=coordinator:$phase:2
    ;;
*) place=coordinator:$phase:2 ;;
esac
case $what-$phase in
late-joining) late='HELLO: from an unknown sender' ;;
late-loading) late='(READY|BEAT) from worker 2' ;;
esac
sed -i "s/silence_s = 4/silence_s = $silence/" tiny.cfg
[[ $what != @(healed|respawn) ]] || model=$(undisturbed)
dmlx keys 3 >/dev/null
pause_at "$place" ${held:+"$held"}
# A run that lasts until the late update is there.
[ "$what" != late ] || sed -i 's/epochs = 1; rounds = 4;/epochs = 10000; rounds = 100000;/' tiny.cfg
"${here[@]}" dmlx serve --nodes 3 --set "cluster.on_loss=$policy" --keys keys/coordinator --listen "tcp://$address:7070" \
    --model model.safetensors tiny.cfg >serve.out 2>serve.err &
serve=$!
wait_for_line serve.out '"listening"' 20 || fault "serve does not listen: $(cat serve.err)"
workers=()
for rank in 0 1; do
    "${here[@]}" dmlx work --keys "keys/worker-$rank" "tcp://$address:7070" >"worker-$rank.out" 2>&1 &
    workers+=($!)
done
wait_for_line serve.err 'worker-0.* came' 20 && wait_for_line serve.err 'worker-1.* came' 20
ip netns exec "$far" dmlx work --wait "$patience" --keys keys/worker-2 "tcp://$address:7070" >worker-2.out 2>&1 &
cut_off=$!
await_pause "$place"
link down
before=$(naps "$paused")
kill -CONT "$paused"

case $what in
healed)
    # They speak into the void for a while, and are heard when the link is back.
    if [ "$phase" = joining ]; then
        until_true 20 has_napped "$cut_off" $((before + 5))
    else
        until_true 20 has_unsent "$paused"
    fi || fault "nobody spoke while the link was down"
    link up
    ;;
late)
    # It says that it has an update before TCP has it, which alone brings it when the worker is stopped.
    [[ $phase = @(joining|loading) ]] || { wait_for_line worker-2.out '^round 2' 20 && until_true 20 has_unsent "$cut_off" 00002000; } ||
        fault "worker 2 made no update: $(cat worker-2.out)"
    # Who is stopped meanwhile does not miss the coordinator, as it would at the time at which it is missed; nor is the
    # connection given up, as one without a process is when there is no way.
    [ "$phase" = joining ] || kill -STOP "$cut_off"
    wait_for_line serve.out 'going on with 2 of 3 workers' 20 || fault "nobody misses worker 2: $(cat serve.err)"
    if [ "$held" ]; then
        await_pause "$held"
        kill -STOP "${workers[@]}"
        link up
        # Until TCP tries again: a minute at worst, where the kernel does not let us say.
        until_true 100 holds_update "$serve" "tcp://$address:7070" || fault "its update did not come: $(cat worker-2.out)"
        kill -CONT "$paused" "${workers[@]}"
    else
        link up
        until_true 100 has_no_unsent "$cut_off" || fault "what it had said does not come"
    fi
    kill -CONT "$cut_off"
    wait_for_line serve.err "dropped $late" 20 || fault "no late update came: $(tail serve.err; cat worker-2.out)"
    kill -TERM "$serve"
    ;;
respawn)
    wait_for_line serve.err 'worker 2.*lost' 20 || fault "it was not missed: $(cat serve.err)"
    kill -KILL "$cut_off" 2>/dev/null # as who starts another does first
    link up
    ip netns exec "$far" dmlx work --keys keys/worker-2 "tcp://$address:7070" >again.out 2>&1 || fault "again: $(cat again.out)"
    ;;
esac

wait "$serve"
status=$?
for worker in "${workers[@]}" "$cut_off"; do
    wait "$worker" 2>/dev/null
done
case $what in
fail)
    expect_equal "status" 1 "$status"
    # Who never came has told no host.
    [ "$phase" = joining ] && name='worker 2' || name="worker 2 \(worker-2 on $(hostname)\)"
    expect_text "the worker, its host and phase" "$name: (lost|refused) after [0-9]+ ms of (joining|loading|training)" serve.err
    expect_text "the limit" '(for|within) [38]000 ms' serve.err
    ;;
continue | late)
    [ "$what" = late ] && expected=130 || expected=0
    expect_equal "status ($(tail serve.err))" $expected "$status"
    expect_text "the loss is not recorded" 'going on with 2 of 3 workers' serve.out
    [ "$what" = continue ] || expect_text "what came late is not recorded" "dropped $late" serve.out
    # Who went on with the coordinator has not lost it.
    [ "$what" != late ] || expect_equal "workers that lost the coordinator" 0 "$(grep -l 'was lost' worker-[01].out | wc -l)"
    [ "$what" = late ] || expect_equal "rounds" 4 "$(grep -c '"record":"round"' serve.out)"
    ;;
healed | respawn)
    expect_equal "status ($(cat serve.err))" 0 "$status"
    expect_equal "model" "$model" "$(sum_of model.safetensors)"
    expect_equal "rounds" 4 "$(grep -c '"record":"round"' serve.out)"
    [ "$what" = healed ] || expect_text "the loss is not recorded" '"record":"lost".*worker 2' serve.out
    ;;
esac

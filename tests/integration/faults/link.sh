#!/bin/bash
# A cut link: the coordinator in one network namespace, a worker in another, a veth pair between them, taken down in each
# phase. Off loopback, so with keys. The worker is named after the limit and the policy applied; its late update is
# dropped and recorded; a link healed within the limit costs nothing but time, and nothing is counted twice.
# cases: fail_training fail_loading fail_joining fail_sending fail_averaging continue_training continue_sending
# cases: late healed_training healed_sending healed_averaging respawn_training
. "$SUPPORT/needs.sh"
needs root ip unshare
. "$SUPPORT/faults.sh"
IFS=_ read -r what phase <<<"$case"
far="dmlx-far-$$"
address="10.$((RANDOM % 200 + 20)).$((RANDOM % 250)).1"

trap 'status=$?; ip netns del "$far" 2>/dev/null; ip netns del "$far-here" 2>/dev/null; (exit $status); finish' EXIT
ip netns add "$far-here" && ip netns add "$far" || exit 1
here=(ip netns exec "$far-here") # which becomes what it starts, so that $! is that
ip -n "$far-here" link add here type veth peer name there netns "$far" || exit 1
ip -n "$far-here" addr add "$address/24" dev here
ip -n "$far" addr add "${address%.1}.2/24" dev there
for side in "$far-here:lo" "$far-here:here" "$far:lo" "$far:there"; do
    ip -n "${side%:*}" link set "${side#*:}" up
done
link() {
    ip -n "$far" link set there "$1" || fault "the link does not go $1"
}

policy=fail silence=2
case $what in
continue | late) policy=continue ;;
respawn) policy=respawn ;;
healed) silence=20 ;;
esac
sed -i "s/silence_s = 4/silence_s = $silence/" tiny.cfg
[ "$case" != fail_joining ] || sed -i 's/join_s = 20/join_s = 3/' tiny.cfg
case $phase in
joining | loading) place=worker-2:$phase:0 ;;
averaging) place=coordinator:averaging:2 ;;
sending) place=worker-2:sending:2 ;;
*) place=worker-2:training:2 ;;
esac
[ "$what" = late ] || model=$(undisturbed)
dmlx keys 3 >/dev/null
pause_at "$place"
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
ip netns exec "$far" dmlx work --wait 5 --keys keys/worker-2 "tcp://$address:7070" >worker-2.out 2>&1 &
cut_off=$!
await_pause "$place"
link down
kill -CONT "$paused"

case $what in
healed)
    # It goes on, speaks into the void for a while, and is heard when the link is back.
    [ "$phase" = averaging ] || wait_for_line worker-2.out '^round 2' 20 || fault "worker 2 is not through round 2"
    link up
    ;;
late)
    wait_for_line worker-2.out '^round 2' 10 || fault "worker 2 made no update"
    wait_for_line serve.out 'going on with 2 of 3 workers' 20 || fault "nobody misses worker 2: $(cat serve.err)"
    link up
    wait_for_line serve.err 'dropped UPDATE from worker 2' 20 || fault "no late update came: $(tail serve.err)"
    kill -TERM "$serve"
    ;;
respawn)
    wait_for_line serve.err 'worker 2.*lost' 20 || fault "it was not missed: $(cat serve.err)"
    link up
    ip netns exec "$far" dmlx work --keys keys/worker-2 "tcp://$address:7070" >again.out 2>&1 || fault "again: $(cat again.out)"
    ;;
esac

wait "$serve"
status=$?
for worker in "${workers[@]}" "$cut_off"; do
    wait "$worker"
done
case $what in
fail)
    expect_equal "status" 1 "$status"
    expect_text "the worker, its host and phase" 'worker 2.*(lost|refused) after [0-9]+ ms of (joining|loading|training)' serve.err
    expect_text "the limit" '(for|within) [23]000 ms' serve.err
    ;;
continue | late)
    [ "$what" = late ] && expected=130 || expected=0
    expect_equal "status ($(tail serve.err))" $expected "$status"
    expect_text "the loss is not recorded" 'going on with 2 of 3 workers' serve.out
    [ "$what" = continue ] || expect_text "the late update is not recorded" 'dropped UPDATE from worker 2' serve.out
    ;;
healed | respawn)
    expect_equal "status ($(cat serve.err))" 0 "$status"
    expect_equal "model" "$model" "$(sum_of model.safetensors)"
    expect_equal "rounds" 4 "$(grep -c '"record":"round"' serve.out)"
    ;;
esac

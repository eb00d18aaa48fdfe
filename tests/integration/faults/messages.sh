#!/bin/bash
# Messages that are no good, on the socket of a run in each phase: garbage, truncated, of another version or run, from
# nobody, not finite, oversized, replayed, for an earlier turn, twice. Somebody on worker 1's own connection says them in
# its name. Each is dropped, counted and recorded; the run goes on, worker 1 too, and ends with the bits of an undisturbed one.
# cases: joining loading training sending averaging writing
. "$SUPPORT/faults.sh"
sed -i 's/silence_s = 4/silence_s = 20/' tiny.cfg
model=$(undisturbed)
case $case in
joining | loading) place=worker-2:$case:0 ;;
training | sending) place=worker-2:$case:2 ;;
averaging | writing) place=coordinator:$case:2 ;;
esac
pause_at "$place"
start_by_hand

coproc MEDDLER { exec python3 "$SUPPORT/meddler.py" "$endpoint" >meddler.out 2>meddler.err; }
meddler=$MEDDLER_PID
wait_for_line meddler.out '^listening ' 20 || fault "nobody to meddle: $(cat meddler.err)"
coordinator=$endpoint endpoint=$(sed -n 's/^listening //p' meddler.out)
start_worker worker-1 --identity worker-1
endpoint=$coordinator
start_worker worker-0 --identity worker-0
start_worker worker-2 --identity worker-2
await_pause "$place"
dropped='malformed|another version|another run|unknown sender|not finite|oversized|replayed'
case $case in
joining | loading) wait_for_line meddler.out '^came BEAT' 20 ;;
*)
    wait_for_line meddler.out '^came UPDATE 2' 20
    dropped="$dropped|for an earlier turn"
    ;;
esac || fault "worker 1 has not come so far: $(cat meddler.out)"
# The copy of its last update comes behind it on the same way, while the turn is under way.
[[ $case != @(training|sending) ]] || dropped="$dropped|duplicate"
echo meddle >&"${MEDDLER[1]}"
wait_for_line meddler.out '^meddled' 20 || fault "it did not meddle: $(cat meddler.out)"
# Where the coordinator is not the one that is held, the turn does not end before it has heard the last of it.
[[ $case = @(averaging|writing) ]] || wait_for_line serve.err "^dropped .*${dropped##*|}" 20 ||
    fault "it has not heard the last: $(cat serve.err)"
kill -CONT "$paused"
finish_by_hand
kill "$meddler" && wait "$meddler" 2>/dev/null

while IFS= read -r reason; do
    expect_text "not recorded" "\"record\":\"event\",\"text\":\"dropped .*$reason .*\([0-9]+ so far\)" serve.out
    expect_text "not in the log" "^dropped .*$reason" serve.err
done < <(tr '|' '\n' <<<"$dropped")

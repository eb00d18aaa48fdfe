#!/bin/bash
# The coordinator is killed in each phase: its workers end within 5 s, the attempt's row says so, the next attempt goes on
# behind the last whole round, and ends with the bits of an undisturbed run. So does the standalone role. And when
# nobody is left to try again, the same command does it later.
# cases: joining loading training sending averaging writing writing_model by_hand by_a_later_run standalone
# cases: without_checkpoint damaged_checkpoint encrypted hung garbled
. "$SUPPORT/faults.sh"
options=(--set cluster.checkpoint=true --set cluster.retries=1)
rounds=12 parts=2

case $case in
joining | loading) place=worker-1:$case:0 parts=1 ;;
training | sending) place=worker-1:$case:3 ;;
averaging | writing) place=coordinator:$case:3 ;;
writing_model) place=coordinator:writing:5 ;;
by_hand | by_a_later_run) place=worker-1:training:3 ;;
without_checkpoint) place=worker-1:training:3 parts=1 options=(--set cluster.retries=1) ;;
hung) place=coordinator:joining:0 parts=1 options=(--set cluster.retries=1) ;;
damaged_checkpoint) place=worker-1:training:3 parts=1 ;;
garbled) place=worker-1:training:3 ;;
encrypted) place=worker-1:training:3 options+=(--set cluster.encrypt=always) ;;
standalone) place=standalone:training:3 rounds=4 ;;
esac
[ "$case" != by_a_later_run ] || options=(--set cluster.checkpoint=true)
if [ "$case" = standalone ]; then
    sed -i 's/^matrix.*/matrix = { nodes = [ 1 ]; cores = [ 1 ]; };/; s/min_workers = 2; //' tiny.cfg
    run_folder=results/tiny/runs/n1-c1-r1
fi

# Nobody supervises these: what ends them is the coordinator's silence.
by_hand() {
    sed -i 's/silence_s = 4/silence_s = 3/' tiny.cfg
    pause_at "$place"
    dmlx serve --nodes 3 tiny.cfg >serve.out 2>serve.err &
    serve=$!
    wait_for_line serve.out '"listening"' 20 || fault "serve does not listen: $(cat serve.err)"
    endpoint=$(sed -nE '/"listening"/s/.*"endpoint": *"([^"]*)".*/\1/p' serve.out)
    workers=()
    for rank in 0 1 2; do
        dmlx work --identity "worker-$rank" "$endpoint" >"worker-$rank.out" 2>&1 &
        workers+=($!)
    done
    await_pause "$place"
    kill -KILL "$serve"
    kill -CONT "$paused"
    start=$SECONDS
    for rank in 0 1 2; do
        wait "${workers[$rank]}"
        expect_equal "worker $rank's status" 1 "$?"
        expect_text "worker $rank does not say why" "coordinator at '$endpoint' was lost" "worker-$rank.out"
    done
    [ $((SECONDS - start)) -le 5 ] || fault "the workers took $((SECONDS - start)) s to end"
    exit
}
[ "$case" != by_hand ] || by_hand

if [ "$case" = standalone ]; then
    dmlx run --no-figures -o undisturbed tiny.cfg >/dev/null 2>&1
    model=$(sum_of undisturbed/tiny/runs/n1-c1-r1/model.safetensors)
else
    model=$(undisturbed)
fi
# Who is held to have the coordinator killed is not to be missed by it before that, on a busy machine either.
limits='join_s = 90; round_s = 90; silence_s = 60;'
[ "$case" != hung ] || limits='join_s = 10; round_s = 10; silence_s = 5;'
sed -i "s/join_s = 20; round_s = 30; silence_s = 4;/$limits/" tiny.cfg
pause_at "$place"
began=${EPOCHREALTIME/./}
start_run "${options[@]}"
await_pause "$place"
held=${EPOCHREALTIME/./}
victim=$paused
[ "${place%%:*}" != worker-1 ] || victim=$(role_pid serve)
if [ "$case" = damaged_checkpoint ]; then
    # That of the round before the one in which all wait is the last to come.
    until_true 20 grep -qsaE '"round": ?2\b' $run_folder/checkpoint || fault "no checkpoint of round 2"
    echo more >>$run_folder/checkpoint
fi
if [ "$case" = training ]; then
    # Seconds in which round 3 goes on, to be lost with it: not awaited for anything, but looked for in T below.
    nap 3
fi
lost=$((${EPOCHREALTIME/./} - held))
if [ "$case" = hung ]; then
    # It stays as it is, and only dmlx run is there to miss it.
    hung_s=$((3 * 5)) # of cluster.timeout.silence_s, for one that beat before
elif [ "$case" = garbled ]; then
    # It says what is no record; that ends the attempt as its death does.
    echo nonsense >"/proc/$victim/fd/1"
else
    kill -KILL "$victim"
fi
finish_run
all=$((${EPOCHREALTIME/./} - began))
if [ "$case" = by_a_later_run ]; then
    expect_equal "status without retries" 1 "$status"
    start_run "${options[@]}"
    finish_run
fi
expect_equal "status ($(cat run.err))" 0 "$status"
expect_equal "failed rows" 1 "$(rows failed)"
expect_equal "done rows" 1 "$(rows 'done')"
expect_equal "model" "$model" "$(sum_of $run_folder/model.safetensors)"
expect_rounds $rounds
expect_equal "parts" $parts "$(column results/tiny/runs.csv parts | tail -1)"
grep ',done,' results/tiny/runs.csv >row
[ "$parts" = 1 ] || expect_text "the row does not say where it went on" 'resumed behind round [234] of attempt' row
[ "$case" != damaged_checkpoint ] || expect_text "the row does not say why not" 'cut short or changed' row
[ "$case" != hung ] ||
    expect_text "the story" "while joining: the coordinator said nothing for $hung_s s; .*on '$(hostname)'; see" results/tiny/runs.csv
[ "$case" != garbled ] ||
    expect_text "the story" "in round 3: a line .* is not a record: 'nonsense'; .*on '$(hostname)'; see '.*/coordinator.log'" results/tiny/runs.csv
case $place in
*:joining:* | *:loading:*) told='while joining' ;;
*:5) told='after the last round' ;;
*) told='in round 3' ;;
esac
[[ $case = @(hung|garbled) ]] ||
    expect_text "the story" "$told: (coordinator|standalone) on '$(hostname)' was killed by signal 9.*; see '.*/(coordinator|standalone)\.log'" \
        results/tiny/runs.csv
[ ! -e $run_folder/checkpoint ] || fault "the checkpoint is still there"
# T is that of all parts: what the rounds that count took, and no less.
awk -F, -v a="$(column results/tiny/runs.csv attempt | tail -1)" \
    'NR == FNR { if ($3 == a && !seen[$4]++) sum += $10; next } $5 == a { exit !($8 >= 0.9 * sum) }' \
    results/tiny/rounds.csv results/tiny/runs.csv || fault "T is less than its rounds: $(cat row)"
# Nor what the attempt that died had begun behind its last whole round.
[ "$case" != training ] ||
    awk -v all="$all" -v lost="$lost" -F, '{ exit !($8 <= (all - lost) / 1e6) }' row ||
    fault "T has time that was lost (of $all us, $lost): $(cat row)"

#!/bin/bash
# Whoever has no business here: a peer without a key, with a key of another run, under another worker's name; other
# data, another version's words, 10,000 hostile connections. The run ends with the bits of an undisturbed one; who was
# refused is in the log; secrets are nowhere.
# cases: no_key wrong_key other_run other_identity own_keys_of_dmlx_run secrets_stay_home
# cases: other_data garbage hostile_connections hostile_connections_encrypted
. "$SUPPORT/faults.sh"

# start_by_hand SERVE-OPTION…: a coordinator on loopback; sets $serve and $endpoint.
start_by_hand() {
    dmlx serve --nodes 3 "$@" --model model.safetensors tiny.cfg >serve.out 2>serve.err &
    serve=$!
    wait_for_line serve.out '"listening"' 20 || fault "serve does not listen: $(cat serve.err)"
    endpoint=$(sed -nE '/"listening"/s/.*"endpoint": *"([^"]*)".*/\1/p' serve.out)
}

# start_worker NAME OPTION…
start_worker() {
    local name=$1
    shift
    dmlx work "$@" "$endpoint" >"$name.out" 2>&1 &
    workers+=($!)
}
workers=()

finish_by_hand() {
    local worker
    for worker in "${workers[@]}"; do
        wait "$worker" || fault "a worker failed: $(cat worker-*.out)"
    done
    wait "$serve" || fault "serve failed: $(cat serve.err)"
    expect_equal "model" "$model" "$(sum_of model.safetensors)"
}

# An intruder comes while two workers wait for the third, and is to end, refused.
with_keys() {
    dmlx keys 3 >/dev/null || fault "no keys"
    dmlx keys -o others 3 >/dev/null
    (umask 077 && { grep -v '^peer' others/worker-2; grep '^peer' keys/worker-2; } >spy)
    model=$(undisturbed)
    start_by_hand --keys keys/coordinator
    start_worker worker-0 --keys keys/worker-0
    start_worker worker-1 --keys keys/worker-1
    timeout 40 dmlx work "$@" "$endpoint" >intruder.out 2>&1
    status=$?
    # The log has it at the next beat.
    [ "$case" = other_identity ] ||
        wait_for_line serve.err 'without a key|not listed|no handshake for this coordinator' 10 ||
        fault "the coordinator has no note of it: $(cat serve.err)"
    [ "$status" = 1 ] || [ "$status" = 2 ] || fault "the intruder ended with $status: $(cat intruder.out)"
    start_worker worker-2 --keys keys/worker-2
    finish_by_hand
}

case $case in
no_key)
    with_keys --identity worker-2 --wait 1
    expect_text "the intruder does not know why" 'do not agree on keys' intruder.out
    ;;
other_run)
    with_keys --keys others/worker-2 --wait 1
    expect_text "the intruder does not know why" 'do not agree on keys' intruder.out
    ;;
wrong_key)
    # It has learned the coordinator's public key, but its own is not on the list.
    with_keys --keys spy
    expect_text "the intruder does not know why" 'refused the key' intruder.out
    ;;
other_identity)
    with_keys --keys keys/worker-0 --identity worker-2
    expect_text "the intruder does not know why" "keys are those of 'worker-0'" intruder.out
    ;;
own_keys_of_dmlx_run)
    model=$(undisturbed)
    start_run --set cluster.encrypt=always
    finish_run
    expect_equal "status ($(cat run.err))" 0 "$status"
    expect_equal "model" "$model" "$(sum_of $run_folder/model.safetensors)"
    ;;
secrets_stay_home)
    pause_at worker-1:training:2
    start_run --set cluster.encrypt=always
    await_pause worker-1:training:2
    # The secret, taken from where it must be: the worker's own memory would tell, but its words are known.
    for what in cmdline environ; do
        for pid in $(marked_processes "$DMLX_CASE_MARK" | cut -d' ' -f1); do
            ! grep -qaE 'dmlx-keys|secret ' "/proc/$pid/$what" || fault "keys in $what of $pid"
        done
    done
    ! grep -rqaE 'dmlx-keys|secret ' results || fault "keys in the results: $(grep -rlaE 'dmlx-keys|secret ' results)"
    kill -CONT "$paused"
    finish_run
    expect_equal "status ($(cat run.err))" 0 "$status"
    ! grep -rqaE 'dmlx-keys|secret ' results run.out run.err || fault "keys in results or messages"
    ;;
other_data)
    cp -R data others
    printf '\7' | dd of=others/cifar-10-batches-bin/data_batch_3.bin bs=1 seek=100 conv=notrunc status=none
    start_by_hand
    start_worker worker-0
    start_worker worker-1
    dmlx work --data others "$endpoint" >stranger.out 2>&1 && fault "other data were taken"
    wait "$serve" && fault "the coordinator went on"
    # One that had not been welcomed by then goes on asking for its minute: nobody is there to tell it.
    kill "${workers[@]}" 2>/dev/null
    wait "${workers[@]}" 2>/dev/null
    ours=$(sed -nE 's/.*than the coordinator \(xxh128 ([0-9a-f]*)\).*/\1/p' serve.err | head -1)
    theirs=$(sed -nE 's/.*has other data \(xxh128 ([0-9a-f]*)\).*/\1/p' serve.err | head -1)
    [ -n "$ours" ] && [ -n "$theirs" ] && [ "$ours" != "$theirs" ] || fault "the two are not named: $(cat serve.err)"
    expect_text "the stranger does not know why" 'other data' stranger.out
    ;;
garbage)
    model=$(undisturbed)
    start_by_hand
    python3 "$SUPPORT/hostile.py" "$endpoint" 200 || fault "nobody to be hostile to"
    for rank in 0 1 2; do start_worker worker-$rank; done
    finish_by_hand
    ;;
hostile_connections | hostile_connections_encrypted)
    model=$(undisturbed)
    [ "$case" = hostile_connections ] || options=(--set cluster.encrypt=always)
    pause_at worker-1:training:2 coordinator:writing:5
    start_run --set cluster.timeout.silence_s=60 "${options[@]:---set=cluster.port=0}"
    await_pause worker-1:training:2
    coordinator=$(role_pid serve)
    endpoint=$(tr '\0' '\n' <"/proc/$paused/cmdline" | grep '^tcp://')
    before=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$coordinator/status")
    python3 "$SUPPORT/hostile.py" "$endpoint" 10000 || fault "nobody to be hostile to"
    kill -CONT "$paused"
    await_pause coordinator:writing:5
    peak=$(awk '$1 == "VmHWM:" { print $2 }' "/proc/$paused/status")
    kill -CONT "$paused"
    finish_run
    expect_equal "status ($(cat run.err))" 0 "$status"
    expect_equal "model" "$model" "$(sum_of $run_folder/model.safetensors)"
    expect_rounds 12
    echo "resident: $before KiB before, $peak KiB at most"
    # Sanitizers keep what was freed; they are no measure of memory.
    grep -qa __asan_init "$(readlink -f "$work/bin/dmlx")" || [ $((peak - before)) -lt 32768 ] ||
        fault "the coordinator grew from $before to $peak KiB"
    ;;
esac

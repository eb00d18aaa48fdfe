#!/bin/bash
# Many tiny cells in a row: memory, descriptors, threads, processes and control groups of dmlx run do not grow with them.
# SOAK_RUNS says how many (1000); 40 in the ordinary run of the tests.
N_TRAIN=20 N_TEST=10
. "$SUPPORT/experiment.sh"
runs=${SOAK_RUNS:-40}
# AddressSanitizer holds back 256 MiB of what was freed, which looks like a leak until it is full.
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}quarantine_size_mb=1"
cat >soak.cfg <<CFG
name = "soak";
train = { epochs = 1; rounds = 1; batch = 4; };
cluster = { enforce = $enforce; emulate = { core_speed = 0.2; }; };
matrix = { nodes = [ 1, 2 ]; cores_per_node = [ 1 ]; repeats = $((runs / 2)); };
CFG
[ "$enforce" = true ] || sed -i 's/ emulate.*};$/ };/' soak.cfg

# usage WHEN: resident KiB, descriptors, threads of dmlx run.
usage() {
    local memory threads
    memory=$(awk '$1 == "VmRSS:" { print $2 }' "/proc/$run/status")
    threads=$(awk '$1 == "Threads:" { print $2 }' "/proc/$run/status")
    echo "$memory $(ls "/proc/$run/fd" | wc -l) $threads"
}

# await_rows N: until so many runs are done; no faster than it takes to look.
await_rows() {
    local end=$((SECONDS + 3 * runs + 60))
    until [ "$(grep -c ',done,' results/soak/runs.csv 2>/dev/null)" -ge "$1" ] 2>/dev/null; do
        [ "$SECONDS" -lt "$end" ] && [ -e "/proc/$run" ] || return 1
        nap 0.02
    done
}

began=$EPOCHREALTIME
dmlx run --no-figures soak.cfg >/dev/null 2>run.err &
run=$!
await_rows $((runs / 4)) || fault "no $((runs / 4)) runs: $(tail -3 run.err)"
read -r memory_early fds_early threads_early < <(usage)
await_rows $((runs - runs / 10)) || fault "no $((runs - runs / 10)) runs: $(tail -3 run.err)"
read -r memory_late fds_late threads_late < <(usage)
wait "$run" || fault "dmlx run failed: $(tail -3 run.err)"
echo "$runs runs, $(awk -v a="$began" -v b="$EPOCHREALTIME" -v n="$runs" 'BEGIN { printf "%.0f", (b - a) * 1000 / n }') ms each"
echo "after a quarter: $memory_early KiB, $fds_early descriptors; near the end: $memory_late KiB, $fds_late"
expect_equal "runs" "$runs" "$(grep -c ',done,' results/soak/runs.csv)"
# A row that is remembered costs some ten bytes; a leak of a cell's text would be a megabyte in a thousand.
# ThreadSanitizer's own memory, which has no limit to be set, is no measure.
grep -qa '__tsan_init' "$(readlink -f "$work/bin/dmlx")" || [ $((memory_late - memory_early)) -lt 1024 ] || fault "memory grew from $memory_early to $memory_late KiB"
# One more or less belongs to whether a cell is just being run with one process or three.
[ $((fds_late - fds_early)) -le 8 ] || fault "descriptors grew from $fds_early to $fds_late"
[ $((threads_late - threads_early)) -le 1 ] || fault "threads grew from $threads_early to $threads_late"
left=$(marked_gone_within "$DMLX_CASE_MARK" 5) || fault "left behind: $left"
left=$(cgroups_gone_within "dmlx-*-$run-" 5) || fault "control groups: $left"

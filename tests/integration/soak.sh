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

# rows: how many runs are done.
rows() { grep -c ',done,' results/soak/runs.csv 2>/dev/null || true; }

# await_rows N: until so many runs are done; no faster than it takes to look.
end=$((SECONDS + 6 * runs + 60))
await_rows() {
    until [ "$(rows)" -ge "$1" ] 2>/dev/null; do
        [ "$SECONDS" -lt "$end" ] && [ -e "/proc/$run" ] || return 1
        nap 0.02
    done
}

# peaks FROM TO: the largest resident KiB, descriptors and threads of dmlx run between so many runs done and so many.
# A single look would compare one moment of a run with another: between two runs there are four descriptors less, and
# under AddressSanitizer two megabytes.
peaks() {
    local memory=0 fds=0 threads=0 key value unit n
    await_rows "$1" || return 1
    while n=$(rows) && [ "${n:-0}" -lt "$2" ] && [ -e "/proc/$run" ]; do
        [ "$SECONDS" -lt "$end" ] || return 1
        while read -r key value unit; do
            case $key in
            VmRSS:) [ "$value" -le "$memory" ] || memory=$value ;;
            Threads:) [ "$value" -le "$threads" ] || threads=$value ;;
            esac
        done <"/proc/$run/status"
        n=$(ls "/proc/$run/fd" | wc -l)
        [ "$n" -le "$fds" ] || fds=$n
        nap 0.02
    done
    [ "$memory" -gt 0 ] && echo "$memory $fds $threads"
}

began=$EPOCHREALTIME
dmlx run --no-figures soak.cfg >/dev/null 2>run.err &
run=$!
early=$(peaks $((runs / 4)) $((runs / 2))) || fault "no $((runs / 4)) runs: $(tail -3 run.err)"
late=$(peaks $((runs * 3 / 4)) $((runs - 1))) || fault "no $((runs * 3 / 4)) runs: $(tail -3 run.err)"
read -r memory_early fds_early threads_early <<<"$early"
read -r memory_late fds_late threads_late <<<"$late"
wait "$run" || fault "dmlx run failed: $(tail -3 run.err)"
echo "$runs runs, $(awk -v a="$began" -v b="$EPOCHREALTIME" -v n="$runs" 'BEGIN { printf "%.0f", (b - a) * 1000 / n }') ms each"
echo "peaks in the second quarter: $memory_early KiB, $fds_early descriptors; in the last: $memory_late KiB, $fds_late"
expect_equal "runs" "$runs" "$(grep -c ',done,' results/soak/runs.csv)"
# A row that is remembered costs some ten bytes; a leak of a cell's text would be a megabyte in a thousand.
# ThreadSanitizer's own memory, which has no limit to be set, is no measure.
grep -qa '__tsan_init' "$(readlink -f "$work/bin/dmlx")" || [ $((memory_late - memory_early)) -lt 1024 ] || fault "memory grew from $memory_early to $memory_late KiB"
# The peaks are of what looks caught: a moment of most descriptors may be missed.
[ $((fds_late - fds_early)) -le 8 ] || fault "descriptors grew from $fds_early to $fds_late"
[ $((threads_late - threads_early)) -le 1 ] || fault "threads grew from $threads_early to $threads_late"
left=$(marked_gone_within "$DMLX_CASE_MARK" 5) || fault "left behind: $left"
left=$(cgroups_gone_within "dmlx-*-$run-" 5) || fault "control groups: $left"

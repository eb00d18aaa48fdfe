#!/bin/bash
# No fault, but held as one is: between rounds the coordinator of three workers has under 12 MiB resident beside the mapping of its
# data.
# cases: coordinator
. "$SUPPORT/faults.sh"
pause_at coordinator:averaging:3
start_run
await_pause coordinator:averaging:3
kib=$(awk '/^[0-9a-f]+-[0-9a-f]+ / { is_data = /cifar-10-batches-bin/ } $1 == "Rss:" && !is_data { sum += $2 } END { print sum + 0 }' \
    "/proc/$paused/smaps")
echo "resident: $kib KiB"
[ "$kib" -gt 2048 ] || fault "that is no coordinator's memory"
is_sanitized || [ "$kib" -lt 12288 ] || fault "over 12 MiB" # a sanitizer is no measure of memory
kill -CONT "$paused"
finish_run
expect_equal "status ($(cat run.err))" 0 "$status"

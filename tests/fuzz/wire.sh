#!/bin/bash
# wire.sh [SECONDS [MORE libFuzzer OPTIONS]]: builds the fuzzer of wire_decode with clang and runs it from its seeds, 20 s if not told. Exit 77 where
# clang or its libFuzzer is not installed. A finding is left where it is told, and fails.
set -euo pipefail
cd "$(dirname "$0")/../.."
seconds=${1:-20}
command -v clang >/dev/null || { echo "skipped: clang is not installed; apt-get install clang"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return d && n ? 0 : 0; }' >"$scratch/try.c"
clang -fsanitize=fuzzer "$scratch/try.c" -o "$scratch/try" 2>/dev/null ||
    { echo "skipped: clang has no libFuzzer; apt-get install libclang-rt-dev"; exit 77; }
clang -std=c11 -D_POSIX_C_SOURCE=200809L -O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined \
    -fno-sanitize-recover=undefined -I. tests/fuzz/wire.c transport/wire.c -o "$scratch/fuzz_wire"
mkdir "$scratch/corpus"
"$scratch/fuzz_wire" -max_total_time="$seconds" -max_len=4096 -timeout=60 -print_final_stats=1 \
    -artifact_prefix="${TMPDIR:-/tmp}/fuzz-wire-" "${@:2}" "$scratch/corpus" tests/fuzz/wire >"$scratch/log" 2>&1 ||
    { tail -60 "$scratch/log"; exit 1; }
sed -n 's/^stat::number_of_executed_units: */executions: /p; s/^stat::peak_rss_mb: */peak MiB: /p' "$scratch/log"
tail -n +1 "$scratch/log" | grep -E 'cov:' | tail -1

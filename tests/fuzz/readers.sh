#!/bin/bash
# readers.sh NAME [SECONDS [FOLDER [MORE libFuzzer OPTIONS]]]: builds the fuzzer of that name (spec, model, dataset,
# records) with clang in FOLDER and runs it from its seeds, 20 s if not told. Exit 77 where clang or its libFuzzer is not
# installed. What it finds is left beside the build, named, and fails.
# readers.sh --build FOLDER: builds them all, and runs none.
set -euo pipefail
cd "$(dirname "$0")/../.."
if [ "$1" = --build ]; then
    name=all build=$2
else
    name=$1 seconds=${2:-20} build=${3:-build/fuzz}
fi
command -v clang >/dev/null || { echo "skipped: clang is not installed; apt-get install clang"; exit 77; }
mkdir -p "$build"
# One that runs beside another must not build beside it.
exec 8>"$build/lock"
flock 8
echo 'int LLVMFuzzerTestOneInput(const unsigned char *d, unsigned long n) { return d && n ? 0 : 0; }' >"$build/try.c"
clang -fsanitize=fuzzer "$build/try.c" -o "$build/try" 2>/dev/null ||
    { echo "skipped: clang has no libFuzzer; apt-get install libclang-rt-dev"; exit 77; }
cmake -S . -B "$build" -G Ninja --log-level=WARNING -DCMAKE_C_COMPILER=clang -DDMLX_FUZZ=ON -DCMAKE_BUILD_TYPE=None \
    -DCMAKE_C_FLAGS=-O1 \
    >/dev/null
targets=("fuzz_$name")
[ "$name" != all ] || targets=(fuzz_spec fuzz_model fuzz_dataset fuzz_records)
ninja -C "$build" "${targets[@]}" >"$build/log-build" || { tail -40 "$build/log-build"; exit 1; }
exec 8>&-
[ "$name" != all ] || exit 0
case $name in
spec) seeds=(experiments tests/cli) ;; # every experiment there is, the bad ones above all
*) seeds=("tests/fuzz/$name") ;;
esac
export LSAN_OPTIONS=suppressions=$PWD/tests/fuzz/leaks.supp
mkdir -p "$build/corpus-$name" "$build/found-$name"
"$build/tests/fuzz/fuzz_$name" -max_total_time="$seconds" -max_len=8192 -timeout=60 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$build/found-$name/" "${@:4}" "$build/corpus-$name" "${seeds[@]}" \
    >"$build/log-$name" 2>&1 || { tail -60 "$build/log-$name"; exit 1; }
sed -n 's/^stat::number_of_executed_units: */executions: /p; s/^stat::peak_rss_mb: */peak MiB: /p' "$build/log-$name"

#!/bin/bash
# test_all.sh: every test there is, in three builds. `make test` calls it from the project's root.
#   dev      ASan, UBSan, warnings are errors: all but what is too slow so
#   release  as users run it: everything, speed and whole experiments included
#   tsan     ThreadSanitizer: units, commands and faults (tests/README.md tells what is left out)
# WHOLE=yes: in the builds named by PRESETS also what they leave out for time alone. `make sanitize` says so.
# With CI set, a test that was skipped fails the whole, unless tests/support/may_skip.txt names it.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/support/data.sh
dmlx_find_data || true
[ -n "${DMLX_DATA:-}" ] || echo "no CIFAR-10 on this machine: tests that need it are skipped" >&2

# A core is three tokens: what computes takes all three, what waits one (tests/README.md).
export CTEST_PARALLEL_LEVEL="${CTEST_PARALLEL_LEVEL:-$((3 * $(nproc)))}"
presets=${PRESETS:-release dev tsan}
for preset in $presets; do
    cmake --preset "$preset" --log-level=WARNING
done
# What the longest tests are waiting for is built first, the rest beside them.
echo "== build ${presets%% *}"
cmake --build --preset "${presets%% *}"
echo "== test $presets"
all=$PWD/build/all
report=$all/tests.xml
rm -rf "$all"
python3 tests/support/all_tests.py ${WHOLE:+--whole} "$all" $presets
failed=
# Started in the background a shell ignores Ctrl-C, and so would every program under test.
env --default-signal ctest --test-dir "$all" --no-tests=error --output-on-failure --output-junit "$report" \
    --test-output-size-passed 1000000 || failed=" tests"
python3 tests/support/skipped.py "$report" || failed="$failed, skipped tests"
if [ -n "$failed" ]; then
    echo "make test: failed:${failed#,}" >&2
    exit 1
fi
echo "make test: all passed"

#!/bin/bash
# test_all.sh: every test there is, in three builds. `make test` calls it from the project's root.
#   dev      ASan, UBSan, warnings are errors: all but what is too slow so
#   release  as users run it: everything, speed and whole experiments included
#   tsan     ThreadSanitizer: units and faults (tests/README.md tells what is left out)
# With CI set, a test that was skipped fails the whole, unless tests/support/may_skip.txt names it.
set -euo pipefail
cd "$(dirname "$0")/../.."
. tests/support/data.sh
dmlx_find_data || true
[ -n "${DMLX_DATA:-}" ] || echo "no CIFAR-10 on this machine: tests that need it are skipped" >&2

export CTEST_PARALLEL_LEVEL="${CTEST_PARALLEL_LEVEL:-$(nproc)}"
failed=
for preset in ${PRESETS:-dev release tsan}; do
    echo "== $preset"
    cmake --preset "$preset" --log-level=WARNING
    cmake --build --preset "$preset"
    report=$PWD/build/$preset/tests.xml
    rm -f "$report"
    # Started in the background a shell ignores Ctrl-C, and so would every program under test.
    env --default-signal ctest --preset "$preset" --no-tests=error --output-junit "$report" --test-output-size-passed 1000000 ||
        failed="$failed $preset"
    python3 tests/support/skipped.py "$report" || failed="$failed $preset(skipped)"
done
if [ -n "$failed" ]; then
    echo "make test: failed in:$failed" >&2
    exit 1
fi
echo "make test: all passed"

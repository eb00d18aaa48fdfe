#!/bin/bash
# test_experiment.sh: what experiment.sh makes of a sanitizer's report, judged. A script that leaves it must end as it says.
set -uo pipefail
SUPPORT=$(cd "$(dirname "$0")" && pwd)
export SUPPORT
faults=0

# verdict STATUS FILE [LINE…]: a script that has FILE, made of the lines, in its folder at its end has that status.
verdict() {
    local said status
    # shellcheck disable=SC2016 # those are the script's own
    said=$(bash -c 'left=("$@") && set -- /bin/true && . "$SUPPORT/experiment.sh" &&
        printf "${left[1]:+%s\n}" "${left[@]:1}" >"${left[0]}"' script "${@:2}" 2>&1)
    status=$?
    if [ "$status" != "$1" ]; then
        printf '%s: status %s, expected %s; it said:\n%s\n' "${*:2}" "$status" "$1" "$said"
        faults=1
    fi
}

leak='==17==ERROR: LeakSanitizer: detected memory leaks'
killed='==811==Unable to get registers from thread 32472.'
overflow='wire.c:12:3: runtime error: signed integer overflow'
verdict 0 worker.out 'round 1'
verdict 1 sanitizer.17 "$leak" '    #0 0x1 in malloc'
verdict 1 sanitizer.17 'LeakSanitizer:DEADLYSIGNAL'
verdict 1 worker.err 'round 1' "$overflow"
verdict 1 worker.out "$leak"
# Killed while the sanitizer looked for leaks.
verdict 0 sanitizer.811 "$killed"
verdict 0 sanitizer.811
verdict 1 sanitizer.811 "$killed" "$leak"

exit $faults

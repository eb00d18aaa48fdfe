#!/bin/bash
# test_run_case.sh: the judge of the command-line cases, judged. Each small case below must get its verdict.
set -uo pipefail
support=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
printf '#!/bin/sh\necho "a fake dmlx: $*"\n' >"$work/dmlx"
chmod +x "$work/dmlx"
faults=0

# verdict NAME STATUS TEXT: run_case.sh on case NAME ends with STATUS and says TEXT.
verdict() {
    local said status
    said=$("$support/run_case.sh" "$work/$1" "$work/dmlx" 2>&1)
    status=$?
    if [ "$status" != "$2" ] || ! grep -qF -- "$3" <<<"$said"; then
        printf '%s: status %s, expected %s with "%s"; it said:\n%s\n' "$1" "$status" "$2" "$3" "$said"
        faults=1
    fi
}

# case_file CASE FILE TEXT
case_file() {
    mkdir -p "$work/$1"
    printf '%s\n' "$3" >"$work/$1/$2"
}

case_file passes cmd 'dmlx hello; echo "see $PWD/x" >&2; exit 3'
case_file passes out 'a fake dmlx: hello'
case_file passes err 'see DIR/x'
case_file passes status 3
verdict passes 0 ''

case_file other_out cmd 'dmlx hello'
case_file other_out out 'a fake dmlx: goodbye'
verdict other_out 1 'stdout differs'

case_file says_too_much cmd 'dmlx hello'
verdict says_too_much 1 'stdout differs'

case_file other_status cmd 'exit 2'
verdict other_status 1 'exit status 2, expected 0'

case_file matches cmd 'echo took 12 s; echo ready'
case_file matches out.match '^took [0-9]+ s$'
verdict matches 0 ''

case_file matches_not cmd 'echo took long'
case_file matches_not out.match '^took [0-9]+ s$'
verdict matches_not 1 'no line of stdout matches: ^took [0-9]+ s$'

case_file rewritten cmd 'echo took 12 s'
case_file rewritten sed 's/[0-9]+/N/'
case_file rewritten out 'took N s'
verdict rewritten 0 ''

case_file hangs cmd 'exec sleep 100'
case_file hangs limit 1
verdict hangs 1 'not done after 1 s'

case_file leaves cmd 'setsid sleep 100 >/dev/null 2>&1 </dev/null &'
verdict leaves 1 'sleep'

case_file lacks cmd 'true'
case_file lacks needs no-such-program
verdict lacks 77 'needs no-such-program'
exit "$faults"

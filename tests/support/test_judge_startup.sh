#!/bin/bash
# test_judge_startup.sh: what tests/bench/judge_startup.sh says of rows made up for it; the runs themselves take minutes.
set -uo pipefail
judge=$(dirname "$0")/../bench/judge_startup.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
faults=0

# case_of STATUS EXPRESSION ROW…: rows are launcher,cell,startup.
case_of() {
    local status=$1 words=$2 said got=0
    shift 2
    { echo "launcher,cell,startup_s"; printf '%s\n' "$@"; } >"$work/rows.csv"
    said=$("$judge" "$work/rows.csv") || got=$?
    [ "$got" = "$status" ] && grep -qE -- "$words" <<<"$said" && return
    echo "rows $*: ended with $got for $status, without \"$words\": $said"
    faults=1
}

good=(local,n1,0.15 ssh,n1,1.5 swarm,n1,8)
case_of 0 "^swarm +8 +n1 +8.000 +8.000 +1 +met" "${good[@]}"
case_of 1 "^local +0.15 +n3 +0.151 .* not met" "${good[@]}" local,n3,0.151
# The median of a cell counts: 10 is more than 9.
case_of 0 "^ssh +1.5 +n1 +1.500 +20.000 +4 +met" "${good[@]}" ssh,n3,20 ssh,n3,1 ssh,n3,0.5
case_of 1 "^swarm +8 +n3 +9.500 +10.000 +3 +not met" "${good[@]}" swarm,n3,10 swarm,n3,9
case_of 1 "^ssh +1.5 .* not met: 1 without a number" "${good[@]}" ssh,n2,
case_of 1 "^swarm +8 +nothing was measured: not met" local,n1,0.1 ssh,n1,1
case_of 1 "^ssh +1.5 .* not met: 1 without a number" "${good[@]}" ssh,n2,nan
[ "$faults" = 0 ] && echo "every case is judged as it should be"
exit "$faults"

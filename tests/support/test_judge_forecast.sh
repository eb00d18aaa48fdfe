#!/bin/bash
# test_judge_forecast.sh: what tests/bench/forecast.sh ends with, on rows made up for it; the runs themselves take minutes.
set -uo pipefail
judge=$(dirname "$0")/../bench/judge_forecast.sh
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
faults=0

# case STATUS WORDS ROW…: rows are nodes,forecast error,simulator's error.
case_of() {
    local status=$1 words=$2 said got=0
    shift 2
    { echo "nodes,forecast_error_percent,simulated_error_percent"; printf '%s\n' "$@"; } >"$work/rows.csv"
    said=$("$judge" 4 "$work/rows.csv") || got=$?
    [ "$got" = "$status" ] && grep -qF -- "$words" <<<"$said" && return
    echo "rows $*: ended with $got for $status, without \"$words\": $said"
    faults=1
}

case_of 0 "all goals are met" 1,0,9.9 4,30,-9.9 6,-9,0 8,2,1e-05
case_of 1 "the forecast of 6 nodes is -10.1 % off" 4,0,0 6,-10.1,0 8,0,0
case_of 1 "the forecasts are 6.5 % off on the mean" 4,0,0 6,6,0 8,-7,0
case_of 1 "the simulator at 1 nodes is +113.0 % off" 1,0,113 6,0,0
case_of 1 "the simulator at 8 nodes is -10.5 % off" 1,0,0 8,0,-10.5
case_of 1 "the forecast of 8 nodes has no error" 6,1,0 8,,0
case_of 1 "the simulator at 2 nodes has no error" 2,1,-nan 8,0,0
case_of 1 "no size of more than 4 nodes" 1,0,0 4,0,0
[ "$faults" = 0 ] && echo "every case is judged as it should be"
exit "$faults"

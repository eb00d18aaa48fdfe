#!/bin/bash
# run_case.sh CASE DMLX: runs one command-line case and compares what it did with what its folder says.
#
#   CASE/cmd        a script for sh; its working folder is a copy of CASE, `dmlx` is first in PATH, and
#                   $SUPPORT names the folder of this file
#   CASE/out, err   the exact stdout and stderr; absent means nothing may be printed
#   CASE/out.match, err.match   in place of the above: extended regular expressions, one a line, and each must
#                   match some line
#   CASE/status     the exit status (absent: 0)
#   CASE/sed        a sed script applied to what was printed, for what differs from run to run
#   CASE/needs      what the machine must have, one a line: root cgroup gnuplot data network, or a program's name
#   CASE/limit      seconds (absent: 170)
#
# The copy's path is printed as DIR. HOME is the copy too, so a case sees no cache and no configuration. Exit
# status: 0 as expected, 1 not, 77 not run, naming what is absent. ACCEPT=1 writes out, err and status anew.
set -uo pipefail
case_folder=$(cd "$1" && pwd) dmlx=$(realpath "$2")
support=$(dirname "$(realpath "$0")")
. "$support/needs.sh"
. "$support/leftovers.sh"
[ ! -f "$case_folder/needs" ] || needs $(cat "$case_folder/needs")
grep -qsx data "$case_folder/needs" || unset DMLX_DATA

# The mark is in the environment of everything the case starts, however deep: it is how leftovers are found.
export DMLX_CASE_MARK="case-$$-$RANDOM"
work=$(mktemp -d)
trap 'kill_marked "$DMLX_CASE_MARK"; rm -rf "$work"' EXIT
mkdir "$work/bin" && ln -s "$dmlx" "$work/bin/dmlx"
cp -R "$case_folder" "$work/DIR"
rm -f "$work/DIR"/{out,err,out.match,err.match,status}

limit=$(cat "$case_folder/limit" 2>/dev/null || echo 170)
(
    cd "$work/DIR" || exit 99
    unset XDG_CACHE_HOME XDG_CONFIG_HOME COLUMNS
    export HOME=$PWD PATH="$work/bin:$PATH" SUPPORT="$support" LC_ALL=C TZ=UTC NO_COLOR=1
    exec timeout --kill-after=5 "$limit" sh cmd
) >"$work/raw.out" 2>"$work/raw.err" </dev/null
status=$?

faults=0
fault() {
    echo "$(basename "$case_folder"): $*"
    faults=1
}
real=$(realpath "$work")
for stream in out err; do
    sed -e "s|$work/DIR|DIR|g; s|$real/DIR|DIR|g" "$work/raw.$stream" >"$work/$stream"
    [ ! -f "$case_folder/sed" ] || sed -E -i -f "$case_folder/sed" "$work/$stream"
    if [ -f "$case_folder/$stream.match" ]; then
        while IFS= read -r expression; do
            [ -n "$expression" ] || continue
            grep -qE -e "$expression" "$work/$stream" || fault "no line of std$stream matches: $expression"
        done <"$case_folder/$stream.match"
    elif [ -n "${ACCEPT:-}" ]; then
        rm -f "$case_folder/$stream"
        [ ! -s "$work/$stream" ] || cp "$work/$stream" "$case_folder/$stream"
    else
        expected=$case_folder/$stream
        [ -f "$expected" ] || expected=/dev/null
        diff -u --label "expected std$stream" --label "std$stream" "$expected" "$work/$stream" || fault "std$stream differs"
    fi
done

expected_status=$(cat "$case_folder/status" 2>/dev/null || echo 0)
if [ -n "${ACCEPT:-}" ]; then
    rm -f "$case_folder/status"
    [ "$status" = 0 ] || echo "$status" >"$case_folder/status"
elif [ "$status" != "$expected_status" ]; then
    [ "$status" != 124 ] || fault "not done after $limit s"
    fault "exit status $status, expected $expected_status"
fi
left=$(marked_gone_within "$DMLX_CASE_MARK" 5)
[ -z "$left" ] || fault "processes were left behind: $left"
if [ "$faults" != 0 ]; then
    for stream in out err; do
        echo "-- std$stream was:"
        head -c 4000 "$work/$stream"
    done
fi
exit "$faults"

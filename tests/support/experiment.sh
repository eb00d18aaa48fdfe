# experiment.sh, to be sourced by tests/integration/*.sh with the program's path in $1: a folder of its own, a small
# data set, a small experiment, and nothing left when the script ends.
#
#   cd's to a temporary folder; `dmlx` is first in PATH; DMLX_DATA is 1,000 + 200 images made here
#   small.cfg    one and two nodes, twice each: four runs of a second or so
#   fault TEXT   tells a failure and goes on; the script's status is then 1
#   is_sanitized [tsan]   whether the program is a sanitizer's build, or that one's: no measure of memory, and slow
set -uo pipefail
. "$SUPPORT/leftovers.sh"
. "$SUPPORT/needs.sh"
faults=0
work=$(mktemp -d)
export DMLX_CASE_MARK="integration-$$-$RANDOM"

finish() {
    status=$?
    local left
    release_spaces
    left=$(marked_gone_within "$DMLX_CASE_MARK" 5) || {
        echo "left behind: $left"
        faults=1
    }
    kill_marked "$DMLX_CASE_MARK"
    # UBSan, and every sanitizer on another host, writes to standard error alone, which is some log. Who is killed while he
    # ends may leave a word of LeakSanitizer's, which then finds no process to look at, or an empty report: no finding.
    if grep -ahsv '^==[0-9]*==Unable to get registers from thread [0-9]*\.$' "$work"/sanitizer.* ||
        grep -rs --include=*.log --include=*.err --include=*.out -A 12 -e '\.[ch]:[0-9]*:[0-9]*: runtime error: ' \
            -e '\(WARNING\|ERROR\): [A-Z][a-z]*Sanitizer' "$work"; then
        echo "a sanitizer has found something"
        faults=1
    fi
    cd / && rm -rf "$work"
    [ "$status" != 0 ] || status=$faults
    exit "$status"
}
trap finish EXIT

# What a sanitizer has to say must not end in the log of a process that is killed anyway, or whose status nobody asks.
export TSAN_OPTIONS="${TSAN_OPTIONS:+$TSAN_OPTIONS:}log_path=$work/sanitizer"
export ASAN_OPTIONS="${ASAN_OPTIONS:+$ASAN_OPTIONS:}log_path=$work/sanitizer"

mkdir "$work/bin" && ln -s "$(realpath "$1")" "$work/bin/dmlx"
PATH=$work/bin:$PATH
cd "$work" || exit 1
unset XDG_CACHE_HOME
export HOME=$work LC_ALL=C NO_COLOR=1 DMLX_DATA=$work/data
python3 "$SUPPORT/make_data.py" data "${N_TRAIN:-1000}" "${N_TEST:-200}"

enforce=$(can_limit_cpu && echo true || echo false)
cat >small.cfg <<CFG
name = "small";
train = { epochs = 1; rounds = 5; batch = 4; };
cluster = { enforce = $enforce; emulate = { core_speed = 0.2; }; };
matrix = { zip = ( { nodes = [ 1, 2 ]; cores = [ 1, 2 ]; } ); repeats = 2; };
CFG

fault() {
    echo "fault: $*"
    faults=1
}

is_sanitized() {
    grep -qaE "__(${1:-asan|tsan})_init" "$(readlink -f "$work/bin/dmlx")"
}

# expect_equal WHAT EXPECTED ACTUAL
expect_equal() {
    [ "$2" = "$3" ] || fault "$1 is '$3', expected '$2'"
}

# wait_for_line FILE EXPRESSION SECONDS: until FILE, which need not exist yet, has a line that matches. It looks every
# 20 ms: a run here takes 300, and `tail -F` may be a second late for a file that appears.
wait_for_line() {
    local end=$((SECONDS + $3))
    until grep -qsE -e "$2" "$1"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        nap 0.02
    done
}

# column FILE NAME: the values of a column, a line each. For files without commas inside of fields.
column() {
    awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) if ($i == name) at = i; next } { print $at }' "$1"
}

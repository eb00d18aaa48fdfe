# faults.sh, to be sourced by tests/integration/faults/*.sh: experiment.sh with a tiny cell, and a hand on its processes.
#
#   tiny.cfg         three workers, four rounds on 120 images: a third of a second
#   pause_at PLACE…  before a start: the process of that name stops itself there (runner/phase.h), as in
#                    worker-1:training:2
#   start_run ARG…   dmlx run tiny.cfg in the background, in a folder `results`
#   await_pause PLACE   waits until it has; sets $paused, its process id
#   finish_run       waits for the end; sets $status
#   start_by_hand SERVE-OPTION…, start_worker NAME WORK-OPTION…, finish_by_hand   the same without `dmlx run`
#
# Nothing here sleeps for a time that hopes: what is waited for is looked at every 10 ms, with a limit.
N_TRAIN=120 N_TEST=20
. "$SUPPORT/experiment.sh"
case=$2

cat >tiny.cfg <<CFG
name = "tiny";
train = { epochs = 1; rounds = 4; batch = 4; };
cluster = {
  enforce = false; min_workers = 2; retries = 0;
  timeout = { join_s = 20; round_s = 30; silence_s = 4; stop_s = 1; };
};
matrix = { nodes = [ 3 ]; cores = [ 3 ]; };
CFG
run_folder=results/tiny/runs/n3-c3-r1

place_file() {
    echo "$work/paused-${1//:/-}"
}

pause_at() {
    local place
    for place in "$@"; do
        DMLX_TEST_PAUSE=${DMLX_TEST_PAUSE:+$DMLX_TEST_PAUSE,}$place:$(place_file "$place")
    done
    export DMLX_TEST_PAUSE
}

# until_true SECONDS COMMAND…
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        nap 0.01
    done
}

# The letter of a process's state, behind its name, which may hold anything; nothing when there is none any more.
state_of() {
    local stat=
    { read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 1
    state=${stat##*) }
    state=${state%% *}
}

is_stopped() {
    state_of "$1" && [ "$state" = T ]
}

is_gone() {
    ! state_of "$1" || [ "$state" = Z ]
}

await_pause() {
    local file
    file=$(place_file "$1")
    until_true 60 test -s "$file" || fault "nobody came to $1: $(cat run.err 2>/dev/null)"
    paused=$(cat "$file" 2>/dev/null) || exit 1
    until_true 20 is_stopped "$paused" || fault "$1 did not stop"
}

# holds_update PID ENDPOINT: whether more than beats wait in PID's network to be read by who listens at the second port.
holds_update() {
    awk -v port="$(printf ':%04X' $((${2##*:} + 1)))" \
        'substr($2, length($2) - 4) == port && $4 == "01" && substr($5, 10) > "00002000" { found = 1 }
         END { exit !found }' "/proc/$1/net/tcp"
}

# The process that has ARGUMENT on its command line: worker-1, serve. Its warden, the parent, has the same one.
role_pid() {
    local file pid parent pids=" "
    for file in $(grep -lzsx -e "$1" /proc/[0-9]*/cmdline); do
        pid=${file#/proc/} pid=${pid%/cmdline}
        env -u DMLX_CASE_MARK grep -qzsx "DMLX_CASE_MARK=$DMLX_CASE_MARK" "/proc/$pid/environ" && pids="$pids$pid "
    done
    for pid in $pids; do
        parent=$(awk '$1 == "PPid:" { print $2 }' "/proc/$pid/status" 2>/dev/null)
        [[ $pids != *" $parent "* ]] || echo "$pid"
    done
}

# Whether that process is there; sets $role, its id.
has_role() {
    role=$(role_pid "$1")
    [ -n "$role" ]
}

start_run() {
    dmlx run --no-figures "$@" tiny.cfg >run.out 2>run.err &
    run=$!
}

finish_run() {
    wait "$run"
    status=$?
}

# A coordinator on loopback; sets $serve and $endpoint.
start_by_hand() {
    dmlx serve --nodes 3 "$@" --model model.safetensors tiny.cfg >serve.out 2>serve.err &
    serve=$!
    wait_for_line serve.out '"listening"' 20 || fault "serve does not listen: $(cat serve.err)"
    endpoint=$(sed -nE '/"listening"/s/.*"endpoint": *"([^"]*)".*/\1/p' serve.out)
}

# A worker at $endpoint, which writes NAME.out.
workers=()
start_worker() {
    local name=$1
    shift
    dmlx work "$@" "$endpoint" >"$name.out" 2>&1 &
    workers+=($!)
}

# All end well, with the model whose sum is $model.
finish_by_hand() {
    local worker
    for worker in "${workers[@]}"; do
        wait "$worker" || fault "a worker failed: $(cat worker-*.out)"
    done
    wait "$serve" || fault "serve failed: $(cat serve.err)"
    expect_equal "model" "$model" "$(sum_of model.safetensors)"
    expect_equal "rounds" 4 "$(grep -c '"record":"round"' serve.out)"
}

sum_of() {
    sha256sum <"$1" | cut -c1-64
}

# The model of the same cell when nothing is done to it; with the options that the disturbed one has.
undisturbed() {
    env -u DMLX_TEST_PAUSE dmlx run --no-figures -o undisturbed "$@" tiny.cfg >/dev/null 2>undisturbed.err ||
        fault "the undisturbed run failed: $(cat undisturbed.err)"
    sum_of undisturbed/tiny/runs/n3-c3-r1/model.safetensors
}

# expect_text WHAT EXPRESSION FILE
expect_text() {
    grep -qE -e "$2" "$3" || fault "$1: no '$2' in: $(cat "$3")"
}

# The attempt that counts has every round once for each of so many workers in the last round.
expect_rounds() {
    local attempt
    attempt=$(awk -F, '/,done,/ { print $5 }' results/tiny/runs.csv | tail -1)
    expect_equal "rounds that count" "$1" "$(awk -F, -v a="$attempt" '$3 == a' results/tiny/rounds.csv | wc -l)"
    expect_equal "rounds counted twice" "" \
        "$(awk -F, -v a="$attempt" '$3 == a { print $4, $5 }' results/tiny/rounds.csv | sort | uniq -d)"
}

rows() {
    column results/tiny/runs.csv status | grep -cx "$1"
}

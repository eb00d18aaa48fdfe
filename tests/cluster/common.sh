# common.sh, to be sourced by tests/cluster/test_*.sh with the program's path in $1: experiment.sh, and the cluster up
# with all the daemons that this machine has; down again when the script ends.
#
#   $parts            what is up: "swarm registry slurm"
#   c.cfg             600 images, of CIFAR-10 where it is, on one node and on three
#   swarm=(…)         the words that make it a swarm's
#   epochs_for N      for training that is to last for seconds, sanitizer or not
#   on_cluster WORD…  dmlx as the user outside of the cluster; at most $patience_s
#   lacks WHAT WORDS  tells what is skipped for it, which is a fault in CI
#   refused NAME STATUS WORDS WORD…   a run ends with that status before any cell, and says the words
#   partly NAME WORDS WORD…   a run ends with status 4, the cell of three nodes failed by the words and that of one done
#   begin NAME WORD…  a long run of three nodes in the background, past its first round; $run is dmlx, $outer its shell
#   long=(…)          what makes it so; where it is only the first cell, then=(…) has a short one of one node behind it
#   serve_podman      the podman of mgr answers by the connection mgr; again, after it has lost it
#   nothing_left NAME SECONDS [PID]   on any host, in time
#   gone NAME         the same where NAME's launcher has ended it
cluster=$(dirname "$(realpath "${BASH_SOURCE[0]}")")/cluster.sh
program=$(realpath "$1")
pictures=${DMLX_DATA:+$(realpath "$DMLX_DATA")}
. "$SUPPORT/experiment.sh"
# Where CI is set a machine that lacks a part has not passed the test of it.
lacks() {
    echo "this machine lacks $1: $2"
    [ -z "${CI:-}" ] || fault "CI has to have it"
}
# The first pictures of CIFAR-10, where this machine has it: as many as experiment.sh makes.
[ ! -d "$pictures/cifar-10-batches-bin" ] || pictures=$pictures/cifar-10-batches-bin
if [ -f "$pictures/test_batch.bin" ]; then
    for file in data/cifar-10-batches-bin/*.bin; do
        head -c "$(stat -c %s "$file")" "$pictures/$(basename "$file")" >"$file.part" && mv "$file.part" "$file"
    done
else
    lacks "pictures of CIFAR-10" "they are made up"
fi
needs root ssh sshd ip
export DMLX_CLUSTER=$work/cluster
parts=
has_need dockerd && has_need docker && parts=docker
[ -n "$parts" ] && has_need docker-registry && parts="swarm registry"
# A test that makes the swarm itself has the daemons only.
[ -z "${is_swarm_mine:-}" ] || parts=${parts/swarm/docker}
has_need slurmctld && has_need munged && parts="$parts slurm"
parts=${only_parts-$parts}
# What is waited for comes at once on a quiet machine; the limits are for a busy one, and for a sanitizer's program.
# How long things stay behind is promised to users of the release, and judged by it.
patience_s=300 slowness=1
! is_sanitized || slowness=6
# The limit of joining, which is that of Slurm's allocation too.
timeout="timeout = { join_s = $((30 * slowness)); };"
# epochs_for N: as many as train about as long as N do in the release.
slow_training=1
! is_sanitized || slow_training=6
! is_sanitized tsan || slow_training=60
epochs_for() {
    echo $((($1 + slow_training - 1) / slow_training))
}
chmod 755 "$work" && chmod -R a+rX data # containers read it as nobody
finish_cluster() {
    status=$?
    trap - EXIT
    "$cluster" down
    (exit "$status")
    finish
}
trap finish_cluster EXIT
"$cluster" up $parts || { echo "no cluster"; exit 1; }

cat >c.cfg <<CFG
name = "c";
train = { samples = 600; test_samples = 200; epochs = 1; rounds = 3; };
cluster = { hosts = [ "w1", "w2", "w3" ]; retries = 0; $timeout emulate = { core_speed = 0.3; }; };
matrix = { zip = ( { nodes = [ 1, 3 ]; cores = [ 1, 3 ]; } ); };
CFG
swarm=(--set cluster.context=swarm --set 'cluster.registry="10.77.0.254:5000"' --set 'cluster.label="role=worker"')

on_cluster() {
    timeout "$patience_s" "$cluster" ext env "DMLX_DATA=$DMLX_DATA" "$program" "$@"
}

refused() {
    local name=$1 status=$2 words=$3
    shift 3
    on_cluster run c.cfg -o "refused-$name" --no-figures "$@" >/dev/null 2>"$name.err"
    expect_equal "status with $name" "$status" "$?"
    grep -qE -e "$words" "$name.err" || fault "$name is not told as '$words': $(cat "$name.err")"
    [ ! -d "refused-$name" ] || ! grep -qs ',done,' "refused-$name/c/runs.csv" || fault "$name: a cell was run"
}

partly() {
    local name=$1 words=$2 row
    shift 2
    on_cluster run c.cfg -o "partly-$name" --no-figures "$@" >/dev/null 2>"$name.err"
    expect_equal "status with $name" 4 "$?"
    expect_equal "rows with $name" "n1 done n3 failed" "$(awk -F, -v ORS=' ' 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        { sub(/-.*/, "", $1); print $1, $at["status"] }' "partly-$name/c/runs.csv" | xargs -n 2 | sort | xargs)"
    row=$(grep '^n3-' "partly-$name/c/runs.csv")
    grep -qE -e "$words" <<<"$row" || fault "$name is not told as '$words': $row"
    grep -qE -e "$words.*; cells of more than [12] nodes? are left out" "$name.err" || fault "$name is told late: $(cat "$name.err")"
    gone "$name"
}

until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@"; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

# dmlx itself, not its keeper, which has the same command line, nor the shells around it, nor that of another test, nor a child
# that is about to become another program: its id is higher.
run_of() {
    local pid
    for pid in $(pgrep -f -- "$program run c.cfg -o $1 "); do
        [ "/proc/$pid/cwd" -ef "$work" ] || continue
        [ "$(cat "/proc/$pid/comm" 2>/dev/null)" != "$(basename "$program" | cut -c1-15)" ] || { echo "$pid"; return; }
    done
}

long=(--set train.epochs=5000 --set train.rounds=1000 --only nodes=3)
then=(--set matrix.shuffle=false
    --set 'matrix.zip=( { nodes = [ 3, 1 ]; cores = [ 3, 1 ]; epochs = [ 5000, 1 ]; rounds = [ 1000, 3 ]; } )')

begin() {
    local name=$1
    shift
    rm -rf "$name"
    on_cluster run c.cfg -o "$name" --no-figures "${long[@]}" "$@" >/dev/null 2>"$name.err" &
    outer=$!
    # Without it there is nothing to test, and nobody whom the rest could be done to.
    wait_for_line "$name/c/rounds.csv" '^n3-' $patience_s || { fault "$name: no round within $patience_s s: $(cat "$name.err")"; exit 1; }
    run=$(run_of "$name")
    [ -n "$run" ] || { fault "$name: no dmlx runs: $(cat "$name.err")"; exit 1; }
}

serve_podman() {
    "$cluster" on mgr rm -f /run/podman.sock
    "$cluster" on mgr env CONTAINERS_CONF="$DMLX_CLUSTER/ext/containers.conf" CONTAINERS_STORAGE_CONF="$DMLX_CLUSTER/ext/storage.conf" \
        podman system service --time=0 unix:///run/podman.sock </dev/null >service.out 2>&1 & # until the host goes down
    until_true $patience_s "$cluster" on mgr test -S /run/podman.sock || fault "no podman on mgr: $(cat service.out)"
    "$cluster" ext podman system connection list 2>/dev/null | grep -q '^mgr ' && return
    cp "$DMLX_CLUSTER/known_hosts" "$DMLX_CLUSTER/ext/home/.ssh/known_hosts"
    "$cluster" ext podman system connection add --identity "$DMLX_CLUSTER/ext/home/.ssh/id" mgr ssh://root@10.77.0.10/run/podman.sock
}

nothing_left() {
    local left
    left=$("$cluster" gone $((slowness * $2 + 1)) ${3:-}) || fault "after $1: $left"
}

# Nothing is left of what has ended; a swarm's nodes take containers away in their own time, when their services are gone.
gone() {
    nothing_left "$1" "$([[ $1 = *swarm* ]] && echo 10 || echo 0)"
}

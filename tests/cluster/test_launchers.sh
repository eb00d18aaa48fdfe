#!/bin/bash
# The same small matrix on every launcher, on four hosts with real daemons: the same models, bit for bit, nothing left
# behind; and what can be wrong with a cluster, each told with the host before a cell begins.
cluster=$(dirname "$(realpath "${BASH_SOURCE[0]}")")/cluster.sh
program=$(realpath "$1")
. "$SUPPORT/experiment.sh"
needs root ssh sshd ip
export DMLX_CLUSTER=$work/cluster
parts=
has_need dockerd && has_need docker && parts=docker
[ -n "$parts" ] && has_need docker-registry && parts="swarm registry"
has_need slurmctld && has_need munged && parts="$parts slurm"
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
pids=()

cat >c.cfg <<CFG
name = "c";
train = { samples = 600; test_samples = 200; epochs = 1; rounds = 3; };
cluster = { hosts = [ "w1", "w2", "w3" ]; retries = 0; emulate = { core_speed = 0.3; }; };
matrix = { zip = ( { nodes = [ 1, 3 ]; cores = [ 1, 3 ]; } ); };
CFG
swarm=(--set cluster.context=swarm --set 'cluster.registry="10.77.0.254:5000"' --set 'cluster.label="role=worker"')

# on_cluster ARGUMENT…: dmlx as the user outside of the cluster; at most 90 s.
on_cluster() {
    timeout 90 "$cluster" ext env "DMLX_DATA=$DMLX_DATA" "$program" "$@"
}

# matrix NAME ARGUMENT…: the matrix on a launcher; its rows stand and nothing is left.
matrix() {
    local name=$1 left
    shift
    on_cluster run c.cfg -o "$name" --no-figures "$@" >"$name.out" 2>"$name.err" || fault "$name: $(cat "$name.err")"
    expect_equal "rows of $name" 2 "$(column "$name/c/runs.csv" status | grep -cx done)"
    echo "$name: first round after $(column "$name/c/runs.csv" startup_s | tr '\n' ' ')s, granted" \
        "$(column "$name/c/runs.csv" cores_granted | tr '\n' ' ') of $(column "$name/c/runs.csv" cores_asked | tr '\n' ' ')"
    left=$("$cluster" left) || fault "$name left: $left"
    paste -d' ' <(column "$name/c/runs.csv" cell) <(column "$name/c/runs.csv" model_sha256) | sort >"$name.models"
    cmp -s local.models "$name.models" || fault "$name made other models: $(cat local.models "$name.models")"
}

# refused NAME STATUS WORDS ARGUMENT…: a run ends with that status, and says the words.
refused() {
    local name=$1 status=$2 words=$3
    shift 3
    on_cluster run c.cfg -o "refused-$name" --no-figures "$@" >/dev/null 2>"$name.err"
    expect_equal "status with $name" "$status" "$?"
    grep -qE -e "$words" "$name.err" || fault "$name is not told as '$words': $(cat "$name.err")"
    [ ! -d "refused-$name" ] || ! grep -qs ',done,' "refused-$name/c/runs.csv" || fault "$name: a cell was run"
}

matrix local --launcher local

# --- ssh ---
matrix ssh --launcher ssh
matrix ssh_coordinator_there --launcher ssh --set cluster.coordinator=mgr
on_cluster doctor --launcher ssh c.cfg >doctor.out || fault "doctor: $(cat doctor.out)"
expect_equal "hosts that doctor saw" 3 "$(grep -cE '^w[123] .*0\.1\.0.*cgroup' doctor.out)"
refused "an unknown host" 4 "host 'nowhere' is not known" --launcher ssh --set 'cluster.hosts=["w1","w2","nowhere"]'
printf 'Host w2\n  PubkeyAuthentication no\n' >no_key
cat "$DMLX_CLUSTER/ssh_config" >>no_key
export DMLX_SSH_CONFIG=$work/no_key
refused "a refused key" 4 "host 'w2' refuses our key" --launcher ssh
sed "s/known_hosts/known_hosts_changed/" "$DMLX_CLUSTER/ssh_config" >changed
export DMLX_SSH_CONFIG=$work/changed
awk '$1 ~ /^w1,/ { key = $3 } { print }' "$DMLX_CLUSTER/known_hosts" >keys
other=$(awk '$1 ~ /^w1,/ { print $3 }' keys)
sed "/^w3,/s|AAAA[^ ]*|$other|" "$DMLX_CLUSTER/known_hosts" >"$DMLX_CLUSTER/known_hosts_changed"
refused "a changed host key" 4 "host 'w3' shows another key" --launcher ssh
unset DMLX_SSH_CONFIG
printf '#!/bin/sh\necho "dmlx 9.9.9"\n' >"$work/other" && chmod 755 "$work/other"
refused "another version" 4 "on host 'w1' is dmlx 9.9.9, and this is" --launcher ssh --set "cluster.program=\"$work/other\""
refused "too many cores" 4 "host 'w1' has .* cores, and a node is to have" --launcher ssh \
    --set 'matrix.zip=( { nodes = [ 1 ]; cores = [ 400 ]; } )'

# Ctrl-C in mid-run, then kill -9: every host is empty within five seconds.
interrupt() {
    rm -rf cut
    on_cluster run c.cfg -o cut --no-figures --launcher ssh --set train.epochs=100 --only nodes=3 >/dev/null 2>cut.err &
    local outer=$! run
    wait_for_line cut/c/rounds.csv '^n3-' 30 || fault "no round within 30 s: $(cat cut.err)"
    run=$(pgrep -f -n -- "$program run c.cfg -o cut")
    [ -n "$run" ] && kill "$1" "$run"
    wait "$outer"
    local end=$((SECONDS + 6)) left
    until left=$("$cluster" left "$run"); do
        [ "$SECONDS" -lt "$end" ] || { fault "after $1: $left"; break; }
    done
}
interrupt -INT
interrupt -KILL

# --- slurm ---
case $parts in
*slurm*)
    matrix slurm --launcher slurm
    refused "too few nodes" 4 "slurm has 3 nodes up" --launcher slurm --set 'matrix.zip=( { nodes = [ 4 ]; cores = [ 4 ]; } )' ;;
*) echo "slurm is skipped: no slurmctld or munged" ;;
esac

# --- containers ---
case $parts in
*registry*)
    refused "an image not there" 4 "has no image '10.77.0.254:5000/dmlx:" --launcher swarm "${swarm[@]}"
    on_cluster image --context swarm --registry 10.77.0.254:5000 --push >image.out 2>&1 || fault "image: $(cat image.out)"
    matrix docker --launcher docker "${swarm[@]}" --set "cluster.data_folder=\"$DMLX_DATA\""
    matrix swarm --launcher swarm "${swarm[@]}"
    [ -s swarm/c/runs/n3-c3-r1/stack.yml ] || fault "no stack file is kept"
    refused "a label that matches too few" 4 "0 nodes of the swarm carry the label 'role=gone'" --launcher swarm \
        --set cluster.context=swarm --set 'cluster.registry="10.77.0.254:5000"' --set 'cluster.label="role=gone"'
    refused "no docker there" 4 "no swarm answers" --launcher swarm --set cluster.context=nobody
    kill "$(cat "$DMLX_CLUSTER/registry.pid")" && rm "$DMLX_CLUSTER/registry.pid"
    refused "a registry that is down" 4 "the registry '10.77.0.254:5000' does not answer" --launcher swarm "${swarm[@]}" ;;
*) echo "docker and swarm are skipped: no dockerd or docker-registry" ;;
esac
if has_need podman && has_need runc; then
    on_cluster image --engine podman >podman.out 2>&1 || fault "podman image: $(cat podman.out)"
    matrix podman --launcher podman
else
    echo "podman is skipped: no podman or runc"
fi

#!/bin/bash
# The same small matrix on every launcher, on four hosts with real daemons: the same models, bit for bit, nothing left
# behind; and what can be wrong with a cluster, each told with the host before a cell begins.
. "$(dirname "$0")/common.sh"

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

# side_by_side NAME ARGUMENT…: two runs of one node at a time, which have a host each then.
side_by_side() {
    local name=$1 left
    shift
    on_cluster run c.cfg -o "$name" --no-figures -j 2 --set 'matrix.zip=( { nodes = [ 1 ]; cores = [ 1 ]; } )' \
        --set matrix.repeats=2 --set train.epochs=60 "$@" >/dev/null 2>"$name.err" || fault "$name: $(cat "$name.err")"
    expect_equal "hosts of two runs at a time with $name" 2 "$(column "$name/c/runs.csv" hosts | grep . | sort -u | wc -l)"
    left=$("$cluster" left) || fault "$name left: $left"
}

matrix local --launcher local

# --- ssh ---
matrix ssh --launcher ssh
matrix ssh_coordinator_there --launcher ssh --set cluster.coordinator=mgr
on_cluster doctor --launcher ssh c.cfg >doctor.out || fault "doctor: $(cat doctor.out)"
expect_equal "hosts that doctor saw" 3 "$(grep -cE '^w[123] .*0\.1\.0.*cgroup' doctor.out)"
partly "an unknown host" "host 'nowhere' is not known" --launcher ssh --set 'cluster.hosts=["w1","w2","nowhere"]'
printf 'Host w2\n  PubkeyAuthentication no\n' >no_key
cat "$DMLX_CLUSTER/ssh_config" >>no_key
export DMLX_SSH_CONFIG=$work/no_key
partly "a refused key" "host 'w2' refuses our key" --launcher ssh
sed "s/known_hosts/known_hosts_changed/" "$DMLX_CLUSTER/ssh_config" >changed
export DMLX_SSH_CONFIG=$work/changed
awk '$1 ~ /^w1,/ { key = $3 } { print }' "$DMLX_CLUSTER/known_hosts" >keys
other=$(awk '$1 ~ /^w1,/ { print $3 }' keys)
sed "/^w3,/s|AAAA[^ ]*|$other|" "$DMLX_CLUSTER/known_hosts" >"$DMLX_CLUSTER/known_hosts_changed"
partly "a changed host key" "host 'w3' shows another key" --launcher ssh
unset DMLX_SSH_CONFIG
printf '#!/bin/sh\necho "dmlx 9.9.9"\n' >"$work/other" && chmod 755 "$work/other"
refused "another version" 4 "on host 'w1' is dmlx 9.9.9, and this is" --launcher ssh --set "cluster.program=\"$work/other\""
on_cluster doctor --launcher ssh --set cluster.program=/nowhere c.cfg >doctor.out
expect_equal "doctor's status where a run would fail" 4 "$?"
grep -q "problem: host 'w1' could not run dmlx" doctor.out || fault "doctor: $(cat doctor.out)"
"$cluster" on mgr python3 -c 'import signal, socket # until the host goes down
taken = socket.create_server(("", 7071)); print("taken", flush=True); signal.pause()' </dev/null >taken.out &
wait_for_line taken.out taken 10 || fault "nobody takes the port"
partly "a port that is taken" "port 7070 or 7071 of host 'mgr' is taken" --launcher ssh \
    --set cluster.coordinator=mgr --set cluster.port=7070
printf '#!/bin/sh\necho riscv64\n' >"$work/uname" && chmod 755 "$work/uname"
"$cluster" on w2 mount --bind "$work/uname" /usr/bin/uname
partly "another architecture" "host 'w2' is riscv64 and this dmlx is built for $(uname -m)" --launcher ssh
"$cluster" on w2 umount /usr/bin/uname
refused "too many cores" 4 "host 'w1' has .* cores, and a node is to have" --launcher ssh \
    --set 'matrix.zip=( { nodes = [ 1 ]; cores = [ 400 ]; } )'

# --- slurm ---
case $parts in
*slurm*)
    matrix slurm --launcher slurm
    side_by_side slurm_jobs --launcher slurm
    on_cluster doctor --launcher slurm c.cfg >doctor.out || fault "doctor of slurm: $(cat doctor.out)"
    expect_equal "nodes of slurm that doctor asked" 3 "$(grep -cE '^w[123]  *idle  *0\.1\.0 .*cgroup' doctor.out)"
    on_cluster doctor --launcher slurm --set cluster.program=/nowhere c.cfg >doctor.out
    expect_equal "doctor's status without dmlx on slurm's nodes" 4 "$?"
    grep -q "dmlx does not run on node 'w2'" doctor.out || fault "doctor of slurm: $(cat doctor.out)"
    refused "too few nodes" 4 "slurm has 3 nodes up" --launcher slurm --set 'matrix.zip=( { nodes = [ 4 ]; cores = [ 4 ]; } )'
    # Slurm must not be asked for what it does not have, else it would be waited for.
    on_cluster run c.cfg -o more --no-figures --launcher slurm --set 'matrix.zip=( { nodes = [ 1, 4 ]; cores = [ 1, 4 ]; } )' \
        >/dev/null 2>more.err
    expect_equal "status with more workers than nodes" 4 "$?"
    grep -qE "^n4-.*,failed,.*slurm has 3 nodes up" more/c/runs.csv || fault "more workers than nodes: $(cat more/c/runs.csv)"
    grep -qE "^n1-.*,done," more/c/runs.csv || fault "the cell of one node was not run: $(cat more.err)" ;;
*) echo "slurm is skipped: no slurmctld or munged" ;;
esac

# --- containers ---
case $parts in
*registry*)
    refused "an image not there" 4 "has no image '10.77.0.254:5000/dmlx:" --launcher swarm "${swarm[@]}"
    on_cluster image --context swarm --registry 10.77.0.254:5000 --push >image.out 2>&1 || fault "image: $(cat image.out)"
    matrix docker --launcher docker "${swarm[@]}" --set "cluster.data_folder=\"$DMLX_DATA\""
    matrix swarm --launcher swarm "${swarm[@]}"
    side_by_side swarm_jobs --launcher swarm "${swarm[@]}"
    on_cluster doctor --launcher swarm "${swarm[@]}" c.cfg >doctor.out || fault "doctor of the swarm: $(cat doctor.out)"
    expect_equal "nodes of the swarm that doctor saw" 4 \
        "$(grep -cE '^(mgr .*ready active manager|w[123] .*ready active worker) .*docker [0-9.]+ ' doctor.out)"
    grep -qE '^[^ ]+ +here .* yes +' doctor.out || fault "doctor does not reach the registry: $(cat doctor.out)"
    [ -s swarm/c/runs/n3-c3-r1/stack.yml ] || fault "no stack file is kept"
    refused "a label that matches too few" 4 "0 nodes of the swarm carry the label 'role=gone'" --launcher swarm \
        --set cluster.context=swarm --set 'cluster.registry="10.77.0.254:5000"' --set 'cluster.label="role=gone"'
    refused "no docker there" 4 "no swarm answers" --launcher swarm --set cluster.context=nobody
    on_cluster doctor --launcher swarm --set cluster.context=swarm --set 'cluster.registry="10.77.0.254:5000"' \
        --set 'cluster.label="role=gone"' c.cfg >doctor.out
    expect_equal "doctor's status without nodes of the label" 4 "$?"
    # The same image, said to be for another kind of machine.
    mkdir other_image && "$cluster" ext docker --context swarm save 10.77.0.254:5000/dmlx:0.1.0 | tar -xC other_image
    sed -i 's/"architecture":"[a-z0-9]*"/"architecture":"riscv64"/; s|10.77.0.254:5000/dmlx:0.1.0|other:1|' other_image/*.json
    rm -f other_image/repositories
    tar -C other_image -c . | "$cluster" ext docker --context swarm load >other.out 2>&1 ||
        fault "no image for riscv64: $(cat other.out)"
    refused "an image for another architecture" 4 "the image 'other:1' is for riscv64, and host 'mgr' is amd64" \
        --launcher docker --set cluster.context=swarm --set 'cluster.image="other:1"' --set "cluster.data_folder=\"$DMLX_DATA\""
    # A node that is said to be of another kind: the data set cannot be a layer of an image for both.
    docker=$(command -v docker)
    cat >"$DMLX_CLUSTER/ext/bin/docker" <<SH
#!/bin/sh
case "\$*" in
*'node inspect'*Platform.Architecture*) "$docker" "\$@" | sed '2s/.*/aarch64/' ;;
*) exec "$docker" "\$@" ;;
esac
SH
    chmod 755 "$DMLX_CLUSTER/ext/bin/docker"
    partly "a node of another architecture" "node 'w[123]' is aarch64 and the image with the data set is for amd64" \
        --launcher swarm "${swarm[@]}"
    rm "$DMLX_CLUSTER/ext/bin/docker"
    # A host that has lost its docker: for the swarm it is down, for itself nobody answers.
    "$cluster" ext docker context create w3 --docker host=ssh://w3 >/dev/null
    "$cluster" on w3 pkill -TERM -x dockerd
    refused "a host without docker" 4 "docker by context 'w3' does not answer" --launcher docker --set cluster.context=w3 \
        --set "cluster.data_folder=\"$DMLX_DATA\""
    is_down() { "$cluster" ext docker --context swarm node ls | grep -q 'w3 .*Down'; }
    until_true 30 is_down || fault "the swarm does not miss w3"
    partly "a node without docker" "2 nodes of the swarm carry the label 'role=worker'.*'w3' is Down and Active" \
        --launcher swarm "${swarm[@]}"
    on_cluster doctor --launcher swarm "${swarm[@]}" c.cfg >doctor.out
    expect_equal "doctor's status with a node down" 4 "$?"
    grep -q "note: node 'w3' of the swarm is down" doctor.out || fault "doctor of the swarm: $(cat doctor.out)"
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

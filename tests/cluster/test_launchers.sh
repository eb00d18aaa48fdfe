#!/bin/bash
# The same small matrix on every launcher, on four hosts with real daemons: the same models, bit for bit, nothing left
# behind; and what can be wrong with a cluster, each told with the host before a cell begins.
# lane: 2
. "$(dirname "$0")/common.sh"
# What docker and a swarm need, side by side, in the words of the guide.
sed -i "/^cluster = /s|};\$|docker = { context = \"swarm\"; registry = \"10.77.0.254:5000\"; data_folder = \"$DMLX_DATA\"; }; \\
  swarm = { context = \"swarm\"; registry = \"10.77.0.254:5000\"; label = \"role=worker\"; }; };|" c.cfg
grep -q 'swarm = ' c.cfg || fault "no settings side by side: $(cat c.cfg)"

# matrix NAME ARGUMENT…: the matrix on a launcher; its rows stand and nothing is left.
matrix() {
    local name=$1
    shift
    on_cluster run c.cfg -o "$name" --no-figures "$@" >"$name.out" 2>"$name.err" || fault "$name: $(cat "$name.err")"
    expect_equal "rows of $name" 2 "$(column "$name/c/runs.csv" status | grep -cx done)"
    echo "$name: first round after $(column "$name/c/runs.csv" startup_s | tr '\n' ' ')s, granted" \
        "$(column "$name/c/runs.csv" cores_granted | tr '\n' ' ') of $(column "$name/c/runs.csv" cores_asked | tr '\n' ' ')"
    # What the workers read back of their limit, whatever has set it.
    paste -d' ' <(column "$name/c/runs.csv" cores_asked) <(column "$name/c/runs.csv" cores_limit) |
        awk '{ n += $2 > 0.99 * $1 && $2 < 1.01 * $1 } END { exit n != 2 }' ||
        fault "limits of $name: $(column "$name/c/runs.csv" cores_limit | tr '\n' ' ')"
    for file in n1-c1-r1/standalone.log n3-c3-r1/coordinator.log n3-c3-r1/worker-2.log n3-c3-r1/model.safetensors; do
        [ -e "$name/c/runs/$file" ] || fault "$name: no $file has come home"
    done
    gone "$name"
    paste -d' ' <(column "$name/c/runs.csv" cell) <(column "$name/c/runs.csv" model_sha256) | sort >"$name.models"
    cmp -s local.models "$name.models" || fault "$name made other models: $(cat local.models "$name.models")"
}

# side_by_side NAME ARGUMENT…: two runs of one node at a time, which have a host each then.
side_by_side() {
    local name=$1
    shift
    on_cluster run c.cfg -o "$name" --no-figures -j 2 --set 'matrix.zip=( { nodes = [ 1 ]; cores = [ 1 ]; } )' \
        --set matrix.repeats=2 --set "train.epochs=$(epochs_for 60)" "$@" >/dev/null 2>"$name.err" || fault "$name: $(cat "$name.err")"
    expect_equal "hosts of two runs at a time with $name" 2 "$(column "$name/c/runs.csv" hosts | grep . | sort -u | wc -l)"
    gone "$name"
}

# slow_round NAME ARGUMENT…: a round may last longer than a coordinator may have nothing to tell (here 20 s of joining, two
# silences and one second): what it has told and its beats come through meanwhile. Under a sanitizer all rounds are slow.
slow_round() {
    local name=slow_$1 round_s
    shift
    ! is_sanitized || return
    on_cluster run c.cfg -o "$name" --no-figures --only nodes=3 --set cluster.emulate.core_speed=0.02 --set train.epochs=100 \
        --set train.rounds=1 --set cluster.timeout.join_s=20 --set cluster.timeout.stop_s=1 "$@" >/dev/null 2>"$name.err" ||
        fault "$name: $(cat "$name.err")"
    round_s=$(column "$name/c/rounds.csv" round_s | head -1)
    awk "BEGIN { exit !(${round_s:-0} > 29) }" || fault "$name: a round of ${round_s:-no} s is too short for this test"
    gone "$name"
}

# in_container ENGINE: what doctor found from within a container on mgr, and that it is gone.
in_container() {
    grep -qE "^mgr +in a container +0\.1\.0 +x86_64 +0\.3 .* cgroup v[12] +any +$1 [0-9.]+ .* [0-9a-f]{16} " doctor.out ||
        fault "doctor in a container of $1: $(cat doctor.out)"
    gone "doctor of $1"
}

# unmet ENGINE PROBLEM WORD…: doctor tells what a container there would meet, and leaves nothing there.
unmet() {
    local engine=$1 problem=$2
    shift 2
    doctor "$@"
    expect_equal "doctor's status on $engine where $problem" 4 "$?"
    grep -qE "^problem: $problem" doctor.out || fault "doctor on $engine, where $problem: $(cat doctor.out)"
    gone "doctor of $engine"
    [ ! -e "$work/nowhere" ] || fault "doctor of $engine made the folder it looked for"
}

matrix local --launcher local

# --- ssh ---
logins() { grep -c 'Accepted publickey' "$DMLX_CLUSTER/w1/sshd.log"; }
before=$(logins)
matrix ssh --launcher ssh
expect_equal "logins of a run at a host" 1 "$(($(logins) - before))"
grep -q "dmlx is copied to 'w1', 'w2', 'w3'" ssh.err || fault "no copy of dmlx: $(cat ssh.err)"
grep -q "the data set is copied to 'w1', 'w2', 'w3'" ssh.err || fault "no copy of the data: $(cat ssh.err)"
matrix ssh_coordinator_there --launcher ssh --set cluster.coordinator=mgr
expect_equal "what is copied when three hosts have it" "dmlx run: dmlx is copied to 'mgr' dmlx run: the data set is copied to 'mgr' " \
    "$(grep copied ssh_coordinator_there.err | tr '\n' ' ')"
matrix ssh_data_there --launcher ssh --set "cluster.data_folder=\"$DMLX_DATA\""
# The user's own configuration: a key that an agent holds, a host behind another.
eval "$(ssh-agent -a "$work/agent")" >/dev/null
SSH_AUTH_SOCK=$work/agent ssh-add -q "$DMLX_CLUSTER/ext/home/.ssh/id"
{
    printf 'Host w3\n  ProxyJump w1\n'
    sed "s|^  IdentityFile .*|  IdentityAgent $work/agent|; /IdentitiesOnly/d" "$DMLX_CLUSTER/ssh_config"
} >agent_config
DMLX_SSH_CONFIG=$work/agent_config matrix ssh_by_agent_and_jump --launcher ssh
kill "$SSH_AGENT_PID"
doctor() {
    on_cluster doctor "$@" c.cfg >doctor.out
}
doctor --launcher ssh || fault "doctor: $(cat doctor.out)"
expect_equal "hosts that doctor saw" 3 "$(grep -cE '^w[123] .*0\.1\.0.*cgroup v[12]  any .*docker [0-9.]+ .*[0-9a-f]{16}' doctor.out)"
# A host that is made to look like a Pi that is hot and badly fed, and one whose clock is late.
"$cluster" on w1 sh -e -c '
    for at in class/thermal devices/platform devices/system/cpu/cpu0; do mount -t tmpfs tmpfs /sys/$at; done
    mkdir -p /sys/class/thermal/thermal_zone0 /sys/devices/platform/soc/soc:firmware /sys/devices/system/cpu/cpu0/cpufreq
    echo cpu-thermal >/sys/class/thermal/thermal_zone0/type
    echo 83100 >/sys/class/thermal/thermal_zone0/temp
    echo 50005 >/sys/devices/platform/soc/soc:firmware/get_throttled
    echo ondemand >/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor
    echo 600000 >/sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq' || fault "no Pi"
printf '#!/bin/sh\nexec "%s" "$@"\n' "$program" >there
cat >late <<SH
#!/bin/sh
[ "\$1" = doctor ] || exec "$program" "\$@"
"$program" "\$@" | python3 -c 'import json, sys; o = json.load(sys.stdin); o["clock_s"] -= 60; print(json.dumps(o))'
SH
chmod 755 there late
"$cluster" on w2 mount --bind "$work/late" "$work/there"
doctor --launcher ssh --set "cluster.program=\"$work/there\"" || fault "doctor of a Pi: $(cat doctor.out)"
grep -qE '^w1 .* 600  ondemand +83  volt throttled  cgroup' doctor.out || fault "the Pi's row: $(cat doctor.out)"
expect_equal "notes of doctor, which come first" "note: host 'w1' holds note: host 'w1' has note: the clock of host 'w2' " \
    "$(head -5 doctor.out | grep -oE "^note: (host '[a-z0-9]*' [a-z]*|the clock of host 'w2')" | tr '\n' ' ')"
grep -qE "governor 'ondemand', so its clock varies; set 'performance'" doctor.out || fault "the governor: $(cat doctor.out)"
grep -qE "clock of host 'w2' is -(5[0-9]|60)\.[0-9] s off" doctor.out || fault "the clock: $(cat doctor.out)"
"$cluster" on w2 umount "$work/there"
"$cluster" on w1 umount /sys/class/thermal /sys/devices/platform /sys/devices/system/cpu/cpu0
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
wait_for_line taken.out taken 60 || fault "nobody takes the port"
doctor --launcher ssh --set cluster.coordinator=mgr --set cluster.port=7070
expect_equal "doctor's status with a port taken" 4 "$?"
expect_equal "what doctor says first" "problem: port 7070 or 7071 of host 'mgr' is taken; choose another cluster.port, or 0 for any" "$(head -1 doctor.out)"
expect_equal "ports in doctor's table" "free free free taken " "$(grep -oE '^(w[123]|mgr) .* (free|taken) ' doctor.out | awk '{ print $NF }' | tr '\n' ' ')"
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
    nodes_are_idle() { [ "$("$cluster" ext sinfo -h -N -t idle -o %N | sort -u | wc -l)" = 3 ]; }
    until_true $patience_s nodes_are_idle || fault "slurm's nodes do not come back"
    on_cluster doctor --launcher slurm c.cfg >doctor.out || fault "doctor of slurm: $(cat doctor.out)"
    expect_equal "nodes of slurm that doctor asked" 3 "$(grep -cE '^w[123]  *idle  *0\.1\.0 .*cgroup' doctor.out)"
    on_cluster doctor --launcher slurm --set cluster.program=/nowhere c.cfg >doctor.out
    expect_equal "doctor's status without dmlx on slurm's nodes" 4 "$?"
    grep -q "dmlx does not run on node 'w2'" doctor.out || fault "doctor of slurm: $(cat doctor.out)"
    refused "too few nodes" 4 "slurm has 3 nodes up" --launcher slurm --set 'matrix.zip=( { nodes = [ 4 ]; cores = [ 4 ]; } )'
    begin slurm_job --launcher slurm --set cluster.timeout.cell_s=600
    expect_equal "job, its time limit and nodes" "dmlx-$("$cluster" ext squeue -h -o %j | cut -d- -f2-) 10:00 3" \
        "$("$cluster" ext squeue -h -o '%j %l %D')"
    kill -INT "$run"
    wait "$outer"
    # Slurm must not be asked for what it does not have, else it would be waited for.
    on_cluster run c.cfg -o more --no-figures --launcher slurm --set 'matrix.zip=( { nodes = [ 1, 4 ]; cores = [ 1, 4 ]; } )' \
        >/dev/null 2>more.err
    expect_equal "status with more workers than nodes" 4 "$?"
    grep -qE "^n4-.*,failed,.*slurm has 3 nodes up" more/c/runs.csv || fault "more workers than nodes: $(cat more/c/runs.csv)"
    grep -qE "^n1-.*,done," more/c/runs.csv || fault "the cell of one node was not run: $(cat more.err)" ;;
*) lacks "slurmctld or munged" "slurm is skipped" ;;
esac

# --- containers ---
case $parts in
*registry*)
    refused "an image not there" 4 "has no image '10.77.0.254:5000/dmlx:" --launcher swarm "${swarm[@]}"
    on_cluster image --context swarm --registry 10.77.0.254:5000 --push >image.out 2>&1 || fault "image: $(cat image.out)"
    # By the launcher's name alone: c.cfg has what docker and the swarm need side by side.
    matrix docker --launcher docker
    # The local engine, without a context: dmlx is on mgr itself.
    "$cluster" on mgr sh -c 'cd "$1" && shift && exec timeout "$@"' sh "$work" "$patience_s" env "DMLX_DATA=$DMLX_DATA" "$program" run c.cfg \
        -o docker_here --no-figures --only nodes=1 --launcher docker --set 'cluster.context=""' --set 'cluster.data_folder=""' \
        >/dev/null 2>docker_here.err || fault "docker of this host: $(cat docker_here.err)"
    expect_equal "model of the local docker" "$(grep '^n1-' local.models)" \
        "$(paste -d' ' <(column docker_here/c/runs.csv cell) <(column docker_here/c/runs.csv model_sha256))"
    gone "docker of this host"
    # In the place of the quota that the launcher sets, twice as much: the row says so.
    on_cluster run c.cfg -o other_limit --no-figures --only nodes=1 --launcher docker "${swarm[@]}" \
        --set "cluster.data_folder=\"$DMLX_DATA\"" --set 'cluster.options=["--cpu-quota=6000"]' >/dev/null 2>other_limit.err
    grep -q 'limited to 0.6 cores of 0.3 asked' other_limit/c/runs.csv || fault "another limit is not told: $(cat other_limit.err other_limit/c/runs.csv)"
    begin docker_inside --launcher docker "${swarm[@]}" --set "cluster.data_folder=\"$DMLX_DATA\"" --set cluster.memory_mb=200
    expect_equal "a worker's container" "true [no-new-privileges] 65534:65534 209715200 [ALL] 3000 of 10000" \
        "$("$cluster" ext docker --context swarm inspect --format '{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.SecurityOpt}} {{
            .Config.User}} {{.HostConfig.Memory}} {{.HostConfig.CapDrop}} {{.HostConfig.CpuQuota}} of {{.HostConfig.CpuPeriod}}' \
            "$("$cluster" ext docker --context swarm ps -q --filter name=worker-0)")"
    kill -INT "$run"
    wait "$outer"
    matrix swarm --launcher swarm
    slow_round swarm --launcher swarm
    side_by_side swarm_jobs --launcher swarm "${swarm[@]}"
    on_cluster doctor --launcher swarm "${swarm[@]}" c.cfg >doctor.out || fault "doctor of the swarm: $(cat doctor.out)"
    expect_equal "nodes of the swarm that doctor saw" 4 \
        "$(grep -cE '^(mgr .*ready active manager|w[123] .*ready active worker) .*docker [0-9.]+ ' doctor.out)"
    grep -qE '^[^ ]+ +here .* yes +' doctor.out || fault "doctor does not reach the registry: $(cat doctor.out)"
    # A node is asked in a container: what it says beside what the manager knows.
    expect_equal "nodes that ran dmlx for doctor" 4 "$(grep -cE '^(mgr|w[123]) .*ready active .*  0\.1\.0 .* cgroup v[12] +any +docker [0-9.]+ +yes ' doctor.out)"
    gone "doctor of the swarm"
    doctor --launcher swarm "${swarm[@]}" --set "cluster.data_folder=\"$DMLX_DATA\"" || fault "doctor of the swarm's data: $(cat doctor.out)"
    expect_equal "nodes of the swarm with the data" 4 "$(grep -cE '^(mgr|w[123]) .*ready active .* yes +[0-9a-f]{16} ' doctor.out)"
    stack=swarm/c/runs/n3-c3-r1/stack.yml
    [ -s $stack ] || fault "no stack file is kept"
    for words in 'image: 10.77.0.254:5000/dmlx:' 'cpus: "0.3"' 'constraints: ["node.hostname == w3"]' \
        'constraints: ["node.role == manager"]' 'driver: overlay' 'secrets: [worker-2]' 'read_only: true'; do
        grep -qF "$words" $stack || fault "the stack file has no $words: $(cat $stack)"
    done
    on_cluster run c.cfg -o dry --dry-run --launcher swarm "${swarm[@]}" >/dev/null 2>dry.err || fault "dry run: $(cat dry.err)"
    [ ! -e dry/c/runs.csv ] || fault "a dry run ran"
    grep -q '^# .*A draft' dry/c/runs/n3-c3-r1/stack.yml || fault "a dry run's stack does not say that it is a draft"
    # All but what is known when it runs: whose it is, where it is placed, and the data's layer.
    for file in swarm dry; do
        sed -E '/^#/d; s/(image: .*dmlx:[0-9.]+).*/\1/; s/(dmlx\.run: |RUN_ID: |[A-Z_]*RUN[A-Z_]*: )"[^"]*"/\1/; s/node.hostname == [a-zA-Z0-9]+/node.hostname/' \
            $file/c/runs/n3-c3-r1/stack.yml >$file.stack
    done
    diff swarm.stack dry.stack >stack.diff || fault "a dry run's stack differs: $(cat stack.diff)"
    doctor --launcher docker "${swarm[@]}" --set "cluster.data_folder=\"$DMLX_DATA\"" || fault "doctor of docker: $(cat doctor.out)"
    grep -qE "^mgr +by context 'swarm' .*x86_64 .*docker [0-9.]+ " doctor.out || fault "doctor of docker: $(cat doctor.out)"
    in_container docker
    unmet docker "host 'mgr' has no folder '$work/nowhere'" --launcher docker "${swarm[@]}" --set "cluster.data_folder=\"$work/nowhere\""
    unmet docker "host 'mgr' cannot limit CPU: a container that was to have 0\.3 cores finds a limit of 0\.6" --launcher docker \
        "${swarm[@]}" --set "cluster.data_folder=\"$DMLX_DATA\"" --set 'cluster.options=["--cpu-quota=6000"]'
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
        --launcher docker --set 'cluster.registry=""' --set 'cluster.image="other:1"' --set "cluster.data_folder=\"$DMLX_DATA\""
    # Two nodes that are said to be of another kind: the data set cannot be a layer of an image for both.
    docker=$(command -v docker)
    cat >"$DMLX_CLUSTER/ext/bin/docker" <<SH
#!/bin/sh
case "\$*" in
*'node inspect'*Platform.Architecture*) "$docker" "\$@" | sed '2,3s/.*/aarch64/' ;;
*) exec "$docker" "\$@" ;;
esac
SH
    chmod 755 "$DMLX_CLUSTER/ext/bin/docker"
    partly "nodes of another architecture" "node 'w[123]' is aarch64, node 'w[123]' is aarch64 and the image with the data set is for amd64" \
        --launcher swarm "${swarm[@]}"
    rm "$DMLX_CLUSTER/ext/bin/docker"
    # A host that has lost its docker: for the swarm it is down, for itself nobody answers.
    "$cluster" ext docker context create w3 --docker host=ssh://w3 >/dev/null
    "$cluster" on w3 sh -c 'kill -TERM "$(cat /run/docker.pid)"' || fault "no daemon on w3"
    is_deaf() { ! "$cluster" ext docker --context w3 version >/dev/null 2>&1; }
    until_true $patience_s is_deaf || fault "w3's docker lives on"
    refused "a host without docker" 4 "docker by context 'w3' does not answer" --launcher docker --set cluster.context=w3 \
        --set "cluster.data_folder=\"$DMLX_DATA\""
    is_down() { "$cluster" ext docker --context swarm node ls | grep -q 'w3 .*Down'; }
    until_true $patience_s is_down || fault "the swarm does not miss w3"
    partly "a node without docker" "2 nodes of the swarm carry the label 'role=worker'.*'w3' is Down and Active" \
        --launcher swarm "${swarm[@]}"
    on_cluster doctor --launcher swarm "${swarm[@]}" c.cfg >doctor.out
    expect_equal "doctor's status with a node down" 4 "$?"
    grep -q "note: node 'w3' of the swarm is down" doctor.out || fault "doctor of the swarm: $(cat doctor.out)"
    printf 'FROM 10.77.0.254:5000/dmlx:0.1.0\nLABEL dmlx.version=0.0.9\n' >other.Containerfile
    for words in "build -q -t 10.77.0.254:5000/dmlx:0.1.0 -" "push -q 10.77.0.254:5000/dmlx:0.1.0"; do
        "$cluster" ext docker --context swarm $words <other.Containerfile >/dev/null 2>build.err || fault "$words: $(cat build.err)"
    done
    refused "an image of another version" 4 "the image '10.77.0.254:5000/dmlx:0.1.0' has dmlx 0.0.9, and this is 0.1.0" \
        --launcher swarm "${swarm[@]}"
    kill "$(cat "$DMLX_CLUSTER/registry.pid")" && rm "$DMLX_CLUSTER/registry.pid"
    refused "a registry that is down" 4 "the registry '10.77.0.254:5000' does not answer" --launcher swarm "${swarm[@]}" ;;
*) lacks "dockerd or docker-registry" "docker and swarm are skipped" ;;
esac
if has_need podman && has_need runc; then
    on_cluster image --engine podman >podman.out 2>&1 || fault "podman image: $(cat podman.out)"
    matrix podman --launcher podman
    begin podman_inside --launcher podman --set cluster.memory_mb=200
    expect_equal "a worker's container by podman" "true no-new-privileges 65534:65534 209715200 no capabilities 3000 of 10000" \
        "$("$cluster" ext podman inspect --format '{{.HostConfig.ReadonlyRootfs}} {{range .HostConfig.SecurityOpt}}{{.}}{{end}} {{
            .Config.User}} {{.HostConfig.Memory}} {{range .EffectiveCaps}}{{.}} {{else}}no capabilities {{end}}{{
            .HostConfig.CpuQuota}} of {{.HostConfig.CpuPeriod}}' "$("$cluster" ext podman ps -q --filter name=worker-0)")"
    kill -INT "$run"
    wait "$outer"
    # The podman of another host, by a connection.
    serve_podman
    there=(--launcher podman --set cluster.context=mgr --set "cluster.data_folder=\"$DMLX_DATA\"")
    on_cluster image --engine podman --context mgr >podman.out 2>&1 || fault "podman image on mgr: $(cat podman.out)"
    matrix podman_there "${there[@]}"
    doctor "${there[@]}" || fault "doctor of podman: $(cat doctor.out)"
    grep -qE "^mgr +by connection 'mgr' .*podman [0-9.]+ " doctor.out || fault "doctor of podman: $(cat doctor.out)"
    in_container podman
    unmet podman "host 'mgr' has no folder '$work/nowhere'" --launcher podman --set cluster.context=mgr \
        --set "cluster.data_folder=\"$work/nowhere\""
else
    lacks "podman or runc" "podman is skipped"
fi

#!/bin/bash
# cluster.sh: four hosts on this machine, for the tests of launchers. Root; no packet leaves its namespaces. There may be
# several clusters at a time, each in a folder of its own.
#
#   cluster.sh up [docker] [swarm] [registry] [slurm]   the hosts mgr, w1, w2, w3 with sshd, and what is named
#   cluster.sh down                                     ends all of it; fine when nothing is up
#   cluster.sh ext CMD…        runs CMD as the user outside the cluster: ssh, docker and slurm know the hosts there
#   cluster.sh on HOST CMD…    runs CMD on a host, without ssh
#   cluster.sh shape RATE      each host's link, both ways: 100mbit; "off" for none
#   cluster.sh sent            what went through the shaped links
#   cluster.sh cut HOST        takes the link away; mend HOST gives it back
#   cluster.sh kill HOST       everything on the host dies at once, as when the power goes; boot HOST starts it again
#   cluster.sh left PID…       what is left of runs on any host, and here of the dmlx runs with these ids; status 1 if any
#   cluster.sh gone SECONDS PID…   the same, once it is asked for so long in vain
#
# A host is a network, mount, uts, ipc and pid namespace with an address on the hub's bridge, a home folder and a /run of its
# own, and this machine's programs and /tmp. All files lie in $DMLX_CLUSTER, by which the namespaces and control groups are
# named too; addresses are the same in every cluster, whose network is its own. Who brought one up and died without taking it
# down is found by /run/dmlxt-*-owner when the next one comes up.
set -uo pipefail

folder=${DMLX_CLUSTER:-/var/tmp/dmlxtest-cluster}
prefix=dmlxt-$(cksum <<<"$folder" | cut -d' ' -f1)-
owner=/run/${prefix}owner
hub=10.77.0.254
ext=10.77.0.100
names=(mgr w1 w2 w3)
declare -A address=([mgr]=10.77.0.10 [w1]=10.77.0.11 [w2]=10.77.0.12 [w3]=10.77.0.13)

die() {
    echo "cluster.sh: $*" >&2
    exit 1
}

# until_true SECONDS CMD…: tries until it succeeds.
until_true() {
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ "$SECONDS" -lt "$end" ] || return 1
        sleep 0.1
    done
}

in_ext() {
    # /root of the machine is not the user's home here: nothing of its settings counts.
    nsenter --net=/run/netns/${prefix}ext env "PATH=$folder/ext/bin:$PATH" "HOME=$folder/ext/home" \
        "CONTAINERS_CONF=$folder/ext/containers.conf" "CONTAINERS_STORAGE_CONF=$folder/ext/storage.conf" \
        "DOCKER_CONFIG=$folder/ext/docker" "SLURM_CONF=$folder/slurm/slurm.conf" "$@"
}

# The first process of the host's pid namespace.
init_of() {
    pgrep -P "$(cat "$folder/$1/pid")" | head -1
}

on_host() {
    local host=$1 init
    shift
    init=$(init_of "$host") || die "host $host is not up"
    nsenter -t "$init" -m -n -u -i -p env "HOME=/root" "SLURM_CONF=$folder/slurm/slurm.conf" "$@"
}

network_up() {
    ip netns add ${prefix}hub
    ip -n ${prefix}hub link set lo up
    ip -n ${prefix}hub link add br0 type bridge
    ip -n ${prefix}hub link set br0 up
    ip -n ${prefix}hub addr add $hub/24 dev br0
    local name at
    for name in "${names[@]}" ext; do
        at=${address[$name]:-$ext}
        ip netns add $prefix"$name"
        ip -n ${prefix}hub link add "v-$name" type veth peer name eth0 netns $prefix"$name"
        ip -n ${prefix}hub link set "v-$name" master br0 up
        ip -n $prefix"$name" link set lo up
        ip -n $prefix"$name" link set eth0 up
        ip -n $prefix"$name" addr add "$at/24" dev eth0
        ip -n $prefix"$name" route add default via $hub
    done
}

user_files() {
    mkdir -p "$folder/ext/bin" "$folder/ext/docker" "$folder/ext/home/.ssh"
    chmod 700 "$folder/ext/home/.ssh"
    echo '{}' >"$folder/ext/docker/config.json"
    # podman beside this machine's own: with what this kernel's control groups and limits allow it.
    cat >"$folder/ext/containers.conf" <<CFG
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
[containers]
default_ulimits = ["nofile=20000:20000", "nproc=1000:1000"]
CFG
    printf '[storage]\ndriver = "vfs"\ngraphroot = "%s/podman/root"\nrunroot = "%s/podman/run"\n' \
        "$folder" "$folder" >"$folder/ext/storage.conf"
    ssh-keygen -q -t ed25519 -N '' -f "$folder/ext/home/.ssh/id" </dev/null
    : >"$folder/known_hosts"
    printf '127.0.0.1 localhost\n%s ext\n%s hub registry\n' $ext $hub >"$folder/hosts"
    local name
    for name in "${names[@]}"; do
        echo "${address[$name]} $name" >>"$folder/hosts"
        printf 'Host %s\n  HostName %s\n' "$name" "${address[$name]}"
    done >"$folder/ssh_config"
    cat >>"$folder/ssh_config" <<CFG
Host *
  User root
  IdentityFile $folder/ext/home/.ssh/id
  IdentitiesOnly yes
  UserKnownHostsFile $folder/known_hosts
  StrictHostKeyChecking yes
  BatchMode yes
CFG
    # OpenSSH finds its user's files by the password file, not by HOME.
    printf '#!/bin/sh\nexec /usr/bin/ssh -F "${DMLX_SSH_CONFIG:-%s/ssh_config}" "$@"\n' "$folder" >"$folder/ext/bin/ssh"
    chmod +x "$folder/ext/bin/ssh"
}

host_files() {
    local name=$1 at=${address[$1]} home=$folder/$1
    mkdir -p "$home"/{docker,etc,root,tmp,containers}
    ssh-keygen -q -t ed25519 -N '' -f "$home/key" </dev/null
    echo "$name,$at $(cut -d' ' -f1,2 "$home/key.pub")" >>"$folder/known_hosts"
    echo "{\"insecure-registries\":[\"$hub:5000\",\"registry:5000\"],\"cgroup-parent\":\"/$prefix$name\"}" >"$home/etc/daemon.json"
    cat >"$home/sshd.conf" <<CFG
ListenAddress $at
HostKey $home/key
PidFile none
AuthorizedKeysFile $folder/ext/home/.ssh/id.pub .ssh/authorized_keys
StrictModes no
UsePAM no
PasswordAuthentication no
MaxStartups 100
MaxSessions 100
SetEnv PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin SLURM_CONF=$folder/slurm/slurm.conf
CFG
    cat >"$home/init.sh" <<INIT
hostname $name
mount --bind $folder/hosts /etc/hosts
mount --bind $home/root /root
mount -t tmpfs tmpfs /run
mkdir -m 755 /run/sshd
export HOME=/root
cd /
/usr/sbin/sshd -f $home/sshd.conf -E $home/sshd.log
if [ "$with_docker" = yes ]; then
    mkdir -p /etc/docker
    mount --bind $home/etc /etc/docker
    # A containerd that answers late, on a loaded machine, is made to write its stacks to the temporary folder.
    TMPDIR=$home/tmp dockerd --data-root $home/docker >>$home/dockerd.log 2>&1 &
fi
while :; do wait; sleep 1; done
INIT
}

host_up() {
    local name=$1
    setsid nsenter --net=/run/netns/$prefix"$name" unshare -m -u -i -p -f --kill-child --mount-proc \
        --propagation private bash "$folder/$name/init.sh" >"$folder/$name/init.log" 2>&1 </dev/null &
    echo $! >"$folder/$name/pid"
}

# As after a power cut: what lies on its disk is there again, and its daemons start.
boot() {
    local name=$1
    ! ip netns pids $prefix"$name" | grep -q . || until_true 5 no_process_in "$name" || die "host $name is up"
    host_up "$name"
    until_true 120 in_ext ssh "$name" true || die "no sshd on $name"
    ! grep -q '"yes" = yes' "$folder/$name/init.sh" || until_true 180 in_ext ssh "$name" docker version || die "no dockerd on $name"
    [ ! -f "$folder/slurm/slurmd-$name.pid" ] || on_host "$name" slurmd -N "$name" || die "no slurmd on $name"
}

# Not while a node that has just joined changes its own entry, or still joins.
label() {
    in_ext ssh mgr docker node update --label-add role=worker "$1"
}

swarm_up() {
    local token name
    in_ext ssh mgr docker swarm init --advertise-addr "${address[mgr]}" >/dev/null || die "no swarm"
    token=$(in_ext ssh mgr docker swarm join-token -q worker)
    for name in w1 w2 w3; do
        in_ext ssh $name docker swarm join --token "$token" mgr:2377 >/dev/null &
        joining+=($!)
    done
    wait "${joining[@]}"
    in_ext docker context create swarm --docker host=ssh://mgr >/dev/null
    for name in w1 w2 w3; do
        until_true 120 label $name || die "no label on $name"
    done
}

registry_up() {
    cat >"$folder/registry.yml" <<CFG
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $folder/registry}, delete: {enabled: true}}
http: {addr: "$hub:5000"}
CFG
    setsid nsenter --net=/run/netns/${prefix}hub docker-registry serve "$folder/registry.yml" \
        >"$folder/registry.log" 2>&1 </dev/null &
    echo $! >"$folder/registry.pid"
}

# One munged serves every host: its socket is a file, and files are shared.
slurm_up() {
    local at=$folder/slurm name
    mkdir -p "$at"/{state,spool,log,munge}
    dd if=/dev/urandom bs=1 count=1024 of="$at/munge/key" 2>/dev/null
    chmod 400 "$at/munge/key"
    chmod 755 "$at/munge"
    munged --key-file="$at/munge/key" --socket="$at/munge/socket" --pid-file="$at/munge/pid" \
        --log-file="$at/munge/log" --seed-file="$at/munge/seed" --force 2>/dev/null || die "no munged"
    cat >"$at/slurm.conf" <<CFG
ClusterName=dmlx
SlurmctldHost=mgr(${address[mgr]})
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=$at/munge/socket
CredType=cred/munge
StateSaveLocation=$at/state
SlurmdSpoolDir=$at/spool/%n
SlurmctldPidFile=$at/slurmctld.pid
SlurmdPidFile=$at/slurmd-%n.pid
SlurmctldLogFile=$at/log/slurmctld.log
SlurmdLogFile=$at/log/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
SlurmdParameters=config_overrides
SchedulerParameters=sched_interval=2,batch_sched_delay=0
PropagateResourceLimits=NONE
KillWait=2
CFG
    for name in "${names[@]}"; do
        echo "NodeName=$name NodeHostname=$name NodeAddr=${address[$name]} CPUs=2 RealMemory=1000 State=UNKNOWN"
    done >>"$at/slurm.conf"
    echo "PartitionName=main Nodes=w1,w2,w3 Default=YES MaxTime=INFINITE State=UP" >>"$at/slurm.conf"
    on_host mgr slurmctld -c || die "no slurmctld"
    for name in w1 w2 w3; do
        on_host $name slurmd -N $name || die "no slurmd on $name"
    done
    until_true 180 slurm_is_idle || die "slurm's nodes do not come up"
}

slurm_is_idle() {
    [ "$(in_ext sinfo -h -N -t idle -o %N | sort -u | wc -l)" = 3 ]
}

# Takes down the clusters whose owner, the process that called `up`, is no more.
sweep() {
    local file pid at
    for file in /run/dmlxt-*-owner; do
        read -r pid at 2>/dev/null <"$file" || continue
        [ -e "/proc/$pid" ] || DMLX_CLUSTER=$at "$0" down
    done
}

up() {
    [ "$(id -u)" = 0 ] || die "needs root"
    with_docker=no
    local part name joining=()
    for part in "$@"; do
        case $part in docker | swarm | registry) with_docker=yes ;; esac
    done
    sweep
    down 2>/dev/null
    echo "$PPID $folder" >"$owner"
    mkdir -p "$folder" && chmod 755 "$folder"
    network_up
    user_files
    for name in "${names[@]}"; do
        host_files "$name"
    done
    for name in "${names[@]}"; do
        host_up "$name"
    done
    for name in "${names[@]}"; do
        until_true 120 in_ext ssh "$name" true || die "no sshd on $name: $(cat "$folder/$name/sshd.log")"
        [ $with_docker = no ] || until_true 180 in_ext ssh "$name" docker version ||
            die "no dockerd on $name: $(tail -3 "$folder/$name/dockerd.log")"
    done
    for part in "$@"; do
        case $part in
        docker) ;;
        swarm) swarm_up ;;
        registry) registry_up ;;
        slurm) slurm_up ;;
        *) die "what is '$part'?" ;;
        esac
    done
}

kill_of() {
    [ -f "$1" ] && kill "$2" "$(cat "$1")" 2>/dev/null
    rm -f "$1"
}

down() {
    local name
    for name in "${names[@]}"; do
        kill_of "$folder/$name/pid" -KILL
    done
    kill_of "$folder/registry.pid" -TERM
    kill_of "$folder/slurm/munge/pid" -TERM
    for name in "${names[@]}" ext hub; do
        [ -e /run/netns/$prefix"$name" ] || continue
        # What a test left in there ends with it.
        ip netns pids $prefix"$name" 2>/dev/null | xargs -r kill -KILL 2>/dev/null
        until_true 5 no_process_in "$name"
        ip netns del $prefix"$name"
    done
    # Mounts of the hosts went with their namespaces; a folder that is still busy is tried again.
    until_true 5 rm -rf "$folder"
    find /sys/fs/cgroup -mindepth 2 -depth -type d -path "*/$prefix*" -exec rmdir {} \; 2>/dev/null
    rm -rf "$folder"
    rm -f "$owner"
}

no_process_in() {
    [ -z "$(ip netns pids $prefix"$1" 2>/dev/null)" ]
}

shape() {
    local name
    for name in "${names[@]}"; do
        if [ "$1" = off ]; then
            tc -n $prefix"$name" qdisc del dev eth0 root 2>/dev/null
            tc -n ${prefix}hub qdisc del dev "v-$name" root 2>/dev/null
            continue
        fi
        tc -n $prefix"$name" qdisc replace dev eth0 root tbf rate "$1" burst 64kb latency 20ms
        tc -n ${prefix}hub qdisc replace dev "v-$name" root tbf rate "$1" burst 64kb latency 20ms
    done
}

sent() {
    local name
    for name in "${names[@]}"; do
        echo "$name, out: $(tc -n $prefix"$name" -s qdisc show dev eth0 | head -2 | tr '\n' ' ')"
        echo "$name, in: $(tc -n ${prefix}hub -s qdisc show dev "v-$name" | head -2 | tr '\n' ' ')"
    done
}

left() {
    local name found= line
    for name in "${names[@]}"; do
        line=$(on_host "$name" sh -c '
            for p in /proc/[0-9]*; do
                grep -qs "^State:.Z" $p/status && continue
                case $(cat $p/comm 2>/dev/null) in dmlx*) echo "process ${p#/proc/}";; esac
            done
            [ ! -S /run/docker.sock ] || docker ps -aq --filter label=dmlx.run | sed "s/^/container /"' 2>/dev/null)
        [ -z "$line" ] || found+="$name: $line"$'\n'
    done
    if [ -f "$folder/mgr/dockerd.log" ]; then
        line=$(on_host mgr sh -c 'for kind in service secret network; do
            docker $kind ls -q --filter label=dmlx.run 2>/dev/null | sed "s/^/$kind /"; done')
        [ -z "$line" ] || found+="swarm: $line"$'\n'
    fi
    if [ -d "$folder/podman" ]; then
        line=$(in_ext podman ps -aq --filter label=dmlx.run 2>/dev/null)
        [ -z "$line" ] || found+="podman: $line"$'\n'
    fi
    if [ -f "$folder/slurm/slurm.conf" ]; then
        line=$(in_ext squeue -h -o 'job %i %j %T' 2>/dev/null | grep -v COMPLETING)
        [ -z "$line" ] || found+="slurm: $line"$'\n'
    fi
    for name in "$@"; do
        found+=$(find /sys/fs/cgroup -mindepth 1 -type d -name "dmlx-*-$name-*" 2>/dev/null | sed 's/^/group /')
        found+=$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name "dmlx-*-$name-*" 2>/dev/null | sed 's/^/folder /')
    done
    [ -z "$found" ] || {
        echo "$found"
        return 1
    }
}

# As left, until nothing is or a look that began after so many seconds still found something.
gone() {
    local end=$((SECONDS + $1)) began found
    shift
    until began=$SECONDS; found=$(left "$@"); do
        [ "$began" -le "$end" ] || { echo "$found"; return 1; }
        sleep 0.1
    done
}

command=${1:-}
[ "$#" -gt 0 ] && shift
case $command in
up) up "$@" ;;
down) down ;;
ext) in_ext "$@" ;;
on) on_host "$@" ;;
shape) shape "$@" ;;
sent) sent ;;
cut) ip -n ${prefix}hub link set "v-$1" down ;;
mend) ip -n ${prefix}hub link set "v-$1" up ;;
kill) kill -KILL "$(cat "$folder/$1/pid")" ;;
boot) boot "$1" ;;
left) left "$@" ;;
gone) gone "$@" ;;
*) sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '$d' ;;
esac

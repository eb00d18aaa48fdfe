#!/bin/bash
# The guide in container/README.md, from its first command to its last table: every line of its code blocks is run here,
# on the host it is for, and so are the commands within its sentences. One that this test does not know is a fault: so the
# guide cannot say what nobody tried.
guide=$(dirname "$(dirname "$(dirname "$(realpath "$0")")")")/container/README.md
is_swarm_mine=yes
. "$(dirname "$0")/common.sh"
case $parts in
*docker*registry*slurm*) ;;
*)
    echo "needs dockerd, docker, docker-registry, slurmctld and munged, of which this machine lacks some"
    exit 77 ;;
esac
ext() {
    timeout "$patience_s" "$cluster" ext env "DMLX_DATA=$DMLX_DATA" "PATH=$work/bin:$DMLX_CLUSTER/ext/bin:$PATH" "$@"
}
# does WORD…: it succeeds.
does() {
    "$@" >out 2>err </dev/null || fault "$line: $(tail -n 5 out err)"
}

n_runs=0
run_experiment() {
    local name=first$((++n_runs)) left
    # What the guide leaves to its reader: an experiment around the group that it shows.
    cat - group.cfg >cluster.cfg <<CFG
name = "$name";
train = { samples = 600; test_samples = 200; epochs = 1; rounds = 3; };
matrix = { zip = ( { nodes = [ 1, 3 ]; cores = [ 0.3, 0.9 ]; } ); };
CFG
    does ext dmlx "$@" cluster.cfg
    [ "$1" = run ] || { n_runs=$((n_runs - 1)); return; }
    expect_equal "rows with: $(tr '\n' ' ' <group.cfg)" 2 "$(column "results/$name/runs.csv" status | grep -cx done)"
    grep -q '^3:0.9 ' out || fault "no table: $(cat out)"
    nothing_left "$(tr '\n' ' ' <group.cfg)" 10
    [ $name = first1 ] || cmp -s <(column results/first1/runs.csv model_sha256 | sort) \
        <(column results/$name/runs.csv model_sha256 | sort) || fault "other models than over ssh"
}

on_each() {
    local host words=$1
    shift
    for host in w1 w2 w3; do
        does "$cluster" on "${1:-$host}" ${words/HOST/$host}
    done
}

# The guide's registry is one that the cluster's daemons, told of it by the same key, ask without a certificate.
insecure() {
    local host
    for host in mgr w1 w2 w3; do
        "$cluster" on "$host" docker info --format '{{json .RegistryConfig.IndexConfigs}}' >out 2>err
        python3 -c 'import json, sys
told = json.load(open("out"))
(registry,) = json.loads(sys.argv[1])["insecure-registries"]
sys.exit(told[registry]["Secure"])' "$1" 2>>err || fault "docker of $host and $1: $(cat out err)"
    done
}

# Each library that the program loads is in the packages that the guide names, or comes with them.
libraries_of() {
    local files
    apt-get install -s --no-install-recommends "$@" >/dev/null 2>err || fault "no such packages: $(tail -n 1 err)"
    apt-cache depends --recurse --installed --no-suggests --no-recommends "$@" | grep -o '[a-z0-9.+-]*$' | sort -u >named
    files=$(ldd "$program" | grep -o '/[^ ]*' | grep -vE 'lib([atu]|ub)san')
    # Debian's /lib is its /usr/lib, and a package has one of both names.
    dpkg -S $files $(sed 's|^|/usr|' <<<"$files") 2>/dev/null | cut -d: -f1 | sort -u >owners
    grep -qx libczmq4 owners || fault "no package of a library is found"
    comm -23 owners named
}

# The commands in sentences, at the start: those that need nothing of what comes later.
told() {
    awk '/^```/ { is_code = !is_code; next } !is_code' "$guide" | tr '\n' ' ' | grep -oE '`[^`]+`' | tr -d '`' |
        grep -E '^(apt-get|ssh|ssh-copy-id|docker|dmlx|docker-registry)( |$)'
}
told | grep -q . || fault "no commands in the sentences of $guide"
while IFS= read -r line <&3; do
    case $line in
    'ssh-copy-id w1; ssh w1 true')
        ssh-keygen -q -t ed25519 -N '' -f new </dev/null
        does ext ssh-copy-id -f -i new.pub w1
        does ext /usr/bin/ssh -F none -i new -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile="$DMLX_CLUSTER/known_hosts" \
            root@10.77.0.11 true ;;
    'apt-get install libczmq4 '*)
        left=$(libraries_of ${line#apt-get install })
        [ -z "$left" ] || fault "the guide's packages lack: $left" ;;
    'apt-get install '*) does apt-get install -s ${line#apt-get install } ;;
    'dmlx run --launcher podman cluster.cfg') ;; # tests/cli/launchers_side_by_side, test_launchers.sh
    'dmlx run -j 2 cluster.cfg') ;; # below, beside the same with jobs = 2
    'dmlx image --source . --platform linux/arm64 --registry registry:5000 --push') ;; # test_image.sh
    dmlx | 'dmlx run' | 'dmlx check' | 'dmlx doctor' | 'dmlx image' | docker | docker-registry) ;; # names
    *) fault "the guide says what this test does not know: $line" ;;
    esac
done 3< <(told)
awk '/^```/ { is_code = !is_code; next } is_code' "$guide" >commands
grep -q . commands || fault "no commands in $guide"
while IFS= read -r line <&3; do
    case $line in
    'cluster = {'*'};') echo "$line" >group.cfg ;;
    'cluster = {') echo "$line" >group.cfg && is_group=yes ;;
    '};') echo "$line" >>group.cfg && is_group= ;;
    *)
        if [ -n "${is_group:-}" ]; then
            echo "$line" >>group.cfg
            continue
        fi ;;
    esac
    case $line in
    'cluster = {'* | '};' | '') ;;
    'dmlx doctor cluster.cfg') run_experiment doctor ;;
    'dmlx run cluster.cfg')
        run_experiment run
        ! grep -q 'jobs = 2' group.cfg || ! grep -q '"ssh"' group.cfg || { sed -i 's/ jobs = 2;//' group.cfg && run_experiment run -j 2; } ;;
    'apt-get install docker-registry') does apt-get install -s docker-registry ;;
    '{ "insecure-registries": '*) insecure "$line" ;;
    'docker swarm init') does "$cluster" on mgr $line --advertise-addr 10.77.0.10 ;;
    'docker swarm join --token TOKEN mgr:2377')
        on_each "${line/TOKEN/$("$cluster" on mgr docker swarm join-token -q worker)}" ;;
    'docker node update --label-add role=worker w1') on_each "${line/w1/HOST}" mgr ;;
    'docker context create swarm --docker host=ssh://mgr') does ext $line ;;
    'dmlx image --context swarm --registry registry:5000 --push') does ext $line ;;
    *) fault "the guide says what this test does not know: $line" ;;
    esac
done 3<commands
expect_equal "runs by the guide: ssh, ssh side by side twice, swarm, slurm" 5 "$n_runs"
[ -s results/first4/runs/n3-c0.9-r1/stack.yml ] || fault "no stack file is kept"

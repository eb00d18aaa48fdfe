#!/bin/bash
# The guide in container/README.md, from its first command to its last table: every line of its code blocks is run here,
# on the host it is for. A line that this test does not know is a fault: so the guide cannot say what nobody tried.
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
    timeout 90 "$cluster" ext env "DMLX_DATA=$DMLX_DATA" "PATH=$work/bin:$DMLX_CLUSTER/ext/bin:$PATH" "$@"
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
    does ext dmlx "$1" cluster.cfg
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

line="ssh w1 true"
does ext $line
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
    'dmlx run cluster.cfg') run_experiment run ;;
    'docker swarm init') does "$cluster" on mgr $line --advertise-addr 10.77.0.10 ;;
    'docker swarm join --token TOKEN mgr:2377')
        on_each "${line/TOKEN/$("$cluster" on mgr docker swarm join-token -q worker)}" ;;
    'docker node update --label-add role=worker w1') on_each "${line/w1/HOST}" mgr ;;
    'docker context create swarm --docker host=ssh://mgr') does ext $line ;;
    'dmlx image --context swarm --registry registry:5000 --push') does ext $line ;;
    *) fault "the guide says what this test does not know: $line" ;;
    esac
done 3<commands
expect_equal "runs by the guide: ssh, ssh side by side, swarm, slurm" 4 "$n_runs"
[ -s results/first3/runs/n3-c0.9-r1/stack.yml ] || fault "no stack file is kept"

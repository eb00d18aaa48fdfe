#!/bin/bash
# What happens to a run on a cluster when Ctrl-C or kill -9 ends it, a host's link is cut, or a host dies: the outcome is
# told and names the host, and nothing is left on any. On ssh, slurm, docker, swarm and podman, as this machine has them.
# lane: 2
. "$(dirname "$0")/common.sh"

# interrupted NAME SECONDS SECONDS WORD…: Ctrl-C and kill -9 in mid-run. Within so many seconds after each nothing is left;
# a swarm's nodes take the containers of a removed service away by themselves, when its manager has forgotten them.
interrupted() {
    local name=$1 soon_s=$2 limit_s=$3
    shift 3
    begin "$name" "$@"
    kill -INT "$run"
    wait "$outer"
    expect_equal "status of $name after Ctrl-C" 130 "$?"
    nothing_left "Ctrl-C on $name" "$soon_s" "$run"
    ! grep -qs ',done,' "$name/c/runs.csv" || fault "$name: a row of the run that was interrupted"
    begin "$name" "$@"
    kill -KILL "$run"
    wait "$outer"
    expect_equal "status of $name after kill -9" 137 "$?"
    nothing_left "kill -9 on $name" "$limit_s" "$run"
}

# lost NAME WORDS HOW HOST WORD…: HOW is done to the host in mid-run; the row says the words. The host comes back, and with
# it nothing is left there either.
lost() {
    local name=$1 words=$2 how=$3 host=$4 back
    shift 4
    begin "$name" "$@"
    "$cluster" "$how" "$host"
    wait "$outer"
    expect_equal "status of $name, $how $host" 1 "$?"
    grep -qE -e ",failed,.*$words" "$name/c/runs.csv" || fault "$name, $how $host, is told as: $(tail -n 1 "$name/c/runs.csv" "$name.err")"
    back=mend
    [ "$how" = cut ] || back=boot
    "$cluster" "$back" "$host" || fault "$host does not come back"
    nothing_left "$how $host on $name" $patience_s "$run"
}

# unanswered NAME WORD…: dmlx is killed when the manager's daemon answers nobody for ten seconds, which is longer than the keeper
# has for what is on its own host. It goes on asking, and all is gone soon after the daemon is back.
unanswered() {
    local name=$1 daemon
    shift
    begin "$name" "$@"
    daemon=$("$cluster" on mgr cat /run/docker.pid) || fault "no daemon on mgr"
    "$cluster" on mgr kill -STOP "$daemon"
    kill -KILL "$run"
    wait "$outer"
    sleep 10
    "$cluster" on mgr kill -CONT "$daemon"
    nothing_left "kill -9 on $name with a slow manager" 60 "$run"
    [ ! -e "$name/c/left-behind.txt" ] || fault "$name: $(cat "$name/c/left-behind.txt")"
}

# cut_off NAME WORD…: dmlx is killed when there is no way to the manager: the keeper writes down what it leaves behind, and
# the next run removes it.
cut_off() {
    local name=$1
    shift
    begin "$name" "$@"
    "$cluster" cut mgr
    kill -KILL "$run"
    wait "$outer"
    wait_for_line "$name/c/left-behind.txt" 'not every container of run .* would go' $patience_s || fault "$name: nothing is written down"
    "$cluster" mend mgr
    on_cluster run c.cfg -o "$name" --no-figures --set train.epochs=5000 --set train.rounds=1000 --only nodes=1 "$@" \
        >/dev/null 2>"$name.again" &
    again=$!
    wait_for_line "$name.again" 'left something behind: not every container' $patience_s || fault "$name: it is not told: $(cat "$name.again")"
    wait_for_line "$name.again" 'it is removed now' $patience_s || fault "$name: it is not removed: $(cat "$name.again")"
    kill -INT "$(run_of "$name")"
    wait "$again"
    expect_equal "status of $name after Ctrl-C" 130 "$?"
    nothing_left "kill -9 on $name without a way to its manager" 10 "$run"
    [ ! -e "$name/c/left-behind.txt" ] || fault "$name: $(cat "$name/c/left-behind.txt")"
}

ssh=(--launcher ssh)
interrupted ssh 1 6 "${ssh[@]}"
lost ssh 'worker-1 on w2' cut w2 "${ssh[@]}"
lost ssh 'worker-2 on w3|worker-2 on .w3.' kill w3 "${ssh[@]}"

case $parts in
*slurm*)
    slurm=(--launcher slurm)
    nodes_are_idle() { [ "$("$cluster" ext sinfo -h -N -t idle -o %N | sort -u | wc -l)" = 3 ]; }
    until_true $patience_s nodes_are_idle || fault "slurm's nodes do not come back"
    interrupted slurm 2 10 "${slurm[@]}"
    lost slurm 'worker-1 on w2' cut w2 "${slurm[@]}"
    until_true $patience_s nodes_are_idle || fault "slurm's nodes do not come back"
    lost slurm 'worker-2 on w3|worker-2 on .w3.' kill w3 "${slurm[@]}" ;;
*) lacks "slurmctld or munged" "slurm is skipped" ;;
esac

case $parts in
*registry*)
    on_cluster image --context swarm --registry 10.77.0.254:5000 --push >image.out 2>&1 || fault "image: $(cat image.out)"
    nodes_are_ready() { [ "$("$cluster" ext docker --context swarm node ls --format '{{.Status}}' | grep -c Ready)" = 4 ]; }
    until_true $patience_s nodes_are_ready || fault "the swarm's nodes do not come back"
    as_swarm=(--launcher swarm "${swarm[@]}")
    interrupted swarm 15 20 "${as_swarm[@]}"
    unanswered swarm "${as_swarm[@]}"
    lost swarm 'worker-1 on w2' cut w2 "${as_swarm[@]}"
    until_true $patience_s nodes_are_ready || fault "the swarm's nodes do not come back"
    lost swarm 'worker-2 on w3|worker-2 on .w3.' kill w3 "${as_swarm[@]}"
    as_docker=(--launcher docker "${swarm[@]}" --set "cluster.data_folder=\"$DMLX_DATA\"")
    interrupted docker 1 10 "${as_docker[@]}"
    cut_off docker "${as_docker[@]}"
    # All of it is on one host here.
    lost docker '(coordinator|worker-[0-2]) on ' kill mgr "${as_docker[@]}" ;;
*) lacks "dockerd or docker-registry" "docker and swarm are skipped" ;;
esac

if has_need podman && has_need runc; then
    on_cluster image --engine podman >podman.out 2>&1 || fault "podman image: $(cat podman.out)"
    interrupted podman 2 10 --launcher podman
else
    lacks "podman or runc" "podman is skipped"
fi

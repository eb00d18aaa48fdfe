#!/bin/bash
# What happens to a run on a cluster when Ctrl-C or kill -9 ends it, a host's link is cut, or a host dies: the outcome is
# told and names the host, and nothing is left on any. On ssh, slurm, docker, swarm and podman, as this machine has them.
# lane: 2
# waits: for limits of silence, and for daemons that come back, most of the time
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

# The rows of a run, as "n3 failed, n1 done".
rows_of() {
    paste -d' ' <(column "$1/c/runs.csv" cell | sed 's/-.*//') <(column "$1/c/runs.csv" status) | paste -sd, | sed 's/,/, /g'
}

# lost NAME WORDS HOW HOST WORD…: HOW is done to the host in mid-run; the row says the words. The host comes back, and with
# it nothing is left there either.
lost() {
    local name=$1 words=$2 how=$3 host=$4
    shift 4
    begin "$name" "$@"
    "$cluster" "$how" "$host"
    judge_loss "$name" "$words" "$how" "$host" "n3 failed"
    comes_back "$how" "$host"
    nothing_left "$how $host on $name" $patience_s "$run"
}

# A second cell that begins while a host boots may come too early for it, or not: the machine decides, and either row is right.
either='n3 failed, n1 (done|failed)'

# judge_loss NAME WORDS HOW HOST ROWS: what the run says of it in the end; ROWS is a pattern of what rows_of prints.
judge_loss() {
    wait "$outer"
    expect_equal "status of $1, $3 $4" 1 "$?"
    rows_of "$1" | grep -qxE "$5" || fault "rows of $1, $3 $4: $(rows_of "$1"), expected $5: $(cat "$1.err")"
    grep -qE -e ",failed,.*$2" "$1/c/runs.csv" || fault "$1, $3 $4, is told as: $(tail -n 1 "$1/c/runs.csv" "$1.err")"
}

comes_back() {
    local back=mend
    [ "$1" = cut ] || back=boot
    "$cluster" "$back" "$2" || fault "$2 does not come back"
}

# lost_first NAME WORDS HOW HOST WORD…: the same in the first cell of two. The second is run without that host.
lost_first() {
    local name=$1 words=$2 how=$3 host=$4 long=("${then[@]}")
    shift 4
    begin "$name" "$@"
    "$cluster" "$how" "$host"
    judge_loss "$name" "$words" "$how" "$host" "n3 failed, n1 done"
    comes_back "$how" "$host"
    nothing_left "$how $host on $name" $patience_s "$run"
}

# lost_engine NAME WORDS HOW HOST ROWS AFTER WORD…: the same to the host of which all is asked. It comes back when dmlx has
# found out and asks it in vain to remove what is left, and AFTER is done; the second cell is run on it if it is not too early.
lost_engine() {
    local name=$1 words=$2 how=$3 host=$4 rows=$5 after=$6 long=("${then[@]}")
    shift 6
    asks_to_remove() { pgrep -P "$run" -f -- ' (container|service|secret|network) ls -q --filter label=' >/dev/null; }
    begin "$name" "$@"
    "$cluster" "$how" "$host"
    until_true $patience_s asks_to_remove || fault "$name, $how $host: nobody is missed: $(cat "$name.err")"
    comes_back "$how" "$host"
    "$after"
    judge_loss "$name" "$words" "$how" "$host" "$rows"
    nothing_left "$how $host on $name" $patience_s "$run"
    [ ! -e "$name/c/left-behind.txt" ] || fault "$name: $(cat "$name/c/left-behind.txt")"
}

# unreachable NAME WORDS HOST WORD…: the same to a host that stays away until the run has ended, which says what it leaves
# there. The next run tells and removes it.
unreachable() {
    local name=$1 words=$2 host=$3
    shift 3
    begin "$name" "$@"
    "$cluster" cut "$host"
    judge_loss "$name" "$words" cut "$host" "n3 failed"
    grep -q 'not every container of run .* would go .*; look for' "$name.err" || fault "$name does not say what it leaves: $(cat "$name.err")"
    "$cluster" mend "$host"
    removed_by_next "$name" "$@"
}

# removed_by_next NAME WORD…: the next run tells what the one before left behind and removes it.
removed_by_next() {
    local name=$1
    shift
    on_cluster run c.cfg -o "$name" --no-figures --set train.epochs=5000 --set train.rounds=1000 --only nodes=1 "$@" \
        >/dev/null 2>"$name.again" &
    again=$!
    wait_for_line "$name.again" 'left something behind: not every container' $patience_s || fault "$name: it is not told: $(cat "$name.again")"
    wait_for_line "$name.again" 'it is removed now' $patience_s || fault "$name: it is not removed: $(cat "$name.again")"
    kill -INT "$(run_of "$name")"
    wait "$again"
    expect_equal "status of $name after Ctrl-C" 130 "$?"
    nothing_left "what $name had left behind" 10 "$run"
    [ ! -e "$name/c/left-behind.txt" ] || fault "$name: $(cat "$name/c/left-behind.txt")"
}

# unanswered NAME WORD…: dmlx is killed when the manager's daemon answers nobody for six seconds, which is longer than the keeper
# has for what is on its own host. It goes on asking, and all is gone soon after the daemon is back.
unanswered() {
    local name=$1 daemon
    shift
    begin "$name" "$@"
    daemon=$("$cluster" on mgr cat /run/docker.pid) || fault "no daemon on mgr"
    "$cluster" on mgr kill -STOP "$daemon"
    kill -KILL "$run"
    wait "$outer"
    sleep 6
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
    removed_by_next "$name" "$@"
}

ssh=(--launcher ssh)
interrupted ssh 1 6 "${ssh[@]}"
lost_first ssh 'worker-1 on w2' cut w2 "${ssh[@]}"
lost ssh 'worker-2 on w3|worker-2 on .w3.' kill w3 "${ssh[@]}"
# The workers miss the coordinator before anybody else does.
with_coordinator=("${ssh[@]}" --set cluster.coordinator=mgr)
lost_first ssh "in round [0-9]+: .*the coordinator, on 'mgr', heard of for [0-9.]+ s; see '.*/coordinator\.log'" cut mgr "${with_coordinator[@]}"

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
    lost_engine swarm "in round [0-9]+: the coordinator said nothing for 12 s; .* on 'mgr'; see '.*/coordinator\.log'" kill mgr \
        "$either" true "${as_swarm[@]}"
    as_docker=(--launcher docker "${swarm[@]}" --set "cluster.data_folder=\"$DMLX_DATA\"")
    interrupted docker 1 10 "${as_docker[@]}"
    cut_off docker "${as_docker[@]}"
    # All of it is on one host here.
    # Clients of an engine that is cut off do not end by themselves, and are waited for.
    hasty=(--set cluster.timeout.stop_s=1)
    gone="in round [0-9]+: the coordinator said nothing for 12 s; .* on 'mgr'; see '.*/coordinator\.log'"
    lost_engine docker "$gone" cut mgr "n3 failed, n1 done" true "${as_docker[@]}" "${hasty[@]}"
    lost_engine docker "in round [0-9]+: (coordinator|worker-[0-2]) on 'mgr' .*; see '.*\.log'" kill mgr \
        "$either" true "${as_docker[@]}" ;;
*) lacks "dockerd or docker-registry" "docker and swarm are skipped" ;;
esac

if has_need podman && has_need runc; then
    on_cluster image --engine podman >podman.out 2>&1 || fault "podman image: $(cat podman.out)"
    interrupted podman 2 10 --launcher podman
    serve_podman
    as_podman=(--launcher podman --set cluster.context=mgr --set "cluster.data_folder=\"$DMLX_DATA\"")
    on_cluster image --engine podman --context mgr >podman.out 2>&1 || fault "podman image on mgr: $(cat podman.out)"
    unreachable podman "in round [0-9]+: the coordinator said nothing for 12 s; .* on 'mgr'; see '.*/coordinator\.log'" mgr "${as_podman[@]}" \
        --set cluster.timeout.stop_s=1
    lost_engine podman "in round [0-9]+: (coordinator|worker-[0-2]) on 'mgr' .*; see '.*\.log'" kill mgr \
        "$either" serve_podman "${as_podman[@]}"
else
    lacks "podman or runc" "podman is skipped"
fi

# Slurm's controller and the swarm's manager go with it, and are not needed any more.
lost_first ssh "in round [0-9]+: .*coordinator,? on 'mgr'.*; see '.*/coordinator\.log'" kill mgr "${with_coordinator[@]}"

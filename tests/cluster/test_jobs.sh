#!/bin/bash
# Cells side by side: on hosts of their own at the same time, the models of one after the other, repeats until the
# interval is narrow, gone on with under another number; every host is warmed up; a cell that loses a worker fails alone;
# and Ctrl-C and kill -9 leave nothing of any, over ssh, on Slurm and on the swarm.
. "$(dirname "$0")/common.sh"

# Training lasts for seconds: longer than a busy machine takes to start a second cell once the first has begun.
cat >c.cfg <<CFG
name = "c";
train = { samples = 600; test_samples = 200; epochs = $(epochs_for 45); rounds = 30; };
cluster = {
  launcher = "ssh"; hosts = [ "w1", "w2", "w3", "mgr" ]; coordinator = "own"; retries = 0; $timeout
  emulate = { core_speed = 0.3; };
};
matrix = { nodes = [ 1, 2 ]; cores_per_node = [ 1 ]; repeats = { min = 2; max = 3; ci = 0.0001; }; };
CFG

# models FOLDER: a line for each run's model.
models() {
    paste -d' ' <(column "$1/c/runs.csv" cell) <(column "$1/c/runs.csv" repeat) <(column "$1/c/runs.csv" model_sha256) | sort
}

# meetings FOLDER: how many pairs of runs went on at the same time, since the rounds of one were written between those of
# the other; a fault where two of them were on one host.
meetings() {
    python3 - "$1/c" <<'PY'
import csv, sys
folder = sys.argv[1]
hosts = {(row["cell"], row["repeat"]): set(f'{row["hosts"]} {row["coordinator"]}'.split())
         for row in csv.DictReader(open(folder + "/runs.csv"))}
spans = {}
for line, row in enumerate(csv.DictReader(open(folder + "/rounds.csv"))):
    spans.setdefault((row["cell"], row["repeat"]), []).append(line)
runs = sorted(spans)
n = 0
for i, a in enumerate(runs):
    for b in runs[:i]:
        if spans[a][0] < spans[b][-1] and spans[b][0] < spans[a][-1]:
            n += 1
            if hosts[a] & hosts[b]:
                print("on one host at one time:", a, hosts[a], b, hosts[b])
print(n)
PY
}

on_cluster run c.cfg -o one --no-figures >one.out 2>one.err || fault "one after the other: $(cat one.err)"
on_cluster run c.cfg -o side --no-figures -j 3 >side.out 2>side.err || fault "side by side: $(cat side.err)"
expect_equal "rows" 6 "$(column side/c/runs.csv status | grep -cx done)"
expect_equal "models side by side" "$(models one)" "$(models side)"
expect_equal "runs one after the other that met" 0 "$(meetings one)"
met=$(meetings side)
[[ $met =~ ^[1-9][0-9]*$ ]] || fault "runs side by side that met: $met"
expect_equal "hosts of two nodes and their coordinator" 3 "$(paste -d' ' <(column side/c/runs.csv hosts) \
    <(column side/c/runs.csv coordinator) | grep -m1 ' .* ' | tr ' ' '\n' | sort -u | wc -l)"
gone "side by side"
before=$(sha256sum side/c/runs.csv)
on_cluster run c.cfg -o side --no-figures >/dev/null 2>again.err || fault "going on one at a time: $(cat again.err)"
grep -q 'all 6 runs are done already' again.err || fault "what was done is not found: $(cat again.err)"
expect_equal "runs.csv after that" "$before" "$(sha256sum side/c/runs.csv)"

# Two experiments of one command, each on hosts of its own list, which are all warmed up.
cat >first.cfg <<CFG
name = "first";
train = { samples = 600; test_samples = 200; epochs = 1; rounds = 3; };
cluster = { launcher = "ssh"; hosts = [ "w1", "w2", "w3" ]; jobs = 2; $timeout emulate = { core_speed = 0.3; }; };
matrix = { nodes = [ 1, 2 ]; cores_per_node = [ 1 ]; warmup = 1; };
CFG
sed 's/"first"/"second"/; s/"w1", "w2", "w3"/"mgr"/; s/jobs = 2/jobs = 1/; s/nodes = \[ 1, 2 \]/nodes = [ 1 ]/' first.cfg >second.cfg
on_cluster run first.cfg second.cfg -o two --no-figures >/dev/null 2>two.err || fault "two experiments: $(cat two.err)"
hosts_in() {
    column "$1" hosts | tr ' ' '\n' | sort -u | tr '\n' ' '
}
expect_equal "hosts of the first" "w1 w2 w3 " "$(hosts_in two/first/runs.csv)"
expect_equal "hosts of the second" "mgr " "$(hosts_in two/second/runs.csv)"
for name in first second; do
    expect_equal "warm hosts of the $name" "$(hosts_in two/$name/runs.csv)" "$(hosts_in two/$name/warmup/runs.csv)"
done

# both NAME WORD…: three endless runs, of which two go on at the same time.
both() {
    local name=$1
    shift
    rm -rf "$name"
    on_cluster run c.cfg -o "$name" --no-figures --set "train.epochs=$(epochs_for 5000)" --set train.rounds=1000 --jobs 2 "$@" \
        >/dev/null 2>"$name.err" &
    outer=$!
    wait_for_line "$name/c/rounds.csv" '^n1-' $patience_s && wait_for_line "$name/c/rounds.csv" '^n2-' $patience_s ||
        fault "$name: no two cells: $(cat "$name.err")"
    run=$(run_of "$name")
    [ -n "$run" ] || fault "$name: no dmlx runs: $(cat "$name.err")"
}

# ended NAME SECONDS SECONDS WORD…: two cells by Ctrl-C and by kill -9; within so many seconds after each nothing is left.
ended() {
    local name=$1 soon_s=$2 limit_s=$3
    shift 3
    both "$name" "$@"
    kill -INT "$run"
    wait "$outer"
    expect_equal "status of $name after Ctrl-C" 130 "$?"
    nothing_left "Ctrl-C on two cells of $name" "$soon_s" "$run"
    expect_equal "rows of $name, interrupted" 0 "$(grep -c '^n' "$name/c/runs.csv")"
    both "$name" "$@"
    kill -KILL "$run"
    wait "$outer"
    expect_equal "status of $name after kill -9" 137 "$?"
    nothing_left "kill -9 on two cells of $name" "$limit_s" "$run"
}

# loses NAME WORD…: a worker is killed in a cell of two nodes, with another cell beside it. Its own cell fails and says who and
# where, naming no other host; the other cell and the rest of the matrix are done. The cell is the first to be told of: to
# wait for its neighbour too could outlast it.
loses() {
    local name=$1 host= other worker= note
    shift
    on_cluster run c.cfg -o "$name" --no-figures --set "train.epochs=$(epochs_for 200)" --set matrix.repeats=2 --jobs 2 "$@" \
        >/dev/null 2>"$name.err" &
    outer=$!
    wait_for_line "$name/c/rounds.csv" '^n2-' $patience_s || fault "$name: no cell of two nodes: $(cat "$name.err")"
    for host in w1 w2 w3 mgr; do
        worker=$("$cluster" on $host pgrep -f -- '--identity worker-1 ' | head -1)
        [ -z "$worker" ] || break
    done
    [ -n "$worker" ] && "$cluster" on $host kill -KILL "$worker" || fault "$name: no worker 1 to kill"
    wait "$outer"
    expect_equal "status of $name" 1 "$?"
    expect_equal "runs of $name that were done" 3 "$(column "$name/c/runs.csv" status | grep -cx done)"
    [ "$faults" = 0 ] || cat "$name/c/runs.csv"
    note=$(sed -nE '/^n2-.*,failed,/s/.*,(yes|no),[0-9]*,//p' "$name/c/runs.csv")
    expect_equal "runs of $name that failed" 1 "$(grep -c . <<<"$note")"
    grep -qE "worker[- ]1 .*\b$host\b" <<<"$note" || fault "$name: on '$host' it is told as: $note"
    for other in w1 w2 w3 mgr; do
        [ $other = $host ] || ! grep -qw $other <<<"$note" || fault "$name: it was on '$host', and '$other' is named: $note"
    done
    gone "$name, a lost worker"
}

loses lost
ended ssh 1 6
case $parts in
*slurm*) ended slurm 3 12 --launcher slurm --set cluster.coordinator=here ;;
*) lacks "slurmctld or munged" "slurm is skipped" ;;
esac
case $parts in
*registry*)
    on_cluster image --context swarm --registry 10.77.0.254:5000 --push >image.out 2>&1 || fault "image: $(cat image.out)"
    loses swarm_lost --launcher swarm --set cluster.coordinator=here "${swarm[@]}"
    ended swarm 15 30 --launcher swarm --set cluster.coordinator=here "${swarm[@]}" ;;
*) lacks "dockerd or docker-registry" "swarm is skipped" ;;
esac

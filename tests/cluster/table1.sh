#!/bin/bash
# table1.sh DMLX: the paper's Table 1 on the four-host cluster, links shaped to 100 Mbit/s, as a swarm (one manager,
# three workers) and over ssh: both tables, the models compared, the doctor's tables, the leftovers, and whether cells start as
# soon as they are to (tests/bench/judge_startup.sh). By hand, or as `BENCH=startup make bench`; root, CIFAR-10 in $DMLX_DATA, some
# minutes. Exit status 0: all is as it should be.
#   REPEATS=3 RATE=100mbit   of each cell; of the links
#   TABLE1_RUN="…"           further words for dmlx run, such as --set train.samples=600
#   STARTUP_CSV=FILE         the start-up of each run
#
# All hosts share this machine's cores, so a core is emulated: the cfg's core_speed = "auto" is a share of a real one,
# the same for all.
set -uo pipefail
here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
program=$(realpath "${1:?which dmlx?}")
. "$here/../support/needs.sh"
needs root ssh sshd ip tc dockerd docker docker-registry data
data=$(realpath "$DMLX_DATA")
STARTUP_CSV=${STARTUP_CSV:+$(realpath "$STARTUP_CSV")}
[ ! -d "$data/cifar-10-batches-bin" ] || data=$data/cifar-10-batches-bin
work=$(mktemp -d)
export DMLX_CLUSTER=$work/cluster
chmod 755 "$work"
faults=0
finish() {
    "$here/cluster.sh" down
    cd / && rm -rf "$work"
    exit "$faults"
}
trap finish EXIT
trap 'exit 130' INT TERM
fault() {
    echo "FAULT: $*"
    faults=1
}
on_cluster() {
    "$here/cluster.sh" ext env "DMLX_DATA=$data" "$program" "$@"
}

"$here/cluster.sh" up swarm registry || { fault "no cluster"; exit; }
cp "$here"/../../experiments/{paper,node_sweep}.cfg "$work/" && cd "$work" || exit
on_cluster image --context swarm --registry 10.77.0.254:5000 --push || fault "no image"
# shellcheck disable=SC2206
common=(--set "matrix.repeats=${REPEATS:-3}" ${TABLE1_RUN:-})
startup=${STARTUP_CSV:-$work/startup.csv}
echo "launcher,cell,startup_s" >"$startup"
swarm=(--launcher swarm --set cluster.context=swarm --set 'cluster.registry="10.77.0.254:5000"'
    --set 'cluster.label="role=worker"')
ssh=(--launcher ssh --set 'cluster.hosts=["w1","w2","w3"]' --set cluster.coordinator=mgr)
"$here/cluster.sh" shape "${RATE:-100mbit}"
for name in local ssh swarm; do
    words=(--launcher local)
    [ $name != ssh ] || words=("${ssh[@]}")
    [ $name != swarm ] || words=("${swarm[@]}")
    printf '\n== %s\n' "$name"
    if [ $name != local ]; then
        on_cluster doctor "${words[@]}" node_sweep.cfg || fault "doctor of $name"
        echo
    fi
    on_cluster run -o "$name" --no-figures "${common[@]}" "${words[@]}" node_sweep.cfg || fault "run on $name"
    # A swarm's nodes take containers away in their own time, when their services are gone.
    left=$("$here/cluster.sh" gone 10) && echo "left behind by $name: nothing" || fault "$name left: $left"
    # Which cell, which repeat, which model.
    awk -F, 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        $at["status"] == "done" { print $at["cell"], "r" $at["repeat"], $at["model_sha256"] }' "$name/node_sweep/runs.csv" | sort >"$name.models"
    awk -F, -v OFS=, -v launcher=$name 'NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
        $at["status"] == "done" { print launcher, $at["cell"], $at["startup_s"] }' "$name/node_sweep/runs.csv" >>"$startup"
done

printf '\n== models\n'
cat local.models
for name in ssh swarm; do
    cmp -s local.models $name.models && echo "the same on $name, bit for bit" || fault "other models on $name: $(cat $name.models)"
done
printf '\n== until the first round\n'
"$here/../bench/judge_startup.sh" "$startup" || fault "a cell starts too late"
printf '\n== what went through the shaped links\n'
"$here/cluster.sh" sent

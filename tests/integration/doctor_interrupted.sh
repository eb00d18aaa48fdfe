#!/bin/bash
# dmlx doctor that is interrupted, or killed, while it has something started to ask the hosts: that is asked to go, and
# nothing stays that waits for it. The engines, the swarm and Slurm are imitations here; what they say is that of 20.10 and 22.05.
# Each writes its calls to calls.log; what an engine, a swarm or Slurm has running is a file in there/.
. "$SUPPORT/experiment.sh"
build=$(dmlx --version | sed -E 's/^dmlx (.*) \((.*)\)$/\1+\2/')
export IMITATION=$work IMITATION_BUILD=$build
mkdir there
cat >bin/docker <<'SH'
#!/bin/sh
# Two nodes; a task on each that never gets beyond pulling its image.
echo "$*" >>"$IMITATION/calls.log"
case "$*" in
"node ls -q") printf 'id1\nid2\n' ;;
"node inspect --format {{.Description.Hostname}} "*)
    printf 'n%d ready active worker x86_64 4000000000 8000000000 20.10.24\n' 1 2 ;;
"image inspect "*) echo "amd64 $IMITATION_BUILD" ;;
"info "*MemTotal*) echo "n1 x86_64 4 8000000000 20.10.24" ;;
"info "*) echo "x86_64 n1" ;;
"run "*)
    # One that goes on when its client has gone.
    touch "$IMITATION/there/container" "$IMITATION/begun"
    exec sleep 100 ;;
"container ls "*) [ ! -e "$IMITATION/there/container" ] || echo container1 ;;
"container rm -f container1") rm -f "$IMITATION/there/container" ;;
"pull "*)
    [ -n "$IMITATION_PULLS" ] || exit 0
    touch "$IMITATION/begun"
    exec sleep 100 ;;
"stack deploy "*) touch "$IMITATION/there/service" ;;
"stack ps "*)
    printf 'x_node-%d|Preparing 2 seconds ago|\n' 0 1
    touch "$IMITATION/begun" ;;
"service ls "*) [ ! -e "$IMITATION/there/service" ] || echo service1 ;;
"service rm service1") rm -f "$IMITATION/there/service" ;;
esac
SH
cat >bin/sinfo <<'SH'
#!/bin/sh
case "$*" in
*idle*) echo n1 ;;
*) echo "n1 idle 4 8000" ;;
esac
SH
cat >bin/srun <<'SH'
#!/bin/sh
# A job that no signal to its srun ends, as when the node does not answer.
echo "srun $*" >>"$IMITATION/calls.log"
while [ "$1" != -J ]; do shift; done
echo "$2" >"$IMITATION/there/job"
touch "$IMITATION/begun"
exec sleep 100
SH
cat >bin/squeue <<'SH'
#!/bin/sh
[ ! -e "$IMITATION/there/job" ] || echo "17 $(cat "$IMITATION/there/job")"
SH
cat >bin/scancel <<'SH'
#!/bin/sh
echo "scancel $*" >>"$IMITATION/calls.log"
[ "$*" != "--quiet 17" ] || rm -f "$IMITATION/there/job"
SH
cp bin/docker bin/podman
chmod +x bin/docker bin/podman bin/sinfo bin/srun bin/squeue bin/scancel
sed -i 's/ emulate = .*; };$/ };/' small.cfg

# is_gone: nothing is there any more, within 20 s.
is_gone() {
    local end=$((SECONDS + 20))
    until [ -z "$(ls there)" ]; do
        [ "$SECONDS" -lt "$end" ] || return 1
        nap 0.05
    done
}

# ended_by SIGNAL STATUS ASKED WORD…: doctor with these words, sent the signal once something is begun.
ended_by() {
    local signal=$1 status=$2 asked=$3 doctor left
    shift 3
    rm -f begun calls.log doctor.out there/*
    dmlx doctor "$@" small.cfg >doctor.out 2>doctor.err &
    doctor=$!
    timeout 60 sh -c 'until [ -e begun ]; do sleep 0.05; done' || fault "$signal $*: nothing is begun: $(cat doctor.out doctor.err)"
    kill "-$signal" "$doctor"
    timeout 30 tail --pid="$doctor" -f /dev/null || { fault "$signal $*: it goes on"; kill -KILL "$doctor"; }
    wait "$doctor" 2>/dev/null
    expect_equal "$signal $*: status" "$status" "$?"
    is_gone || fault "$signal $*: still there: $(ls there); calls: $(grep -v '^stack ps' calls.log)"
    left=$(marked_gone_within "$DMLX_CASE_MARK" 20) || fault "$signal $*: processes: $left"
    [ -z "$asked" ] || grep -qE -e "$asked" calls.log || fault "$signal $*: nobody asked '$asked': $(grep -v '^stack ps' calls.log)"
    left=$(find "${TMPDIR:-/tmp}" -maxdepth 1 -name "dmlx-*-$doctor-*")
    expect_equal "$signal $*: folders that stay" "" "$left"
    [ ! -s doctor.out ] || fault "$signal $*: half a table: $(cat doctor.out)"
}

for signal in INT:130 KILL:137; do
    ended_by "${signal%:*}" "${signal#*:}" "^service rm service1" --launcher swarm --set 'cluster.data_folder="/data"'
    ended_by "${signal%:*}" "${signal#*:}" "^scancel --quiet 17" --launcher slurm
    for engine in docker podman; do
        ended_by "${signal%:*}" "${signal#*:}" "^container rm -f container1" --launcher $engine --set 'cluster.data_folder="/data"'
    done
    # An engine that pulls by itself: nothing is in the swarm yet.
    IMITATION_PULLS=1 ended_by "${signal%:*}" "${signal#*:}" "" --launcher swarm --set 'cluster.data_folder="/data"' \
        --set 'cluster.registry="registry:5000"'
done
[ ! -e results ] || fault "results of no run: $(find results)"

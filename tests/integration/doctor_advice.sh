#!/bin/bash
# What dmlx doctor says of a service or a host that does not do its part: which, why, and what to do about it; and where
# dmlx run says it too, in the same words. Docker, podman, Slurm and ssh are imitations here.
. "$SUPPORT/experiment.sh"
cat >bin/docker <<'SH'
#!/bin/sh
echo "failed to initialize: unable to resolve docker endpoint" >&2
exit 1
SH
cp bin/docker bin/podman
cat >bin/sinfo <<'SH'
#!/bin/sh
case "$SLURM_IS_UP $*" in
"yes "*%N) echo n1 ;;
"yes "*"%N %T %c %m") echo 'n1 idle 4 8000' ;;
"yes "*"%N %c") echo 'n1 4' ;;
*)
    echo "sinfo: fatal: Could not establish a configuration source" >&2
    exit 1 ;;
esac
SH
cat >bin/srun <<'SH'
#!/bin/sh
# Runs it here, in another version where that is asked for.
while [ "$1" != sh ]; do shift; done
"$@" | sed "s/\"name\": *\"[^\"]*\"/\"name\": \"n1\"/; s/\"version\": *\"[^\"]*\"/\"version\": \"$NODES_DMLX\"/"
SH
printf '#!/bin/sh\n' >bin/squeue
cp bin/squeue bin/salloc
cat >bin/ssh <<'SH'
#!/bin/sh
# This host, by another name; what it is told is done here, unless it is to take too long over it.
for command; do :; done
case "$HANGS $command" in
"copy "*umask*) exec sleep 100 ;;
esac
exec sh -c "$command"
SH
chmod +x bin/*
sed -i 's/ emulate = .*; };$/ };/' small.cfg

# tells COMMAND WORDS OPTION…: it says the words and exits with 4.
tells() {
    local command=$1 words=$2
    shift 2
    timeout 100 dmlx $command "$@" --set cluster.enforce=false small.cfg >told.out 2>told.err
    local status=$?
    expect_equal "$command $*: status ($(cat told.out told.err))" 4 $status
    grep -qF -e "$words" told.out told.err || fault "$command $*: '$words' is not told: $(cat told.out told.err)"
}

# silent WORDS OPTION…: doctor and run say them.
silent() {
    tells doctor "problem: $1" "${@:2}"
    tells "run --no-figures" "dmlx run: $1" "${@:2}"
}
why="failed to initialize: unable to resolve docker endpoint"
silent "no swarm answers by context 'swarm': $why; cluster.context must lead to a manager" --launcher swarm \
    --set cluster.context=swarm
silent "docker does not answer: $why; does dockerd run, and is this user in the group docker?" --launcher docker
for name in docker:context podman:connection; do
    engine=${name%:*} by=${name#*:}
    silent "$engine by $by 'pi' does not answer: $why; '$engine --$by pi info' must work from here, else correct cluster.context" \
        --launcher "$engine" --set cluster.context=pi
done
silent "podman does not answer: $why; 'podman info' must work for this user" --launcher podman
silent "slurm does not answer: sinfo: fatal: Could not establish a configuration source; is slurmctld up, and SLURM_CONF right?" \
    --launcher slurm

on_ssh=(--launcher ssh --set 'cluster.hosts=["pi1", "pi2"]')
tells doctor "problem: host 'pi1' could not run dmlx: " "${on_ssh[@]}" --set cluster.program=/nowhere
grep -q "host 'pi2' .*; install there what it lacks, or name a dmlx that runs there in cluster.program$" told.out ||
    fault "what to do where dmlx does not run: $(cat told.out)"
HANGS=copy tells doctor "problem: host 'pi1' did not take a copy of dmlx in time; give it more by cluster.timeout.copy_s" \
    "${on_ssh[@]}" --set cluster.timeout.copy_s=1
mkdir no_cache && touch no_cache/dmlx
XDG_CACHE_HOME=$work/no_cache tells doctor "; see to room and rights in its cache folder" "${on_ssh[@]}"

export SLURM_IS_UP=yes
own=$(dmlx --version | cut -d' ' -f2)
slurm=(--launcher slurm --set 'matrix.zip=( { nodes = [ 1 ]; cores = [ 1 ]; } )')
NODES_DMLX=9.9.9 tells doctor "problem: host 'n1' has dmlx 9.9.9, and this is $own; install the same there, or name its path in cluster.program" \
    "${slurm[@]}"
NODES_DMLX=$own dmlx doctor "${slurm[@]}" --set cluster.enforce=false small.cfg >told.out 2>&1 ||
    fault "the same version is refused: $(cat told.out)"
dmlx run --no-figures --set cluster.retries=0 "${slurm[@]}" --set cluster.enforce=false small.cfg >run.out 2>run.err
grep -qE "slurm lost the allocation of 'n1-c1-r1': squeue does not list its nodes; 'sacct --name=dmlx-[^ ']*-n1-c1-r1' and slurmctld's log tell why" \
    results/small/runs.csv || fault "an allocation that is lost: $(cat results/small/runs.csv run.err)"

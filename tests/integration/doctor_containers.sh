#!/bin/bash
# dmlx doctor with launcher docker or podman: it looks from within a container that has the flags of a worker's, and tells
# what a worker would meet there. The engines are imitations, whose container is a process with a limit of their saying;
# real ones are in tests/cluster/test_launchers.sh.
. "$SUPPORT/experiment.sh"
build=$(dmlx --version | sed -E 's/^dmlx (.*) \((.*)\)$/\1+\2/')
export IMITATION=$work IMITATION_BUILD=$build IMITATION_PORT=0
cat >bin/docker <<'SH'
#!/bin/sh
case "$1" in --context | --connection) shift 2 ;; esac
case "$*" in
"info --format "*MemTotal*) echo "pi $(uname -m) 4 8000000000 20.10.24+dfsg1" ;;
"info --format "*Arch*) echo "$(uname -m) pi" ;;
"info --format "*) echo 4 ;;
"image inspect "*) [ -z "$IMITATION_LACKS_IMAGE" ] || { echo "No such image" >&2; exit 1; }
    echo "$(dpkg --print-architecture) $IMITATION_BUILD" ;;
"run "*)
    printf '%s\n' "$@" >"$IMITATION/run.words"
    [ -z "$IMITATION_REFUSES" ] || {
        printf "docker: Error response from daemon: %s\n\nRun 'docker run --help' for more\n" "$IMITATION_REFUSES" >&2
        exit 125
    }
    while [ "$1" != doctor ]; do shift; done
    dmlx "$@" --data "$IMITATION_DATA" | sed -E "s/(\"limited_cores\": ?)[0-9.e-]+/\1$IMITATION_CORES/
        s/(\"limited_by\": ?)\"[^\"]*\"/\1\"cgroup v2\"/; s/(\"cores\": ?)[0-9.]+/\1$IMITATION_CORES/
        s/(\"limited_memory_bytes\": ?)[0-9]+/\1$IMITATION_MEMORY/" ;;
esac
SH
chmod +x bin/docker
cp bin/docker bin/podman
cat >c.cfg <<'CFG'
name = "c";
cluster = { period_ms = 20; memory_mb = 64; data_folder = "/there, all"; registry = "127.0.0.1:1"; options = [ "--cpuset-cpus=0" ]; };
matrix = { zip = ( { nodes = [ 1, 2 ]; cores = [ 0.3, 0.6 ]; } ); };
CFG
export IMITATION_DATA=$DMLX_DATA IMITATION_CORES=0.3 IMITATION_MEMORY=$((64 << 20))

# doctor STATUS WORD…
doctor() {
    local status=$1
    shift
    rm -f run.words
    timeout 100 dmlx doctor "$@" c.cfg >doctor.out 2>doctor.err
    expect_equal "status of doctor $*" "$status" $?
}
# tells WORDS
tells() {
    grep -qE -e "$1" doctor.out || fault "'$1' is not told: $(cat doctor.out doctor.err)"
}
data=$(dmlx doctor --facts --data-name cifar10 | grep -oE '"data_xxh128": ?"[0-9a-f]+' | grep -oE '[0-9a-f]{16}' | head -1)
[ -n "$data" ] || fault "no checksum of the data"
for launcher in docker:context podman:connection; do
    engine=${launcher%:*} by=${launcher#*:}
    doctor 0 --launcher "$engine" --set cluster.context=far
    tells "^pi +by $by 'far' +- .* 4\.0 +7\.5 .*$engine 20\.10\.24"
    tells "^pi +in a container +[0-9.]+ +$(uname -m) +0\.3 +0\.1 .* cgroup v2 +any +$engine 20\.10\.24 +no +$data"
    doctor 0 --launcher "$engine"
    tells "^pi +by default +-"
    tells "^pi +in a container .* cgroup v2"
done
# What a worker gets, from the launcher's own code: one look at each word here keeps the two from parting.
doctor 0 --launcher docker
for word in --rm --read-only --cap-drop=ALL --security-opt=no-new-privileges --user=65534:65534 --network=host --memory=64m \
    --cpu-period=20000 --cpu-quota=6000 --cpuset-cpus=0 '--mount=type=bind,target=/data,readonly,"source=/there, all"'; do
    grep -qxF -e "$word" run.words || fault "a container without $word: $(cat run.words)"
done
grep -qE '^--label=dmlx.run=.' run.words || fault "a container without its run's label: $(cat run.words)"

IMITATION_CORES=0.6 doctor 4 --launcher docker
tells "^problem: host 'pi' cannot limit CPU: a container that was to have 0\.3 cores finds a limit of 0\.6"
IMITATION_CORES=0.0 doctor 4 --launcher podman
tells "^problem: host 'pi' cannot limit CPU: a container that was to have 0\.3 cores finds no limit"
IMITATION_CORES=4.0 doctor 0 --launcher docker --set cluster.enforce=false --set 'matrix.zip=( { nodes = [ 1 ]; cores = [ 1 ]; } )' \
    --set cluster.memory_mb=0
tells "^pi +in a container .*  -  +any +docker"
! grep -q '^--cpu-quota' run.words || fault "a limit that is not asked for: $(cat run.words)"
IMITATION_MEMORY=0 doctor 0 --launcher docker
tells "^note: host 'pi' does not limit memory: a container that was to have 64 MiB finds no such limit"
IMITATION_DATA=$work/nothing doctor 4 --launcher docker
tells "^problem: host 'pi' has no data set: "
python3 "$SUPPORT/make_data.py" other 600 200
IMITATION_DATA=$work/other doctor 4 --launcher docker
tells "^problem: host 'pi' has other data"
IMITATION_REFUSES="invalid mount config for type \"bind\": bind source path does not exist: /there, all." doctor 4 --launcher docker
tells "^problem: host 'pi' has no folder '/there, all' \(docker: Error .*: bind source path does not exist: /there, all\.\); correct cluster\.data_folder"
IMITATION_REFUSES="it has no room" doctor 4 --launcher podman
tells "^problem: the image '127.0.0.1:1/dmlx:[0-9.]+' does not run on host 'pi' as a worker would: docker: .*it has no room$"
# Without an image there is nothing to look from; once is enough to say so.
IMITATION_LACKS_IMAGE=1 doctor 4 --launcher docker --set 'cluster.registry=""'
expect_equal "problems without an image" 1 "$(grep -c '^problem: docker has no image' doctor.out)"
[ ! -e run.words ] || fault "a container of no image: $(cat run.words)"
# The coordinator would be on the engine's host, too.
python3 -c 'import socket, sys, signal
taken = socket.create_server(("", 0)); print(taken.getsockname()[1], flush=True); signal.pause()' </dev/null >port &
holder=$!
wait_for_line port '[0-9]' 20 || fault "no port is taken"
doctor 4 --launcher docker --set "cluster.port=$(cat port)"
tells "^problem: port [0-9]+ or [0-9]+ of host 'pi' is taken"
tells "^pi +in a container .* taken "
kill "$holder"
wait "$holder" 2>/dev/null
[ ! -e results ] || fault "results of no run"

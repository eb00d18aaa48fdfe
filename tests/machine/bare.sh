#!/bin/bash
# bare.sh SOURCE: what a newcomer does first, on a Debian 12 on which nothing was installed by hand but git and make: a
# clone, `make`, `make reproduce`, Ctrl-C after the first run. The machine is a root of its own that mmdebstrap makes;
# apt works in it as it does outside.
set -uo pipefail
. "$SUPPORT/leftovers.sh"
. "$SUPPORT/needs.sh"
needs root mmdebstrap unshare git python3
source=$1
work=$(mktemp -d)
root=$work/root
export DMLX_CASE_MARK="bare-$$-$RANDOM"

finish() {
    status=$?
    left=$(marked_gone_within "$DMLX_CASE_MARK" 10) || {
        echo "left behind: $left"
        status=1
    }
    kill_marked "$DMLX_CASE_MARK"
    cd / && rm -rf --one-file-system "$work"
    exit "$status"
}
trap finish EXIT

# inside COMMAND: by a shell in the bare machine, in the clone; its mounts end with it.
inside() {
    timeout --foreground 1500 unshare --mount --propagation private bash -ec '
        mount -t proc proc "$0/proc" && mount --rbind /sys "$0/sys" && mount --rbind /dev "$0/dev"
        exec chroot "$0" env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin DMLX_CASE_MARK="$DMLX_CASE_MARK" \
            DMLX_DATA="$2" setsid --wait bash -c "cd /home/main && $1"' "$root" "$1" "$data"
}

# Its disk need not be waited for: the root is thrown away.
if ! mmdebstrap --quiet --variant=minbase --dpkgopt=force-unsafe-io --include=git,make,ca-certificates bookworm \
    "$root" 2>"$work/mmdebstrap.log"; then
    tail -5 "$work/mmdebstrap.log"
    echo "needs Debian's packages, which this machine cannot get"
    exit 77
fi
cp /etc/resolv.conf /etc/hosts "$root/etc/"
git clone -q "$source" "$root/home/main" || exit 1

# With the pictures beside the clone, as make finds them; otherwise made up ones.
data=
pictures=$(cd "$source" && realpath -q "${DMLX_PICTURES:-none}")
if [ -f "$pictures/unpack.py" ]; then
    mkdir "$root/home/shared" && cp -r "$pictures" "$root/home/shared/cifar10"
else
    python3 "$SUPPORT/make_data.py" "$root/home/data" 50000 10000
    data=/home/data
fi

inside 'make' >"$work/make.log" 2>&1 || { tail -30 "$work/make.log"; echo "fault: make failed"; exit 1; }
inside 'build/release/runner/dmlx --version' || exit 1

# Ctrl-C at a terminal reaches every process of the job; here, of the session.
rows=$root/home/main/results/node_sweep/runs.csv
inside 'make reproduce' >"$work/reproduce.log" 2>&1 &
job=$!
end=$((SECONDS + 900))
until grep -qs ',done,' "$rows"; do
    if [ "$SECONDS" -ge "$end" ] || ! [ -e "/proc/$job" ]; then
        tail -30 "$work/reproduce.log"
        echo "fault: make reproduce did not come to its first run"
        exit 1
    fi
    sleep 0.1
done
for pid in $(marked_processes "$DMLX_CASE_MARK" | sed -n 's/ dmlx$//p'); do
    kill -INT "$pid" 2>/dev/null
done
wait "$job"
grep -q 'what is done stands; to go on:' "$work/reproduce.log" || {
    tail -30 "$work/reproduce.log"
    echo "fault: Ctrl-C was not answered"
    exit 1
}
echo "make, make reproduce: set up, built and ran; $(grep -c ',done,' "$rows") run done before Ctrl-C"

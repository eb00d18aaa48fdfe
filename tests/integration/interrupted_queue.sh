#!/bin/bash
# Ctrl-C while a cell waits in Slurm's queue: it is heard at once, not when the wait for an allocation is over; salloc ends, and
# its job is cancelled by name, since nobody has told its id. Slurm is an imitation here, whose queue never moves.
. "$SUPPORT/experiment.sh"
cat >bin/sinfo <<'SH'
#!/bin/sh
printf 'n1 4\nn2 4\n'
SH
cat >bin/salloc <<'SH'
#!/bin/sh
while [ "$1" != -J ]; do shift; done
echo "$$ $2" >>queue
exec sleep 1000
SH
cat >bin/scancel <<'SH'
#!/bin/sh
echo "$*" >>cancelled
SH
cat >bin/squeue <<'SH'
#!/bin/sh
SH
chmod +x bin/sinfo bin/salloc bin/scancel bin/squeue
sed -i 's/ emulate = .*; };$/ };/' small.cfg
join_s=60
dmlx run --no-figures --set cluster.launcher=slurm --set cluster.enforce=false --set cluster.timeout.join_s=$join_s small.cfg \
    >/dev/null 2>run.err &
run=$!
wait_for_line queue '^[0-9]+ dmlx-' 60 || fault "nothing is queued within 60 s: $(cat run.err)"
began=$SECONDS
kill -INT "$run"
wait "$run"
status=$?
expect_equal "status ($(cat run.err))" 130 $status
# Half of what it would have waited: a machine may be busy, but not as long as that.
[ $((SECONDS - began)) -lt $((join_s / 2)) ] || fault "it ended $((SECONDS - began)) s after Ctrl-C"
read -r salloc name <queue
! [ -d "/proc/$salloc" ] || fault "salloc is still there"
grep -qxF -e "--quiet -n $name" cancelled || fault "job '$name' is not cancelled: $(cat cancelled 2>&1)"
expect_equal "cells that were queued" 1 "$(wc -l <queue)"
! grep -qs -e ',failed,' results/small/runs.csv || fault "what was interrupted has a row: $(cat results/small/runs.csv)"

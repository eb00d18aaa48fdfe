#!/bin/bash
# Slurm has the nodes but gives no allocation: the row says in which phase, of how many nodes, within which limit, and what
# salloc said of it; nothing is left, and no cell is run twice. Slurm is an imitation here: what it says is that of 22.05.
. "$SUPPORT/experiment.sh"
cat >bin/sinfo <<'SH'
#!/bin/sh
printf 'n1 4\nn2 4\n'
SH
cat >bin/salloc <<'SH'
#!/bin/sh
echo "salloc: error: Unable to allocate resources: Requested nodes are busy" >&2
exit 1
SH
cat >bin/squeue <<'SH'
#!/bin/sh
SH
chmod +x bin/sinfo bin/salloc bin/squeue
sed -i 's/ emulate = .*; };$/ };/' small.cfg
dmlx run --no-figures --set cluster.launcher=slurm --set cluster.enforce=false --set cluster.timeout.join_s=3 \
    --set cluster.retries=0 small.cfg >run.out 2>run.err
status=$?
expect_equal "status ($(cat run.err))" 1 $status
for nodes in 1 2; do
    why="while starting: slurm gives no allocation of $nodes nodes? for 'n$nodes-c$nodes-r[12]' within 4 s: .*Requested nodes are busy; where jobs queue for longer, set cluster.timeout.join_s"
    expect_equal "rows that tell of $nodes nodes ($(cat results/small/runs.csv))" 2 \
        "$(grep -cE "^n$nodes-.*,failed,.*$why" results/small/runs.csv)"
done

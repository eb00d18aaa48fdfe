#!/bin/bash
# A swarm behind slow links: nodes that have neither image nor data need longer to pull them than workers may take to
# join, and the first attempt is a good one all the same. What keeps an image from a node is told with the node, before any
# cell; Ctrl-C and kill -9 while nodes pull leave nothing. Over ssh, Ctrl-C while dmlx is copied leaves no part of it, and the
# next run copies it anew. The time that a host needs to get its data set is in no cell's T, and it gets each set once.
only_parts="swarm registry"
. "$(dirname "$0")/common.sh"
has_need dockerd && has_need docker && has_need docker-registry || { echo "no dockerd or docker-registry"; exit 77; }

join_s=15
on_cluster image --context swarm --registry 10.77.0.254:5000 --push >image.out 2>&1 || fault "image: $(cat image.out)"
"$cluster" shape 12mbit # slow enough: below it is seen to be

# How many files the hosts' caches have of dmlx: whole ones, or parts of one.
copies() { find "$DMLX_CLUSTER"/w[123]/root/.cache/dmlx/bin -type f "$@" 2>/dev/null | wc -l; }
comes() { [ "$(copies -size +0)" -gt 0 ]; }
none_left() { [ "$(copies)" = 0 ]; }
on_cluster run c.cfg -o copied --no-figures --launcher ssh >/dev/null 2>copied.err &
outer=$!
until_true $patience_s comes || fault "nothing is copied: $(cat copied.err)"
kill -INT "$(run_of copied)"
wait "$outer"
expect_equal "status after Ctrl-C while dmlx is copied" 130 "$?"
until_true 15 none_left || fault "Ctrl-C while dmlx is copied left: $(ls -l "$DMLX_CLUSTER"/w[123]/root/.cache/dmlx/bin/*)"
nothing_left "Ctrl-C while dmlx is copied" 15
# Each line of it with the second in which it came. A sanitizer's program has fewer pictures to train on: its cell of one node is to be
# over in a moment, too.
on_cluster run c.cfg -o copied --no-figures --launcher ssh --set "train.samples=$((600 / slow_training))" 2>&1 >/dev/null |
    while IFS= read -r line; do echo "$EPOCHREALTIME $line"; done >copied.err
[ "${PIPESTATUS[0]}" = 0 ] || fault "after that: $(cat copied.err)"
grep -q "dmlx is copied to 'w1', 'w2', 'w3'" copied.err || fault "dmlx is not copied anew: $(cat copied.err)"
expect_equal "rows after that" "done done" "$(column copied/c/runs.csv status | tr '\n' ' ' | sed 's/ $//')"
expect_equal "files of dmlx on three hosts" 3 "$(copies)"

# What the links let through to w1, in bytes.
came() { "$cluster" sent | sed -nE 's/^w1, in: .* Sent ([0-9]+) bytes .*/\1/p'; }
data_bytes=$(cat data/cifar-10-batches-bin/*_batch*.bin | wc -c)
copy_s=$(awk '/the data set is copied to/ { from = $1 } / runs, about / { to = $1 } END { print to - from }' copied.err)
awk "BEGIN { exit !($copy_s > 0.9 * 8 * $data_bytes / 12e6) }" ||
    fault "$data_bytes bytes of data came in $copy_s s: the links are too fast for this test"
counted_s=$(paste -d' ' <(column copied/c/runs.csv cell) <(column copied/c/runs.csv t_s) <(column copied/c/runs.csv startup_s) |
    awk '/^n1-/ { print $2 + $3 }')
echo "the data set came in $copy_s s; start-up and T of one node: $counted_s s"
awk "BEGIN { exit !($counted_s > 0 && $counted_s < $copy_s) }" || fault "start-up and T of one node: $counted_s s, the copy $copy_s s"
before=$(came)
on_cluster run c.cfg -o cached --no-figures --launcher ssh >/dev/null 2>cached.err || fault "with the data there: $(cat cached.err)"
! grep copied cached.err || fault "what is there is copied again"
[ $(($(came) - before)) -lt "$data_bytes" ] || fault "$(($(came) - before)) bytes came to w1, which has all but the models"
# Another data set is known by its checksum, and the first one stays.
printf '\001' | dd of=data/cifar-10-batches-bin/data_batch_1.bin bs=1 seek=5 conv=notrunc 2>/dev/null
on_cluster run c.cfg -o other --no-figures --launcher ssh --only nodes=1 >/dev/null 2>other.err || fault "with other data: $(cat other.err)"
grep -q "the data set is copied to 'w1'" other.err || fault "other data are not copied: $(cat other.err)"
expect_equal "data sets on w1" 2 "$(ls -d "$DMLX_CLUSTER"/w1/root/.cache/dmlx/data/*/whole | wc -l)"

# pulling NAME: a run in the background whose nodes pull; $run is dmlx, $outer its shell.
pulling() {
    rm -rf "$1"
    on_cluster run c.cfg -o "$1" --no-figures --launcher swarm "${swarm[@]}" >/dev/null 2>"$1.err" &
    outer=$!
    wait_for_line "$1.err" "is pulled by 'w1', 'w2', 'w3'" $patience_s || fault "$1: nobody pulls: $(cat "$1.err")"
    run=$(run_of "$1")
    [ -n "$run" ] || fault "$1: no dmlx runs: $(cat "$1.err")"
}

pulling interrupted
kill -INT "$run"
wait "$outer"
expect_equal "status after Ctrl-C while nodes pull" 130 "$?"
nothing_left "Ctrl-C while nodes pull" 15 "$run"
pulling killed
kill -KILL "$run"
wait "$outer"
expect_equal "status after kill -9 while nodes pull" 137 "$?"
nothing_left "kill -9 while nodes pull" 20 "$run"
refused "too little time to pull" 4 "is not on 'w1', 'w2', 'w3'.* after 2 s; .* cluster.timeout.copy_s" --launcher swarm \
    "${swarm[@]}" --set cluster.timeout.copy_s=2

# Pulls that were broken off begin anew.
began=$SECONDS
on_cluster run c.cfg -o slow --no-figures --launcher swarm "${swarm[@]}" --set cluster.timeout.join_s=$join_s \
    >slow.out 2>slow.err || fault "behind slow links: $(cat slow.err)"
cat slow.err
expect_equal "rows of the first attempts" "done done" "$(column slow/c/runs.csv status | tr '\n' ' ' | sed 's/ $//')"
for name in w1 w2 w3; do
    seconds=$(sed -n "s/.*node '$name' has the image after \([0-9]*\) s/\1/p" slow.err)
    # Else the pull is no harder than joining, and this test shows nothing.
    [ "${seconds:-0}" -gt "$join_s" ] || fault "$name pulled within '$seconds' s: the links are too fast for this test"
done
awk -v t="$(paste -d' ' <(column slow/c/runs.csv cell) <(column slow/c/runs.csv t_s) | sed -n 's/^n1-[^ ]* //p')" \
    "BEGIN { exit !(t > 0 && t < $join_s) }" || fault "T of one node has the pull in it: $(cat slow/c/runs.csv)"
echo "nodes pulled, and the matrix ran, in $((SECONDS - began)) s"
nothing_left "a run behind slow links" 15
"$cluster" shape off

# An image that is on the manager alone.
"$cluster" ext docker --context swarm tag 10.77.0.254:5000/dmlx:0.1.0 10.77.0.254:5000/alone:1
refused "an image not on a node" 4 "node 'w[123]' has no image '10.77.0.254:5000/alone:1'" --launcher swarm \
    --set cluster.context=swarm --set 'cluster.label="role=worker"' --set 'cluster.image="10.77.0.254:5000/alone:1"' \
    --set "cluster.data_folder=\"$DMLX_DATA\""
refused "data not on a node" 4 "node 'w[123]' has no folder '/nowhere'" --launcher swarm "${swarm[@]}" \
    --set 'cluster.data_folder="/nowhere"'
nothing_left "what was refused" 15

#!/bin/bash
# Emulated links: what is sent takes the time that the rate says, the model is the same as without; and the namespaces
# and links are gone when a run has ended, was interrupted, or was killed.
# times: what is sent, and what one waits, at a rate
. "$SUPPORT/experiment.sh"

cat >links.cfg <<CFG
name = "links";
train = { epochs = 1; rounds = 4; batch = 4; };
cluster = { enforce = $enforce; retries = 0; emulate = { core_speed = 0.2; }; };
matrix = { nodes = [ 2 ]; cores = [ 2 ]; link_mbit = [ 0, 10 ]; };
CFG

# Where links cannot be had, that is told before anything starts. Nobody's own copy is where nobody may read it.
refused() {
    local what=$1 words=$2
    shift 2
    "$@" dmlx run --no-figures -o refused links.cfg >/dev/null 2>refused.err
    expect_equal "status with $what" 4 "$?"
    grep -q "$words" refused.err || fault "$what is not told: $(cat refused.err)"
    "$@" dmlx check links.cfg >/dev/null 2>check.err
    grep -q "warning: it cannot run here: .*$words" check.err || fault "check does not tell $what: $(cat check.err)"
    [ ! -s refused/links/runs.csv ] || fault "with $what a row was written"
}
mkdir poor
for program in dmlx ip sh; do
    ln -s "$(command -v $program)" poor/
done
if [ "$(id -u)" != 0 ]; then
    has_need ip && has_need tc && refused "a user who is not root" "needs root"
fi
needs root cgroup ip tc
refused "no tc" "needs the program 'tc'" env "PATH=$work/poor"
if has_need setpriv; then
    chmod 755 "$work" && mkdir -m 777 open
    cp links.cfg open/ && cp "$(realpath "$1")" open/dmlx
    (
        cd open || exit 1
        sed -i 's/enforce = true/enforce = false/; s/emulate = .*/};/' links.cfg
        nobody() { setpriv --reuid 65534 --regid 65534 --clear-groups "$@"; }
        PATH=$PWD:$PATH HOME=$PWD refused "a user who is not root" "needs root" nobody
        exit "$faults"
    ) || faults=1
fi
dmlx check --set cluster.launcher=docker links.cfg >/dev/null 2>launcher.err
expect_equal "status with another launcher" 3 "$?"
grep -q "'cluster.emulate.link_mbit' is for launcher \"local\"" launcher.err || fault "it says: $(cat launcher.err)"

# Of the processes, that is without the switch's.
spaces_of_run() {
    local pid rest
    marked_processes "$DMLX_CASE_MARK" | while read -r pid rest; do
        readlink "/proc/$pid/ns/net"
    done | sort -u | grep -vxF "$(readlink /proc/self/ns/net)"
}
nothing_left() {
    local left
    left=$(marked_gone_within "$DMLX_CASE_MARK" 6) || fault "processes after $1: $left"
    left=$(spaces_left_alone_within 3) || fault "namespaces after $1: $left"
    left=$(cgroups_gone_within "dmlx-*-$run-" 3) || fault "groups after $1: $left"
    left=$(comm -13 <(echo "$before") <(ip -o link | sed 's/ state .*//' | sort))
    [ -z "$left" ] || fault "links of this host after $1: $left"
}
before=$(ip -o link | sed 's/ state .*//' | sort)

dmlx run --no-figures links.cfg >run.out 2>run.err &
run=$!
wait_for_line results/links/rounds.csv 'link_mbit10,1,[^,]*,1,' 60 || fault "no round within 60 s: $(cat run.err)"
expect_equal "network namespaces of a coordinator and two workers" 3 "$(spaces_of_run | wc -l)"
hold_spaces "$run" # those that it still has: this one is short
wait "$run"
expect_equal "status" 0 "$?"
nothing_left "a run"

expect_equal "rates in the rows" "10 " "$(column results/links/runs.csv link_mbit | sort -r | tr '\n' ' ' | tr -s ' ')"
expect_equal "different models" 1 "$(column results/links/runs.csv model_sha256 | sort -u | wc -l)"
grep -q '"emulated": true' results/links/manifest.json || fault "the manifest does not say that it was emulated"
grep -q 'tbf .*rate 10Mbit' results/links/runs/n2-c2-link_mbit10-r1/links.log || fault "links.log does not show the links"

# The coordinator's link carries the model to both workers and back in each of four rounds, 62,006 numbers of four bytes
# each time. Less than the way out and one way home is against physics, whatever others do; a busy machine is slower,
# but not by what a rate of a megabit would be, forty wires.
awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    { overhead[$at["cluster.emulate.link_mbit"]] = $at["overhead_s"] }
    END {
        wire_s = 4 * 62006 * 4 * 8 / 10e6
        extra_s = overhead[10] - overhead[0]
        printf "sending took %.2f s more than over the loopback; at 10 Mbit/s the coordinator'\''s link needs %.2f s\n",
            extra_s, 4 * wire_s
        exit !(overhead[10] > 2.5 * wire_s && extra_s < 20 * wire_s)
    }' results/links/runs.csv || fault "the time of sending does not fit the rate"
awk -F, '
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    /link_mbit10,/ { wait_s += $at["wait_s"]; send_s += $at["send_s"]; n++ }
    END {
        one_s = 62006 * 4 * 8 / 10e6
        printf "a round waited %.2f s and sent %.2f s; one model takes %.2f s\n", wait_s / n, send_s / n, one_s
        exit !(n == 8 && (wait_s + send_s) / n > 1.5 * one_s)
    }' results/links/rounds.csv || fault "the workers neither waited nor sent as long as the rate says"

# Ctrl-C and kill -9 in mid-run. The next run goes on in a network of its own.
for signal in INT KILL; do
    rm -rf cut
    dmlx run --no-figures -o cut --set train.rounds=200 --only link_mbit=10 links.cfg >/dev/null 2>cut.err &
    run=$!
    wait_for_line cut/links/rounds.csv 'link_mbit10,1,' 60 || fault "no round within 60 s: $(cat cut.err)"
    hold_spaces "$run"
    expect_equal "network namespaces with the switch's before $signal" 4 "${#spaces[@]}"
    expect_equal "network namespaces before $signal" 3 "$(spaces_of_run | wc -l)"
    kill "-$signal" "$run"
    wait "$run" 2>/dev/null
    nothing_left "$signal"
done

# A file of the matrix that has the rate for all cells; one node needs no link.
dmlx run --no-figures -o one --set 'matrix.nodes=[1]' --set 'matrix.cores=[1]' --set 'matrix.link_mbit=[10]' links.cfg \
    >/dev/null 2>one.err || fault "one node: $(cat one.err)"
expect_equal "the link of one node" "" "$(column one/links/runs.csv link_mbit)"

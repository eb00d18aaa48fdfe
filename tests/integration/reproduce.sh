#!/bin/bash
# The exit status of `make reproduce` is that of its claims: 0 when all hold, 1 when one does not or cannot be judged;
# and either way tables, figures and the report are there. The two files are small ones; the script is the real one.
. "$SUPPORT/experiment.sh"
needs gnuplot

mkdir experiments tests
ln -s "$SUPPORT" tests/support
reproduce=$SUPPORT/../../experiments/reproduce.sh
# The program, but for `dmlx data verify`, which does not take a small data set for CIFAR-10.
printf '#!/bin/sh\n[ "$1" = data ] || exec dmlx "$@"\n' >bin/dmlx_without_data
chmod +x bin/dmlx_without_data

# experiment NAME CLAIM [MORE]: experiments/NAME.cfg, one and two nodes, twice each.
experiment() {
    {
        sed "s/name = \"small\"/name = \"$1\"/" small.cfg
        printf 'claim = ( { name = "a claim of %s"; %s } );\n%s\n' "$1" "$2" "${3:-}"
    } >"experiments/$1.cfg"
}

# reproduces STATUS VERDICT: the script ends with STATUS, the claim of the node sweep is judged VERDICT.
reproduces() {
    rm -rf results
    bash "$reproduce" bin/dmlx_without_data >out 2>err
    expect_equal "exit status where a claim '$2'" "$1" "$?"
    grep -Eq "^a claim of node_sweep +$2\$" out || fault "no verdict '$2': $(cat out err)"
    grep -Eq "^a claim of core_sweep +holds\$" out || fault "the other claim is not judged: $(cat out)"
    grep -q "a claim of node_sweep" results/report.html || fault "the report lacks the claim"
    [ -s results/figures/fig07.svg ] || fault "no figure 7"
    tail -2 out | grep -q 'The page to read is results/report.html' || fault "no last words: $(tail -3 out)"
}

always='kind = "flat"; quantity = "accuracy"; over = "nodes"; tolerance = 1.0;'
experiment core_sweep "$always"
experiment node_sweep "$always"
reproduces 0 holds
expect_equal "what is said on stderr of claims that hold" 0 "$(grep -c 'claims hold' err)"

# Two runs tell little of a time, but never that it is a million seconds.
experiment node_sweep 'kind = "expected"; quantity = "t_s";' \
    'expect = ( { nodes = 1; cores = 1; t_s = 1e6; tolerance = 0.01; } );'
reproduces 1 'does not hold'
grep -q '1 of 2 claims hold, so the exit status is 1: does not hold: 1, not enough data: 0' err ||
    fault "why it is 1 is not told: $(cat err)"

# Two sizes cannot show that returns diminish; plots need no more than what the first run left.
sed -i '2s/,expected,.*/,diminishing,,nodes,,/' results/node_sweep/claims.csv
dmlx plot --judge --format svg -o again results/node_sweep >out 2>err
expect_equal "exit status where a claim lacks data" 1 "$?"
grep -Eq '^a claim of node_sweep +not enough data$' out || fault "no verdict: $(cat out err)"
grep -q '0 of 1 claims hold.* not enough data: 1' err || fault "why it is 1 is not told: $(cat err)"

#!/bin/bash
# A forecast held against reality: six emulated nodes are forecast from one to three, then looked at. The measured T lies
# in the forecast's band, or within a quarter of it: machines that run tests are noisy. tests/bench/forecast.sh tells
# the errors of a quiet one.
# slow: sanitizers make the kernels many times slower, on a tenth of a core
N_TRAIN=6000
. "$SUPPORT/experiment.sh"

cat >forecast.cfg <<CFG
name = "forecast";
train = { epochs = 1; rounds = 5; batch = 4; };
cluster = { enforce = $enforce; emulate = { core_speed = $([ "$enforce" = true ] && echo 0.1 || echo 1); }; };
matrix = { nodes = [ 1, 2, 3, 6 ]; cores_per_node = [ 1 ]; repeats = 2; };
CFG
[ "$enforce" = true ] || {
    echo "skipped: without CPU limits, six nodes on fewer cores are no cluster"
    exit 77
}
dmlx run --no-figures forecast.cfg >run.out 2>&1 || fault "$(cat run.out)"

mkdir known
cp results/forecast/manifest.json known/
for file in runs.csv rounds.csv; do grep -v '^n6-' "results/forecast/$file" >"known/$file"; done
dmlx predict --nodes 6 --format csv known >forecast.csv || fault "no forecast"
read -r t low high < <(for name in t_s t_s_low t_s_high; do column forecast.csv $name; done | tr '\n' ' ')
measured=$(dmlx table --format csv results/forecast >table.csv && paste -d' ' <(column table.csv nodes) <(column table.csv t_s) |
    sed -n 's/^6 //p')
awk -v m="$measured" -v t="$t" -v low="$low" -v high="$high" 'BEGIN {
    exit !(m > 0 && t > 0 && ((low <= m && m <= high) || (t < 1.25 * m && t > 0.75 * m))) }' ||
    fault "T of 6 nodes is $measured s, and the forecast $t s [$low, $high]"

# The simulator draws from all that was measured, and says how far it is off.
dmlx simulate --nodes 1:6 results/forecast >simulated.txt || fault "no simulation"
grep -q '^Assumed:' simulated.txt || fault "the simulator does not say what it assumes"
sed -n 's/.* simulated, \([+-][0-9.]*\) %$/\1/p' simulated.txt >errors
expect_equal "sizes the simulator is held against" 4 "$(wc -l <errors)"
while read -r error; do
    awk -v e="$error" 'BEGIN { exit !(e < 25 && e > -25) }' || fault "the simulator is $error % off: $(cat simulated.txt)"
done <errors

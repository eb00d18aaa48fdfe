#!/bin/bash
# reproduce.sh DMLX: measures the paper's two tables on this machine and draws its figures. `make reproduce` calls it
# from the project's root. Results go to results/node_sweep and results/core_sweep; called again it goes on where
# it stopped. Without CIFAR-10 and without a network it uses the synthetic set, in results/synthetic/.
# Ends with 0 when everything was measured and every claim of the two files holds; with 1 when a cell failed, or a
# claim does not hold or lacks data, after all tables, figures and the report; with dmlx's own status otherwise.
set -euo pipefail
dmlx=$1
results=results
sets=()

box() {
    printf '\n'
    printf '##############################################################################\n'
    printf '#  %-74s#\n' "" "$@" ""
    printf '##############################################################################\n\n'
}

. tests/support/data.sh
dmlx_find_data
if [ -n "${DMLX_DATA:-}" ]; then
    "$dmlx" data verify >/dev/null
elif ! "$dmlx" data fetch; then
    results=results/synthetic
    sets=(--set train.data=synthetic)
    box "NO CIFAR-10: it is not on this machine and could not be fetched (above)." \
        "What follows is measured on a SYNTHETIC data set of the same shape." \
        "Times can be compared; ACCURACIES CANNOT, and every row, table and figure" \
        "says so. Results go to $results/." \
        "" \
        "With a network:      dmlx data fetch" \
        "From a file:         dmlx data import cifar-10-binary.tar.gz"
fi >&2

# The tables come last, with the figures of both sweeps together; while it runs, progress is on the terminal.
status=0
"$dmlx" run --no-figures -o "$results" ${sets[@]+"${sets[@]}"} \
    experiments/node_sweep.cfg experiments/core_sweep.cfg >/dev/null || status=$?
# Cells that failed (1) do not hide those that were measured.
[ "$status" -le 1 ] || exit "$status"
"$dmlx" report -o "$results" "$results/node_sweep" "$results/core_sweep" >/dev/null || status=$?
"$dmlx" plot --judge -o "$results" "$results/node_sweep" "$results/core_sweep" || status=$?
printf '\nThe page to read is %s/report.html.' "$results"
printf '\nThe figures are in %s/figures/, the numbers behind them in %s/.\n' "$results" "$results"
exit "$status"

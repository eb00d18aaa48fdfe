#!/bin/bash
# run.sh BUILD: every benchmark, one after the other, on a machine that should have nothing else to do. `make bench` calls
# it from the project's root. Tables go to the terminal, numbers to results/bench/*.csv.
#   BENCH="engine threads rounds forecast startup"  which ones (all)
set -euo pipefail
build=$1
out=results/bench
mkdir -p "$out"
. tests/support/data.sh
dmlx_find_data

# Debian's own python: another one in PATH may lack its torch.
for name in ${BENCH:-engine threads rounds forecast startup}; do
    echo "== $name"
    case $name in
    engine | threads)
        if [ -z "${DMLX_DATA:-}" ]; then
            echo "skipped: the engine's speed depends on real pictures, and CIFAR-10 is not on this machine; 'dmlx data fetch' gets it"
            continue
        fi
        options=${name^^}_BENCH
        /usr/bin/python3 "tests/bench/$name.py" --build "$build" --data "$DMLX_DATA" --csv "$out/$name.csv" ${!options:-}
        ;;
    rounds)
        "$build/transport/bench_rounds" --csv "$out/rounds.csv" ${ROUNDS_BENCH:-}
        ;;
    forecast)
        if [ -z "${DMLX_DATA:-}" ]; then
            echo "skipped: its experiment trains on CIFAR-10, which is not on this machine; 'dmlx data fetch' gets it"
            continue
        fi
        FORECAST_CSV="$out/forecast.csv" tests/bench/forecast.sh "$build/runner/dmlx"
        ;;
    startup)
        # The cells of the paper's Table 1, cut short: what is measured is over when their first round begins.
        status=0
        REPEATS=5 TABLE1_RUN="--set train.samples=600 --set train.rounds=3 --set train.epochs=1" STARTUP_CSV="$out/startup.csv" \
            tests/cluster/table1.sh "$build/runner/dmlx" || status=$?
        [ $status = 0 ] || [ $status = 77 ] || exit $status
        ;;
    *)
        echo "run.sh: no benchmark '$name'" >&2
        exit 2
        ;;
    esac
done

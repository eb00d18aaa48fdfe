#!/bin/bash
# forecast.sh DMLX [RESULTS]: how far the forecast and the simulator are off, held against what was measured. It runs
# experiments/forecast.cfg (or takes RESULTS, a folder of such results), hides all cells of more than four nodes, lets
# `dmlx predict` and `dmlx simulate` speak of one to eight, and says by how much they miss T. It ends with 1
# where they miss the goals, as judge_forecast.sh has them.
#   FORECAST_CSV=FILE   the rows as CSV too
#   FORECAST_RUN="…"    further words for dmlx run, such as --set matrix.repeats=5
set -euo pipefail
dmlx=$1
known=4 # the most nodes that the forecast may learn from
results=${2:-results/bench/.runs/forecast} # hidden, so that dmlx plot results/ does not draw it with the others
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
if [ $# -lt 2 ]; then
    # shellcheck disable=SC2086
    "$dmlx" run --no-figures -o results/bench/.runs ${FORECAST_RUN:-} experiments/forecast.cfg >/dev/null
fi

# The same results without the cells that are to be forecast. Fields before the note hold no commas.
mkdir "$work/known"
cp "$results/manifest.json" "$work/known/"
for file in runs.csv rounds.csv; do
    awk -F, -v most=$known 'NR == 1 { print; next } { n = $1; sub(/^n/, "", n); if (n + 0 <= most) print }' \
        "$results/$file" >"$work/known/$file"
done
"$dmlx" predict --nodes 1:8 --format csv "$work/known" >"$work/forecast.csv"
"$dmlx" simulate --nodes 1:8 --format csv "$results" >"$work/simulated.csv"
"$dmlx" simulate --nodes 1:8 --format csv "$work/known" >"$work/simulated_known.csv"
"$dmlx" table --format csv "$results" >"$work/measured.csv"

# column FILE NAME: "nodes value" a line, by the names of the columns.
column() {
    awk -F, -v name="$2" 'NR == 1 { for (i = 1; i <= NF; i++) { if ($i == name) at = i; if ($i == "nodes") nodes = i } next }
        { print $nodes, $at }' "$1"
}

column "$work/measured.csv" t_s | sort -n >"$work/t"
for name in t_s t_s_low t_s_high; do column "$work/forecast.csv" $name >"$work/$name"; done
column "$work/measured.csv" t_s_low >"$work/measured_low"
column "$work/measured.csv" t_s_high >"$work/measured_high"
column "$work/simulated.csv" t_s >"$work/simulated"
column "$work/simulated_known.csv" t_s >"$work/simulated_known"
csv=${FORECAST_CSV:-$work/rows.csv}
awk -v most=$known -v csv="$csv" '
    FILENAME ~ /\/t$/ { order[++n] = $1 }
    { part = FILENAME; sub(/.*\//, "", part); is[part, $1] = $2 }
    function error_of(part, nodes) { return 100 * (is[part, nodes] / is["t", nodes] - 1) }
    function size(x) { return x < 0 ? -x : x }
    END {
        print "nodes,measured_s,measured_low_s,measured_high_s,forecast_s,forecast_low_s,forecast_high_s,forecast_error_percent,simulated_s,simulated_error_percent,simulated_ahead_s,simulated_ahead_error_percent" >csv
        printf "%5s  %22s  %22s %7s   %9s %7s   %15s %7s\n", "nodes", "measured T s", "forecast T s", "error", "simulated", "error", "simulated ahead", "error"
        for (i = 1; i <= n; i++) {
            k = order[i]
            far = k > most
            printf "%5d  %7.3f [%5.2f, %5.2f]  %7.3f [%5.2f, %5.2f] %+6.1f%%%s  %9.3f %+6.1f%%   %15.3f %+6.1f%%\n", k,
                is["t", k], is["measured_low", k], is["measured_high", k], is["t_s", k], is["t_s_low", k], is["t_s_high", k],
                error_of("t_s", k), far ? "*" : " ", is["simulated", k], error_of("simulated", k),
                is["simulated_known", k], error_of("simulated_known", k)
            print k "," is["t", k] "," is["measured_low", k] "," is["measured_high", k] "," is["t_s", k] "," is["t_s_low", k] "," \
                is["t_s_high", k] "," error_of("t_s", k) "," is["simulated", k] "," error_of("simulated", k) "," \
                is["simulated_known", k] "," error_of("simulated_known", k) >csv
            if (far) { held++; sum += size(error_of("t_s", k)); ahead += size(error_of("simulated_known", k)) }
            if (size(error_of("simulated", k)) > worst) worst = size(error_of("simulated", k))
        }
        printf "\n* held out: forecast from 1 to %d nodes. Mean error there %.1f %% (goal: 6, none above 10); of the simulator\n", most, sum / held
        printf "drawing from 1 to %d nodes (\"ahead\") %.1f %%. Drawing from all, it is at most %.1f %% off (goal: 10).\n", most, ahead / held, worst
    }' "$work"/{t,t_s,t_s_low,t_s_high,measured_low,measured_high,simulated,simulated_known}
"$dmlx" predict --nodes 6,8 "$work/known" | grep -E '^(Work|Overhead) by '
tests/bench/judge_forecast.sh $known "$csv"

#!/bin/bash
# judge_forecast.sh KNOWN CSV: whether the rows that forecast.sh wrote meet the goals: T forecast from 1 to KNOWN nodes is at
# most 10 % off at each larger size and 6 % on the mean of them, and the simulator, which draws from all, at most 10 % at each
# size it was held against. It says what misses, and then ends with 1; so does what has no number.
set -euo pipefail
awk -F, -v known="$1" '
    function size(x) { return x < 0 ? -x : x }
    function miss(text) { print "missed: " text; missed = 1 }
    function is_number(text) { return text ~ /^[-+]?[0-9.]+(e[-+]?[0-9]+)?$/ }
    function hold(what, text) {
        if (!is_number(text)) miss(what " has no error: \"" text "\"")
        else if (size(text) > 10) miss(sprintf("%s is %+.1f %% off (goal: 10)", what, text))
    }
    NR == 1 { for (i = 1; i <= NF; i++) at[$i] = i; next }
    {
        hold("the simulator at " $at["nodes"] " nodes", $at["simulated_error_percent"])
        if ($at["nodes"] + 0 <= known) next
        hold("the forecast of " $at["nodes"] " nodes", $at["forecast_error_percent"])
        sum += size($at["forecast_error_percent"])
        held++
    }
    END {
        if (!held) miss("no size of more than " known " nodes was measured")
        else if (sum / held > 6) miss(sprintf("the forecasts are %.1f %% off on the mean (goal: 6)", sum / held))
        if (!missed) print "all goals are met"
        exit missed
    }' "$2"

#!/bin/bash
# judge_startup.sh CSV: whether cells start as soon as they are to. The rows are "launcher,cell,startup_s", one a run: from asking
# the launcher to start until the first round begins. Of each launcher's cells the slowest is judged, by the median of its
# runs: 0.15 s for local, 1.5 s for ssh, 8 s for swarm. It says goal, what was measured and whether it is met; where one is not, or has no
# number, it ends with 1.
set -euo pipefail
LC_ALL=C sort -t, -k1,2 -k3,3g "$1" | awk -F, '
    function close_cell() {
        if (n == 0) return
        median = n % 2 ? x[(n + 1) / 2] : (x[n / 2] + x[n / 2 + 1]) / 2
        if (!(launcher in worst) || median > worst[launcher]) { worst[launcher] = median; of[launcher] = cell }
        if (x[n] > largest[launcher]) largest[launcher] = x[n]
        runs[launcher] += n
        n = 0
    }
    BEGIN {
        n_goals = split("local 0.15 ssh 1.5 swarm 8", goals, " ")
        printf "%-8s %7s   %-26s %8s %5s\n", "launcher", "goal s", "slowest cell: median s", "largest", "runs"
    }
    $1 == "launcher" { next }
    $3 !~ /^[0-9]+(\.[0-9]+)?(e[-+]?[0-9]+)?$/ { bad[$1]++; next }
    { if ($1 != launcher || $2 != cell) { close_cell(); launcher = $1; cell = $2 } x[++n] = $3 + 0 }
    END {
        close_cell()
        for (i = 1; i < n_goals; i += 2) {
            who = goals[i]
            is_met = who in worst && !bad[who] && worst[who] <= goals[i + 1]
            if (!is_met) missed = 1
            if (!(who in worst)) printf "%-8s %7s   nothing was measured: not met\n", who, goals[i + 1]
            else printf "%-8s %7s   %-14s %11.3f %8.3f %5d   %s%s\n", who, goals[i + 1], of[who], worst[who], largest[who], runs[who],
                is_met ? "met" : "not met", bad[who] ? ": " bad[who] " without a number" : ""
        }
        exit missed
    }'

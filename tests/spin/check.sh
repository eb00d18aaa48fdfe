#!/bin/bash
# check.sh: has spin look into every order of events of rounds.pml, for several budgets of faults; sees that broken models are
# caught; and compares the model's messages with those of transport/wire.c and of the grammar. It takes a minute; --long adds
# larger budgets, a quarter of an hour and 3 GB.
# Exit 77 where spin is not installed.
set -euo pipefail
cd "$(dirname "$0")"
model=$PWD/rounds.pml
transport=$PWD/../../transport
command -v spin >/dev/null || { echo "skipped: spin is not installed; apt-get install spin"; exit 77; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cd "$scratch"

names_of_model=$(sed -n 's/^mtype = { \(HELLO.*\) };/\1/p' "$model" | tr -d ' ' | tr , '\n' | sort)
names_of_wire=$(sed -n 's/^ *\[WIRE_[A-Z]*\] = {"\([A-Z]*\)".*/\1/p' "$transport/wire.c" | sort)
names_of_grammar=$(sed -n 's/^ *\([A-Z]*\) *= \(up\|down\|both\)(.*/\1/p' "$transport/README.md" | sort)
for other in "$names_of_wire" "$names_of_grammar"; do
    if [ "$names_of_model" != "$other" ]; then
        echo "the model's messages are not those of wire.c and README.md:"
        diff <(echo "$names_of_model") <(echo "$other") || true
        exit 1
    fi
done
echo "messages: "$names_of_model

# Most of a short search goes into compiling it: only a long one is worth the optimizer's time.
optimize=-O0
# search MODEL HOW BUDGET…: leaves pan.log; HOW is safety (assertions, deadlock) or cycles (without progress).
search() {
    local file=$1 how=$2 compile=-DSAFETY options=()
    shift 2
    if [ "$how" = cycles ]; then
        compile=-DNP
        options=(-l)
    fi
    rm -f pan* ./*.trail
    spin "${@/#/-D}" -a "$file" >spin.log 2>&1 || { cat spin.log; exit 1; }
    gcc "$optimize" -w -DMEMLIM=6000 -DCOLLAPSE -DVECTORSZ=2048 "$compile" -o pan pan.c
    ./pan -m1000000 -w24 -n "${options[@]}" >pan.log 2>&1 || true
}

errors() {
    grep -q 'max search depth too small\|out of memory\|reached -DMEMLIM' pan.log && { echo incomplete; return; }
    sed -n 's/.*errors: \([0-9]*\).*/\1/p' pan.log
}

# check NAME BUDGET…: no error in any reachable state, nor in any cycle.
check() {
    local name=$1 how
    shift
    for how in ${hows:-safety cycles}; do
        search "$model" "$how" "$@"
        if [ "$(errors)" != 0 ]; then
            cat pan.log
            for trail in ./*.trail; do
                [ -f "$trail" ] && spin "${@/#/-D}" -t -p -g -k "$trail" "$model" | tail -100
            done
            echo "$name: $how: $(errors) errors"
            exit 1
        fi
        printf '%-42s %-7s %12s states, no error\n' "$name" "$how" "$(sed -n 's/ *\([0-9.e+]*\) states, stored.*/\1/p' pan.log)"
    done
}

# broken WHAT SED-EXPRESSION BUDGET…: a model that lacks this must be caught, or the model proves nothing.
broken() {
    local what=$1 expression=$2
    shift 2
    sed "$expression" "$model" >broken.pml
    ! cmp -s broken.pml "$model" || { echo "nothing was broken: $what"; exit 1; }
    search broken.pml safety "$@"
    [ "$(errors)" != 0 ] || { echo "not caught: $what"; exit 1; }
    printf 'caught: %s\n' "$what"
}

none="CRASHES=0 RESTARTS=0 SUSPECTS=0 GIVE_UPS=0"
check "one worker, all faults" WORKERS=1 LOSSES=2 HANGS=1 REPLAYS=1 KILLS=1
check "two workers, lost messages change nothing" $none LOSSES=2
hows=safety check "two workers, killed, suspected, respawned" LOSSES=0
hows=cycles check "two workers, killed, respawned" LOSSES=0 SUSPECTS=0 GIVE_UPS=0
hows=cycles check "two workers, suspected" LOSSES=0 CRASHES=0 RESTARTS=0
check "two workers, slow, and the coordinator killed" LOSSES=0 CRASHES=0 RESTARTS=0 HANGS=1 KILLS=1
if [ "${1:-}" = --long ]; then
    optimize=-O1
    hows=cycles check "two workers, killed, suspected, respawned" LOSSES=0
    hows=safety check "two workers, the same, replayed and lossy" LOSSES=1 REPLAYS=1
    optimize=-O0
fi
broken "an update counts however often it comes" 's/ && number == turn && !answered\[w\] ->/ \&\& number == turn ->/' $none LOSSES=0 REPLAYS=1
broken "an update counts for whatever turn" 's/ && in_round && number == turn && !answered\[w\] ->/ \&\& in_round \&\& !answered[w] ->/' WORKERS=1 $none REPLAYS=1
broken "an update of a replaced worker counts" 's/ && (peer != incarnation\[w\] || !is_there(w)) ->/ \&\& !is_there(w) ->/' WORKERS=1 REPLAYS=1
broken "a missed ROUND is not asked for" 's/tell(w, BEAT, me, number, MISSED)/skip/' WORKERS=1 $none
broken "a lost UPDATE is not asked for" 's/ && number == turn && flags ->/ \&\& number == turn \&\& (flags \& MISSED) ->/' WORKERS=1 $none
broken "READY is not asked for" 's/ && number == 0 && (flags & ANSWERED) ->/ \&\& false ->/' WORKERS=1 $none

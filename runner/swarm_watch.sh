# swarm_watch.sh — the shell that stands for a cell on a swarm (launch_swarm.c): deploys the stack, follows the coordinator's
# log, which is the record channel, and looks how the tasks fare. Its status is the coordinator's, or 4 for a lost cell,
# of which standard error has the reason.
#
#   sh -c SCRIPT sh CONTEXT STACK FOLDER WORKERS LOGS STRICT LIMIT
#     FOLDER   of the stack's files   WORKERS  how many, 0 for one node   LOGS  where theirs go
#     STRICT   1: the end of a worker ends the cell
#     LIMIT    seconds for which the manager may tell of no task, and that a call has
#
# The follower ends by itself at the last record. When the coordinator ended without one, what the follower had not seen is
# taken from the whole log, which is complete then: no record is lost, and none comes twice.
context=$1 stack=$2 folder=$3 workers=$4 logs=$5 strict=$6 limit=$7
d() { timeout --foreground "$limit" docker ${context:+--context "$context"} "$@"; }
behind() { exec docker ${context:+--context "$context"} "$@"; }
said=$(cd "$folder" && limit=$((5 * limit)) && d stack deploy --resolve-image never -c stack.yml "$stack" 2>&1) || {
    echo "${said:-docker stack deploy did not end within $((5 * limit)) s}" | tail -1 >&2; exit 4; }
main=coordinator; [ "$workers" -gt 0 ] || main=standalone
mkfifo "$folder/pipe" || exit 4
behind service logs --raw --follow "${stack}_$main" >"$folder/pipe" &
follower=$!
# Debian's awk fills a block of 4,096 bytes before it looks at a line: rounds would be told of long after they ended.
interactive=
case $(awk -W version 2>/dev/null </dev/null) in mawk*) interactive='-W interactive' ;; esac
# shellcheck disable=SC2086 # two words, or none
awk $interactive -v counted="$folder/count" '{ print; fflush(); n++ }
    /"record": *"failed"/ { exit }
    /"record": *"model"/ { part = parts = $0
        sub(/.*"part": */, "", part); sub(/.*"parts": */, "", parts)
        if (part + 0 == parts + 0) exit }
    END { print n + 0 >counted }' <"$folder/pipe" &
reader=$!
status= lost=
now() { date +%s; }
told=$(now)
while [ -z "$status" ]; do
    tasks=$(d stack ps --no-trunc --format '{{.Name}}|{{.Node}}|{{.CurrentState}}|{{.Error}}' "$stack" 2>"$folder/why")
    [ -z "$tasks" ] || told=$(now)
    # A stack that somebody has removed, or a manager that is gone, would be asked for ever.
    if [ $(($(now) - told)) -ge "$limit" ]; then
        lost="the swarm told of no task of the stack '$stack' for $limit s while '$main' was waited for: $(tail -n 1 "$folder/why")"
        status=4
        break
    fi
    found=$(printf '%s\n' "$tasks" | awk -F'|' -v main="${stack}_$main.1" -v strict="$strict" -v stack="${stack}_" '
        { state = $3; sub(/ .*/, "", state); name = $1; sub(stack, "", name); sub(/\.1$/, "", name) }
        $1 == main && state == "Complete" { print "end 0"; next }
        $1 == main && state == "Failed" {
            code = match($4, /\([0-9]+\)/) ? substr($4, RSTART + 1, RLENGTH - 2) : 1
            print "end " code
            next }
        state == "Rejected" || ($1 == main && state == "Shutdown") || (strict == 1 && state == "Failed") ||
        $3 ~ /^Orphaned/ {
            print "lost " name " on node " ($2 == "" ? "?" : $2) " " tolower(state) ": " $4 }
        state == "Pending" && $4 ~ /no suitable node/ { print "lost " name " finds no node: " $4 }')
    case $found in
    *'end '*) status=$(printf '%s\n' "$found" | sed -n 's/^end //p' | head -1);;
    *'lost '*) lost=$(printf '%s\n' "$found" | sed -n 's/^lost //p' | head -1); status=4;;
    esac
    [ -n "$status" ] || sleep 0.5 # docker has no call that waits for a task's end
done
n=0
while kill -0 $reader 2>/dev/null && [ $n -lt 10 ]; do n=$((n + 1)); sleep 0.1; done
kill $follower 2>/dev/null; wait $reader
seen=$(cat "$folder/count" 2>/dev/null)
[ -n "$lost" ] || d service logs --raw "${stack}_$main" 2>/dev/null | tail -n +$((${seen:-0} + 1))
i=0
while [ $i -lt $workers ]; do
    d service logs --raw "${stack}_worker-$i" >>"$logs/worker-$i.log" 2>&1 &
    fetch="$fetch $!"; i=$((i + 1))
done
[ -z "$fetch" ] || wait $fetch
[ -z "$lost" ] || echo "$lost" >&2
exit $status

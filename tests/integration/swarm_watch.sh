#!/bin/bash
# The shell that stands for a cell on a swarm passes each record on when it comes, however small, and does not ask for ever:
# where the manager tells of no task of the stack, or does not answer at all, it ends in time and says what it waited for.
# docker is an imitation.
. "$SUPPORT/experiment.sh"
cat >bin/docker <<'SH'
#!/bin/sh
case "$*" in
"stack ps "*)
    echo x >>"$IMITATION/asked"
    case $IMITATION_DOES in
    hangs) exec sleep 100 ;;
    refuses) echo "nothing found in stack: st" >&2; exit 1 ;;
    tells) echo "st_standalone.1|n1|$([ -e "$IMITATION/heard" ] && echo Complete || echo Running) 1 second ago|" ;;
    # The state, but for the first looks, in which the tasks are not there yet.
    ends) [ "$(wc -l <"$IMITATION/asked")" -lt 3 ] || echo "st_standalone.1|n1|Complete 1 second ago|" ;;
    esac ;;
"service logs --raw --follow "*)
    [ "$IMITATION_DOES" != tells ] || echo '{"record":"beat"}'
    [ "$IMITATION_DOES" = ends ] || exec sleep 100 ;;
esac
SH
chmod +x bin/docker
export IMITATION=$work
script=$(cat "$(dirname "$(dirname "$SUPPORT")")/runner/swarm_watch.sh")

# watch DOES
watch() {
    export IMITATION_DOES=$1
    rm -rf asked heard stack && mkdir stack && touch stack/stack.yml
    timeout 60 sh -c "$script" sh "" st "$work/stack" 0 "$work" 1 3 >watch.out 2>watch.err &
    watching=$!
}
# watched DOES STATUS
watched() {
    wait "$watching"
    expect_equal "status of the shell whose docker $1" "$2" $?
}
watch refuses
watched refuses 4
grep -qx "the swarm told of no task of the stack 'st' for 3 s while 'standalone' was waited for: nothing found in stack: st" watch.err ||
    fault "a stack that is gone is told as: $(cat watch.err)"
watch hangs
watched hangs 4
grep -q "^the swarm told of no task of the stack 'st' for 3 s while 'standalone' was waited for" watch.err ||
    fault "a manager that hangs is told as: $(cat watch.err)"
watch ends
watched ends 0

# The cell ends when its first record was heard, which is no block of anything.
watch tells
wait_for_line watch.out '^{"record":"beat"}$' 20 || fault "a record is not passed on: $(cat watch.err)"
touch heard
watched tells 0

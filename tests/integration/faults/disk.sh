#!/bin/bash
# The results' disk is full, or read-only, at the start, from any phase on, or when a round, the model or a checkpoint is to
# be written: a clear error, what stood is whole, and after space is made the same command goes on.
# cases: full_round full_checkpoint full_model full_start readonly_start readonly_later
# cases: full_joining full_loading full_training full_sending full_averaging
# cases: readonly_joining readonly_loading readonly_training readonly_sending readonly_averaging readonly_writing
if [ -z "${DMLX_OWN_MOUNTS:-}" ]; then
    . "$SUPPORT/needs.sh"
    needs root unshare mkfs.ext4
    # Mounts of its own: what is left of them goes with the last process.
    exec env DMLX_OWN_MOUNTS=1 unshare --mount --propagation private "$0" "$@"
fi
. "$SUPPORT/faults.sh"
IFS=_ read -r how what <<<"$case"
options=() breaks_under_way=
[[ $how != readonly || $what == @(start|later) ]] || breaks_under_way=1
mkdir results
# Files are open for writing while a cell runs, so nobody can remount their disk; it can only turn read-only by itself, as
# a worn SD card makes it: an ext4 file system that has met an error, which its kernel lets us say that it has.
mount_results() {
    if [ "$breaks_under_way" ]; then
        mount -o loop,errors=remount-ro disk results
    else
        mount -t tmpfs -o size=8m none results
    fi
}
[ ! "$breaks_under_way" ] || { truncate -s 16m disk && mkfs.ext4 -q disk; } || exit 1
mount_results || exit 1
trap 'status=$?; umount -l "$work/results"; (exit $status); finish' EXIT
sed -i 's/^matrix.*/matrix = { nodes = [ 1, 3 ]; cores_per_node = [ 1 ]; shuffle = false; };/' tiny.cfg

break_disk() {
    if [ "$how" = full ]; then
        dd if=/dev/zero of=results/filler bs=4k status=none 2>/dev/null
    elif [ "$breaks_under_way" ]; then
        device=$(findmnt -no SOURCE results)
        echo "a test" >"/sys/fs/ext4/${device#/dev/}/trigger_fs_error" || fault "no error came about"
    else
        mount -o remount,ro results || fault "no remount"
    fi
}
mend_disk() {
    if [ "$how" = full ]; then
        rm results/filler
    elif [ "$breaks_under_way" ]; then
        # What is there afterwards is what was on the disk, not in memory.
        umount results || fault "the disk is in use"
        e2fsck -fp disk >/dev/null
        mount_results || fault "the disk was not mended"
    else
        mount -o remount,rw results
    fi
}

case $what in
joining | loading) place=worker-2:$what:0 ;;
training | sending) place=worker-2:$what:3 ;;
averaging | writing) place=coordinator:$what:3 ;;
round) place=coordinator:writing:3 ;;
checkpoint) place=coordinator:writing:2 options=(--set cluster.checkpoint=true) ;;
model) place=coordinator:writing:5 ;;
start | later) place= ;;
esac
if [ "$place" ]; then
    pause_at "$place"
    start_run "${options[@]}"
    await_pause "$place"
    break_disk
    # What was still to be written of the round before may meet the disk first: then the run ends, and who is held with it.
    kill -CONT "$paused" 2>/dev/null
else
    if [ "$what" = later ]; then
        pause_at coordinator:writing:3
        start_run
        await_pause coordinator:writing:3
        kill -KILL "$run"
        finish_run
        marked_gone_within "$DMLX_CASE_MARK" 5 || fault "they outlive dmlx run"
    fi
    break_disk
    start_run
fi
finish_run
cp results/tiny/runs.csv before.csv 2>/dev/null
mend_disk
expect_equal "status" 1 "$status"
case $how$breaks_under_way in
full) reason='No space left' ;;
readonly) reason='Read-only file system' ;;
*) reason='Read-only file system|Input/output error' ;; # what was on its way when the disk broke has the second
esac
expect_text "the reason is not told" "$reason" run.err
expect_text "the file is not named" "results" run.err
expect_text "what to do is not told" 'make space|choose a folder|go on' run.err
expect_equal "lines cut short" 0 "$(tail -qc1 results/tiny/*.csv 2>/dev/null | grep -vc '^$')"

start_run "${options[@]}"
finish_run
expect_equal "status after space was made ($(cat run.err))" 0 "$status"
[ ! -s before.csv ] || cmp -n "$(stat -c %s before.csv)" before.csv results/tiny/runs.csv || fault "what stood was changed"
expect_equal "done rows" "n1-c1 n3-c3 " "$(awk -F, '/,done,/ { print $1 }' results/tiny/runs.csv | sort | tr '\n' ' ')"
expect_rounds 12

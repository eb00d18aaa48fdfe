# leftovers.sh, to be sourced: finds what a test left running. A test exports a mark of its own before it starts
# anything (DMLX_CASE_MARK=…); every program below it inherits the mark, whatever its parent or session became.
# The test's own shell does not count: a process's environment is shown as it was when its program started.

# nap SECONDS: sleeps without starting a process for it. What is looked at every 10 ms is looked at hundreds of times, and
# others need the cores meanwhile. Nothing is ever written to that pipe.
exec {nap_pipe}<> <(:)
nap() {
    read -rt "$1" -u "$nap_pipe" || true
}

# Prints "PID name" of each living process that was started with the mark.
marked_processes() {
    local environment pid name
    # grep itself must not carry the mark, or it finds itself.
    env -u DMLX_CASE_MARK grep -lzs "^DMLX_CASE_MARK=$1\$" /proc/[0-9]*/environ | while read -r environment; do
        pid=${environment#/proc/} pid=${pid%/environ}
        # One that ended in between has no name any more; a zombie is only waiting for its parent to look.
        grep -qs '^State:.Z' "/proc/$pid/status" || { name=$(cat "/proc/$pid/comm" 2>/dev/null) && echo "$pid $name"; }
    done
}

# Waits until no marked process lives, at most SECONDS. Prints those that stayed and returns 1 if any did.
marked_gone_within() {
    local end=$((SECONDS + $2)) left
    while left=$(marked_processes "$1"); [ -n "$left" ]; do
        if [ "$SECONDS" -ge "$end" ]; then
            echo "$left"
            return 1
        fi
        nap 0.05
    done
}

kill_marked() {
    local pid rest
    marked_processes "$1" | while read -r pid rest; do
        kill -KILL "$pid" 2>/dev/null
    done
}

# Waits until no control group's name holds TEXT, at most SECONDS. Prints those that stayed, as above.
cgroups_gone_within() {
    local end=$((SECONDS + $2)) left
    while left=$(cgroups_named "$1"); [ -n "$left" ]; do
        if [ "$SECONDS" -ge "$end" ]; then
            echo "$left"
            return 1
        fi
        nap 0.05
    done
}

# Prints the control groups whose name holds TEXT (a run's id, say), in either version of the hierarchy.
cgroups_named() {
    find /sys/fs/cgroup -mindepth 1 -type d -name "*$1*" 2>/dev/null
}

# hold_spaces PID: the network namespaces that PID has made and holds by a descriptor. Sets $spaces, their names
# (net:[NUMBER]), and $holder, a process that holds them from now on: a number that became free would be given to the next
# one, of a test beside this one, say, and would be found again. experiment.sh ends that process.
spaces=() holder=
hold_spaces() {
    local path fd name held=()
    release_spaces
    while read -r path name; do
        exec {fd}<"$path" || return 1
        held+=("$fd") spaces+=("$name")
    done < <(find "/proc/$1/fd" -lname 'net:*' -printf '%p %l\n')
    env -u DMLX_CASE_MARK sleep 300 >/dev/null 2>&1 &
    holder=$!
    for fd in "${held[@]}"; do exec {fd}<&-; done
}

release_spaces() {
    [ -z "$holder" ] || kill "$holder" 2>/dev/null
    spaces=() holder=
}

# Waits until nobody else holds those namespaces, at most SECONDS: a process in it, a descriptor, or a mount. Prints what
# stayed, as above.
spaces_left_alone_within() {
    local end=$((SECONDS + $1)) left
    while left=$(space_holders); [ -n "$left" ]; do
        if [ "$SECONDS" -ge "$end" ]; then
            echo "$left"
            return 1
        fi
        nap 0.05
    done
}

space_holders() {
    [ "${#spaces[@]}" -gt 0 ] || return 0
    {
        find /proc/[0-9]*/ns/net /proc/[0-9]*/fd -lname 'net:*' -printf '%l %p\n'
        grep -F 'net:[' /proc/[0-9]*/mountinfo
    } 2>/dev/null | grep -F -f <(printf '%s\n' "${spaces[@]}") | grep -v " /proc/$holder/"
}

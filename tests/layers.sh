#!/bin/bash
# layers.sh: keeps the layers apart, by looking at the includes and at what leaves may not call. The link keeps
# them too, for a leaf's unit tests; this says it in words, before anything is built. Run from anywhere.
set -uo pipefail
cd "$(dirname "$0")/.."
faults=0

# forbid WHY EXPRESSION FILE…: none of the files may hold a line that matches.
forbid() {
    local why=$1 expression=$2 found
    shift 2
    [ "$#" -gt 0 ] || return 0
    if found=$(grep -nE "$expression" "$@" /dev/null); then
        printf '%s:\n%s\n' "$why" "$found"
        faults=1
    fi
}

# only_in WHY EXPRESSION ALLOWED…: no source but the allowed ones (files or folders) may match.
only_in() {
    local why=$1 expression=$2
    shift 2
    local sources=() allowed
    while IFS= read -r source; do
        for allowed in "$@"; do
            case "$source" in "$allowed" | "$allowed"/*) continue 2 ;; esac
        done
        sources+=("$source")
    done < <(find engine transport plots runner -name '*.[ch]' | sort)
    forbid "$why" "$expression" "${sources[@]}"
}

leaf_sources() {
    find "$1" -name '*.[ch]' | sort
}

others_of() {
    case "$1" in
    engine) echo 'transport|plots|runner' ;;
    transport) echo 'engine|plots|runner' ;;
    plots) echo 'engine|transport|runner' ;;
    esac
}

for leaf in engine transport plots; do
    mapfile -t sources < <(leaf_sources "$leaf")
    forbid "$leaf/ includes another layer" "^ *# *include *[\"<]($(others_of "$leaf"))/" "${sources[@]}"
    # Words inside comments and strings are let through by asking for a call at a place where code stands. _exit is
    # how a forked child ends that could not become gnuplot.
    forbid "$leaf/ prints, logs or exits: only the runner does" \
        '(^|[^A-Za-z0-9_.>"*/ ]|^ +)(printf|puts|putchar|perror|exit|quick_exit|warn|err|syslog|zsys_(error|warning|info|debug|notice)) ?\(' \
        "${sources[@]}"
    forbid "$leaf/ writes to stdout or stderr: only the runner does" '[(,] *(stdout|stderr) *[,)]' "${sources[@]}"
done
only_in 'blis.h belongs to engine/gemm.c alone' '^ *# *include *["<](blis/)?blis\.h' engine/gemm.c
only_in 'libconfig.h belongs to runner/spec_file.c alone' '^ *# *include *["<]libconfig\.h' runner/spec_file.c
only_in 'czmq and zmq belong under transport/' '^ *# *include *["<](czmq|zmq)' transport
only_in 'includes are written from the root' '^ *# *include *"(\.\.?/|[^/"]+")'
[ "$faults" = 0 ] && echo "the layers are apart"
exit "$faults"

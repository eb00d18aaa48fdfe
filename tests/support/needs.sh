# needs.sh, to be sourced: `needs WHAT…` ends the test with status 77, which CTest reads as skipped, where the
# machine lacks one of them. WHAT: root, cgroup (a CPU limit can be set), data (CIFAR-10 in $DMLX_DATA),
# network (the official archive's host can be reached), or a program's name.
can_limit_cpu() {
    [ "$(id -u)" = 0 ] && { [ -w /sys/fs/cgroup/cpu ] || grep -qsw cpu /sys/fs/cgroup/cgroup.controllers; }
}

has_data() {
    [ -f "${DMLX_DATA:-}/test_batch.bin" ] || [ -f "${DMLX_DATA:-}/cifar-10-batches-bin/test_batch.bin" ]
}

has_need() {
    case "$1" in
    root) [ "$(id -u)" = 0 ] ;;
    cgroup) can_limit_cpu ;;
    data) has_data ;;
    network) timeout 5 bash -c 'exec 3<>/dev/tcp/www.cs.toronto.edu/443' 2>/dev/null ;;
    *) command -v "$1" >/dev/null ;;
    esac
}

needs() {
    for need in "$@"; do
        if ! has_need "$need"; then
            echo "needs $need, which this machine lacks"
            exit 77
        fi
    done
}

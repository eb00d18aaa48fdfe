# data.sh, to be sourced from the project's root: points DMLX_DATA at CIFAR-10 if the machine has it, without a
# network. In this order: what the user set, the cache folder, the pictures in $DMLX_PICTURES, which are unpacked
# into build/data once. Leaves DMLX_DATA unset otherwise.
dmlx_find_data() {
    if [ -n "${DMLX_DATA:-}" ]; then
        export DMLX_DATA
        return
    fi
    cache=${XDG_CACHE_HOME:-$HOME/.cache}/dmlx
    if [ -f "$cache/cifar-10-batches-bin/test_batch.bin" ]; then
        export DMLX_DATA=$cache
    elif [ -f "${DMLX_PICTURES:-}/unpack.py" ]; then
        [ -f build/data/cifar-10-binary.tar.gz ] || echo "unpacking the pictures in $DMLX_PICTURES" >&2
        # Debian's own python: another one in PATH may lack its python3-pil.
        /usr/bin/python3 "$DMLX_PICTURES/unpack.py" build/data && export DMLX_DATA=$PWD/build/data
    fi
}

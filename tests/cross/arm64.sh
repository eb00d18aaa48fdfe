#!/bin/sh
# Builds the engine's tests for arm64 and runs them under qemu: NEON kernels, golden numbers, the same bits and bytes
# as elsewhere where they are promised. Exit 77: a tool is missing.
#
#     tests/cross/arm64.sh BUILD     the Debian libraries are kept in BUILD/sysroot
set -eu
build=$1
source=$(cd "$(dirname "$0")/../.." && pwd)
for tool in aarch64-linux-gnu-gcc qemu-aarch64-static mmdebstrap ninja; do
    if ! command -v $tool >/dev/null; then
        echo "skipped: no $tool (Debian: gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static mmdebstrap ninja-build)"
        exit 77
    fi
done
mkdir -p "$build"
export DMLX_SYSROOT="$build/sysroot"
if [ ! -d "$DMLX_SYSROOT" ]; then
    packages=libc6-dev,libgcc-12-dev,libblis-pthread-dev,libjansson-dev,libmd-dev,libxxhash-dev,libcmocka-dev
    packages=$packages,libczmq-dev,libzmq3-dev,libconfig-dev,libcurl4-openssl-dev,libarchive-dev,libgsl-dev
    rm -rf "$DMLX_SYSROOT.new"
    if ! mmdebstrap --quiet --arch=arm64 --variant=extract --include=$packages bookworm "$DMLX_SYSROOT.new"; then
        rm -rf "$DMLX_SYSROOT.new"
        echo "skipped: Debian's arm64 packages cannot be had"
        exit 77
    fi
    mv "$DMLX_SYSROOT.new" "$DMLX_SYSROOT"
fi
tests="average golden kernels rng sampler schedule spec synthetic threads"
cmake -S "$source" -B "$build/tree" -G Ninja -DDMLX_WERROR=ON -DCMAKE_C_FLAGS=-O2 \
    -DCMAKE_TOOLCHAIN_FILE="$source/cmake/aarch64.cmake" >"$build/configure.log" 2>&1 || {
    cat "$build/configure.log"
    exit 1
}
ninja -C "$build/tree" $(for test in $tests; do echo test_$test; done)
ctest --test-dir "$build/tree" --output-on-failure -R "^unit\.($(echo $tests | tr ' ' '|'))\$"

#!/bin/bash
# The image from source, by container/Containerfile, where only Debian packages can be had: `dmlx image --source` builds
# it on a base that mmdebstrap made of the packages that the file itself installs, without a way to anywhere. Its
# workers run. With the base of the real world, debian:bookworm-slim, the same file fetches those packages. The image for
# arm64 the same way, by Containerfile.cross: its program trains under qemu; and both under one name in a registry.
# release: the image compiles a program of its own
. "$SUPPORT/needs.sh"
needs root mmdebstrap dockerd docker docker-registry git qemu-aarch64-static
only_parts="registry"
. "$(dirname "$0")/common.sh"
root=$(dirname "$(dirname "$(dirname "$(realpath "$0")")")")

packages_of() {
    tr -d '\\\n' <"$root/container/$1" | grep -oE 'no-install-recommends [a-z0-9+.: -]+' |
        sed 's/no-install-recommends //' | tr ' ' '\n' | grep . | sort -u
}
packages_of Containerfile >native
packages_of Containerfile.cross >cross
for list in native cross; do
    [ "$(wc -l <$list)" -gt 15 ] || fault "the packages are not found in the Containerfile: $(cat $list)"
done

# make_base NAME ARCHITECTURES: NAME.tar, of the packages in the list of that name and no others: what the file forgets, the
# build misses. Its disk need not be waited for.
make_base() {
    mmdebstrap --quiet --variant=apt --dpkgopt=force-unsafe-io --architectures="$2" --include="$(paste -sd, "$1")" \
        --customize-hook='rm -rf "$1"/etc/apt/sources.list*' bookworm "$1.tar" 2>"$1.log"
}
make_base native amd64 &
native=$!
make_base cross amd64,arm64 &
wait $native && wait $! || {
    wait
    echo "Debian's packages cannot be had here: $(tail -n 5 native.log cross.log)"
    exit 77
}
"$cluster" ext docker context create mgr --docker host=ssh://mgr >/dev/null
for name in native cross; do
    "$cluster" ext docker --context mgr import - $name:bookworm <$name.tar >import.out 2>&1 || fault "$name: $(cat import.out)"
    rm $name.tar
done

# The source as git has it, with what is not committed yet.
mkdir source && git -C "$root" ls-files -z | (cd "$root" && tar -c --null --files-from=- 2>/dev/null) | tar -xC source
timeout 1200 "$cluster" ext "$program" image --source source --base native:bookworm --context mgr --name made:1 >image.out 2>&1 ||
    fault "image: $(tail -20 image.out)"
expect_equal "what dmlx image says" "made:1" "$(tail -1 image.out)"
on_cluster run c.cfg -o made --no-figures --launcher docker --set cluster.context=mgr --set 'cluster.image="made:1"' \
    --set "cluster.data_folder=\"$DMLX_DATA\"" >made.out 2>made.err || fault "run: $(cat made.err)"
expect_equal "rows" 2 "$(column made/c/runs.csv status | grep -cx done)"
nothing_left "the run" 5

# Another compiler's options may sum in another order; the outcome is the same all the same.
on_cluster run c.cfg -o here --no-figures --launcher local >here.out 2>here.err || fault "local: $(cat here.err)"
for name in here made; do
    paste -d' ' <(column $name/c/runs.csv cell) <(column $name/c/runs.csv loss) <(column $name/c/runs.csv model_sha256) |
        sort | tee $name.losses
done
paste -d' ' here.losses made.losses | awk '
    { d = $2 - $5; n += $1 == $4 && $2 > 0 && d <= 0.02 * $2 && -d <= 0.02 * $2 } END { exit n != 2 }' ||
    fault "the image computes something else"

# Both architectures under one name; the engine's own was built above.
name=10.77.0.254:5000/dmlx:two
timeout 1200 "$cluster" ext "$program" image --source source --base native:bookworm,cross:bookworm --context mgr --name dmlx:two \
    --registry 10.77.0.254:5000 --push --platform linux/amd64,linux/arm64 >two.out 2>&1 || fault "two: $(tail -20 two.out)"
expect_equal "what dmlx image says of two" "$name-amd64 $name-arm64 $name " "$(tr '\n' ' ' <two.out)"
for arch in amd64 arm64; do
    expect_equal "architecture of the engine's image" "linux $arch" \
        "$("$cluster" ext docker --context mgr image inspect --format '{{.Os}} {{.Architecture}}' $name-$arch)"
done
"$cluster" ext docker manifest inspect --insecure $name >manifest.json || fault "no list of the architectures"
expect_equal "architectures in the registry" "amd64 arm64 " \
    "$(sed -nE 's/.*"architecture": "([^"]*)".*/\1/p' manifest.json | sort | tr '\n' ' ')"
# A node that never saw either gets its own. The source had no revision to tell.
version=$("$program" --version | cut -d' ' -f1,2)
"$cluster" ext docker context create w1 --docker host=ssh://w1 >/dev/null
"$cluster" ext docker --context w1 pull -q $name >pull.out 2>&1 || fault "pull: $(cat pull.out)"
expect_equal "what a node gets" "amd64 $version" \
    "$("$cluster" ext docker --context w1 image inspect --format '{{.Architecture}}' $name) $(
        "$cluster" ext docker --context w1 run --rm $name --version | cut -d' ' -f1,2)"

# The guide's command for Pis alone: one image of the plain name, whatever the engine's own architecture is.
pi=10.77.0.254:5000/dmlx:pi
timeout 1200 "$cluster" ext "$program" image --source source --base cross:bookworm --context mgr --name dmlx:pi \
    --platform linux/arm64 --registry 10.77.0.254:5000 --push >pi.out 2>&1 || fault "pi: $(tail -20 pi.out)"
expect_equal "what dmlx image says of Pis" "$pi" "$(tail -1 pi.out)"
"$cluster" ext docker --context w1 pull -q $pi >pull.out 2>&1 || fault "pull of $pi: $(cat pull.out)"
expect_equal "what the registry has for Pis" "linux arm64" \
    "$("$cluster" ext docker --context w1 image inspect --format '{{.Os}} {{.Architecture}}' $pi)"

# What is in the one for arm64, run by qemu: nothing of it can be missing then.
mkdir arm64
"$cluster" ext docker --context mgr create --name arm64 $name-arm64 >created.out 2>&1 || fault "create: $(cat created.out)"
"$cluster" ext docker --context mgr export arm64 | tar -xC arm64
emulated() {
    env -u LD_LIBRARY_PATH qemu-aarch64-static -L "$PWD/arm64" "$@"
}
expect_equal "its shell" "a shell" "$(emulated arm64/bin/sh -c 'echo a shell')"
expect_equal "version for arm64" "$version" "$(emulated arm64/usr/bin/dmlx --version | cut -d' ' -f1,2)"
trained() {
    "$@" train --only nodes=1 --records c.cfg 2>train.err | sed -nE '/"record":"result"/s/.*"loss":([0-9.]+).*/\1/p'
}
sed -i 's/^cluster = .*/cluster = { enforce = false; };/' c.cfg
here=$(trained "$program")
there=$(trained emulated arm64/usr/bin/dmlx)
echo "loss here $here, on arm64 $there"
awk "BEGIN { d = $here - ${there:-0}; exit !($here > 0 && d < 0.02 * $here && -d < 0.02 * $here) }" ||
    fault "the program for arm64 computes something else: $(cat train.err)"

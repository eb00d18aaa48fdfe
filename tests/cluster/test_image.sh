#!/bin/bash
# The image from source, by container/Containerfile, where only Debian packages can be had: `dmlx image --source` builds
# it on a base that mmdebstrap made of the packages that the file itself installs, without a way to anywhere. Its
# workers run. With the base of the real world, debian:bookworm-slim, the same file fetches those packages.
. "$SUPPORT/needs.sh"
needs root mmdebstrap dockerd docker git
only_parts=docker
. "$(dirname "$0")/common.sh"
root=$(dirname "$(dirname "$(dirname "$(realpath "$0")")")")

# Only what the file installs is there: what it forgets, the build misses.
packages=$(tr -d '\\\n' <"$root/container/Containerfile" | grep -oE 'no-install-recommends [a-z0-9+. -]+' |
    sed 's/no-install-recommends //' | tr ' ' '\n' | grep . | sort -u | paste -sd,)
[ "$(tr ',' '\n' <<<"$packages" | wc -l)" -gt 15 ] || fault "the packages are not found in the Containerfile: $packages"
if ! mmdebstrap --quiet --variant=apt --include="$packages" --customize-hook='rm -rf "$1"/etc/apt/sources.list*' \
    bookworm base.tar 2>mmdebstrap.log; then
    echo "Debian's packages cannot be had here: $(tail -1 mmdebstrap.log)"
    exit 77
fi
"$cluster" ext docker context create mgr --docker host=ssh://mgr >/dev/null
"$cluster" ext docker --context mgr import - base:bookworm <base.tar >import.out 2>&1 || fault "base: $(cat import.out)"
rm base.tar

# The source as git has it, with what is not committed yet.
mkdir source && git -C "$root" ls-files -z | (cd "$root" && tar -c --null --files-from=- 2>/dev/null) | tar -xC source
timeout 1200 "$cluster" ext "$program" image --source source --base base:bookworm --context mgr --name made:1 >image.out 2>&1 ||
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

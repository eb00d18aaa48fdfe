#!/bin/sh
# archive.sh PROGRAM BUILD ARCHIVE: an image for arm64 as an archive that `docker load` and `podman load` take: the program, the
# libraries it needs, and a shell. Containerfile.cross calls it where Debian's arm64 libraries are installed.
set -eu
program=$1 build=$2 archive=$3
folders="/lib/aarch64-linux-gnu /usr/lib/aarch64-linux-gnu"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/usr/bin" "$root/usr/lib/aarch64-linux-gnu" "$root/bin" "$root/lib" "$root/tmp" "$root/data" \
    "$root/cache/dmlx/synthetic-1"
chmod 1777 "$root/tmp"
cp "$program" "$root/usr/bin/dmlx"
cp /bin/busybox "$root/bin/sh" # static; it is a shell by that name
chmod 755 "$root/usr/bin/dmlx" "$root/bin/sh"

# Prints the libraries that a file names. What the loader would look for at run time is looked for here.
needed_by() {
    aarch64-linux-gnu-objdump -p "$1" | awk '$1 == "NEEDED" { print $2 }'
}
find_library() {
    for folder in $folders; do
        [ ! -e "$folder/$1" ] || { echo "$folder/$1"; return; }
    done
    echo "archive.sh: $1 is not found in $folders" >&2
    return 1
}
gather() {
    local name path
    for name in $(needed_by "$1"); do
        [ ! -e "$root/usr/lib/aarch64-linux-gnu/$name" ] || continue
        path=$(find_library "$name")
        cp -L "$path" "$root/usr/lib/aarch64-linux-gnu/"
        gather "$path"
    done
}
gather "$program"
loader=ld-linux-aarch64.so.1
cp -L "$(find_library $loader)" "$root/lib/$loader"
case $(aarch64-linux-gnu-objdump -f "$root/bin/sh") in
*aarch64*) ;;
*) echo "archive.sh: /bin/busybox is not arm64's" >&2; exit 1 ;;
esac

tar -C "$root" --owner=0 --group=0 --sort=name --mtime=@0 -cf "$work/layer.tar" .
layer=$(sha256sum "$work/layer.tar" | cut -d' ' -f1)
cat >"$work/config.json" <<JSON
{"architecture": "arm64", "os": "linux", "created": "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
 "config": {"User": "65534:65534", "Entrypoint": ["/usr/bin/dmlx"], "Labels": {"dmlx.version": "$build"},
  "Env": ["PATH=/usr/bin:/bin"]},
 "rootfs": {"type": "layers", "diff_ids": ["sha256:$layer"]}, "history": [{"created_by": "dmlx image"}]}
JSON
echo '[{"Config": "config.json", "RepoTags": null, "Layers": ["layer.tar"]}]' >"$work/manifest.json"
tar -C "$work" -cf "$archive" manifest.json config.json layer.tar

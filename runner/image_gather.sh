# image_gather.sh — the root of an image without a distribution (cmd_image.c): the program, sh, and the libraries that both
# are linked with, as FOLDER.tar. Libraries lie side by side, since the search path names one folder; the loader has its
# own place.
#
#   sh -c SCRIPT sh PROGRAM FOLDER
set -e
d=$2
mkdir -p "$d/usr/bin" "$d/usr/lib/dmlx" "$d/bin" "$d/tmp" "$d/data" "$d/cache/dmlx/synthetic-1"
chmod 1777 "$d/tmp"
cp -L "$1" "$d/usr/bin/dmlx"
cp -L /bin/sh "$d/bin/sh"
chmod 755 "$d/usr/bin/dmlx" "$d/bin/sh"
{ ldd "$1"; ldd /bin/sh; } | while read -r name arrow path rest; do
    case $name in /*) mkdir -p "$d${name%/*}"; cp -L "$name" "$d$name"; continue ;; esac
    case $path in
    /*) cp -L "$path" "$d/usr/lib/dmlx/" ;;
    not) echo "$name is not found" >&2; exit 1 ;;
    esac
done
tar -C "$d" --owner=0 --group=0 --sort=name -cf "$d.tar" .

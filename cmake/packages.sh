# packages.sh PACKAGE…: installs those of Debian's packages that are missing, as root or by a sudo that asks for no
# password; otherwise prints the one line to type and stops. SETUP=no: changes nothing, and asks for nothing.
# Called by the Makefile, which holds the lists.
set -eu

[ "${SETUP:-yes}" != no ] || exit 0
if ! command -v dpkg-query >/dev/null; then
    echo "make: this is not Debian; install what corresponds to: $*" >&2
    echo "make: then say so: make SETUP=no" >&2
    exit 1
fi

missing=
for package in "$@"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    case "$state" in
    installed*) ;;
    *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    if ! sudo -n true 2>/dev/null; then
        echo "make: packages are missing; install them and call make again:" >&2
        echo "    sudo apt-get install --no-install-recommends$missing" >&2
        exit 1
    fi
    as_root='sudo -n'
fi

apt() {
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=300 \
        -o Acquire::Retries=3 "$@" </dev/null
}

# A machine whose lists are fresh needs no update; one whose lists are absent or old fails the first try.
echo "make: installing$missing" >&2
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if apt install -y --no-install-recommends $missing >"$log" 2>&1 ||
    { apt update && apt install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    exit 0
fi
cat "$log" >&2
echo "make: apt-get failed (above); was looking for:$missing" >&2
exit 1

#!/usr/bin/env bash
# Builds and tests this tree inside a Debian 13, in a folder made with debootstrap: scripts/test_debian13.sh [PRESET...]
#
# The folder is kept in ASYNCIO_DEBIAN13_DIR (default ~/.cache/asyncio-debian13, about 2 GB), so that a second run takes
# only as long as the tests. The tree is mounted read-only, the build goes into the folder. Needs root (or sudo).
# ASYNCIO_DEBIAN_SUITE=bookworm does the same on a bare Debian 12.
# Whatever happens, everything is unmounted at the end; nothing here ever removes the folder while something is mounted.
set -euo pipefail
cd "$(dirname "$0")/.."
source_dir=$PWD

if ((EUID != 0)); then
    command -v sudo >/dev/null || { echo "test_debian13.sh: needs root, and there is no sudo" >&2; exit 1; }
    exec sudo --preserve-env=ASYNCIO_DEBIAN13_DIR,ASYNCIO_DEBIAN_SUITE,ASYNCIO_DEBIAN_MIRROR,ASYNCIO_ALLOW_MISSING_BACKENDS,XDG_CACHE_HOME,HOME "$0" "$@"
fi
presets=("$@")
((${#presets[@]})) || presets=(test)
suite=${ASYNCIO_DEBIAN_SUITE:-trixie}
name=asyncio-$suite
[[ $suite == trixie ]] && name=asyncio-debian13
root=${ASYNCIO_DEBIAN13_DIR:-${XDG_CACHE_HOME:-$HOME/.cache}/$name}
mirror=${ASYNCIO_DEBIAN_MIRROR:-http://deb.debian.org/debian}

if ! command -v debootstrap >/dev/null; then
    echo "test_debian13.sh: installing debootstrap, which makes the Debian 13 folder ..."
    apt-get -o DPkg::Lock::Timeout=600 -qq -y install --no-install-recommends debootstrap >/dev/null
fi

# Two runs in one folder would unmount each other's file systems.
mkdir -p "$root"
exec 9>"$root.lock"
flock -n 9 || { echo "test_debian13.sh: another run uses $root" >&2; exit 1; }

unmount_all() {
    local mounted
    # Innermost first; what is busy is detached, so that nothing stays behind.
    while read -r mounted; do
        umount "$mounted" 2>/dev/null || umount -l "$mounted" || true
    done < <(awk -v root="$root/" 'index($2, root) == 1 {print $2}' /proc/mounts | sort -r)
}
trap unmount_all EXIT
trap 'exit 130' INT TERM HUP
unmount_all

if [[ ! -e $root/.asyncio-complete ]]; then
    echo "making a Debian $suite in $root ..."
    # A half-made one is useless; --one-file-system, because removing through a mount would remove what is behind it.
    find "$root" -mindepth 1 -maxdepth 1 -exec rm -rf --one-file-system {} +
    debootstrap --variant=minbase "$suite" "$root" "$mirror" >"$root.log" 2>&1 || { tail -n 20 "$root.log" >&2; exit 1; }
    touch "$root/.asyncio-complete"
fi

mkdir -p "$root/src" "$root/build"
mount -t proc proc "$root/proc"
mount --bind "$source_dir" "$root/src"
mount -o remount,ro,bind "$root/src"
mount -t tmpfs -o size=64m tmpfs "$root/dev/shm" 2>/dev/null || true
for device in null zero random urandom tty ptmx; do
    [[ -e $root/dev/$device ]] || cp -a "/dev/$device" "$root/dev/"
done
mkdir -p "$root/dev/pts"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -sf pts/ptmx "$root/dev/ptmx"
cp -L /etc/resolv.conf "$root/etc/resolv.conf"
grep -q localhost "$root/etc/hosts" 2>/dev/null || printf '127.0.0.1 localhost\n::1 localhost\n' >"$root/etc/hosts"

# The tree is copied inside, because configuring writes build/ beside CMakeLists.txt; build/ itself is kept.
in_chroot() { chroot "$root" /usr/bin/env -i HOME=/root PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 \
    ASYNCIO_ALLOW_MISSING_BACKENDS="${ASYNCIO_ALLOW_MISSING_BACKENDS:-}" "$@"; }
in_chroot sh -c 'command -v rsync make ccache >/dev/null' ||
    in_chroot sh -c 'apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install --no-install-recommends rsync make ccache >/dev/null'
in_chroot rsync -a --delete --exclude=/build --exclude=/.git /src/ /build/tree/
status=0
for preset in "${presets[@]}"; do
    echo "Debian $suite, preset $preset:"
    in_chroot bash -c "cd /build/tree && scripts/setup.sh && scripts/test.sh $preset" || status=1
done
exit "$status"

#!/usr/bin/env bash
# Swift's toolchain on a machine without a Mac: a Debian 13 root with Swift 6.0 and ONNX Runtime's C headers in it.
#
#   tools.sh build ROOT             # about 2 minutes and 3.3 GB; nothing where ROOT is whole already
#   tools.sh run ROOT COMMAND…      # COMMAND in the root; the repository is /src in it, $RALIKIT_IOS_WORK is /build
#
# Exit 77 with the reason where it cannot be had. Mounts are made in a mount namespace of their own, so
# that none of them outlives COMMAND, however it ends.
set -euo pipefail

# Pins: the one place. swift is what `swift --version` must say.
suite=trixie
swift_version=6.0.3
packages=(swiftlang libc6-dev libstdc++-14-dev g++ ca-certificates)
ort_package=com.github.asus4.onnxruntime@0.4.9 # ONNX Runtime 1.29.0's C headers; the library is Python's own
ort_headers=Plugins/Android/onnxruntime.aar

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../../.." && pwd)

skip() { echo "SKIPPED: $*" >&2; exit 77; }

# Runs a step without its chatter; where it fails, its last lines are the reason.
quietly() {
    local log; log=$(mktemp)
    if ! "$@" >"$log" 2>&1; then
        tail -n 5 "$log" >&2; rm -f "$log"; return 1
    fi
    rm -f "$log"
}

need_machine() {
    [ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || skip "the toolchain is built on Linux x86-64, this is $(uname -s) $(uname -m)"
    [ "$(id -u)" -eq 0 ] || skip "building a root needs root"
    command -v unshare >/dev/null && unshare --mount --propagation private true 2>/dev/null \
        || skip "mount namespaces are not permitted here"
    command -v npm >/dev/null || skip "npm is not installed"
    command -v unzip >/dev/null || install_tool unzip
    command -v debootstrap >/dev/null || install_tool debootstrap
}

install_tool() {
    command -v apt-get >/dev/null || skip "$1 is not installed"
    { quietly apt-get update -qq && quietly apt-get install -y -qq --no-install-recommends "$1"; } || skip "$1 could not be installed"
}

# inside ROOT COMMAND…: with /proc, /dev, the repository and the work folder mounted for that long.
inside() {
    local root=$1 work=${RALIKIT_IOS_WORK:-$1.work}; shift
    mkdir -p "$work" "$root/src" "$root/build"
    unshare --mount --propagation private bash -euc '
        root=$1 repository=$2 work=$3; shift 3
        mount -t proc proc "$root/proc"
        mount --rbind /dev "$root/dev"
        mount --bind "$repository" "$root/src"
        mount --bind "$work" "$root/build"
        exec chroot "$root" /usr/bin/env -i PATH=/usr/bin:/bin:/usr/sbin:/sbin HOME=/root LANG=C.UTF-8 \
            DEBIAN_FRONTEND=noninteractive ORT_DISABLE_TELEMETRY=1 "$@"
    ' bash "$root" "$repository" "$work" "$@"
}

fetch_ort() {
    local root=$1 unpacked; unpacked=$(mktemp -d)
    (
        cd "$unpacked" && quietly npm pack --silent --ignore-scripts "$ort_package" && tar -xzf ./*.tgz \
            && mkdir -p "$root/opt/ort/include" \
            && unzip -q -j -o "package/$ort_headers" 'headers/*' -d "$root/opt/ort/include"
    ) || { rm -rf "$unpacked"; skip "$ort_package could not be had from npm"; }
    rm -rf "$unpacked"
}

build() {
    local root=$1 pins
    pins="$suite $swift_version ${packages[*]} $ort_package"
    [ "$(cat "$root/ready" 2>/dev/null)" = "$pins" ] && return
    need_machine
    case $root in /*) ;; *) echo "the root is an absolute path, not $root" >&2; exit 2 ;; esac
    rm -rf --one-file-system "$root"
    mkdir -p "$root"
    quietly debootstrap --variant=minbase "$suite" "$root" || skip "Debian $suite could not be fetched"
    quietly inside "$root" apt-get install -y -qq --no-install-recommends "${packages[@]}" || skip "Swift could not be fetched"
    quietly inside "$root" apt-get clean
    inside "$root" swift --version 2>/dev/null | grep -q "Swift version $swift_version " \
        || skip "Debian $suite has another Swift than $swift_version: $(inside "$root" swift --version 2>&1 | head -n 1)"
    fetch_ort "$root"
    echo "$pins" >"$root/ready"
}

case "${1:-}" in
build) [ $# -eq 2 ] || { echo "usage: tools.sh build ROOT" >&2; exit 2; }; build "$2" ;;
run) [ $# -ge 3 ] || { echo "usage: tools.sh run ROOT COMMAND…" >&2; exit 2; }; root=$2; shift 2; inside "$root" "$@" ;;
*) echo "usage: tools.sh build ROOT | tools.sh run ROOT COMMAND…" >&2; exit 2 ;;
esac

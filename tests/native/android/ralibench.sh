#!/usr/bin/env bash
# The benchmark program of runtimes/c, built for ARM64 and run on an emulated ARM64 processor behind a real adb and adbd:
# ralibench.sh TOOLS OUT
#
# TOOLS as tools.sh makes it (ONNX Runtime's headers are in its archive). The emulator, the root and both runtimes'
# ARM64 libraries are those of arm64.sh, in RALIKIT_ARM64_TOOLS; the compiler and adb come beside them. Prints "ok NAME"
# or "FAILED NAME" a check and closes with "N passed, N failed"; exit 77, saying why, where a tool cannot be had.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
repo=$(cd "$here/../../.." && pwd)
[ $# -eq 2 ] || { echo "usage: ralibench.sh TOOLS OUT" >&2; exit 2; }
aar=$1/ort/Plugins/Android/onnxruntime.aar
mkdir -p "$2"
out=$(cd "$2" && pwd)
arm=${RALIKIT_ARM64_TOOLS:-$repo/build/android/arm64}
python=${RALIKIT_PYTHON:-$([ -x "$repo/.venv/bin/python" ] && echo "$repo/.venv/bin/python" || echo python3)}

skip() { echo "skipped: $*"; echo "0 passed, 0 failed"; exit 77; }
say() { echo "ralibench: $*"; }
. "$here/debian.sh"
pins() { awk -v eco="$1" '$1 == eco' "$here/pins.txt"; }

[ -f "$aar" ] || skip "$aar is not there: tools.sh fetches it"
[ -x "$arm/host/usr/bin/qemu-aarch64" ] || skip "$arm has no emulator: arm64.sh fetches it"
tools=$arm/bench
work=$tools/.work

fetch() {
    local name version sum file
    mkdir -p "$work/down"
    start_apt "deb trixie amd64"
    say "fetching a compiler and adb"
    (
        cd "$work/down"
        while read -r _ name version; do apt download -qq "$name=$version" >>"$work/apt.log" 2>&1 || exit 1; done < <(pins adb)
    ) || skip "a Debian package of pins.txt cannot be had: $(tail -n1 "$work/apt.log")"
    while read -r _ name version sum; do
        "$python" -m pip download --quiet --no-deps --disable-pip-version-check --only-binary=:all: -d "$work/down" "$name==$version" \
            >"$work/pip.log" 2>&1 || skip "pip finds no $name $version, or cannot reach its index"
        file=$(ls "$work/down/$name-$version"-*.whl)
        [ "$(sha256sum "$file" | cut -d' ' -f1)" = "$sum" ] || skip "${file##*/} is not the file that pins.txt names"
    done < <(pins arm64-cc-pip)
    rm -rf "$tools/adb" "$tools/cc"
    mkdir -p "$tools/adb/usr/lib" "$tools/cc"
    for file in "$work"/down/*.deb; do dpkg-deb -x "$file" "$tools/adb"; done
    for file in "$work"/down/*.whl; do "$python" -m zipfile -e "$file" "$tools/cc"; done
    chmod +x "$tools/cc/ziglang/zig"
}

stamp=$({ grep -E '^(adb|arm64-cc-pip) ' "$here/pins.txt"; cat "$here/ralibench.sh" "$here/debian.sh"; } | sha256sum | cut -d' ' -f1)
if [ "$(cat "$tools/.stamp" 2>/dev/null)" != "$stamp" ]; then
    rm -rf "$work"
    fetch
    rm -rf "$work"
    echo "$stamp" >"$tools/.stamp"
fi

say "building for ARM64"
rm -rf "$out/headers" "$out/cache"
"$python" - "$aar" "$out/headers" <<'PY'
import sys, zipfile
with zipfile.ZipFile(sys.argv[1]) as aar:
    aar.extractall(sys.argv[2], [name for name in aar.namelist() if name.startswith("headers/")])
PY
ZIG_GLOBAL_CACHE_DIR=$out/cache ZIG_LOCAL_CACHE_DIR=$out/cache "$tools/cc/ziglang/zig" cc -target aarch64-linux-gnu.2.28 -O2 -Wall -Wextra \
    -Werror -I "$out/headers/headers" "$repo"/runtimes/c/*.c -o "$out/ralibench" -ldl
rm -rf "$out/cache"

# Debian's adb and adbd with the C library that they were built for, whatever this machine's is.
loader=$tools/adb/usr/lib64/ld-linux-x86-64.so.2
libraries=$tools/adb/usr/lib/x86_64-linux-gnu:$tools/adb/usr/lib/x86_64-linux-gnu/android
for name in adb adbd; do
    program=$(find "$tools/adb/usr" -type f -path "*platform-tools/$name" | head -n1)
    [ -n "$program" ] || program=$tools/adb/usr/bin/$name
    printf '#!/bin/sh\nexec %q --library-path %q %q "$@"\n' "$loader" "$libraries" "$program" >"$out/$name"
    chmod +x "$out/$name"
done
# A phone runs the program itself; here the emulator does, in whose eyes the processor is an ARM64 one.
printf '#!/bin/sh\nexec %q -cpu cortex-a76 -L %q %q "$@"\n' "$arm/host/usr/bin/qemu-aarch64" "$arm/root" "$out/ralibench" >"$out/emulated"
chmod +x "$out/emulated"

exec env PYTHONPATH="$repo/src:$repo/tests" "$python" "$here/ralibench.py" "$out" "$arm/root/site"

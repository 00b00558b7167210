#!/usr/bin/env bash
# Exported files on an emulated ARM64 processor beside this one: the numbers, never the speed.
#
#   arm64.sh ARTIFACTS_DIR OUT [NAME…]
#
# ARTIFACTS_DIR is what tests/native/artifacts.sh filled with fp32, fp16, int8, int8-weights and reasons; a
# mini-PRECISION.tflite in it is scored too, by LiteRT. With NAMEs, those files alone. A few golden photos, or all with
# RALIKIT_ARM64_PHOTOS=all: floats are computed in software. The last line is `N passed, N failed`. Exit 77, with the
# reason and `0 passed, 0 failed`, where the emulator or a package cannot be had. RALIKIT_ARM64_TOOLS (default
# build/android/arm64) keeps what is fetched: pins.txt names it.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 ARTIFACTS_DIR OUT [NAME…]" >&2; exit 2; }
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../../.." && pwd)
artifacts=$(cd "$1" && pwd)
mkdir -p "$2"
out=$(cd "$2" && pwd)
tools=${RALIKIT_ARM64_TOOLS:-$repo/build/android/arm64}
mkdir -p "$tools"
tools=$(cd "$tools" && pwd)
work=$tools/.work
root=$tools/root
python=${RALIKIT_PYTHON:-$([ -x "$repo/.venv/bin/python" ] && echo "$repo/.venv/bin/python" || echo python3)}

skip() { echo "skipped: $*"; echo "0 passed, 0 failed"; exit 77; }
say() { echo "arm64: $*"; }
. "$here/debian.sh"
pins() { awk -v eco="$1" '$1 == eco' "$here/pins.txt"; }

fetch() {
    local name version sum file
    mkdir -p "$work/down"
    start_apt "deb trixie amd64,arm64"
    say "fetching the emulator, a root and wheels"
    (
        cd "$work/down"
        while read -r _ name version; do apt download -qq "$name=$version" >>"$work/apt.log" 2>&1 || exit 1; done < <(pins arm64-host)
        while read -r _ name version; do apt download -qq "$name:arm64=$version" >>"$work/apt.log" 2>&1 || exit 1; done < <(pins arm64)
    ) || skip "a Debian package of pins.txt cannot be had: $(tail -n1 "$work/apt.log")"
    while read -r _ name version sum; do
        "$python" -m pip download --quiet --no-deps --disable-pip-version-check --only-binary=:all: -d "$work/down" --python-version 3.13 \
            --implementation cp --platform manylinux_2_28_aarch64 --platform manylinux_2_27_aarch64 "$name==$version" >"$work/pip.log" 2>&1 \
            || skip "pip finds no $name $version for aarch64, or cannot reach its index"
        file=$(ls "$work/down/${name//-/_}-$version"-*.whl)
        [ "$(sha256sum "$file" | cut -d' ' -f1)" = "$sum" ] || skip "${file##*/} is not the file that pins.txt names"
    done < <(pins arm64-pip)
}

unpack() {
    local file
    rm -rf "$root" "$tools/host"
    mkdir -p "$root/site" "$tools/host"
    ln -s usr/lib "$root/lib"
    for file in "$work"/down/*_arm64.deb; do dpkg-deb -x "$file" "$root"; done
    for file in "$work"/down/*_amd64.deb; do dpkg-deb --fsys-tarfile "$file" | tar -x -C "$tools/host" ./usr/bin/qemu-aarch64; done
    for file in "$work"/down/*.whl; do "$python" -m zipfile -e "$file" "$root/site"; done
}

for need in apt-get dpkg-deb tar sha256sum flock; do command -v "$need" >/dev/null || skip "$need is not installed"; done
[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || skip "the emulator is Debian's for x86-64 Linux, this is $(uname -s) $(uname -m)"

exec 9>"$tools/.lock"
flock 9
stamp=$({ grep '^arm64' "$here/pins.txt"; cat "$here/arm64.sh" "$here/debian.sh"; } | sha256sum | cut -d' ' -f1)
if [ "$(cat "$tools/.stamp" 2>/dev/null)" != "$stamp" ]; then
    rm -rf "$work"
    fetch
    unpack
    rm -rf "$work"
    echo "$stamp" >"$tools/.stamp"
fi

# A phone's core with the instructions for 8-bit and half-precision sums.
emulated() {
    "$tools/host/usr/bin/qemu-aarch64" -cpu cortex-a76 -L "$root" -E PYTHONPATH="$repo/src:$root/site" -E PYTHONDONTWRITEBYTECODE=1 \
        "$root/usr/bin/python3.13" -S "$@"
}
emulated -c 'import numpy, onnxruntime, platform; print("arm64:", platform.machine(), *platform.libc_ver(), "onnxruntime", onnxruntime.__version__)' \
    || skip "the emulator cannot run the ARM64 wheels"
"$tools/host/usr/bin/qemu-aarch64" --version | head -n1

models=()
for name in "${@:3}"; do models+=("$artifacts/$name"); done
if [ $# -eq 2 ]; then
    for name in fp32 fp16 int8 int8-weights; do models+=("$artifacts/mini-$name.onnx"); done
    models+=("$artifacts/mini-free-fp16.onnx")
    for name in fp32 int8; do
        if [ -e "$artifacts/mini-$name.tflite" ]; then models+=("$artifacts/mini-$name.tflite"); fi
    done
fi
rm -f "$out"/views-*
PYTHONPATH=$repo/src "$python" "$here/arm64.py" views "$out" "${models[@]}"
PYTHONPATH=$repo/src "$python" "$here/arm64.py" score "$out" "$out/here.json"
emulated "$here/arm64.py" score "$out" "$out/arm64.json"
"$python" "$here/arm64.py" compare "$out/here.json" "$out/arm64.json"

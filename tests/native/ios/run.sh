#!/usr/bin/env bash
# The iOS tier without a Mac: the Swift package built and tested on Linux, its Apple half compiled against
# hand-written declarations, the app's checks. About nine minutes of processor time, most of it compiling, and
# five more where no other tier has exported the bundled model yet (build/native keeps it).
#
#   tests/native/ios/run.sh
#
# RALIKIT_IOS_ROOT   a root that tools.sh built before; it is kept (default: build/ios/root, made if absent)
# RALIKIT_IOS_WORK   where things are built (default: build/ios/work)
# RALIKIT_PYTHON     the interpreter with ralikit and its export and coreml extras
#
# Exit 77 with the reason where a tool cannot be had; the last line is "N passed, N failed".
set -uo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../../.." && pwd)
cd "$repository"
skip() { echo "SKIPPED: $*"; exit 77; }

python=${RALIKIT_PYTHON:-}
if [ -z "$python" ]; then
    python=python3
    [ -x .venv/bin/python ] && python=$repository/.venv/bin/python
fi
export RALIKIT_PYTHON=$python
"$python" -c "import onnx, ralikit" 2>/dev/null || skip "$python has no ralikit with its export extra"

root=${RALIKIT_IOS_ROOT:-$repository/build/ios/root}
export RALIKIT_IOS_ROOT=$root RALIKIT_IOS_WORK=${RALIKIT_IOS_WORK:-$repository/build/ios/work}
work=$RALIKIT_IOS_WORK
native=$repository/build/native # shared with the other tiers; /src/build/native inside of the root
mkdir -p "$work/native"
"$here/tools.sh" build "$root" || exit $?

passed=0 failed=0 skipped=0
say() { # and the time that passed so far: wall, and the processor's in user and system code
    times >"$work/times"
    printf '\n--- %s (%d s; processor %s)\n' "$*" "$SECONDS" "$(tail -n 1 "$work/times")"
}
inside() { "$here/tools.sh" run "$root" "$@"; }
count() { # counts "ok …" and "FAILED …" lines of a log, and prints it
    cat "$1"
    passed=$((passed + $(grep -c '^ok ' "$1"))) failed=$((failed + $(grep -c '^FAILED ' "$1")))
}
check() { # NAME COMMAND…: one check by its exit code
    local name=$1; shift
    if "$@" >"$work/check.log" 2>&1; then
        echo "ok $name"; passed=$((passed + 1))
    else
        tail -n 40 "$work/check.log"; echo "FAILED $name"; failed=$((failed + 1))
    fi
}

say "Files to score with, and the scores Python gives with them"
tests/native/artifacts.sh "$native" fp32 int8 reasons >"$work/artifacts.log" 2>&1 || { cat "$work/artifacts.log"; exit 1; }
"$python" "$here/facts_cases.py" "$native/mini-fp32.onnx" "$work/native/facts.json" || exit 1
if "$python" -c "import importlib.util, sys; sys.exit(importlib.util.find_spec('coremltools') is None)"; then
    package=$work/native/tiny.mlpackage
    for source in "$native/made-from" "$here/tiny_package.py" tests/support_export.py; do
        [ "$package.ralikit.json" -nt "$source" ] || rm -rf "$package" "$package.ralikit.json"
    done
    if [ ! -e "$package.ralikit.json" ]; then
        say "A small model's Core ML package"
        "$python" "$here/tiny_package.py" "$package" >"$work/coreml.log" 2>&1 || { cat "$work/coreml.log"; exit 1; }
    fi
    say "The exported package against what Swift asks for"
    "$python" "$here/signature.py" "$package" >"$work/signature.log" 2>&1
    count "$work/signature.log"
else
    echo "coremltools is not installed: Core ML packages are not compared"; skipped=$((skipped + 1))
fi

# ONNX Runtime: Python's own library, so that both run the same version, behind the headers of the root.
# (1.29, which has the headers, fails on int8 with the option that docs/contract.md asks for on x86.)
library=$("$python" -c "import onnxruntime, pathlib; print(*pathlib.Path(onnxruntime.__file__).parent.glob('capi/libonnxruntime.so.*'))")
[ -f "$library" ] || skip "the onnxruntime of $python has no C library beside it"
rm -rf "$work/ort"; mkdir -p "$work/ort/lib"
cp -r "$root/opt/ort/include" "$work/ort/include"
cp "$library" "$work/ort/lib/libonnxruntime.so.1"
ln -s libonnxruntime.so.1 "$work/ort/lib/libonnxruntime.so"

say "Swift Testing: Swift 6, warnings as errors, optimised as it ships"
inside bash -c 'cd /src/runtimes/swift && env RALIKIT_ORT=/build/ort LD_LIBRARY_PATH=/build/ort/lib RALIKIT_NATIVE=/src/build/native \
    RALIKIT_PACKAGE=/build/native/tiny.mlpackage RALIKIT_FACTS_CASES=/build/native/facts.json \
    swift test --scratch-path /build/r -c release -Xswiftc -enable-testing -Xswiftc -warnings-as-errors \
    -Xswiftc -gnone' >"$work/swift.log" 2>&1
status=$?
grep -aE "^(✔|✘) Test .*(passed|failed) after|difference from Python|error:" "$work/swift.log" | cut -c1-300
passed=$((passed + $(grep -aE "^✔ Test .* passed after" "$work/swift.log" | grep -avc "^✔ Test run with")))
wrong=$(grep -aE "^✘ Test .* failed after" "$work/swift.log" | grep -avc "^✘ Test run with")
[ "$status" -eq 0 ] || [ "$wrong" -gt 0 ] || { tail -n 30 "$work/swift.log"; wrong=1; }
failed=$((failed + wrong))

say "Apple's half against hand-written declarations, and with faults planted"
inside bash /src/tests/native/ios/stubs.sh /build/stubs >"$work/stubs.log" 2>&1; count "$work/stubs.log"
inside bash /src/tests/native/ios/stubs.sh /build/stubs --planted >"$work/planted.log" 2>&1; count "$work/planted.log"

say "Style, the privacy manifest, and the resize beside Pillow's"
check "swift format lint --strict" inside bash -c \
    'cd /src/runtimes/swift && swift format lint --strict -r Sources Tests Package.swift'
check "the privacy manifest says: no tracking, nothing collected" "$python" -c '
import plistlib, sys
manifest = plistlib.load(open(sys.argv[1], "rb"))
assert manifest["NSPrivacyTracking"] is False and manifest["NSPrivacyCollectedDataTypes"] == [], manifest
assert manifest["NSPrivacyAccessedAPITypes"] == [] and manifest["NSPrivacyTrackingDomains"] == [], manifest
' runtimes/swift/Sources/RaliKit/PrivacyInfo.xcprivacy
check "the resize gives Pillow's bytes at 12 megapixels" "$python" "$here/resize_ratio.py" \
    --raw "$work/noise.rgb" --inside /build/noise.rgb -- \
    "$here/tools.sh" run "$root" /build/r/release/resize-bench
cat "$work/check.log"

if [ -x "$here/app_checks.sh" ]; then
    say "The app"
    "$here/app_checks.sh" "$work" >"$work/app.log" 2>&1
    status=$?
    count "$work/app.log"
    [ "$status" -ne 77 ] || skipped=$((skipped + 1))
    [ "$status" -eq 0 ] || [ "$status" -eq 77 ] || grep -q "^FAILED " "$work/app.log" || failed=$((failed + 1))
fi

# Mounts are made in a namespace of their own, so none can be left; this would show one.
if grep -q " $root" /proc/mounts; then echo "FAILED something is still mounted below $root"; failed=$((failed + 1)); fi
say "Done"
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]

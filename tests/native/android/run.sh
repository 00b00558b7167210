#!/usr/bin/env bash
# The Android tier: the Kotlin library and the app on this machine's JVM, exported files on an emulated ARM64
# processor, lint, and the APK with its resources. Exit 77 where a tool cannot be had, with the reason; where only the
# emulator cannot, its part is skipped. The last line counts everything: N passed, N failed.
#
# RALIKIT_ANDROID_TOOLS and RALIKIT_NATIVE_ARTIFACTS say where tools and models are kept between runs,
# RALIKIT_ANDROID_WORK where the rest goes.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cd "$here/../../.."
root=$PWD
python=${RALIKIT_PYTHON:-}
if [ -z "$python" ]; then
    python=python3
    [ -x .venv/bin/python ] && python=$root/.venv/bin/python
fi
export RALIKIT_PYTHON=$python PYTHONDONTWRITEBYTECODE=1
# The first stage of the JIT is enough for compilers that run for seconds: a third of the time.
export RALIKIT_KOTLINC_OPTS="-Xmx1500m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
work=${RALIKIT_ANDROID_WORK:-$root/build/android/work}
models=${RALIKIT_NATIVE_ARTIFACTS:-$root/build/native}
mkdir -p "$work"

say() { printf '\n--- %s\n' "$*"; }
passed=0 failed=0
count() { # LOG: add its last "N passed, N failed"; without one the step itself has failed
    local line
    line=$(grep -E '^[0-9]+ passed, [0-9]+ failed$' "$1" | tail -n1 || true)
    if [ -z "$line" ]; then failed=$((failed + 1)); echo "FAILED: $2"; return; fi
    passed=$((passed + $(echo "$line" | cut -d' ' -f1)))
    failed=$((failed + $(echo "$line" | cut -d' ' -f3)))
}
step() { # NAME COMMAND...: one that counts for itself
    local name=$1
    shift
    say "$name"
    "$@" 2>&1 | tee "$work/step.log" || true
    count "$work/step.log" "$name"
}
one() { # NAME COMMAND...: one that passes or fails as a whole
    local name=$1
    shift
    say "$name"
    if "$@" 2>&1 | tee "$work/step.log"; then passed=$((passed + 1)); else failed=$((failed + 1)); echo "FAILED: $name"; fi
}

say "Tools"
status=0
"$here/tools.sh" >"$work/tools.log" 2>&1 || status=$?
[ "$status" = 0 ] || { tail -n 3 "$work/tools.log"; exit "$status"; }
tools=$(tail -n 1 "$work/tools.log")

say "Models"
"$python" -c "import onnx, ralikit" 2>/dev/null || { echo "SKIPPED: $python has no ralikit with its export extra"; exit 77; }
tests/native/artifacts.sh "$models" fp32 fp16 int8 int8-weights reasons

step "Library" "$here/library.sh" "$tools" "$models" "$work/library"
[ -f "$work/library/ralikit-android.jar" ] || { echo "the library does not compile: no app"; echo "$passed passed, $((failed + 1)) failed"; exit 1; }
step "ARM64 under emulation" "$here/arm64.sh" "$models" "$work/arm64"
step "The benchmark program under emulation" "$here/ralibench.sh" "$tools" "$work/ralibench"
one "App" "$here/app.sh" "$tools" "$work/library" "$models/mini-int8.onnx" "$work/app"
step "App logic" "$here/logic.sh" "$tools" "$work/library" "$work/app"
one "Record: read as ralikit report reads it" "$python" "$here/record.py" "$work/app/record.jsonl"
lint() { (cd android_demo && "$tools/ktlint" --log-level=error '**/*.kt' '**/*.kts'); }
one "Lint" lint
step "Resources and APK" "$python" "$here/checks.py" --app android_demo/app/src/main --apk "$work/app/app.apk" \
    --model "$models/mini-int8.onnx" --tools "$tools" \
    --jars "$work"/app/{app,logic}.jar "$work"/library/{ralikit,ralikit-android}.jar
step "Icons" "$python" "$here/icons.py" android_demo/app/src/main/res/drawable "$work/icons"
step "The checks see planted faults" "$here/faults.sh" "$tools" "$work/faults"

printf '\n%s passed, %s failed\n' "$passed" "$failed"
[ "$failed" = 0 ]

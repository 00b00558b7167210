#!/usr/bin/env bash
# The iOS demo without a Mac: its logic tested, its views type-checked against stubs, its files held to
# their formats, and faults planted in a copy that each check must find.
#
#   RALIKIT_IOS_ROOT=ROOT app_checks.sh [WORK]    # ROOT: Swift's toolchain (tools.sh build ROOT)
#
# Prints "ok NAME" or "FAILED NAME" a check and closes with "N passed, N failed"; exit 77 with the reason where
# a tool cannot be had. RALIKIT_PYTHON picks the interpreter; what is built lies in WORK.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repository=$(cd "$here/../../.." && pwd)
cd "$repository"

# Pins: the one place.
pip_tools=(pbxproj==4.3.3 xcprivacy==0.1.0 xcstrings-tool==0.1.0 pillow)
npm_tools=(xcode@4.0.0)

skip() { echo "SKIPPED: $*" >&2; exit 77; }

root=${RALIKIT_IOS_ROOT:-}
[ -n "$root" ] || { echo "usage: RALIKIT_IOS_ROOT=ROOT app_checks.sh [WORK]; tools.sh build ROOT makes it" >&2; exit 2; }
[ -e "$root/ready" ] || skip "$root has no Swift: tests/native/ios/tools.sh build $root"
work=${1:-${RALIKIT_IOS_WORK:-$root.work}}
mkdir -p "$work/app"
export RALIKIT_IOS_WORK=$work

python=${RALIKIT_PYTHON:-}
if [ -z "$python" ]; then
    python=python3
    [ -x .venv/bin/python ] && python=$repository/.venv/bin/python
fi
PYTHONPATH=src "$python" -c 'import ralikit.bench.records' 2>/dev/null || skip "$python has not what ralikit needs"
command -v npm >/dev/null || skip "npm is not installed"

venv=$work/app/venv modules=$work/app/node/node_modules
if [ "$(cat "$venv/pins" 2>/dev/null)" != "${pip_tools[*]}" ]; then
    rm -rf "$venv"
    { "$python" -m venv "$venv" && "$venv/bin/pip" install -q "${pip_tools[@]}"; } >"$work/app/pip.log" 2>&1 \
        || { tail -n 3 "$work/app/pip.log" >&2; skip "${pip_tools[*]} could not be installed"; }
    # The tools' own versions first, then what ralikit needs.
    "$python" -c 'import site; print(site.getsitepackages()[0])' >"$(echo "$venv"/lib/python*/site-packages)/ralikit.pth"
    echo "${pip_tools[*]}" >"$venv/pins"
fi
if [ "$(cat "$work/app/node/pins" 2>/dev/null)" != "${npm_tools[*]}" ]; then
    npm install --prefix "$work/app/node" --ignore-scripts --no-audit --no-fund --no-package-lock --loglevel=error \
        "${npm_tools[@]}" >/dev/null || skip "${npm_tools[*]} could not be installed"
    echo "${npm_tools[*]}" >"$work/app/node/pins"
fi

lines=$work/app/lines
: >"$lines"
note() { tee -a "$lines"; }
in_root() { "$here/tools.sh" run "$root" "$@"; }
# report NAME COMMAND…: a line for a command that must succeed; its last words where it does not.
report() {
    local name=$1 log=$work/app/log; shift
    if "$@" >"$log" 2>&1; then echo "ok $name"; else echo "FAILED $name"; grep -E 'error:|✘|expected' "$log" | head -n 20 || tail -n 20 "$log"; fi
}

{
    rm -rf "$work/app/records"
    mkdir -p "$work/app/records"
    logic_log=$work/app/logic.log
    if in_root env DEMOLOGIC_RECORDS=/build/app/records swift test --package-path /src/ios_demo/Packages/DemoLogic \
        --scratch-path /build/app/logic -Xswiftc -warnings-as-errors >"$logic_log" 2>&1; then
        sed -n 's/^✔ Test run with \([0-9]*\) tests.*/ok logic: \1 tests on Linux, Swift 6, warnings as errors/p' "$logic_log"
    else
        echo "FAILED logic: swift test"
        grep -E 'error:|✘' "$logic_log" | head -n 20
    fi
    # shellcheck disable=SC2016 # expanded inside of the root
    report "swift: every file parses" in_root bash -c 'swiftc -frontend -parse $(find /src/ios_demo -name "*.swift" -not -path "*/.build/*")'
    # shellcheck disable=SC2016
    report "swift: swift format lint --strict" in_root bash -c \
        'swift format lint --strict $(find /src/ios_demo -name "*.swift" -not -path "*/.build/*")'
    in_root bash /src/tests/native/ios/app_types.sh /build/app/types || echo "FAILED types: app_types.sh"
    export PYTHONPATH=$repository/src:$repository/tests
    "$venv/bin/python" -m native.ios.app_checks ios_demo "$modules" --record "$work/app/records/ios.jsonl" || true
    "$venv/bin/python" -m native.ios.app_checks ios_demo "$modules" --faults || true
} | note

passed=$(grep -c '^ok ' "$lines" || true)
failed=$(grep -c '^FAILED ' "$lines" || true)
echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ] && [ "$passed" -ge 40 ]

#!/usr/bin/env bash
# The browser tier: the JavaScript runtime in node and in Chromium, then the demo page driven in
# Chromium. The tests themselves are in runtimes/js/test. Exit 77 where a tool cannot be had, with the reason.
set -euo pipefail
cd "$(dirname "$0")/../../.."
root=$PWD

skip() { echo "SKIPPED: $*"; exit 77; }
say() { printf '\n--- %s\n' "$*"; }

python=${RALIKIT_PYTHON:-}
if [ -z "$python" ]; then
    python=python3
    [ -x .venv/bin/python ] && python=$root/.venv/bin/python
fi
"$python" -c "import onnx, ralikit" 2>/dev/null || skip "$python has no ralikit with its export extra"
command -v node >/dev/null && command -v npm >/dev/null || skip "node and npm are not installed"
node -e 'process.exit(Number(process.versions.node.split(".")[0]) < 20 ? 1 : 0)' || skip "node is older than 20"

chromium=${CHROMIUM:-$(command -v chromium || command -v chromium-browser || true)}
if [ -z "$chromium" ] && [ "$(id -u)" -eq 0 ] && command -v apt-get >/dev/null; then
    say "Installing Chromium"
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1 || true
    chromium=$(command -v chromium || true)
fi
[ -n "$chromium" ] || skip "Chromium is not installed and could not be"

work=${RALIKIT_WEB_WORK:-$root/build/web}
mkdir -p "$work"
modules=${RALIKIT_NODE_MODULES:-$work/node_modules}
if [ ! -d "$modules/playwright-core" ] || [ ! -d "$modules/onnxruntime-web" ] || [ ! -d "$modules/axe-core" ] ||
    [ ! -d "$modules/@litertjs/core" ]; then
    say "npm: the versions pinned in runtimes/js/package.json"
    node -e '
        const { devDependencies } = require(process.argv[1]);
        require("fs").writeFileSync(process.argv[2], JSON.stringify({ private: true, dependencies: devDependencies }));
    ' "$root/runtimes/js/package.json" "$work/package.json"
    npm install --prefix "$work" --ignore-scripts --no-audit --no-fund --no-package-lock --loglevel=error \
        || skip "npm could not install the pinned packages"
    modules=$work/node_modules
fi
export RALIKIT_PYTHON=$python RALIKIT_NODE_MODULES=$modules RALIKIT_WEB_WORK=$work CHROMIUM=$chromium
echo "node $(node --version), $("$chromium" --version 2>/dev/null)"

say "Files to score with, and the scores Python gives with them"
# The integer files take a minute's export each: they are made while the rest goes on. A file given in
# RALIKIT_WEB_INT8 or RALIKIT_WEB_INT8_WEIGHTS is used as it is.
export_s=${RALIKIT_WEB_EXPORT_S:-300} # for both together
artifacts=${RALIKIT_NATIVE_ARTIFACTS:-$root/build/native}
integers() {
    local precision given end=$((SECONDS + export_s))
    for precision in int8 int8-weights; do
        given=RALIKIT_WEB_$(echo "${precision^^}" | tr - _)
        export_one "$precision" "${!given:-}" "$((end > SECONDS ? end - SECONDS : 1))" &
        trap 'kill "$!"' TERM
        wait "$!" || echo "$precision: $?" >>"$work/integers.failed"
    done
}
export_one() {
    if [ -n "$2" ]; then
        "$python" runtimes/golden/generate.py --precision "$1" --model "$1=$2" \
            --models-out "$work" --scores-out "$work/scores-$1.json"
    else # one export serves all native tiers
        timeout "$3" bash tests/native/artifacts.sh "$artifacts" "$1" || return "$?"
        cp "$artifacts/mini-$1.onnx" "$work/$1.onnx"
        cp "$artifacts/scores-$1.json" "$work/scores-$1.json"
    fi
}
rm -f "$work"/scores*.json "$work/integers.failed"
# fp16 is the file that the bundle carries: stored in 16 bits, computed in 32.
export_one fp16 "" 600
mv "$work/scores-fp16.json" "$work/scores.json"
integers >"$work/integers.log" 2>&1 &
exporting=$!
# A minute too; made again only where the package has changed since.
if [ -z "$(find src/ralikit tests/support*.py tests/native/web -newer "$work/scores-tflite.json" -name '*.py' 2>&1 | head -1)" ]; then
    tflite=""
else
    rm -f "$work/scores-tflite.json"
    timeout "$export_s" "$python" tests/native/web/tiny_tflite.py "$work" >"$work/tflite.log" 2>&1 &
    tflite=$!
fi
trap 'kill "$exporting" $tflite 2>/dev/null || true' EXIT
"$python" tests/native/web/tiny_model.py "$work/tiny.onnx"

say "Types"
"$modules/.bin/tsc" -p runtimes/js

say "node"
node --test runtimes/js/test/*.test.mjs

say "Waiting for the integer files"
wait "$exporting"
cat "$work/integers.log"
while IFS=": " read -r precision status; do
    [ "$status" -eq 124 ] || exit "$status"
    echo "$precision: not exported within $export_s s here, so it is not tested; give a file to test it"
done < <(cat "$work/integers.failed" 2>/dev/null)

if [ -n "$tflite" ]; then
    wait "$tflite" || { tail -3 "$work/tflite.log"; echo ".tflite: not exported here, so it is not tested"; }
fi

say "Chromium: the runtime"
node --test runtimes/js/test/browser/runtime.test.mjs

say "Chromium: the page"
node --test runtimes/js/test/browser/page.test.mjs

say "Chromium: the reports"
node --test runtimes/js/test/browser/report.test.mjs

say "Chromium: the package as npm installs it"
node --test runtimes/js/test/browser/package.test.mjs

#!/usr/bin/env bash
# The browser tier: the JavaScript runtime in node and in Chromium, then the demo page driven in
# Chromium. Exit 77 where a tool cannot be had, with the reason.
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
if [ ! -d "$modules/playwright-core" ] || [ ! -d "$modules/onnxruntime-web" ]; then
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
"$python" tests/native/web/tiny_model.py "$work/tiny.onnx"
# fp16 is the file that the bundle carries: stored in 16 bits, computed in 32.
"$python" runtimes/golden/generate.py --precision fp16 --models-out "$work" --scores-out "$work/scores.json"
rm -f "$work/scores-int8.json"
int8=(timeout "${RALIKIT_WEB_EXPORT_S:-150}" "$python" runtimes/golden/generate.py --precision int8)
[ -z "${RALIKIT_WEB_INT8:-}" ] || int8+=(--model "int8=$RALIKIT_WEB_INT8")
status=0
"${int8[@]}" --models-out "$work" --scores-out "$work/scores-int8.json" || status=$?
if [ "$status" -eq 124 ]; then
    echo "int8: exporting took too long here; give a file in RALIKIT_WEB_INT8 to test it"
elif [ "$status" -ne 0 ]; then
    exit "$status"
fi

say "Types"
"$modules/.bin/tsc" -p runtimes/js

say "node"
node --test runtimes/js/test/*.test.mjs tests/native/web/units.test.mjs

say "Chromium: the runtime"
node --test tests/native/web/runtime.test.mjs

say "Chromium: the page"
node --test tests/native/web/demo.test.mjs

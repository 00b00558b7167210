#!/usr/bin/env bash
# Puts mini.mlpackage where the product RaliMini takes it from:
#
#   get-mini.sh                 # exports the bundled model for Core ML (needs ralikit with its coreml extra)
#   get-mini.sh PACKAGE         # copies one that was exported before
#
# RALIKIT_PYTHON    the interpreter with ralikit (default: the repository's .venv, else python3)
# RALIKIT_OUTPUTS   what the export gives, e.g. score,embedding (default: the score and the reasons)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
model=$here/Sources/RaliMini/Model/mini.mlpackage
python=${RALIKIT_PYTHON:-$here/../../.venv/bin/python}
[ -n "${RALIKIT_PYTHON:-}" ] || [ -x "$python" ] || python=python3

package=${1:-}
if [ -z "$package" ]; then
    "$python" -c 'import ralikit, coremltools' 2>/dev/null \
        || { echo "$python has no ralikit with its coreml extra: run pip install '.[export,coreml]' in the checkout, or name another in RALIKIT_PYTHON" >&2; exit 2; }
    draft=$(mktemp -d)
    trap 'rm -rf "$draft"' EXIT
    echo "Exporting, and comparing 200 photos with the float32 reference: about four minutes of one core"
    # Its last lines speak of the folder that goes away.
    "$python" -m ralikit export --target coreml --precision fp16 --outputs "${RALIKIT_OUTPUTS:-score,reasons}" \
        --out "$draft" >"$draft/log" || { cat "$draft/log" >&2; exit 1; }
    grep "photos against" "$draft/log" || true
    package=$(echo "$draft"/*.mlpackage)
fi
[ -f "$package/Manifest.json" ] || { echo "$package is no .mlpackage folder: give one that ralikit export wrote" >&2; exit 1; }
rm -rf "$model"
cp -R "$package" "$model"
echo "$model"

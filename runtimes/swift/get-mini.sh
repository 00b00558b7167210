#!/usr/bin/env bash
# Puts mini.mlpackage where the product RaliMini takes it from:
#
#   get-mini.sh                 # exports the bundled model for Core ML (needs ralikit with its coreml extra)
#   get-mini.sh PACKAGE         # copies one that was exported before
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
model=$here/Sources/RaliMini/Model/mini.mlpackage
python=${RALIKIT_PYTHON:-python3}

package=${1:-}
if [ -z "$package" ]; then
    draft=$(mktemp -d)
    trap 'rm -rf "$draft"' EXIT
    "$python" -m ralikit export --target coreml --precision fp16 --out "$draft"
    package=$(echo "$draft"/*.mlpackage)
fi
[ -f "$package/Manifest.json" ] || { echo "$package is no .mlpackage folder: give one that ralikit export wrote" >&2; exit 1; }
rm -rf "$model"
cp -R "$package" "$model"
echo "$model"

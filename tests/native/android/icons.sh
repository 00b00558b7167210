#!/usr/bin/env bash
# Draws the app's icons from their XML as SVG, and fails where one does not: icons.sh TOOLS DRAWABLES OUT
set -euo pipefail
tools=$1 out=$3
rm -rf "$out"
mkdir -p "$out"
for icon in "$2"/*.xml; do
    grep -q '<vector' "$icon" || continue
    name=$(basename "$icon" .xml)
    "$tools/vd2svg" "$icon" -o "$out" >/dev/null 2>&1 & # writes the file, then hangs
    converter=$!
    for _ in $(seq 600); do
        if [ -s "$out/$name.svg" ] && grep -q '</svg>' "$out/$name.svg"; then break; fi
        sleep 0.2
    done
    kill "$converter" 2>/dev/null || true
    wait "$converter" 2>/dev/null || true
    grep -q '<path' "$out/$name.svg" || { echo "$name: nothing is drawn"; exit 1; }
    echo "drawn: $name"
done

#!/usr/bin/env bash
# The exported files of the bundled model that the native tiers score with, and Python's scores of the
# golden photos, made once for all tiers:
#
#   tests/native/artifacts.sh DIR WORD...     e.g. build/native fp32 int8 reasons
#
# A word that is a precision writes DIR/mini-PRECISION.onnx and DIR/scores-PRECISION.json
# (runtimes/golden/README.md says what a scores file is). The word `reasons` writes the same of the bundled
# model that has a bank of reasons: DIR/mini-free-fp16.onnx, which its bundle carries, so it takes seconds, and
# DIR/scores-mini-free-fp16.json, with `reason_ids` and `reasons` beside `scores`; reasons-int8 and so on
# export it in another precision. What is there already stays, unless the package has changed since. Tiers may run at
# the same time: they wait for each other. RALIKIT_PYTHON picks the interpreter.
set -euo pipefail
[ $# -ge 2 ] || { echo "usage: $0 DIR WORD..." >&2; exit 2; }
mkdir -p "$1"
out=$(cd "$1" && pwd)
shift
cd "$(dirname "$0")/../.."

python=${RALIKIT_PYTHON:-}
if [ -z "$python" ]; then
    python=python3
    [ -x .venv/bin/python ] && python=$PWD/.venv/bin/python
fi

exec 9>"$out/.lock"
flock 9

# Any module may change what is exported; a hash of all of them takes a tenth of a second.
made_from=$({ find src/ralikit runtimes/golden -name __pycache__ -prune -o -type f -print0 | sort -z | xargs -0 sha256sum; } |
    sha256sum | cut -d' ' -f1)
if [ "$(cat "$out/made-from" 2>/dev/null)" != "$made_from" ]; then
    rm -f "$out"/mini-*.onnx "$out"/scores-*.json
    echo "$made_from" >"$out/made-from"
fi

make() { # PRECISION MODEL SCORES OPTION...
    local precision=$1 model=$2 scores=$3 draft
    shift 3
    [ -e "$out/$scores" ] && return
    draft=$(mktemp -d "$out/.draft-XXXXXX")
    trap "rm -rf '$draft'" EXIT
    "$python" runtimes/golden/generate.py --precision "$precision" --models-out "$draft" --scores-out "$draft/scores.json" "$@"
    mv "$draft/$precision.onnx" "$out/$model"
    mv "$draft/scores.json" "$out/$scores"
    rm -rf "$draft"
}

for word in "$@"; do
    case $word in
        reasons | reasons-*)
            precision=fp16
            [ "$word" = reasons ] || precision=${word#reasons-}
            make "$precision" "mini-free-$precision.onnx" "scores-mini-free-$precision.json" --bundle src/ralikit/models/mini-free
            ;;
        *) make "$word" "mini-$word.onnx" "scores-$word.json" ;;
    esac
done

#!/usr/bin/env bash
# The ten lines of docs/platforms, built and run with what the other native tiers have fetched. Exit 77 where nothing could be.
set -euo pipefail
cd "$(dirname "$0")/../../.."
python=${RALIKIT_PYTHON:-}
if [ -z "$python" ]; then
    python=python3
    [ -x .venv/bin/python ] && python=$PWD/.venv/bin/python
fi
"$python" -c "import onnx, ralikit" 2>/dev/null || { echo "SKIPPED: $python has no ralikit with its export extra"; exit 77; }
PYTHONPATH=tests${PYTHONPATH:+:$PYTHONPATH} exec "$python" tests/native/platforms/check.py

#!/usr/bin/env bash
# What the app needs before Xcode opens it: mini as a Core ML package, and Python's scores of that very file
# for the parity test. Neither is ever committed.
#
#   ios_demo/prepare.sh             # exports mini with its embedding and its reasons
#   ios_demo/prepare.sh PACKAGE     # takes one that ralikit export wrote
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD

python=${RALIKIT_PYTHON:-python3}
[ -n "${RALIKIT_PYTHON:-}" ] || [ ! -x .venv/bin/python ] || python=$root/.venv/bin/python
"$python" -c 'import ralikit' || { echo "$python has no ralikit: pip install -e '.[export,coreml]', or name another in RALIKIT_PYTHON" >&2; exit 2; }

# The app compares photos by their embedding, and says by the reasons why a photo scores low.
RALIKIT_PYTHON=$python RALIKIT_OUTPUTS=${RALIKIT_OUTPUTS:-score,embedding,reasons} bash runtimes/swift/get-mini.sh "$@"
package=runtimes/swift/Sources/RaliMini/Model/mini.mlpackage
[ -d "$package" ] || { echo "$package was not made" >&2; exit 1; }

# The same file, scored by Python's own reader of Core ML programs: what the device must give too.
"$python" - "$package" ios_demo/Tests/Parity/scores.json <<'PY'
import json, sys
from pathlib import Path

import ralikit

package, out = map(Path, sys.argv[1:])
scorer = ralikit.load(package)
photos = sorted(Path("runtimes/golden/images").glob("*.png"))
scores = {photo.name: scorer.score(photo).value for photo in photos}
out.parent.mkdir(parents=True, exist_ok=True)
out.write_text(json.dumps({"scores": scores}, indent=1) + "\n", encoding="utf-8")
print(f"{out}: {len(scores)} scores")
PY
echo "Open ios_demo/RaliDemo.xcodeproj, or run ios_demo/test.sh"

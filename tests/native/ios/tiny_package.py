"""A Core ML package for tests to read: a small random model with a bank of reasons.

    python tiny_package.py OUT.mlpackage

Names, shapes and types of a package do not depend on the size of its tower; the bundled model takes
minutes to export for Core ML, this one seconds. It is exported as users do, with every output,
behind the gate that random weights have, on fewer photos. Writes OUT.mlpackage and its manifest.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from support_export import tiny_bundle

from ralikit.export.gate.gate import open_gate
from ralikit.export.pipeline import export

PHOTOS = 16
HIDDEN = 16
"""Neurons of the bank: enough that photos differ in their reasons."""


def main() -> int:
    """Write it."""
    out = Path(sys.argv[1])
    with tempfile.TemporaryDirectory(dir=out.parent) as draft:
        bundle = tiny_bundle(Path(draft) / "bundle", reasons=True, hidden=HIDDEN)
        gate = open_gate(bundle, count=PHOTOS, calibration_count=PHOTOS)
        made = export(bundle, target="coreml", precision="fp32", out=Path(draft), gate=gate)
        print(f"drift at most {made.parity.max_drift:.2g} on {PHOTOS} photos")
        shutil.move(made.path, out)
        shutil.move(made.manifest, f"{out}.ralikit.json")
    return 0


if __name__ == "__main__":
    sys.exit(main())

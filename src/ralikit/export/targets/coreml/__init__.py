"""The Core ML target: from a folded scorer to an ML program, and checks without a Mac."""

from __future__ import annotations

from ralikit.export.options import INPUTS, LAYOUTS, PATCHES
from ralikit.export.targets.coreml.precisions import PRECISIONS
from ralikit.export.targets.target import Target

COREML = Target(
    name="coreml",
    suffix=".mlpackage",
    modules=("coremltools",),
    extra="coreml",
    job="Export to Core ML",
    precisions=PRECISIONS,
    layouts=LAYOUTS,
    inputs=INPUTS,
    patches=PATCHES,
    converter="ralikit.export.targets.coreml.target",
    checker="ralikit.export.targets.coreml.checks",
)
"""Its files give all outputs of one program; see docs/coreml.md for why not two programs."""

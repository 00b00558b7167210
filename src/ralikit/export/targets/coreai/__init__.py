"""The Core AI target: from a folded scorer to an .aimodel, proved in Apple's own runtime."""

from __future__ import annotations

from ralikit.export.targets.coreai.precisions import PRECISIONS
from ralikit.export.targets.target import Target

COREAI = Target(
    name="coreai",
    suffix=".aimodel",
    modules=("coreai", "coreai_torch"),
    extra="coreai",
    job="Export to Core AI",
    precisions=PRECISIONS,
    spared=True,
    converter="ralikit.export.targets.coreai.target",
    checker="ralikit.export.targets.coreai.checks",
)
"""The same weights as Core ML's, as the same codes; see docs/coreai.md."""

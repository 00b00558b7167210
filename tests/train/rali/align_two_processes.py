"""Run by `torchrun` in a test: two steps of an alignment over two processes."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path

from support_align import SETTINGS, make_alignment

from ralikit.train.world import leave, open_world


def main() -> None:
    objective, folder, photos = sys.argv[1], Path(sys.argv[2]), [Path(p) for p in sys.argv[3:]]
    world = open_world(2)
    chains = 2 if objective == "readout" else 0
    settings = replace(SETTINGS, objective=objective, chains=chains)  # type: ignore[arg-type]
    alignment = make_alignment(photos, folder / "cache", settings, world)
    figures = [alignment.train_step(alignment.batches.make(step)) for step in range(2)]
    if world.first:
        result = {"world": world.size, "figures": figures}
        (folder / "two.json").write_text(json.dumps(result))
    leave()


if __name__ == "__main__":
    main()

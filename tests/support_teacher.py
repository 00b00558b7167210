"""What the tests of the teachers share: settings of runs that take seconds, and comparisons."""

from __future__ import annotations

from pathlib import Path
from typing import Any

SCORES = (1.2, 4.7, 2.4, 3.9, 3.1, 1.9)
TEXTS = ("slight noise.", "serious blur.", "obvious noise.", "moderate noise.", "slight blur.")
PIXELS = 84 * 84
"""Bound on photos in these tests: nine image tokens."""


def sft_settings(**values: Any) -> Any:
    """Settings of a run that takes seconds."""
    from ralikit.train.teacher.recipe import Machine
    from ralikit.train.teacher.sft import SftSettings

    runtime = Machine(per_device=6, save_steps=1000, gradient_checkpointing=False)
    return SftSettings(**{"images_per_step": 6, "max_pixels": PIXELS, "runtime": runtime, **values})


def rows(labelled: Path, settings: Any) -> list[dict[str, Any]]:
    """Two texts for each of the six pictures."""
    from ralikit.data.triplets import Text, Triplet
    from ralikit.train.teacher.sft import sft_rows

    triplets = [
        Triplet(
            image=f"p{i}.png",
            score=score,
            texts=tuple(
                Text(text=TEXTS[(i + seed) % len(TEXTS)], seed=seed, source="test")
                for seed in range(2)
            ),
        )
        for i, score in enumerate(SCORES)
    ]
    return sft_rows([(triplets, labelled / "images")], settings)


def changed(before: Path, after: Path) -> set[str]:
    """Names of the tensors in which two model folders differ."""
    from safetensors.torch import load_file

    old, new = (dict(load_file(f / "model.safetensors")) for f in (before, after))
    assert old.keys() == new.keys()
    return {name for name in old if not bool((old[name] == new[name]).all())}

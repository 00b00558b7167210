"""Which training photos show one scene: what must not lie on both sides of a split."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ralikit.data.metas import Sample
from ralikit.model.head import unit

_NEIGHBOURS = 3


def group_scenes(
    samples: Sequence[Sample],
    features: NDArray[np.floating],
    *,
    likeness: float,
    burst: float | None,
) -> list[Sample]:
    """Join the samples' own groups where their photos look alike.

    Hashes find copies, not several shots of one scene; features of an untrained tower find those.
    Photos numbered one after another in files of one name need less likeness.

    Args:
        samples: With their own groups, if any.
        features: Of each photo, (n, F).
        likeness: Cosine of centred features from which on two photos are one scene.
        burst: The same for files numbered within 3 of each other; None: never.

    Returns:
        The samples with `group` naming the scene.
    """
    parent = list(range(len(samples)))

    def find(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    first: dict[tuple[str, str], int] = {}
    for i, sample in enumerate(samples):
        if sample.group is not None:
            parent[find(i)] = find(first.setdefault((sample.dataset, sample.group), i))
    x = unit(np.asarray(features, dtype=np.float32) - np.mean(features, axis=0))
    cosine = x @ x.T
    for i, j in np.argwhere(np.triu(cosine > likeness, 1)):
        parent[find(int(i))] = find(int(j))
    if burst is not None:
        for numbered in _numbered(samples).values():
            numbered.sort()
            for place, (number, i) in enumerate(numbered):
                for other, j in numbered[place + 1 : place + 1 + _NEIGHBOURS]:
                    if other - number <= _NEIGHBOURS and cosine[i, j] > burst:
                        parent[find(i)] = find(j)
    return [replace(s, group=f"scene {find(i)}") for i, s in enumerate(samples)]


def _numbered(samples: Sequence[Sample]) -> dict[tuple[str, str], list[tuple[int, int]]]:
    """Number and index of files whose name ends in a number, by dataset and the name before it."""
    found: dict[tuple[str, str], list[tuple[int, int]]] = defaultdict(list)
    for index, sample in enumerate(samples):
        match = re.search(r"^(.*?)(\d+)\.[^.]+$", sample.name)
        if match:
            found[sample.dataset, match.group(1)].append((int(match.group(2)), index))
    return found

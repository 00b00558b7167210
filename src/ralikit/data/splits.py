"""Splits that keep a reference or a near-duplicate group on one side, the same for a seed forever.

A random split of photos that come in bursts reads too well: on BIQ2021 by 0.06 SRCC.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace

from ralikit.data.metas import Sample
from ralikit.errors import DataError, UsageError

SIX_TWO_TWO: Mapping[str, float] = {"train": 0.6, "validation": 0.2, "test": 0.2}
"""The split of VisualQuality-R1: 6:2:2 by reference."""


def split_by_group(
    samples: Sequence[Sample], fractions: Mapping[str, float], *, seed: int
) -> dict[str, list[Sample]]:
    """Deal whole groups out to named parts.

    Groups are ordered by a hash of seed and name, so the outcome depends on neither the order of
    the samples nor a random generator's version; then each goes to the part that is furthest behind
    its share. A sample without a group is a group of its own.

    Args:
        samples: What to split.
        fractions: Share of every part, > 0, summing to 1.
        seed: Another seed, another split.

    Returns:
        The parts, each in the order of `samples`, with `split` set to the part's name.

    Raises:
        UsageError: If the fractions are not positive or do not sum to 1.
        DataError: If there are fewer groups than parts.
    """
    if min(fractions.values(), default=0.0) <= 0 or abs(sum(fractions.values()) - 1) > 1e-6:
        raise UsageError(f"split fractions must be positive and sum to 1, not {dict(fractions)}")
    groups: dict[str, list[int]] = defaultdict(list)
    for index, sample in enumerate(samples):
        # The prefixes keep a group named like a file apart from that file.
        key = f"file {sample.name}" if sample.group is None else f"group {sample.group}"
        groups[f"{sample.dataset}/{key}"].append(index)
    if len(groups) < len(fractions):
        raise DataError(f"{len(groups)} groups cannot be split into {len(fractions)} parts")
    part: dict[int, str] = {}
    filled = dict.fromkeys(fractions, 0)
    order = sorted(groups, key=lambda k: hashlib.sha256(f"{seed}:{k}".encode()).digest())
    for key in order:
        behind = min(fractions, key=lambda name: filled[name] / fractions[name])
        filled[behind] += len(groups[key])
        part.update(dict.fromkeys(groups[key], behind))
    return {
        name: [replace(s, split=name) for i, s in enumerate(samples) if part[i] == name]
        for name in fractions
    }


def group_by_name(samples: Sequence[Sample], pattern: str) -> list[Sample]:
    """Read each sample's group off its file name.

    Args:
        samples: What to group.
        pattern: Regular expression with one capture, e.g. ``r"(I\\d\\d)_"`` for KADID-10k's
            references.

    Raises:
        UsageError: If the pattern is no expression with one capture.
        DataError: If it does not match a name.
    """
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise UsageError(f"{pattern!r} is not a regular expression: {error}") from error
    if expression.groups != 1:
        raise UsageError(f"{pattern!r} must hold one (capture), the group's name")
    grouped = []
    for sample in samples:
        match = expression.search(sample.name)
        if match is None:
            raise DataError(f"{sample.name} does not match the group pattern {pattern!r}")
        grouped.append(replace(sample, group=match.group(1)))
    return grouped

"""Records of whole corpora: what scored them, on this computer, and how far memory grew."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ralikit.bench import device
from ralikit.bench.records import Model, Protocol, RanBy, Record
from ralikit.bench.subjects import open_subject
from ralikit.config import from_mapping
from ralikit.model.bundle import SCORER
from ralikit.models import locate

_WARM = 0.25
"""Share of a run that opens models and fills pools: what grows there says nothing."""


def corpus_record(
    model: str | None,
    *,
    samples: dict[str, list[float]],
    figures: dict[str, Any],
    command: str,
    note: str,
    rounds: int = 1,
) -> Record:
    """A record of the kind ``corpus`` of this computer.

    Args:
        model: As `ralikit.load` takes it.
        samples: Raw values by name.
        figures: What was made of them; ``figures["what"]`` says which of the report's tables they
            belong to: ``"speed"``, ``"memory"`` or ``"kills"``.
        command: What repeats it.
        note: What was scored.
        rounds: Interleaved rounds.
    """
    path = locate(model)
    path = path / SCORER if path.is_dir() else path
    subject = open_subject(path, backend="auto", threads=1)
    name, _, version = subject.runtime.name.partition(" ")
    now = device.now()
    return Record(
        kind="corpus",
        run=f"corpus-{now}",
        time=now,
        commit=device.commit(),
        model=from_mapping(Model, subject.model),
        device=device.host(),
        runtime=RanBy(name=name, version=version, unit="cpu", threads=1),
        protocol=Protocol(
            quick=False, rounds=rounds, warmups=1, cooldown_s=0.0, command=command, note=note
        ),
        samples=samples,
        figures=figures,
    )


def growth(values: Sequence[float]) -> dict[str, float]:
    """How far a series grew after its first quarter, and how far it scatters.

    Args:
        values: Evenly spaced in time, at least eight, e.g. resident bytes.

    Returns:
        ``growth``: rise of the least-squares line over the last three quarters; ``scatter``: range
        that holds 90 % of the values about that line; ``second_quarter`` and ``last_quarter``:
        medians; ``highest``.

    Raises:
        ValueError: If there are fewer than eight values.
    """
    if len(values) < 8:
        raise ValueError(f"growth needs at least 8 values, not {len(values)}")
    series = np.asarray(values, dtype=float)
    quarter = len(series) // 4
    warm = series[int(_WARM * len(series)) :]
    places = np.arange(len(warm))
    slope, start = np.polyfit(places, warm, 1)
    low, high = np.percentile(warm - (start + slope * places), [5, 95])
    return {
        "growth": float(slope * (len(warm) - 1)),
        "scatter": float(high - low),
        "second_quarter": float(np.median(series[quarter : 2 * quarter])),
        "last_quarter": float(np.median(series[-quarter:])),
        "highest": float(series.max()),
    }

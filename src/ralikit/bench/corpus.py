"""Records of whole corpora: what scored them, on this computer, and how far memory grew."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ralikit.bench import device
from ralikit.bench.records import Model, Protocol, RanBy, Record
from ralikit.bench.subjects import open_subject
from ralikit.config import from_mapping
from ralikit.model.bundle import SCORER, BundleInfo, TowerSpec, write_bundle
from ralikit.model.head import Head
from ralikit.models import locate
from ralikit.photo.views import Preprocess

_STAGES = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 1, 2), (6, 48, 2, 2))


def shallow_model(folder: Path) -> Path:
    """Make a bundle that scores in a millisecond: a view of 64 pixels, six blocks, random weights.

    Scoring needs no torch, making it does.
    """
    import torch
    from torch import nn

    from ralikit.export.bundle_scorer import with_scorer
    from ralikit.model.towers.mobilenet_v2 import MobileNetV2

    torch.manual_seed(0)
    tower = MobileNetV2(dim=8, stages=_STAGES, features=128).eval()
    for module in tower.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
    head = Head(
        pca_mean=np.zeros(8),
        pca_components=np.eye(8)[:4],
        pca_scale=np.ones(8),
        centroids=np.eye(4),
        scores=np.linspace(1, 5, 4),
        temperature=1.0,
        normalize=True,
    )
    info = BundleInfo(
        name="shallow-random",
        tower=TowerSpec(kind=tower.kind, config=tower.config(), weights="random"),
        preprocess=Preprocess(size=64, shortest_edge=64, anchors=((0.5, 0.5),)),
        temperature=1.0,
        licence="No one's: random numbers.",
        notice="Random weights, to measure cost. Its scores mean nothing.",
    )
    state = {name: value.half().numpy() for name, value in tower.state_dict().items()}
    return with_scorer(write_bundle(folder, info, tower=state, head=head)).root


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
        figures: What was made of them: ``pictures_per_s`` and more of speed, ``all_bytes`` and more
            of memory, ``kills`` and more of kills (docs/records.md).
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
    warm = series[quarter:]  # before, models are opened and pools filled: that growth says nothing
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

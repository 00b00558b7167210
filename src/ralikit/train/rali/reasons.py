"""Give a scorer a bank of reasons, or another one; its tower, read-out and scores stay as they are.

The texts of `ralikit.model.reasons.BANK` are embedded once by the frozen encoder that the tower was
aligned to. Both routes, the texts' directions and a probe of the same embedding, are fitted on the
same good photos with planted faults, and the bundle keeps the one that does better on photos kept
out, under its own name. No text encoder is needed afterwards.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ralikit.config import to_mapping
from ralikit.data.metas import Sample
from ralikit.errors import DataError, UsageError
from ralikit.model.bundle import (
    HEAD,
    MANIFEST,
    REASONS,
    SCORER,
    TOWER,
    Bundle,
    keep_one_copy,
    write_bundle,
)
from ralikit.model.reasons import BANK
from ralikit.model.reasons_head import ReasonsHead, ReasonsInfo
from ralikit.model.towers import load_tower
from ralikit.progress import Tell
from ralikit.train.rali.features import Embedder, cached
from ralikit.train.rali.photo_store import open_store
from ralikit.train.rali.planted import RENDERINGS, Planted, noticed_at, plant_copies, targets
from ralikit.train.rali.reasons_fit import (
    Fitted,
    axes,
    bank_texts,
    calibrated,
    fit_probe,
    fit_text,
    judged,
)
from ralikit.train.rali.reasons_settings import ReasonsSettings
from ralikit.train.rali.text_encoders import TextEncoder

IDS = tuple(entry.info.id for entry in BANK)
OWNERS = tuple(IDS.index(rendering.reason) for rendering in RENDERINGS)
"""Which reason each rendering that is fitted on gives."""

_NAMES = tuple(rendering.name for rendering in RENDERINGS)
_DROP = 0.1
"""Share of the scale that stands in for a tie width where none was measured."""
_CLOSE = 0.01
"""By how much a probe must do better than the texts to be shipped."""


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedBank:
    """A fitted bank.

    Attributes:
        chosen: What is shipped.
        routes: All that were tried, the texts' first.
        half: Strength of each rendering at which half of people are taken to notice, by name.
        bundle: With the bank in it.
    """

    chosen: Fitted
    routes: tuple[Fitted, ...]
    half: dict[str, float]
    bundle: Bundle


@dataclass(frozen=True, kw_only=True)
class GoodPhoto:
    """A photo to plant faults in; photos of one scene, by `group`, stay on one side."""

    path: Path
    group: str


def good_photos(samples: Sequence[Sample], *, share: float) -> list[GoodPhoto]:
    """The best of labelled photos, best MOS first.

    Args:
        samples: Labelled photos, of one set or several; the share is taken of each set.
        share: 0..1.
    """
    found = []
    for dataset in sorted({s.dataset for s in samples}):
        own = sorted((s for s in samples if s.dataset == dataset), key=lambda s: (-s.score, s.name))
        for sample in own[: max(1, round(share * len(own)))]:
            group = f"{dataset} {sample.group or sample.name}"
            found.append(GoodPhoto(path=sample.image, group=group))
    return found


def fit_bank(
    bundle: Bundle,
    photos: Sequence[GoodPhoto],
    encoder: TextEncoder,
    settings: ReasonsSettings,
    *,
    cache: Path,
    device: torch.device | None = None,
    tell: Tell = lambda _what, _share: None,
) -> FittedBank:
    """Fit a bank and write the bundle anew with it; a ``scorer.onnx`` in it is made again.

    Args:
        bundle: A scorer, with or without a bank.
        photos: Good photos, none of which a check shall use.
        encoder: What its tower was aligned to.
        settings: How.
        cache: Folder for decoded photos.
        device: Where the tower computes.
        tell: Told the stage and the share of it done.

    Raises:
        DataError: If there are too few photos.
        UsageError: If the text route is asked for and the encoder is of another width.
    """
    planted, groups = _planted(bundle, photos, settings, cache=cache, device=device, tell=tell)
    kept = _kept(groups, settings)[planted.photo]
    scores = bundle.head().score(planted.embeddings)
    scale = bundle.info.scale
    drop = bundle.info.tie_width or _DROP * (scale.maximum - scale.minimum)
    half, reached = noticed_at(planted, scores, drop=drop)
    tell("fitting", 0.5)
    texts = bank_texts(encoder, long_texts="refuse")
    routes = _routes(planted, kept, targets(planted, half, IDS), texts, settings)
    chosen = _chosen(routes, settings)
    by_name = {r.name: round(float(h), 3) for r, h in zip(RENDERINGS, half, strict=True)}
    info = ReasonsInfo(
        bank=tuple(entry.info for entry in BANK),
        route="text" if chosen.route == "text" else "probe",
        note=_note(chosen, planted, drop, measured=bundle.info.tie_width is not None),
        provenance={
            "settings": to_mapping(settings),
            "encoder": encoder.name,
            "chosen": chosen.name,
            "photos": len(set(planted.photo[~planted.clean].tolist())),
            "clean": int(planted.clean.sum()),
            "kept": len(set(planted.photo[kept].tolist())),
            "half_notice_from": by_name,
            "reached": [r.name for r, there in zip(RENDERINGS, reached, strict=True) if there],
            "routes": [_row(route) for route in routes],
            "versions": {
                "torch": torch.__version__,
                "numpy": np.__version__,
                "pillow": importlib.metadata.version("pillow"),
            },
        },
    )
    written = _written(bundle, info, chosen.head, texts)
    return FittedBank(chosen=chosen, routes=routes, half=by_name, bundle=written)


def _planted(
    bundle: Bundle,
    photos: Sequence[GoodPhoto],
    settings: ReasonsSettings,
    *,
    cache: Path,
    device: torch.device | None,
    tell: Tell,
) -> tuple[Planted, list[str]]:
    rng = np.random.default_rng([settings.seed, 23])
    wanted = min(settings.photos + settings.clean, len(photos))
    chosen = [photos[i] for i in rng.permutation(len(photos))[:wanted]]
    if len({photo.group for photo in chosen}) < 4:
        raise DataError(
            f"a bank of reasons needs good photos of at least 4 scenes, not {len(chosen)} photos"
        )
    preprocess = bundle.info.preprocess
    store = open_store(
        [photo.path for photo in chosen],
        cache,
        preprocess=preprocess,
        progress=lambda n: tell("decoding good photos", n / wanted),
    )
    anchors = settings.anchors or preprocess.anchors

    def compute() -> dict[str, NDArray[np.float32]]:
        embedder = Embedder(load_tower(bundle), preprocess, device=device, autocast=False)
        numbers = list(range(len(chosen)))
        made = plant_copies(
            store,
            numbers[: settings.photos],
            numbers[settings.photos :],
            embedder.embed,
            size=preprocess.size,
            anchors=anchors,
            pairs=settings.pairs,
            seed=settings.seed,
            done=lambda n: tell("planting faults", n / wanted),
        )
        return made.arrays()

    # Minutes of work, the same whatever is fitted on it.
    drawn = (settings.photos, settings.pairs, settings.seed, anchors)
    seen = [(str(photo.path), photo.path.stat().st_mtime_ns) for photo in chosen]
    key = f"{bundle.files[TOWER]} {to_mapping(preprocess)} {drawn} {seen} {_NAMES}"
    planted = Planted.of_arrays(cached(cache / "planted.safetensors", key, compute))
    return planted, [photo.group for photo in chosen]


def _kept(groups: Sequence[str], settings: ReasonsSettings) -> NDArray[np.bool_]:
    """Which photos are kept out, whole scenes at a time, (n,)."""
    # Alike in both parts: among the photos that faults are planted in, and among the others.
    rng = np.random.default_rng([settings.seed, 37])
    scenes = sorted(set(groups))
    draw = {scene: rng.random() for scene in scenes}
    planted_in = [draw[g] for g in groups[: settings.photos]]
    limit = float(np.quantile(planted_in, settings.kept, method="inverted_cdf"))
    return np.array([draw[g] <= limit for g in groups])


def _routes(
    planted: Planted,
    kept: NDArray[np.bool_],
    wanted: NDArray[np.float64],
    texts: dict[str, NDArray[np.float32]],
    settings: ReasonsSettings,
) -> tuple[Fitted, ...]:
    fit, other = planted.of(~kept), planted.of(kept)
    goal, truth = wanted[~kept], wanted[kept]
    heads: dict[str, ReasonsHead] = {}
    directions = axes(texts["present"], texts["absent"])
    width = planted.embeddings.shape[1]
    if directions.shape[1] == width:
        heads["text"] = fit_text(fit, goal, directions, mixed=False)
        heads["text, mixed"] = fit_text(fit, goal, directions, mixed=True)
    elif settings.route == "text":
        raise UsageError(
            f"the tower's embeddings are {width} wide and the texts' {directions.shape[1]}: the "
            "text route needs the encoder that the tower was aligned to"
        )
    heads["probe"] = fit_probe(fit, goal, hidden=0, decay=settings.decay, seed=settings.seed)
    if settings.hidden:
        heads[f"probe, {settings.hidden} hidden"] = fit_probe(
            fit, goal, hidden=settings.hidden, decay=settings.decay, seed=settings.seed
        )
    return tuple(
        judged(name, calibrated(head, other, truth), other, truth, OWNERS)
        for name, head in heads.items()
    )


def _chosen(routes: Sequence[Fitted], settings: ReasonsSettings) -> Fitted:
    asked = [r for r in routes if settings.route in ("best", r.route)]

    def worth(fitted: Fitted) -> float:
        return fitted.right + fitted.clean + (_CLOSE if fitted.route == "text" else 0.0)

    return max(asked, key=worth)


def _note(chosen: Fitted, planted: Planted, drop: float, *, measured: bool) -> str:
    read = {
        "text": "Read along the direction between its texts of both sides.",
        "text, mixed": "Read along the directions between texts of both sides, all of them weighed "
        "for each reason by a fitted matrix.",
    }.get(chosen.name, "Read by a probe fitted on the embedding, not by the texts.")
    tie = "tie width" if measured else "tenth of the scale (no tie width was measured)"
    return (
        f"{read} Nobody was asked which reasons they see: 0.5 stands where a planted fault lowers "
        f"the scorer's own score by its {tie}, {drop:.2f}, which three of four people would see "
        f"beside the original. Fitted on {len(set(planted.photo.tolist()))} good photos, one kind "
        "of fault planted at a time, seldom two."
    )


def _row(fitted: Fitted) -> dict[str, Any]:
    return {
        "route": fitted.name,
        "right": round(fitted.right, 4),
        "clean": round(fitted.clean, 4),
        "auc": [None if np.isnan(a) else round(float(a), 4) for a in fitted.auc],
        "loss": round(fitted.loss, 5),
    }


def _written(
    bundle: Bundle, info: ReasonsInfo, head: ReasonsHead, texts: dict[str, NDArray[np.float32]]
) -> Bundle:
    own = {MANIFEST, TOWER, HEAD, REASONS, SCORER}
    extra = {name: (bundle.root / name).read_bytes() for name in bundle.files if name not in own}
    tower = {k: v.copy() for k, v in bundle.tower_tensors().items()}
    own_copy = bundle.tower_file.name == TOWER
    written = write_bundle(
        bundle.root,
        replace(bundle.info, reasons=info),
        tower=tower,
        head=bundle.head(),
        reasons={**head.tensors(), **texts},
        extra=extra,
        overwrite=True,
    )
    if bundle.scorer is None:
        return written
    from ralikit.export.bundle_scorer import with_scorer

    made = with_scorer(written, extra)
    return made if own_copy else keep_one_copy(made)

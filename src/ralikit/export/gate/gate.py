"""What a converted file must match: the reference's scores on photos, made once for all targets."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ralikit.errors import ParityError
from ralikit.export.cache import cached
from ralikit.export.gate.calibration_photos import (
    CALIBRATION,
    CALIBRATION_LARGE,
    ENOUGH,
    GATE,
    GATE_LARGE,
    PhotoSet,
    built_in,
    from_folder,
    too_few,
)
from ralikit.export.gate.parity import FOLD, FOLD_REASONS, Parity, parity_of
from ralikit.export.gate.reference import (
    Scores,
    compared,
    folded_scores,
    reasons_of,
    unfolded,
)
from ralikit.export.one_thread import one_thread
from ralikit.export.quantise.workbench import Workbench
from ralikit.files import sha256_bytes, size_bytes
from ralikit.malloc import map_large_blocks
from ralikit.model.bundle import Bundle
from ralikit.model.folded import Folded, fold, with_outputs
from ralikit.model.rewrite import rewrite
from ralikit.photo.views import make_views
from ralikit.probes import Probe, probe_photos
from ralikit.progress import Tell, telling
from ralikit.runtimes import Runtime, Views

LazyPhotos = Callable[[], PhotoSet]

LARGE = 200e6
"""Bytes of a tower's file from which it counts as large: a photo takes seconds."""

_FOLD_PHOTOS = 16
_FOLD_PHOTOS_LARGE = 4


@dataclass(frozen=True, kw_only=True, eq=False)
class Gate:
    """A bundle's folded graph, proved, with the photos and the scores its files must give.

    Made by `open_gate`.

    Attributes:
        bundle: The model.
        large: Whether its tower is large: a photo takes seconds.
        bench: The graph with calibration photos, none of whose pixels is in `photos`.
        calibration: The calibration photos; made when first asked for.
        photos: Photos to compare on.
        reference: Their scores by the unfolded pipeline, (n,).
        embeddings: Their embeddings, averaged over views, (n, D).
        golden: The golden photos compared.
        golden_views: Their views.
        golden_reference: Their scores by the unfolded pipeline.
        golden_embeddings: Their embeddings, averaged over views.
        fold_parity: How the folded graph compares with the unfolded pipeline.
        warning: What a user must know of the calibration photos, or None.
    """

    bundle: Bundle
    large: bool
    bench: Workbench
    calibration: LazyPhotos
    photos: PhotoSet
    reference: Scores
    embeddings: Scores
    golden: Sequence[Probe]
    golden_views: Sequence[Views]
    golden_reference: Scores
    golden_embeddings: Scores
    fold_parity: Parity
    warning: str | None

    @property
    def folded(self) -> Folded:
        """The folded, rewritten scorer."""
        return self.bench.folded

    def compare(self, runtime: Runtime, *, tell: Tell | None = None) -> Parity:
        """Run a converted file on every photo and compare it with the reference.

        Raises:
            ParityError: If a score is not finite, or a reason is not from 0 to 1.
            BundleError: If the runtime fails.
        """
        names, views = self.photos.names, self.photos.views
        return compared(
            runtime, self.bundle, names, views, self.reference, self.embeddings, tell=tell
        )

    def facts(self, outputs: Sequence[str] = ("score",)) -> dict[str, Any]:
        """What a file says of its photos: the sets' hashes, golden photos and what they give.

        Args:
            outputs: The file's.
        """
        fold = self.fold_parity
        golden = [
            {"name": g.name, "sha256": g.sha256, "reference": round(float(score), 7)}
            for g, score in zip(self.golden, self.golden_reference, strict=True)
        ]
        if "reasons" in outputs:
            for entry, values in zip(
                golden, reasons_of(self.bundle, self.golden_embeddings), strict=True
            ):
                entry["reasons"] = [round(float(value), 7) for value in values]
        return {
            "fold": {"photos": fold.photos, "max_drift": round(fold.max_drift, 8)},
            "gate": _set_facts(self.photos),
            "golden": golden,
        }

    def calibration_facts(self) -> dict[str, Any]:
        """The calibration set's origin, size and hash."""
        warning = {} if self.warning is None else {"warning": self.warning}
        return _set_facts(self.calibration()) | warning


@one_thread()
def open_gate(
    bundle: Bundle,
    *,
    calibration: Path | None = None,
    count: int | None = None,
    calibration_count: int | None = None,
    thorough: bool = False,
    tell: Tell | None = None,
) -> Gate:
    """Fold a bundle, prove the folding, and score the photos that its files will be held to.

    Args:
        bundle: The model.
        calibration: A folder of the user's photos; None: the built-in set.
        count: Photos to compare on; None: `GATE`, or `GATE_LARGE` where a tower is large.
        calibration_count: Photos to take int8 ranges from; None: `CALIBRATION` (`ENOUGH` of a
            user's folder), or `CALIBRATION_LARGE`.
        thorough: Take a small tower's counts for a large one too.
        tell: Told the stage and the share done, 0..1.

    Raises:
        ParityError: If folding changed the scores.
        UsageError: If the folder cannot be read.
        ExportError: If it holds too few photos.
        MissingExtraError: If the built-in set's libraries are not installed.
    """
    large = size_bytes(bundle.tower_file) > LARGE
    if large:
        map_large_blocks()
    few = large and not thorough
    count = count or (GATE_LARGE if few else GATE)
    if calibration_count is None:
        own = CALIBRATION if calibration is None else ENOUGH
        calibration_count = CALIBRATION_LARGE if few else own
    with telling(tell):
        photos, lazy, warning = _photo_sets(bundle, calibration, count, calibration_count)
    golden = probe_photos()
    if few:  # one degraded photo of each picture
        golden = golden[1::3]
    golden_views = [make_views(g.pixels, bundle.info.preprocess) for g in golden]
    folded = rewrite(fold(bundle))
    scores = _references(bundle, golden, golden_views, photos, keep=large, tell=tell)
    reference = scores["photos"]
    if not np.isfinite(reference).all():
        bad = photos.names[int(np.flatnonzero(~np.isfinite(reference))[0])]
        raise ParityError(f"the bundle itself gives no finite score on {bad}")
    some = _FOLD_PHOTOS_LARGE if large else _FOLD_PHOTOS
    fold_parity = parity_of(
        [*(f"golden photo {g.name}" for g in golden[:some]), *photos.names[:some]],
        folded_scores(folded, [*golden_views[:some], *photos.views[:some]]),
        np.concatenate([scores["golden"][:some], reference[:some]]),
    )
    _refuse_other_scores(fold_parity)
    _refuse_other_reasons(folded, bundle, golden_views[:some], scores["golden embeddings"][:some])
    return Gate(
        bundle=bundle,
        large=large,
        bench=Workbench(folded, lambda: lazy().views),
        calibration=lazy,
        photos=photos,
        reference=reference,
        embeddings=scores["embeddings"],
        golden=golden,
        golden_views=golden_views,
        golden_reference=scores["golden"],
        golden_embeddings=scores["golden embeddings"],
        fold_parity=fold_parity,
        warning=warning,
    )


def _photo_sets(
    bundle: Bundle, folder: Path | None, count: int, calibration_count: int
) -> tuple[PhotoSet, LazyPhotos, str | None]:
    # What to compare on, what to calibrate on (many precisions need none), and a warning.
    preprocess = bundle.info.preprocess
    if folder is None:
        lazy = cache(lambda: built_in("calibration", preprocess, calibration_count))
        return built_in("gate", preprocess, count), lazy, None
    photos, own = from_folder(folder, preprocess, gate=count, calibration=calibration_count)
    warning = too_few(len(own)) if len(own) < calibration_count else None
    return photos, lambda: own, warning


def _references(
    bundle: Bundle,
    golden: Sequence[Probe],
    golden_views: Sequence[Views],
    photos: PhotoSet,
    *,
    keep: bool,
    tell: Tell | None,
) -> dict[str, Scores]:
    def make() -> dict[str, Scores]:
        first, golden_embeddings = unfolded(bundle, golden_views)
        scores, embeddings = unfolded(bundle, photos.views, tell=tell)
        return {
            "golden": first,
            "golden embeddings": golden_embeddings,
            "photos": scores,
            "embeddings": embeddings,
        }

    if not keep:
        return make()
    # Minutes: an export that was interrupted goes on from here.
    digest = sha256_bytes("".join(g.sha256 for g in golden).encode())
    parts = {"bundle": bundle.hash, "golden": digest, "photos": photos.hash}
    return cached("reference", parts, make, code=__name__)


def _refuse_other_scores(parity: Parity) -> None:
    if parity.max_drift > FOLD:
        raise ParityError(
            f"folding changed the score of {parity.worst} by {parity.max_drift:.6f}, the limit "
            f"is {FOLD:g}: this is a fault of ralikit or of the bundle, not of the target"
        )


def _refuse_other_reasons(
    folded: Folded, bundle: Bundle, views: Sequence[Views], embeddings: Scores
) -> None:
    if folded.reasons is None:
        return
    giving = with_outputs(folded, ("score", "reasons"))
    with torch.inference_mode():
        found = np.stack([giving(torch.from_numpy(np.array(v)))[1].numpy() for v in views])
    drift = float(np.abs(found - reasons_of(bundle, embeddings)).max())
    if not drift <= FOLD_REASONS:
        raise ParityError(
            f"folding changed a reason by {drift:.6f}, the limit is {FOLD_REASONS:g}: this is a "
            "fault of ralikit or of the bundle, not of the target"
        )


def _set_facts(photos: PhotoSet) -> dict[str, Any]:
    return {"source": photos.source, "photos": len(photos), "hash": photos.hash}

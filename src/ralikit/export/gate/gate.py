"""What a converted file must match: the reference's scores on photos, made once for all targets."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

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
from ralikit.export.gate.parity import FOLD, Parity, compare, embedding_shift
from ralikit.files import sha256_bytes, size_bytes
from ralikit.malloc import map_large_blocks
from ralikit.model.bundle import TOWER, Bundle
from ralikit.model.folded import FoldedScorer, fold
from ralikit.model.rewrite import lean
from ralikit.model.towers import load_tower
from ralikit.photo.views import make_views
from ralikit.probes import Golden, golden_photos
from ralikit.progress import Tell
from ralikit.runtimes import Runtime, Views, checked_score

Scores = NDArray[np.float64]

LARGE = 200e6
"""Bytes of a tower's file from which it counts as large: a photo takes seconds."""

_FOLD_PHOTOS = 16
_SHIFT_PHOTOS = 40
_FOLD_PHOTOS_LARGE = 4


def unfolded_scores(bundle: Bundle, views: Sequence[Views], *, tell: Tell | None = None) -> Scores:
    """The pipeline as it was fitted: pixels, tower in torch, read-out in numpy float64.

    Shares nothing with the folded graph but the weights on disk, so that a mistake in folding
    cannot hide in both.
    """
    return unfolded(bundle, views, tell=tell)[0]


def unfolded(
    bundle: Bundle, views: Sequence[Views], *, tell: Tell | None = None
) -> tuple[Scores, Scores]:
    """`unfolded_scores`, (n,), and the embeddings they come from, averaged over views, (n, D)."""
    info = bundle.info
    tower, head = load_tower(bundle), bundle.head()
    mean = torch.tensor(info.preprocess.mean).view(1, 3, 1, 1)
    std = torch.tensor(info.preprocess.std).view(1, 3, 1, 1)
    scores, embeddings = np.empty(len(views)), np.empty((len(views), head.dim))
    with torch.inference_mode():
        for index, photo in enumerate(views):
            image = torch.from_numpy(np.array(photo)).permute(0, 3, 1, 2).float() / 255.0
            embedding = tower((image - mean) / std).double().numpy()  # (V, D)
            embeddings[index] = embedding.mean(axis=0)
            if info.view_pool == "embedding":
                scores[index] = head.score(embeddings[index : index + 1])[0]
            else:
                scores[index] = head.score(embedding).mean()
            if tell is not None:
                tell("reference scores", (index + 1) / len(views))
    return scores, embeddings


def folded_scores(graph: FoldedScorer, views: Sequence[Views]) -> Scores:
    """Scores of the folded graph in torch."""
    with torch.inference_mode():
        return np.array([float(graph(torch.from_numpy(np.array(photo)))) for photo in views])


def runtime_scores(
    runtime: Runtime, views: Sequence[Views], *, tell: Tell | None = None, what: str = "scoring"
) -> Scores:
    """Scores of a converted file, photo by photo, through its runtime."""
    scores = np.empty(len(views))
    for index, photo in enumerate(views):
        scores[index] = runtime.run(photo)
        if tell is not None:
            tell(what, (index + 1) / len(views))
    return scores


class Gate:
    """A bundle's folded graph, proved, with the photos and the scores its files must give.

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

    def __init__(
        self,
        bundle: Bundle,
        *,
        calibration: Path | None = None,
        count: int | None = None,
        calibration_count: int | None = None,
        thorough: bool = False,
        tell: Tell | None = None,
    ) -> None:
        self.bundle = bundle
        self.large = size_bytes(bundle.root / TOWER) > LARGE
        if self.large:
            map_large_blocks()
        few = self.large and not thorough
        count = count or (GATE_LARGE if few else GATE)
        if calibration_count is None:
            own = CALIBRATION if calibration is None else ENOUGH
            calibration_count = CALIBRATION_LARGE if few else own
        self._calibration_count = calibration_count
        self._own: PhotoSet | None = None
        preprocess = bundle.info.preprocess
        if tell is not None:
            tell("preparing photos", 0.0)
        if calibration is None:
            self.photos = built_in("gate", preprocess, count)
        else:
            self.photos, self._own = from_folder(
                calibration, preprocess, gate=count, calibration=calibration_count
            )
        self.golden: list[Golden] = golden_photos()
        if few:  # one degraded photo of each picture
            self.golden = self.golden[1::3]
        self.golden_views = [make_views(g.pixels, preprocess) for g in self.golden]
        self.graph = lean(fold(bundle))
        self.golden_reference, self.reference, self.embeddings = self._references(tell)
        if not np.isfinite(self.reference).all():
            bad = self.photos.names[int(np.flatnonzero(~np.isfinite(self.reference))[0])]
            raise ParityError(f"the bundle itself gives no finite score on {bad}")
        self._prove_fold()

    @cached_property
    def calibration(self) -> PhotoSet:
        """Photos to take int8 ranges from; none of their pixels is in `photos`."""
        if self._own is not None:
            return self._own
        return built_in("calibration", self.bundle.info.preprocess, self._calibration_count)

    def compare(self, runtime: Runtime, *, tell: Tell | None = None) -> Parity:
        """Run a converted file on every photo and compare it with the reference.

        Raises:
            ParityError: If a score is not finite.
            BundleError: If the runtime fails.
        """
        views, what = self.photos.views, "comparing scores"
        if "embedding" not in runtime.facts.outputs:
            scores = runtime_scores(runtime, views, tell=tell, what=what)
            return compare(self.photos.names, scores, self.reference)
        scores, found = np.empty(len(views)), []
        for index, photo in enumerate(views):  # a large tower's seconds, once for both
            given = runtime.outputs(photo)
            scores[index] = checked_score(float(given["score"].reshape(-1)[0]), where="the file")
            if index < _SHIFT_PHOTOS:
                found.append(given["embedding"])
            if tell is not None:
                tell(what, (index + 1) / len(views))
        wanted = self.embeddings[: len(found)]
        shift = embedding_shift(np.concatenate(found).astype(np.float64), wanted)
        return replace(compare(self.photos.names, scores, self.reference), shift=shift)

    def facts(self) -> dict[str, Any]:
        """What a file says of its photos: the sets' hashes, golden photos and their scores."""
        fold = self.fold_parity
        return {
            "fold": {"photos": fold.photos, "max_drift": round(fold.max_drift, 8)},
            "gate": _set_facts(self.photos),
            "golden": [
                {"name": g.name, "sha256": g.sha256, "reference": round(float(score), 7)}
                for g, score in zip(self.golden, self.golden_reference, strict=True)
            ],
        }

    def calibration_facts(self) -> dict[str, Any]:
        """The calibration set's origin, size and hash."""
        facts = _set_facts(self.calibration)
        if self._own is not None and len(self._own) < self._calibration_count:
            facts["warning"] = too_few(len(self._own))
        return facts

    def _references(self, tell: Tell | None) -> tuple[Scores, Scores, Scores]:
        def make() -> dict[str, Scores]:
            golden = unfolded_scores(self.bundle, self.golden_views)
            scores, embeddings = unfolded(self.bundle, self.photos.views, tell=tell)
            return {"golden": golden, "photos": scores, "embeddings": embeddings}

        if not self.large:
            made = make()
        else:  # minutes: an export that was interrupted goes on from here
            golden = sha256_bytes("".join(g.sha256 for g in self.golden).encode())
            parts = {"bundle": self.bundle.hash, "golden": golden, "photos": self.photos.hash}
            made = cached("reference", {**parts}, make)
        return made["golden"], made["photos"], made["embeddings"]

    def _prove_fold(self) -> None:
        few = _FOLD_PHOTOS_LARGE if self.large else _FOLD_PHOTOS
        golden = self.golden_views[:few]
        names = [*(f"golden photo {g.name}" for g in self.golden[:few]), *self.photos.names[:few]]
        wanted = np.concatenate([self.golden_reference[:few], self.reference[:few]])
        scores = folded_scores(self.graph, [*golden, *self.photos.views[:few]])
        self.fold_parity = parity = compare(names, scores, wanted)
        if parity.max_drift > FOLD:
            raise ParityError(
                f"folding changed the score of {parity.worst} by {parity.max_drift:.6f}, the limit "
                f"is {FOLD:g}: this is a fault of ralikit or of the bundle, not of the target"
            )


def _set_facts(photos: PhotoSet) -> dict[str, Any]:
    return {"source": photos.source, "photos": len(photos), "hash": photos.hash}

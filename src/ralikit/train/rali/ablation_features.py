"""Embeddings of an ablation's photos and test sets, by one tower, computed once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.config import to_mapping
from ralikit.data.metas import MetaSpec, require_images
from ralikit.errors import UsageError
from ralikit.files import sha256_bytes, sha256_path, to_json
from ralikit.model.bundle import TOWER, Bundle
from ralikit.model.towers import load_tower
from ralikit.train.rali import stages
from ralikit.train.rali.features import Embedder, cached, chain_embeddings, over_views
from ralikit.train.rali.fit import Chains
from ralikit.train.rali.fit_settings import FitSettings
from ralikit.train.rali.photo_store import open_store
from ralikit.train.rali.run import Run, start_tower

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class RunFeatures:
    """Embeddings of a run's photos and of test sets, by one tower.

    Attributes:
        run: Whose photos.
        embedder: The tower.
        key: Names the tower's weights in the cache.
        raw: Whether its features stand for its embeddings.
    """

    run: Run
    embedder: Embedder
    key: str
    raw: bool

    def train(self, settings: FitSettings) -> NDArray[np.float32]:
        """Of the training photos, (n, D)."""
        run = self.run
        views = settings.anchors or run.preprocess.anchors
        photos = run.fit_photos(settings).tolist()
        return self._over(run.store, photos, views, f"train {run.photo_key()}")

    def chains(self, settings: FitSettings) -> Chains | None:
        """Of degraded copies, where the fit wants them and the tower can embed them."""
        if not settings.chains or self.raw:
            return None
        run, size = self.run, self.run.preprocess.size
        faults = run.recipe.align.faults
        key = f"{self.key} chains {settings.chains} {settings.seed} {faults} {run.photo_key()}"

        def compute() -> dict[str, NDArray[np.float32]]:
            found = chain_embeddings(
                self.embedder,
                run.store,
                run.train,
                size,
                settings.chains,
                seed=settings.seed,
                faults=faults,
            )
            return {"embeddings": found[0], "severities": found[1]}

        made = cached(run.cache / "chains.safetensors", key, compute)
        return Chains(
            made["embeddings"].copy(), made["severities"].copy()
        )  # torch wants them writable

    def test(self, spec: MetaSpec) -> tuple[str, NDArray[np.float32], Floats]:
        """Name, embeddings and MOS of a test set."""
        run = self.run
        recipe = run.recipe
        samples = replace(spec, path=recipe.below(spec.path), root=recipe.below(spec.root)).read()
        require_images(samples)
        store = open_store([s.image for s in samples], run.cache, preprocess=run.preprocess)
        names = sha256_bytes(to_json([s.name for s in samples], indent=None).encode())
        found = self._over(
            store,
            list(range(len(samples))),
            run.preprocess.anchors,
            f"{samples[0].dataset} {names}",
        )
        return samples[0].dataset, found, np.array([s.score for s in samples])

    def _over(
        self, store: Any, photos: list[int], views: Sequence[tuple[float, float]], what: str
    ) -> NDArray[np.float32]:
        run = self.run
        key = f"{self.key} {what} {photos} {views} {to_mapping(run.preprocess)} raw={self.raw}"

        def compute() -> dict[str, NDArray[np.float32]]:
            found = over_views(
                self.embedder.features if self.raw else self.embedder.embed,
                store,
                photos,
                run.preprocess.size,
                views,
                done=lambda n: run.tell(f"embedding {what.split()[0]}", n / len(photos)),
            )
            return {"features": found.astype(np.float32)}

        return cached(run.cache / "ablation.safetensors", key, compute)["features"]


def features_of(run: Run, *, aligned: bool, bundle: Bundle | None) -> RunFeatures:
    """By the run's aligned tower, by its first one, or by a bundle's."""
    if bundle is not None:
        if bundle.info.preprocess != run.preprocess:
            raise UsageError(f"{bundle.root} looks at photos in another way than the recipe")
        tower = load_tower(bundle)
        key = f"bundle {bundle.files[TOWER]}"
    elif aligned:
        tower, _ = stages.aligned_tower(run)
        key = f"aligned {sha256_path(run.out / stages.TOWER)}"
    else:
        tower, _ = start_tower(run.recipe)  # afresh: `run.tower` may have been aligned in place
        key = f"start {run.recipe.tower.weights}"
    # A small tower's first projection is random: its features stand for it. A whole one's is not.
    raw = not aligned and not run.recipe.tower.whole
    return RunFeatures(run=run, embedder=run.embedder(tower), key=key, raw=raw)

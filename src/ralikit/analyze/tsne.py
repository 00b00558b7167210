"""t-SNE of text and image embeddings: RALI's Figures 2 and 4, with a number beside each picture.

t-SNE shows neighbourhoods, not distances, and can draw clusters where there are none. So every
drawing comes with a figure measured in the full space, which says how much of what it shows is
there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import DataError, UsageError
from ralikit.extras import require
from ralikit.files import publish
from ralikit.model.bundle import Bundle
from ralikit.model.head import unit

Floats = NDArray[np.float64]
NEIGHBOURS = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Cloud:
    """Embeddings of one set.

    Attributes:
        name: Name of the set.
        features: (n, D), used at unit norm.
        scores: Opinion scores, (n,), 1..5.
    """

    name: str
    features: NDArray[Any]
    scores: NDArray[Any]


def flatten(features: NDArray[Any], *, seed: int = 0, perplexity: float = 30.0) -> Floats:
    """t-SNE of unit-norm features to the plane, (n, D) -> (n, 2).

    Args:
        features: At least 8 rows.
        seed: Of the start's jitter; the start itself is the PCA.
        perplexity: Neighbours that count; lowered to (n - 1) / 3 for small sets.
    """
    require("sklearn", extra="train", job="t-SNE")
    from sklearn.manifold import TSNE

    if len(features) < 8:
        raise DataError(f"t-SNE needs at least 8 points, not {len(features)}")
    x = unit(np.asarray(features, dtype=np.float64))
    model = TSNE(
        perplexity=min(perplexity, (len(x) - 1) / 3), init="pca", random_state=seed, n_jobs=1
    )
    return np.asarray(model.fit_transform(x), dtype=np.float64)


def score_agreement(cloud: Cloud) -> float:
    """SRCC of every point's score with the mean score of its nearest neighbours in full space.

    1: neighbours say all about the score, as Figure 2 suggests of quality texts; 0: nothing.
    """
    from ralikit.metrics.agreement import srcc

    near = _neighbours(cloud.features, cloud.features, skip_self=True)
    return srcc(np.asarray(cloud.scores)[near].mean(axis=1), cloud.scores)


def mixing(first: Cloud, second: Cloud) -> float:
    """How well two sets mix: 0 apart, 1 as mixed as if they were one.

    The share of a point's nearest neighbours in full space that belong to the other set, over what
    chance would give; averaged over both sets, capped at 1.
    """
    features = np.concatenate([first.features, second.features])
    other = np.r_[np.zeros(len(first.features)), np.ones(len(second.features))]
    near = _neighbours(features, features, skip_self=True)
    foreign = (other[near] != other[:, None]).mean(axis=1)
    shares = [
        foreign[other == own].mean() / ((other != own).sum() / (len(other) - 1)) for own in (0, 1)
    ]
    return float(min(1.0, np.mean(shares)))


def draw_scores(cloud: Cloud, out: Path, *, title: str, seed: int = 0) -> float:
    """Figure 2: one set's text embeddings, coloured by score.

    Returns:
        `score_agreement`, which also stands in the picture.
    """
    agreement = score_agreement(cloud)
    points = flatten(cloud.features, seed=seed)

    def paint(figure: Any) -> None:
        axes = figure.subplots()
        drawn = axes.scatter(*points.T, c=cloud.scores, cmap="viridis", s=10, vmin=1, vmax=5)
        figure.colorbar(drawn, label="MOS on 1-5")
        axes.set_title(
            f"{title}\n{len(points)} points of {cloud.name}; SRCC of a score with its "
            f"{NEIGHBOURS} neighbours' {agreement:.2f}",
            fontsize=9,
        )
        _bare(axes)

    _save(out, paint, size=(6.2, 5.2))
    return agreement


def draw_domains(
    visual: Sequence[Cloud], text: Sequence[Cloud], out: Path, *, seed: int = 0
) -> dict[str, float]:
    """Figure 4: two sets side by side, by their image features and by their texts.

    Args:
        visual: Image features of both sets.
        text: Text features of both sets.
        out: PNG to write.
        seed: Of t-SNE.

    Returns:
        `mixing` of the image features and of the text features.
    """
    if len(visual) != 2 or len(text) != 2:
        raise UsageError("the comparison takes two sets, each with image and text features")
    panels: Mapping[str, Sequence[Cloud]] = {"image features": visual, "text features": text}
    found = {name: mixing(*pair) for name, pair in panels.items()}
    points = {
        name: flatten(np.concatenate([c.features for c in pair]), seed=seed)
        for name, pair in panels.items()
    }

    def paint(figure: Any) -> None:
        for axes, (name, pair) in zip(figure.subplots(1, 2), panels.items(), strict=True):
            start = 0
            for cloud, colour in zip(pair, ("#2b6cb0", "#c05621"), strict=True):
                part = points[name][start : start + len(cloud.features)]
                axes.scatter(*part.T, s=9, alpha=0.6, linewidths=0, color=colour, label=cloud.name)
                start += len(cloud.features)
            axes.set_title(f"{name}: mixing {found[name]:.2f} (0 apart, 1 as one)", fontsize=9)
            axes.legend(frameon=False, fontsize=8)
            _bare(axes)

    _save(out, paint, size=(10.4, 5.0))
    return found


def embed_photos(
    bundle: Bundle, photos: Sequence[Path], *, progress: Callable[[int], object] | None = None
) -> NDArray[np.float32]:
    """Embeddings of photos by a bundle's tower, averaged over the views, (n, D)."""
    torch = require("torch", extra="train", job="Embedding photos")
    from ralikit.model.towers import load_tower
    from ralikit.photo.views import decode_photo, make_views

    tower, preprocess = load_tower(bundle), bundle.info.preprocess
    rows = []
    with torch.inference_mode():
        for done, photo in enumerate(photos, start=1):
            views = make_views(decode_photo(photo, preprocess), preprocess)
            pixels = (views / 255.0 - preprocess.mean) / preprocess.std
            batch = torch.from_numpy(pixels.astype(np.float32)).permute(0, 3, 1, 2)
            rows.append(tower(batch).mean(dim=0).numpy())
            if progress is not None:
                progress(done)
    return np.stack(rows)


def _neighbours(
    queries: NDArray[Any], features: NDArray[Any], *, skip_self: bool
) -> NDArray[np.intp]:
    q, x = unit(np.asarray(queries, np.float64)), unit(np.asarray(features, np.float64))
    likeness = q @ x.T
    if skip_self:
        np.fill_diagonal(likeness, -np.inf)
    count = min(NEIGHBOURS, len(x) - 1)
    return np.argpartition(-likeness, count - 1, axis=1)[:, :count]


def _bare(axes: Any) -> None:
    axes.set_xticks([])
    axes.set_yticks([])


def _save(out: Path, paint: Callable[[Any], None], *, size: tuple[float, float]) -> None:
    require("matplotlib", extra="train", job="Drawing t-SNE")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    paint(figure)
    with publish(out, overwrite=True) as draft:
        figure.savefig(draft, format="png")

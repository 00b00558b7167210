"""The photos a conversion is calibrated on and compared on: a user's own, or a built-in set.

The built-in set is made from the photos packaged inside scikit-image and scikit-learn (nothing is
downloaded): calibration sees their left halves, the comparison their right halves, so that no
pixel is in both. A half is reduced, continued by its mirror image to the size of a photo (so that
its detail stays as fine as a real photo's after the model's resize), and mostly degraded.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import ExportError, MissingExtraError, PhotoError, UsageError
from ralikit.extras import require
from ralikit.files import sha256_bytes, sha256_path
from ralikit.photo.degrade import CLASSES, SEVERITIES, Degradation, degrade
from ralikit.photo.find import find_photos
from ralikit.photo.views import Preprocess, load_views, make_views
from ralikit.progress import tell
from ralikit.runtimes import Views

Pixels = NDArray[np.uint8]

GATE = 200
"""Photos a converted file is compared on."""

GATE_LARGE = 16
"""The same for a tower of hundreds of megabytes, without ``--thorough``."""

CALIBRATION = 64
"""Photos that int8 ranges are taken from."""

CALIBRATION_LARGE = 32
"""The same for a tower of hundreds of megabytes, without ``--thorough``."""

ENOUGH = 128
"""Calibration photos of a user's folder from which no warning is given."""

LEAST = 16
"""Photos of a user's folder to calibrate on, and to compare on, without which it is refused."""

_SEED = 20251120
_SKIMAGE = (
    "astronaut.png",
    "brick.png",
    "camera.png",
    "chelsea.png",
    "coffee.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "moon.png",
    "motorcycle_left.png",
    "retina.jpg",
    "rocket.jpg",
)
_SKLEARN = ("china.jpg", "flower.jpg")
_CLEAN = 0.3  # share of photos left as they are


@dataclass(frozen=True, eq=False)
class PhotoSet:
    """Photos already cut into a model's views.

    Attributes:
        source: Where they come from, in words.
        names: A name for each, e.g. ``"gate 017: coffee, blur (moderate)"``.
        views: Their views, each (V, S, S, 3) uint8.
        hash: Over all views, so that the same set can be recognised.
    """

    source: str
    names: tuple[str, ...]
    views: tuple[Views, ...]
    hash: str

    def __len__(self) -> int:
        """Number of photos."""
        return len(self.views)


def built_in(part: str, preprocess: Preprocess, count: int) -> PhotoSet:
    """The packaged photos, cropped and degraded; the same every time.

    Args:
        part: ``"gate"`` (right halves) or ``"calibration"`` (left halves).
        preprocess: The model's pixel settings.
        count: How many.

    Raises:
        MissingExtraError: If scikit-image or scikit-learn is not installed.
    """
    names, views = [], []
    for index in range(count):
        tell("preparing photos", index / count)
        name, pixels = _made(part, index)
        names.append(name)
        views.append(make_views(pixels, preprocess))
    return _photo_set(f"built-in, {part}, {count} photos", names, views)


def from_folder(
    root: Path, preprocess: Preprocess, *, gate: int = GATE, calibration: int = CALIBRATION
) -> tuple[PhotoSet, PhotoSet]:
    """A user's photos: (gate, calibration), disjoint, chosen by content and not by name.

    Photo by photo: what is held is the views of the photos chosen, however large the folder is.
    Where it holds fewer photos than wanted, half of them calibrate and half compare.

    Args:
        root: A folder; photos below it, at any depth.
        preprocess: The model's pixel settings.
        gate: How many to compare on, at most.
        calibration: How many to calibrate on, at most.

    Raises:
        UsageError: If it is no folder or cannot be read.
        ExportError: If it holds too few readable, different photos.
    """
    found = _by_content(root)
    names: list[str] = []
    views: list[Views] = []
    for path in found:
        if len(views) == gate + calibration:
            break
        tell("preparing photos", len(views) / (gate + calibration))
        try:
            views.append(load_views(path, preprocess))
            names.append(path.relative_to(root).as_posix())
        except PhotoError:
            continue  # what matters is whether enough are left
    least = min(2 * LEAST, gate + calibration)
    if len(views) < least:
        raise ExportError(
            f"{root} has {len(views)} readable, different photos; {least} are the least, half to "
            f"calibrate and half to compare on, and {gate + calibration} are better. Without "
            "--calibration the built-in photos are used"
        )
    if len(views) < gate + calibration:
        calibration = min(calibration, len(views) // 2)
    gate = min(gate, len(views) - calibration)
    return (
        _photo_set(f"folder {root.name}, gate", names[:gate], views[:gate]),
        _photo_set(
            f"folder {root.name}, calibration",
            names[gate : gate + calibration],
            views[gate : gate + calibration],
        ),
    )


def too_few(count: int) -> str:
    """The warning that a folder gave few photos to calibrate on, with what that was measured to do.

    Figures: `benchmarks/results/calibration-size.json` (ONNX int8, 200 photos).
    """
    return (
        f"{count} calibration photos are fewer than {ENOUGH}; on the bundled model int8 from 8 "
        "photos drifted by up to 0.074 (95th percentile 0.033), from 16 by 0.055 (0.022), from 64 "
        "by 0.036 (0.017)"
    )


def _by_content(root: Path) -> list[Path]:
    if not root.is_dir():
        raise UsageError(f"the calibration folder {root} does not exist or is no folder")
    try:
        digests = {sha256_path(path): path for path in reversed(find_photos([str(root)]))}
    except PhotoError as error:
        raise UsageError(f"the calibration folder cannot be used: {error}") from error
    except OSError as error:
        raise UsageError(
            f"cannot read the calibration folder {root}: {error.strerror or error}"
        ) from error
    return [path for _, path in sorted(digests.items())]


def _photo_set(source: str, names: list[str], views: list[Views]) -> PhotoSet:
    digest = sha256_bytes(b"".join(sha256_bytes(v.tobytes()).encode() for v in views))
    return PhotoSet(source=source, names=tuple(names), views=tuple(views), hash=digest)


def _made(part: str, index: int) -> tuple[str, Pixels]:
    from PIL import Image

    stream = ("calibration", "gate").index(part)
    rng = np.random.default_rng([_SEED, stream, index])
    sources = packaged()
    name, photo = sources[index % len(sources)]
    middle = photo.shape[1] // 2
    half = photo[:, :middle] if part == "calibration" else photo[:, middle:]
    zoom = rng.uniform(0.5, 1.0)
    image = Image.fromarray(half)
    image = image.resize(
        (max(32, round(image.width * zoom)), max(32, round(image.height * zoom))),
        Image.Resampling.BICUBIC,
    )
    edge, aspect = rng.integers(512, 641), rng.uniform(1.0, 1.5)
    width, height = (
        (edge, round(edge * aspect)) if rng.random() < 0.5 else (round(edge * aspect), edge)
    )
    image = Image.fromarray(_continued(np.asarray(image), int(width), int(height), rng))
    if rng.random() < _CLEAN:
        return f"{part} {index:03d}: {name}", np.asarray(image)
    kind = Degradation(
        CLASSES[rng.integers(len(CLASSES))], SEVERITIES[rng.integers(len(SEVERITIES))]
    )
    worse = degrade(image, kind, seed=_SEED + stream, index=index)
    return f"{part} {index:03d}: {name}, {kind.kind} ({kind.severity})", np.asarray(worse)


def _continued(pixels: Pixels, width: int, height: int, rng: np.random.Generator) -> Pixels:
    # Mirror images side by side have no seams; the window onto them starts anywhere.
    spans = []
    for extent, wanted in ((pixels.shape[0], height), (pixels.shape[1], width)):
        at = int(rng.integers(2 * extent))
        position = (at + np.arange(wanted)) % (2 * extent)
        spans.append(np.where(position < extent, position, 2 * extent - 1 - position))
    return np.ascontiguousarray(pixels[np.ix_(*spans)])


@cache
def packaged() -> tuple[tuple[str, Pixels], ...]:
    """Photos that lie inside the installed scikit-image and scikit-learn, by name, RGB.

    Raises:
        MissingExtraError: If one of the two is not installed.
        ExportError: If neither brings enough photos.
    """
    photos = tuple(_opened(path) for path in _packaged_files())
    if len(photos) < len(_SKLEARN) + 4:
        raise ExportError(
            "the installed scikit-image brings too few photos; name a folder of your own with "
            "--calibration"
        )
    return photos


def _packaged_files() -> Iterator[Path]:
    job = "The built-in set of calibration photos (a folder of your own: --calibration)"
    for module, folder, names in (
        ("skimage", "data", _SKIMAGE),
        ("sklearn", "datasets/images", _SKLEARN),
    ):
        package = require(module, extra="export", job=job)
        if package.__file__ is None:
            raise MissingExtraError(module, "export", job)
        root = Path(package.__file__).parent / folder
        yield from (root / name for name in names if (root / name).is_file())


def _opened(path: Path) -> tuple[str, Pixels]:
    from PIL import Image

    with Image.open(path) as image:
        return path.stem, np.asarray(image.convert("RGB"))

"""Photos a bench works on: a folder's, or one rendered on the spot."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from ralikit.errors import UsageError
from ralikit.photo.find import photos_below
from ralikit.photo.formats import ENDINGS


def bench_photos(
    root: Path, meta: Path | None = None, split: str | None = None
) -> tuple[tuple[Path, ...], dict[Path, float] | None]:
    """Photos below a folder, or those a label file names, with their MOS.

    Raises:
        UsageError: If there are none.
        DataError: If labels cannot be read, or give a photo two scores.
    """
    if meta is None:
        if split is not None:
            raise UsageError("--split needs --meta: a folder of photos has no splits")
        found = tuple(photos_below(root))
        if not found:
            raise UsageError(f"no photos below {root}: expected {ENDINGS}")
        return found, None
    from ralikit.data.metas import read_meta, require_one_score, select_split

    samples = read_meta(meta, root, mos_range="observed")
    if split is not None:
        samples = select_split(samples, split)
    require_one_score(samples)
    return tuple(s.image for s in samples), {s.image: s.raw for s in samples}


def best_photos(
    meta: Path | None, root: Path | None, split: str | None, *, count: int
) -> tuple[Path, ...]:
    """The photos of a label file with the highest MOS, in an order drawn once for all.

    Args:
        meta: The label file; None: there are none.
        root: Folder of its photos.
        split: Only this split of it.
        count: How many.

    Raises:
        UsageError: If there is a label file and no folder, or the other way round.
        DataError: If labels cannot be read, or give a photo two scores.
    """
    if (meta is None) != (root is None):
        raise UsageError("--meta and --root go together: labels, and the folder of their photos")
    if meta is None or root is None:
        return ()
    _, mos = bench_photos(root, meta, split)
    best = sorted((mos or {}).items(), key=lambda item: (-item[1], item[0]))[:count]
    order = np.random.default_rng(0).permutation(len(best))
    return tuple(best[i][0] for i in order)


@contextmanager
def rendered_jpeg(width: int, height: int, *, seed: int = 0) -> Iterator[Path]:
    """A JPEG with detail at every scale, as long as the block runs.

    Noise at octaves from the whole picture down to single pixels compresses and decodes about as
    a photo does; a flat picture would decode far too quickly.
    """
    from PIL import Image

    rng = np.random.default_rng(seed)
    total = np.zeros((height, width, 3), dtype=np.float32)
    edge = 4
    while edge <= max(width, height):
        shape = (max(2, edge * height // max(width, height)), max(2, edge), 3)
        octave = (rng.random(shape) * 255).astype(np.uint8)
        upscaled = Image.fromarray(octave).resize((width, height), Image.Resampling.BICUBIC)
        total += np.asarray(upscaled, dtype=np.float32) / edge**0.5
        edge *= 4
    total = (total - total.min()) / (total.max() - total.min()) * 255
    with tempfile.TemporaryDirectory(prefix="ralikit-bench-") as folder:
        path = Path(folder) / "rendered.jpg"
        Image.fromarray(total.astype(np.uint8)).save(path, quality=90)
        yield path

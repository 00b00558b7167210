"""Training photos, decoded once and resized as scoring does; on disk, mapped into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import TrainingError
from ralikit.files import publish, read_json, sha256_bytes, to_json
from ralikit.photo.decode import open_photo
from ralikit.photo.resample import resize_image
from ralikit.photo.views import Preprocess

_PIXELS = "pixels.u8"
_INDEX = "index.json"


class PhotoStore:
    """uint8 photos at the size from which views are cut, by number."""

    def __init__(self, folder: Path) -> None:
        index = read_json(folder / _INDEX)
        self._shapes: list[tuple[int, int]] = [(int(h), int(w)) for h, w in index["shapes"]]
        self._starts = np.concatenate([[0], np.cumsum([3 * h * w for h, w in self._shapes])])
        self._pixels = np.memmap(folder / _PIXELS, dtype=np.uint8, mode="r")
        if len(self._pixels) != self._starts[-1]:
            raise TrainingError(f"{folder} is not whole: remove it, and it is made again")

    def __len__(self) -> int:
        return len(self._shapes)

    def __getitem__(self, index: int) -> NDArray[np.uint8]:
        """Photo `index`, (H, W, 3), a view into the file."""
        h, w = self._shapes[index]
        start = self._starts[index]
        return np.asarray(self._pixels[start : start + 3 * h * w]).reshape(h, w, 3)

    def all_alike(self) -> bool:
        """Whether every photo has the same pixels; known at the first that differs."""
        return all(np.array_equal(self[i], self[0]) for i in range(1, len(self)))


def open_store(
    photos: Sequence[Path],
    folder: Path,
    *,
    preprocess: Preprocess,
    progress: Callable[[int], None] | None = None,
) -> PhotoStore:
    """Decode and resize photos into a folder named after them, or open what lies there already.

    Args:
        photos: The photos, in the order in which they are numbered.
        folder: Parent of the caches.
        preprocess: Size and filter are its own: views cut from the store are those that scoring
            makes of the whole photo (large JPEGs, which scoring decodes reduced, nearly so).
        progress: Told how many photos are done.

    Raises:
        PhotoError: If a photo cannot be read; nothing is ever put in its place.
        RalikitError: If the disk is full.
    """
    stats = [
        (str(p), p.stat().st_size, p.stat().st_mtime_ns) if p.exists() else (str(p), 0, 0)
        for p in photos
    ]
    edge = preprocess.shortest_edge or preprocess.size
    square = preprocess.shortest_edge is None
    made = {"edge": edge, "square": square, "resample": preprocess.resample, "photos": stats}
    key = sha256_bytes(to_json(made, indent=None).encode())[:16]
    target = folder / f"photos-{edge}-{key}"
    if not target.is_dir():
        with publish(target) as draft:
            draft.mkdir()
            shapes = []
            with (draft / _PIXELS).open("wb") as stream:
                for number, path in enumerate(photos, start=1):
                    photo = open_photo(path)
                    size = preprocess.resized(*photo.size)
                    photo = resize_image(photo, size, resample=preprocess.resample)
                    stream.write(np.asarray(photo).tobytes())
                    shapes.append([photo.height, photo.width])
                    if progress is not None:
                        progress(number)
            (draft / _INDEX).write_text(to_json({"shapes": shapes}, indent=None))
    return PhotoStore(target)

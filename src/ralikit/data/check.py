"""What is wrong with a labelled set: images missing, unreadable or twice, groups across splits."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ralikit.data.metas import Sample
from ralikit.errors import PhotoError
from ralikit.printable import printable

_BITS = 64
_HASH_EDGE = 32
_BLOCK = 2048


@dataclass(frozen=True, kw_only=True)
class DataReport:
    """The findings; every list is in the order of the label file.

    Attributes:
        images: Number of labelled images.
        missing: Images that are not there.
        unreadable: Images that cannot be scored, each with the reason that `score` would give.
        labelled_twice: Names that have more than one label.
        exact: Groups of files with the same bytes.
        near: Groups of images that look the same (perceptual hash), exact copies included.
        across: Those of `near` that lie in more than one split: (names, splits).
        split_groups: Groups the label file names itself that lie in more than one split.
    """

    images: int
    missing: list[str] = field(default_factory=list)
    unreadable: list[tuple[str, str]] = field(default_factory=list)
    labelled_twice: list[str] = field(default_factory=list)
    exact: list[list[str]] = field(default_factory=list)
    near: list[list[str]] = field(default_factory=list)
    across: list[tuple[list[str], list[str]]] = field(default_factory=list)
    split_groups: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        """Whether nothing stands in the way of training and testing on it.

        Near-duplicates inside one split are worth knowing and no fault.
        """
        faults = (self.missing, self.unreadable, self.labelled_twice, self.exact, self.across)
        return not any(faults) and not self.split_groups


def check_images(
    samples: Sequence[Sample],
    *,
    distance: int = 6,
    threads: int = 2,
    progress: Callable[[int], object] | None = None,
) -> DataReport:
    """Open every image of a labelled set and compare them all.

    Args:
        samples: The set, as the reader gives it.
        distance: Images whose 64-bit perceptual hashes differ in at most this many bits are
            near-duplicates.
        threads: Images decoded at once.
        progress: Called with the number of images done.
    """
    names: dict[str, Sample] = {}
    twice: dict[str, None] = {}
    for sample in samples:
        if sample.name in names:
            twice[sample.name] = None
        names.setdefault(sample.name, sample)
    missing, unreadable = [], []
    digests: dict[str, list[str]] = defaultdict(list)
    hashed: list[str] = []
    hashes: list[NDArray[np.bool_]] = []
    with ThreadPoolExecutor(max_workers=max(threads, 1)) as pool:
        looks = pool.map(_look, [s.image for s in names.values()])
        for done, (name, look) in enumerate(zip(names, looks, strict=True), start=1):
            if look is None:
                missing.append(name)
            elif isinstance(look, str):
                unreadable.append((name, look))
            else:
                digests[look[0]].append(name)
                hashed.append(name)
                hashes.append(look[1])
            if progress is not None:
                progress(done)
    near = [
        [hashed[i] for i in group]
        for group in near_groups(np.array(hashes).reshape(-1, _BITS), distance=distance)
    ]
    across = []
    for group in near:
        splits = sorted({s for n in group if (s := names[n].split) is not None})
        if len(splits) > 1:
            across.append((group, splits))
    return DataReport(
        images=len(names),
        missing=missing,
        unreadable=unreadable,
        labelled_twice=list(twice),
        exact=[group for group in digests.values() if len(group) > 1],
        near=near,
        across=across,
        split_groups=_split_groups(samples),
    )


def perceptual_hash(gray: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Hash of what a picture looks like: signs of its low frequencies.

    The 8 x 8 lowest frequencies of a 32 x 32 DCT, each against their median; the constant term
    is left out of the median. Equal pictures at other sizes, qualities and brightness differ in
    few bits.

    Args:
        gray: The picture as 32 x 32 gray levels.

    Returns:
        64 bits.
    """
    k = np.arange(8)[:, None]
    x = np.arange(_HASH_EDGE)[None]
    basis = np.cos(np.pi * k * (2 * x + 1) / (2 * _HASH_EDGE))  # (8, 32), DCT-II
    low = (basis @ gray.astype(np.float64) @ basis.T).reshape(-1)
    bits: NDArray[np.bool_] = low > np.median(low[1:])
    return bits


def near_groups(hashes: NDArray[np.bool_], *, distance: int) -> list[list[int]]:
    """Groups of hashes linked by differences of at most `distance` bits.

    Args:
        hashes: (n, 64).
        distance: Largest number of differing bits, 0..63.

    Returns:
        Groups of two and more, each sorted, in the order of their first member.
    """
    signs = np.where(hashes, 1.0, -1.0).astype(np.float32)
    parent = list(range(len(signs)))

    def root(i: int) -> int:
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    # Two +-1 vectors that differ in d of 64 places have the product 64 - 2 d: one matrix product
    # compares a block with everything after it.
    for start in range(0, len(signs), _BLOCK):
        block = signs[start : start + _BLOCK]
        rows, columns = np.nonzero(block @ signs[start:].T >= _BITS - 2 * distance)
        for a, b in zip(rows + start, columns + start, strict=True):
            if a < b:
                high, low = sorted((root(int(a)), root(int(b))), reverse=True)
                parent[high] = low
    groups: dict[int, list[int]] = defaultdict(list)
    for index in range(len(signs)):
        groups[root(index)].append(index)
    return [group for group in groups.values() if len(group) > 1]


def _look(path: Path) -> tuple[str, NDArray[np.bool_]] | str | None:
    """Digest and hash of an image; a reason where it cannot be scored; None where it is absent."""
    from PIL import Image

    from ralikit.photo.decode import decode

    try:
        data = path.read_bytes() if path.is_file() else b""
        photo = decode(data if data else path, target=lambda *_: (_HASH_EDGE, _HASH_EDGE))
        gray = Image.fromarray(photo.pixels).convert("L")
    except PhotoError as error:
        if not path.exists():
            return None
        return str(error).removeprefix("the image: ").removeprefix(f"{printable(path)}: ")
    except OSError as error:
        return error.strerror or str(error)
    small = gray.resize((_HASH_EDGE, _HASH_EDGE), Image.Resampling.BOX)
    return hashlib.sha256(data).hexdigest(), perceptual_hash(np.asarray(small, dtype=np.uint8))


def _split_groups(samples: Sequence[Sample]) -> list[str]:
    splits: dict[str, set[str]] = defaultdict(set)
    for sample in samples:
        if sample.group is not None and sample.split is not None:
            splits[sample.group].add(sample.split)
    return [group for group, found in splits.items() if len(found) > 1]

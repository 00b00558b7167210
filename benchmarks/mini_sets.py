"""Label files of the photos that the bundled models are tested on (benchmarks/mini.md).

    python benchmarks/mini_sets.py ../shared/data OUT [PHOTOS]

PHOTOS is a folder with all photos of ``lists/biq2021-train-clean.csv``: those were trained on.
Without it: those of them that lie in ``biq2021``.

Writes ``agiqa3k-unseen.csv``: AGIQA-3K's pictures whose prompts nobody trained on, and
``biq2021-clean.csv``: BIQ2021's 500 test photos without those that may share a scene with a photo
that was trained on.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ALIKE = 0.85
"""Cosine of centred 16 x 16 thumbnails from which on two photos may show one scene. Of the pairs
above 0.95 half do; below 0.9 few."""

NEAR = 6
"""The same of two photos of one subset, ss01 or ss02, whose numbers are that close: bursts."""


def rows(path: Path) -> list[dict[str, str]]:
    """A CSV's records."""
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def unseen_prompts(data: Path, out: Path) -> int:
    """Write the AGIQA-3K labels whose prompts are not in the training list; how many there are."""
    trained = {row["prompt"] for row in rows(data / "lists" / "agiqa3k-train.csv")}
    kept = [row for row in rows(data / "agiqa3k" / "labels.csv") if row["prompt"] not in trained]
    with out.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=["file", "mos", "prompt"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(kept)
    return len(kept)


def local_name(name: str) -> str:
    """A photo's name as the development photos have it: ``ss03 (954).jpg`` is ``ss03_954.jpg``."""
    return name.replace(" (", "_").replace(")", "")


def thumbnails(folder: Path, names: list[str]) -> NDArray[np.float32]:
    """Centred 16 x 16 luma of photos at unit norm, (n, 256)."""
    found = []
    for name in names:
        with Image.open(folder / name) as photo:
            photo.draft("L", (64, 64))
            small = photo.convert("L").resize((16, 16), Image.Resampling.BILINEAR)
        values = np.asarray(small, dtype=np.float32).ravel()
        values -= values.mean()
        found.append(values / (np.linalg.norm(values) + 1e-6))
    return np.stack(found)


def clean_test(data: Path, out: Path, photos: Path | None) -> tuple[int, int, int]:
    """Write the test photos of no trained scene; how many there were, were trained on, and are."""
    listed = rows(data / "lists" / "biq2021-train-clean.csv")
    if photos is None:
        listed = [row for row in listed if row["in_shared"] == "1"]
    trained = [local_name(row["file"]) for row in listed]
    labels = rows(data / "biq2021" / "labels.csv")
    test = [row for row in labels if row["split"] == "test"]
    images = data / "biq2021" / "images"
    seen = (
        thumbnails(images, trained)
        if photos is None
        else thumbnails(photos, [row["file"] for row in listed])
    )
    alike = (thumbnails(images, [row["file"] for row in test]) @ seen.T).max(axis=1) > ALIKE
    numbers = {number(name) for name in trained}
    kept = [
        row
        for row, like in zip(test, alike, strict=True)
        if not like and not burst(number(row["file"]), numbers)
    ]
    with out.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, fieldnames=["file", "mos"], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(kept)
    return len(test), len({row["file"] for row in test} & set(trained)), len(kept)


def number(name: str) -> tuple[str, int]:
    """Subset and number of ``ss01_1622.jpg``."""
    subset, _, rest = name.partition("_")
    return subset, int(rest.partition(".")[0])


def burst(photo: tuple[str, int], trained: set[tuple[str, int]]) -> bool:
    """Whether a photo of a subset taken in bursts stands beside one that was trained on."""
    subset, place = photo
    beside = range(place - NEAR, place + NEAR + 1)
    return subset in {"ss01", "ss02"} and any((subset, n) in trained for n in beside)


def main() -> None:
    """Write the label files and say what was found."""
    data, out = Path(sys.argv[1]), Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    print(f"agiqa3k-unseen.csv: {unseen_prompts(data, out / 'agiqa3k-unseen.csv')} pictures")
    photos = Path(sys.argv[3]) if len(sys.argv) > 3 else None
    test, same, kept = clean_test(data, out / "biq2021-clean.csv", photos)
    print(f"biq2021-clean.csv: {kept} of {test} test photos; {same} were trained on")


if __name__ == "__main__":
    main()

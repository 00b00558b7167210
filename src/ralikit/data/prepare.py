"""From a set as a person downloaded it to the one layout that recipes name; nothing is fetched."""

from __future__ import annotations

import fnmatch
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ralikit.data.metas import read_meta, require_images, rescale
from ralikit.data.published import Label, PublishedSet
from ralikit.errors import DataError
from ralikit.files import publish, to_json

_IMAGES = {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """What was made.

    Attributes:
        folder: The set's folder: ``images``, ``metas``, ``LICENCE.txt``.
        meta: The label file of the whole set.
        photos: How many photos it has.
        metas: Further label files that were taken over, by name, with their number of photos.
    """

    folder: Path
    meta: Path
    photos: int
    metas: dict[str, int]


def prepare(
    published: PublishedSet,
    downloaded: Path,
    data: Path,
    *,
    metas: Path | None = None,
    copy: bool = False,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> Prepared:
    """Lay a set out below `data` as recipes name it: ``SET/images`` and ``SET/metas``.

    Args:
        published: The set.
        downloaded: The folder it was unpacked to; label files and photos are looked for below it.
        data: Gets the set's folder.
        metas: Folder of published label files of the set (DeQA-Score's) to take over; every photo
            that they name must be there.
        copy: Copy the photos; otherwise they are linked to and have to stay where they are.
        overwrite: Replace the set's folder.
        progress: Told how many photos are placed.

    Raises:
        DataError: If labels or photos are missing, more or fewer than published, or elsewhere on
            the scale than they can be.
        UsageError: If the set's folder exists.
    """
    if not downloaded.is_dir():
        raise DataError(f"{downloaded} is no folder; unpack the download and pass its folder")
    labels = published.read(_label_files(published, downloaded))
    _check_labels(published, labels)
    photos = _find_photos(published, labels, downloaded)
    target = data / published.folder
    taken = sorted(metas.glob("*.json")) if metas is not None else []
    if metas is not None and not taken:
        raise DataError(f"{metas} holds no label files (.json)")
    with publish(target, overwrite=overwrite) as draft:
        (draft / "metas").mkdir(parents=True)
        places = [f"images/{_below(published, photo)}" for photo in photos]
        for number, (place, photo) in enumerate(zip(places, photos, strict=True), start=1):
            _put(photo.resolve(), draft / place, copy=copy)
            if progress is not None:
                progress(number)
        entries = _entries(published, labels, places)
        meta = draft / "metas" / f"{published.key}.json"
        meta.write_text(to_json(entries), encoding="utf-8")
        licence = f"{published.name}: {published.licence}\n"
        (draft / "LICENCE.txt").write_text(licence, encoding="utf-8")
        counts = {path.name: _take_over(path, draft) for path in taken}
    return Prepared(
        folder=target, meta=target / "metas" / meta.name, photos=len(labels), metas=counts
    )


def _label_files(published: PublishedSet, folder: Path) -> list[Path]:
    found: list[Path] = []
    for wanted in published.labels:
        where, _, name = wanted.rpartition("/")
        matches = sorted(
            path
            for path in folder.rglob("*")
            if fnmatch.fnmatchcase(path.name.lower(), name.lower())
            and path.is_file()
            and (not where or path.parent.name == where)
        )
        if not matches:
            raise DataError(f"{published.name}'s labels are missing: no {wanted} lies in {folder}")
        if len(matches) > 1 and "*" not in wanted:
            raise DataError(
                f"{name} lies in {folder} more than once: {matches[0]} and {matches[1]}; pass the "
                "folder of one of them"
            )
        found += matches
    return found


def _check_labels(published: PublishedSet, labels: Sequence[Label]) -> None:
    if len(labels) != published.photos:
        raise DataError(
            f"{published.name} has {published.photos} labelled photos, and {len(labels)} labels "
            "are there: is the download whole, and this version of it?"
        )
    names = {label.name.lower() for label in labels}
    if len(names) < len(labels):
        raise DataError(f"{published.name}'s labels name a photo more than once")
    if published.ends is not None:
        low, high = published.ends
        outside = next((label for label in labels if not low <= label.mos <= high), None)
        if outside is not None:
            raise DataError(
                f"{outside.name} is labelled {outside.mos:g}; scores of {published.name} lie in "
                f"{low:g} to {high:g}"
            )


def _find_photos(published: PublishedSet, labels: Sequence[Label], folder: Path) -> list[Path]:
    """The photo of every label; names are compared without case, as the publishers' own differ."""
    there: dict[str, Path] = {}
    for path in _images(published, folder):
        other = there.setdefault(path.name.lower(), path)
        if other is not path and path.stat().st_size != other.stat().st_size:
            raise DataError(f"two photos are called {path.name}: {other} and {path}")
    missing = [label.name for label in labels if label.name.lower() not in there]
    if missing:
        where = f" in a folder {' or '.join(published.images)}" if published.images else ""
        raise DataError(
            f"{len(missing)} of {len(labels)} photos of {published.name} are missing, the first is "
            f"{missing[0]}; they are looked for{where} below {folder}"
        )
    return [there[label.name.lower()] for label in labels]


def _images(published: PublishedSet, folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        parents = path.relative_to(folder).parts[:-1]
        fits = not published.images or (set(published.images) & {*parents, folder.name})
        if path.suffix.lower() in _IMAGES and fits and path.is_file():
            yield path


def _below(published: PublishedSet, photo: Path) -> str:
    """A photo's place below ``images``."""
    inside = published.inside.replace("*", photo.parent.name)
    return f"{inside}/{photo.name}" if inside else photo.name


def _put(photo: Path, place: Path, *, copy: bool) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    if copy:
        shutil.copyfile(photo, place)
    else:
        os.symlink(photo, place)  # noqa: PTH211 (as the copy: from, to)


def _entries(
    published: PublishedSet, labels: Sequence[Label], places: Sequence[str]
) -> list[dict[str, Any]]:
    """DeQA-Score's entries; scores on 1 to 5 by the ends of the whole set, its rule."""
    scores = [label.mos for label in labels]
    ends = (min(scores), max(scores))
    if ends[0] == ends[1]:
        raise DataError(f"all photos of {published.name} are labelled {ends[0]:g}")
    found = []
    for label, place in zip(labels, places, strict=True):
        entry: dict[str, Any] = {
            "id": f"{Path(place).name}->{label.mos:g}",
            "image": f"{published.folder}/{place}",
            "gt_score": label.mos,
            "gt_score_norm": round(rescale(label.mos, ends), 6),
        }
        if label.std is not None:
            entry |= {"std": label.std, "std_norm": round(4 * label.std / (ends[1] - ends[0]), 6)}
        more = {"group": label.group, "split": label.split}
        found.append(entry | {key: value for key, value in more.items() if value is not None})
    return found


def _take_over(meta: Path, folder: Path) -> int:
    """Copy a published label file beside ours, once every photo in it is there."""
    samples = read_meta(meta, folder.parent)
    require_images(samples)
    shutil.copyfile(meta, folder / "metas" / meta.name)
    return len(samples)

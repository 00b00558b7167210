"""How labelled sets are published: where their labels stand, what they mean, how many there are.

What is written here was read off loaders of these sets that others published; none of the sets was
at hand but parts of BIQ2021 and AGIQA-3K. A download that differs is refused in a sentence.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ralikit.data.xlsx import read_xlsx
from ralikit.errors import DataError, UsageError
from ralikit.extras import require
from ralikit.lines import numbered_lines, without_mark


@dataclass(frozen=True, kw_only=True)
class Label:
    """One photo as its publisher labels it: MOS and deviation on the publisher's own scale."""

    name: str
    mos: float
    std: float | None = None
    group: str | None = None
    split: str | None = None


@dataclass(frozen=True, kw_only=True)
class PublishedSet:
    """A set as it is published.

    Attributes:
        key: What the command line calls it.
        name: Its name.
        folder: Its folder in the one layout.
        labels: Names of its label files, all of them needed; ``*`` stands for several of a kind.
        photos: How many labelled photos it has.
        ends: What its scores lie within; None: they have no ends.
        read: Its label files -> labels.
        images: Names of the folders its photos lie in; empty: anywhere.
        inside: Folders to keep below ``images``; ``""``: none, ``"*"``: the photo's own folder.
        licence: What is known of its licence, in a sentence.
    """

    key: str
    name: str
    folder: str
    labels: tuple[str, ...]
    photos: int
    ends: tuple[float, float] | None
    read: Callable[[Sequence[Path]], list[Label]]
    images: tuple[str, ...] = ()
    inside: str = ""
    licence: str = field(
        default="Its terms are its publisher's and are not known here: read them before use."
    )


def published_set(key: str) -> PublishedSet:
    """A set by its key.

    Raises:
        UsageError: If there is none of that name.
    """
    found = next((s for s in SETS if s.key == key.lower()), None)
    if found is None:
        raise UsageError(f"unknown set {key!r}; there are {', '.join(s.key for s in SETS)}")
    return found


def _rows(path: Path, needed: Iterable[str]) -> list[dict[str, str]]:
    """A CSV file's rows by column.

    Raises:
        DataError: If it cannot be read or lacks a column.
    """
    try:
        text = without_mark(path.read_bytes()).decode()
        reader = csv.DictReader(io.StringIO(text, newline=""))
        header, rows = list(reader.fieldnames or []), list(reader)
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror or error}") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path} is no CSV file: {error}") from error
    return _checked(path, header, rows, needed)


def _checked(
    path: Path, header: Sequence[str], rows: list[dict[str, str]], needed: Iterable[str]
) -> list[dict[str, str]]:
    missing = [name for name in needed if name not in header]
    if missing:
        raise DataError(
            f"{path} has no column {missing[0]!r}; its columns are {', '.join(header) or 'none'}"
        )
    return rows


def _sheet_rows(path: Path, needed: Sequence[str], sheet: str | None) -> list[dict[str, str]]:
    """A spreadsheet's rows below the line that names the needed columns."""
    table = read_xlsx(path, sheet)
    at = next((i for i, cells in enumerate(table) if set(needed) <= set(cells)), None)
    if at is None:
        raise DataError(f"{path} has no line with the columns {', '.join(needed)}")
    header = table[at]
    rows = [dict(zip(header, cells, strict=False)) for cells in table[at + 1 :]]
    return [row for row in rows if row.get(needed[0])]


def _number(text: str | None, where: Path) -> float:
    try:
        return float(text or "")
    except ValueError:
        raise DataError(f"{where}: {text!r} is no score") from None


def _koniq(files: Sequence[Path]) -> list[Label]:
    (path,) = files
    return [
        Label(name=r["image_name"], mos=_number(r["MOS"], path), std=_number(r["SD"], path))
        for r in _rows(path, ("image_name", "MOS", "SD"))
    ]


def _spaq(files: Sequence[Path]) -> list[Label]:
    (path,) = files
    return [
        Label(name=r["Image name"], mos=_number(r["MOS"], path))
        for r in _sheet_rows(path, ("Image name", "MOS"), None)
    ]


def _kadid(files: Sequence[Path]) -> list[Label]:
    (path,) = files
    return [
        Label(name=r["dist_img"], mos=_number(r["dmos"], path), group=r["ref_img"])
        for r in _rows(path, ("dist_img", "ref_img", "dmos"))
    ]


def _lines(path: Path) -> Iterator[str]:
    """A text file's lines that are not blank, without spaces at their ends."""
    for number, line in numbered_lines(without_mark(path.read_bytes())):
        try:
            yield line.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise DataError(f"{path}, line {number}: this is no UTF-8 text") from error


def _pipal(files: Sequence[Path]) -> list[Label]:
    found = []
    for path in files:
        for line in _lines(path):
            name, comma, score = line.partition(",")
            if comma:
                group = name.partition("_")[0]
                found.append(Label(name=name.strip(), mos=_number(score, path), group=group))
    return found


def _livew(files: Sequence[Path]) -> list[Label]:
    require("scipy", extra="train", job="Reading LIVE In the Wild's labels")
    from scipy.io import loadmat

    names, scores, deviations = (
        loadmat(path)[path.stem].ravel() for path in files
    )  # each file holds one table that is called like it
    labels = [
        Label(name=str(name[0]), mos=float(mos), std=float(std))
        for name, mos, std in zip(names, scores, deviations, strict=True)
    ]
    return labels[7:]  # those that raters were trained on


def _agiqa(files: Sequence[Path]) -> list[Label]:
    (path,) = files
    return [
        Label(
            name=r["name"],
            mos=_number(r["mos_quality"], path),
            std=_number(r["std_quality"], path),
            group=r["prompt"],
        )
        for r in _rows(path, ("name", "prompt", "mos_quality", "std_quality"))
    ]


_CSIQ_KINDS = {"noise": "AWGN", "blur": "BLUR", "jpeg": "JPEG", "jpeg 2000": "jpeg2000"}


def _csiq(files: Sequence[Path]) -> list[Label]:
    (path,) = files
    needed = ("image", "dst_type", "dst_lev", "dmos_std", "dmos")
    found = []
    for r in _sheet_rows(path, needed, "all_by_image"):
        image, level = (r[key].removesuffix(".0") for key in ("image", "dst_lev"))
        kind = _CSIQ_KINDS.get(r["dst_type"], r["dst_type"])
        found.append(
            Label(
                name=f"{image}.{kind}.{level}.png",
                mos=round(1.0 - _number(r["dmos"], path), 9),  # DMOS: how much worse, 0..1
                std=_number(r["dmos_std"], path),
                group=image,
            )
        )
    return found


def _tid2013(files: Sequence[Path]) -> list[Label]:
    (path,) = files
    found = []
    for line in _lines(path):
        score, _, name = line.partition(" ")
        if name:
            group = name.partition("_")[0].upper()
            found.append(Label(name=name.strip(), mos=_number(score, path), group=group))
    return found


def _biq2021(files: Sequence[Path]) -> list[Label]:
    return [
        Label(name=r["Image Name"], mos=_number(r["MOS"], path), split=split)
        for path, split in zip(files, ("train", "test"), strict=True)
        for r in _rows(path, ("Image Name", "MOS"))
    ]


SETS = (
    PublishedSet(
        key="koniq",
        name="KonIQ-10k",
        folder="KONIQ",
        labels=("koniq10k_scores_and_distributions.csv",),
        images=("1024x768",),  # the same names lie in 512x384, which is another set
        photos=10_073,
        ends=(1.0, 5.0),
        read=_koniq,
    ),
    PublishedSet(
        key="spaq",
        name="SPAQ",
        folder="SPAQ",
        labels=("MOS and Image attribute scores.xlsx",),
        images=("TestImage",),
        photos=11_125,
        ends=(0.0, 100.0),
        read=_spaq,
    ),
    PublishedSet(
        key="kadid",
        name="KADID-10k",
        folder="KADID10K",
        labels=("dmos.csv",),
        photos=10_125,
        ends=(1.0, 5.0),
        read=_kadid,
    ),
    PublishedSet(
        key="pipal",
        name="PIPAL",
        folder="PIPAL",
        labels=("Train_Label/*.txt",),
        photos=23_200,
        ends=None,  # Elo ratings
        inside="*",
        read=_pipal,
    ),
    PublishedSet(
        key="livew",
        name="LIVE In the Wild",
        folder="LIVE-WILD",
        labels=("AllImages_release.mat", "AllMOS_release.mat", "AllStdDev_release.mat"),
        images=("Images",),
        photos=1_162,
        ends=(0.0, 100.0),
        read=_livew,
        licence="Its README.txt holds a copyright notice that must go with the photos and with "
        "what is made from them.",
    ),
    PublishedSet(
        key="agiqa3k",
        name="AGIQA-3K",
        folder="AGIQA3K",
        labels=("data.csv",),
        photos=2_982,
        ends=(0.0, 5.0),
        read=_agiqa,
        licence="MIT, (c) 2023 lcysyzxdxc.",
    ),
    PublishedSet(
        key="csiq",
        name="CSIQ",
        folder="CSIQ",
        labels=("csiq.DMOS.xlsx",),
        photos=866,
        ends=(0.0, 1.0),
        inside="dst_imgs/*",
        read=_csiq,
    ),
    PublishedSet(
        key="tid2013",
        name="TID2013",
        folder="TID2013",
        labels=("mos_with_names.txt",),
        images=("distorted_images",),
        photos=3_000,
        ends=(0.0, 9.0),
        inside="distorted_images",
        read=_tid2013,
    ),
    PublishedSet(
        key="biq2021",
        name="BIQ2021",
        folder="BIQ2021",
        labels=("Train (Images and MOS).csv", "Test (Images and MOS).csv"),
        images=("Images",),
        photos=12_000,
        ends=(0.0, 1.0),
        read=_biq2021,
        licence="None stated: research alone, and never passed on.",
    ),
)

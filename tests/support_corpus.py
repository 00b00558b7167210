"""Corpora made on the spot: small pictures of different brightness, in shards of each kind."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ralikit.corpus import CorpusSettings
from ralikit.corpus.settings import Source


def picture(seed: int, size: tuple[int, int] = (40, 30), kind: str = "PNG") -> bytes:
    """A file's bytes: coarse noise around a brightness of its own."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (4, 4, 3), dtype=np.uint8) // 4 + np.uint8(seed * 7 % 190)
    out = io.BytesIO()
    Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC).save(out, kind)
    return out.getvalue()


def member(name: str, data: bytes = b"", **values: Any) -> tuple[tarfile.TarInfo, bytes]:
    """A tar member; `values` are set on its header."""
    header = tarfile.TarInfo(name)
    header.size = len(data)
    for key, value in values.items():
        setattr(header, key, value)
    return header, data


def write_tar(path: Path, members: Iterable[tuple[tarfile.TarInfo, bytes]]) -> Path:
    """A tar file, compressed where its name says so."""
    mode = "w:gz" if path.name.endswith("gz") else "w"
    with tarfile.open(path, mode) as archive:  # type: ignore[call-overload]
        for header, data in members:
            archive.addfile(header, io.BytesIO(data))
    return path


def settings(source: Source, out: Path | str, *paths: Path | str, **more: Any) -> CorpusSettings:
    """Settings with two processes."""
    words = tuple(str(path) for path in paths)
    return CorpusSettings(source=source, paths=words, out=out, **{"processes": 2, **more})


def rows_of(out: Path) -> list[dict[str, Any]]:
    """Every row of an output folder, in the order of its files."""
    import pyarrow.parquet as pq

    files = sorted(out.glob("*.parquet"))
    return [row for file in files for row in pq.read_table(file).to_pylist()]


def contents(out: Path) -> dict[str, bytes]:
    """An output folder's files."""
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


class Deadly:
    """A picture that ends whoever opens it, as a decoder's fault would."""

    def __fspath__(self) -> str:
        os._exit(9)

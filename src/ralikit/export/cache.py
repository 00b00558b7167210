"""What an export has worked out already, kept so that an interrupted one goes on from there.

Scores of the float32 pipeline and the scales that even out channels take most of a large tower's
export, and depend on nothing but the weights, the photos and the code that makes them. They are
kept as small files in the user's cache folder, named by a hash over all three; one that cannot be
read is made again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import RalikitError
from ralikit.files import publish, sha256_bytes, sha256_path, to_json

Arrays = dict[str, NDArray[np.float64]]

_KEPT = 200
_SOURCES = (
    "model/**/*.py",
    "export/quantise/*.py",
    "export/gate/*.py",
    "photo/*.py",
)


def cache_root() -> Path:
    """The folder, ``$XDG_CACHE_HOME/ralikit/export`` or ``~/.cache/ralikit/export``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ralikit" / "export"


def cached(what: str, parts: dict[str, str | int], make: Callable[[], Arrays]) -> Arrays:
    """Arrays from the cache, or made and put there.

    Args:
        what: Their kind, the file's readable name.
        parts: All they depend on: hashes of weights and photos, settings, versions.
        make: Makes them.
    """
    key = sha256_bytes(to_json({**parts, "code": _code()}, indent=None).encode())
    path = cache_root() / f"{what}-{key[:24]}.npz"
    found = _read(path)
    if found is None:
        found = make()
        _write(path, found)
    return found


@lru_cache(maxsize=1)
def _code() -> str:
    # What is computed depends on this package's sources and on torch; a release is not enough for
    # whoever changes them.
    package = Path(__file__).parents[1]
    sources = sorted(file for pattern in _SOURCES for file in package.glob(pattern))
    texts = [sha256_path(file) for file in sources]
    return sha256_bytes("".join([*texts, version("torch"), version("numpy")]).encode())


def _read(path: Path) -> Arrays | None:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None


def _write(path: Path, arrays: Arrays) -> None:
    # A cache that cannot be written costs time, never an export.
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with publish(path, overwrite=True) as draft, draft.open("wb") as stream:
            np.savez(stream, **arrays)  # type: ignore[arg-type]
        files = sorted(path.parent.glob("*.npz"), key=lambda file: file.stat().st_mtime)
        for old in files[:-_KEPT]:
            old.unlink(missing_ok=True)
    except (OSError, RalikitError):
        return

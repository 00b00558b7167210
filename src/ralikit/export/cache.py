"""What an export has worked out already, kept so that an interrupted one goes on from there.

Scores of the float32 pipeline and the scales that even out channels take most of a large tower's
export, and depend on nothing but the weights, the photos and the code that makes them. They are
kept as small files in the user's cache folder, named by a hash over all three; one that cannot be
read is made again.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import RalikitError
from ralikit.files import publish, sha256_bytes, to_json

Arrays = dict[str, NDArray[np.float64]]

_KEPT = 200
_PACKAGE = "ralikit"
_DOTTED = re.compile(rf"{_PACKAGE}(\.\w+)+")


def cache_root() -> Path:
    """The folder, ``$XDG_CACHE_HOME/ralikit/export`` or ``~/.cache/ralikit/export``."""
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "ralikit" / "export"


def cached(
    what: str, parts: Mapping[str, str | int], make: Callable[[], Arrays], *, code: str
) -> Arrays:
    """Arrays from the cache, or made and put there.

    Args:
        what: Their kind, the file's readable name.
        parts: All they depend on: hashes of weights and photos, settings, versions.
        make: Makes them.
        code: Name of the module that makes them: with all of ralikit that it imports, it is part
            of what they depend on.
    """
    key = sha256_bytes(to_json({**parts, "code": code_hash(code)}, indent=None).encode())
    path = cache_root() / f"{what}-{key[:24]}.npz"
    found = _read(path)
    if found is None:
        found = make()
        _write(path, found)
    return found


@lru_cache
def code_hash(module: str, *, root: Path = Path(__file__).parents[1]) -> str:
    """A hash over the sources of a module, all of ralikit that it imports, torch and numpy.

    A release's number is not enough for whoever changes the sources; and imports are followed,
    not folders listed, so that moving a file cannot silently drop it.

    Args:
        module: Dotted name.
        root: Folder of the package.
    """
    sources: dict[str, str] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        if name in sources or (path := _source(name, root)) is None:
            continue
        text = path.read_bytes()
        sources[name] = sha256_bytes(text)
        waiting += _imported(text)
    versions = [version("torch"), version("numpy")]
    return sha256_bytes(to_json([sorted(sources.items()), versions], indent=None).encode())


def _imported(source: bytes) -> Iterator[str]:
    # `from a import b`: b may be a module or a name in a. Registries name what they import late.
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith(_PACKAGE):
            yield str(node.module)
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Constant) and _DOTTED.fullmatch(str(node.value)):
            yield str(node.value)
            yield str(node.value).rpartition(".")[0]


def _source(name: str, root: Path) -> Path | None:
    base = root.joinpath(*name.split(".")[1:])
    found = (path for path in (base.with_suffix(".py"), base / "__init__.py") if path.is_file())
    return next(found, None)


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

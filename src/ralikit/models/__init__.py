"""Models by name, folder or file: `resolve` is the one place that tells which is meant.

The bundled models' weights have a licence notice of their own (LICENSE-WEIGHTS.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from ralikit.errors import BundleError, UsageError
from ralikit.model.bundle import MANIFEST, Bundle, read_bundle
from ralikit.printable import shown
from ralikit.runtimes import usual_backend

DEFAULT = "mini"
"""The model that is meant where nobody names one."""

Kind = Literal["bundle", "file", "teacher"]


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model that was found, not opened yet.

    Attributes:
        path: Its folder or file.
        kind: ``"bundle"``: a bundle's folder; ``"file"``: exported; ``"teacher"``: a
            vision-language model's folder.
    """

    path: Path
    kind: Kind


def bundled_path(name: str = DEFAULT) -> Path:
    """Folder of a bundled model."""
    return Path(__file__).parent / name


def bundled_names() -> tuple[str, ...]:
    """Names of the models that come with this installation, sorted."""
    return tuple(sorted(p.parent.name for p in Path(__file__).parent.glob(f"*/{MANIFEST}")))


def bundled(name: str = DEFAULT) -> Bundle:
    """Open a bundled model.

    Raises:
        BundleError: If it is not part of this installation, or was altered.
    """
    return read_bundle(bundled_path(name))


def locate(ref: str | Path | None) -> Path:
    """Where a model is, whether or not there is one.

    Args:
        ref: A path, or the name of a bundled model where no such path exists; None: the default.
    """
    if ref is None:
        return bundled_path()
    path = Path(ref)
    if not _exists(path) and str(ref) in bundled_names():
        return bundled_path(str(ref))
    return path


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # a name that no file can have
        return False


def resolve(ref: str | Path | None) -> Model:
    """Find the model that is meant.

    Args:
        ref: A bundle folder, an exported file, a teacher's folder, or the name of a bundled model
            where no such path exists; None: the default one.

    Raises:
        UsageError: If there is none, or its folder is of no known kind.
        BundleError: If this installation lacks the default one.
    """
    path = locate(ref)
    if ref is None and not (path / MANIFEST).is_file():
        raise BundleError(f"this installation has no bundled model ({path}); name one")
    if not _exists(path):
        raise UsageError(
            f"there is no model {shown(str(path))}: expected a bundle folder or an exported file"
            + "".join(f", or {name}" for name in bundled_names())
        )
    if not path.is_dir():
        if not path.is_file():  # a pipe or a device: opening it may wait for ever
            raise UsageError(f"{path} is neither a file nor a folder: no model can be read from it")
        return Model(path=path, kind="file")
    if (path / MANIFEST).is_file():
        return Model(path=path, kind="bundle")
    backend = usual_backend(path)
    if backend is not None and backend.folder:
        return Model(path=path, kind="file")
    if (path / "config.json").is_file():
        return Model(path=path, kind="teacher")
    raise UsageError(f"{path} is no bundle: it has no {MANIFEST}")


def open_bundle(ref: str | Path | None) -> Bundle:
    """Open a bundle by its folder or a bundled model's name; None: the default one.

    Raises:
        BundleError: If it is no bundle, of another schema, incomplete or altered.
    """
    return read_bundle(locate(ref))

"""The bundled models; their weights have a licence notice of their own (LICENSE-WEIGHTS.md)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ralikit.model.bundle import Bundle

DEFAULT = "mini"


def bundled_path(name: str = DEFAULT) -> Path:
    """Folder of a bundled model."""
    return Path(__file__).parent / name


def bundled(name: str = DEFAULT) -> Bundle:
    """Open a bundled model.

    Raises:
        BundleError: If it is not part of this installation, or was altered.
    """
    from ralikit.model.bundle import read_bundle

    return read_bundle(bundled_path(name))

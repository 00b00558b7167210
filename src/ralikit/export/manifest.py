"""The manifest beside an exported file, and the two of them published together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from ralikit.drafts import flush, only_writer
from ralikit.errors import BundleError, RalikitError
from ralikit.files import (
    publish,
    read_json,
    refuse_existing,
    sha256_path,
    size_bytes,
    to_json,
    write_text,
)
from ralikit.runtimes.digest import manifest_path

__all__ = ["manifest_path", "manifest_text", "publish_pair", "read_manifest"]

SCHEMA = 1
REPLACES = "replaces"
"""While a file is replaced, and after a kill meanwhile: the manifest of the old file, or null."""


def manifest_text(file: Path, facts: dict[str, Any], *, name: str) -> str:
    """The manifest of a finished file: its name, size and hash, and the facts it carries inside."""
    return to_json(
        {
            **facts,
            "manifest": SCHEMA,
            "file": name,
            "sha256": sha256_path(file),
            "bytes": size_bytes(file),
        }
    )


def read_manifest(file: Path) -> dict[str, Any] | None:
    """The manifest beside a file, or None where there is none.

    Raises:
        BundleError: If there is one that cannot be read, or of another schema.
    """
    path = manifest_path(file)
    if not path.exists():
        return None
    try:
        manifest = read_json(path)
    except RalikitError as error:
        raise BundleError(str(error)) from error
    if isinstance(manifest, dict) and REPLACES in manifest:
        # An export was killed between its renames: one of the two is this file's.
        replaced = manifest.pop(REPLACES)
        if manifest.get("sha256") != sha256_path(file):
            manifest = replaced
            if manifest is None:
                return None
    if not isinstance(manifest, dict) or manifest.get("manifest") != SCHEMA:
        raise BundleError(f"{path} is no manifest that this version reads")
    return manifest


@contextmanager
def publish_pair(file: Path, *, overwrite: bool = False) -> Iterator[tuple[Path, Path]]:
    """Give paths to write an exported file and its manifest to; both appear, or neither does.

    Two renames cannot be one, so their order matters to whoever pulls the plug in between:

    - A new file: its manifest first, the file last. Where the file is, its manifest is.
    - An old one replaced: first a manifest of both files, the new file's with the old one's inside
      under `REPLACES`, then the new file, then its manifest alone. `read_manifest` gives the one
      that is of the file that it lies beside.

    Either way the file under its final name is at every moment one that passed, whole on the disk,
    and beside it lies a manifest that speaks of it.

    Args:
        file: Where the exported file (or folder) shall be.
        overwrite: Replace an existing one; otherwise it is an error before any work is done.

    Yields:
        The drafts of the file and of the manifest.

    Raises:
        UsageError: If the file exists and `overwrite` is not set.
        RalikitError: If the folder cannot be written (read-only, full disk, no such place), or
            another process is writing the same file.
    """
    beside = manifest_path(file)
    refuse_existing(file, overwrite=overwrite)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with only_writer(file):
            yield from _published(file, beside, overwrite=overwrite)
    except OSError as error:
        raise RalikitError(f"cannot write {file}: {error.strerror or error}") from error


def _published(file: Path, beside: Path, *, overwrite: bool) -> Iterator[tuple[Path, Path]]:
    replaces = file.exists() or file.is_symlink()
    try:
        with ExitStack() as stack:
            if replaces:
                # The manifest is the outer block, so that it is renamed after the file.
                manifest_draft = stack.enter_context(publish(beside, overwrite=True))
                draft = stack.enter_context(publish(file, overwrite=overwrite))
            else:
                # A manifest alone is what a kill between the renames left: no obstacle.
                draft = stack.enter_context(publish(file))
                manifest_draft = stack.enter_context(publish(beside, overwrite=True))
            try:
                yield draft, manifest_draft
            except OSError as error:  # a full disk, mostly: say it of the file that was asked for
                raise RalikitError(f"cannot write {file}: {error.strerror or error}") from error
            if replaces:
                flush(draft)  # a large file takes seconds: not between the renames
                write_text(beside, _manifest_of_both(file, manifest_draft))
    except BaseException:
        if not replaces and not file.exists():
            with suppress(OSError):
                beside.unlink()
        raise


def _manifest_of_both(file: Path, new: Path) -> str:
    try:
        old = read_manifest(file)
    except BundleError:  # of no use to anybody; replaced like the file
        old = None
    return to_json({**read_json(new), REPLACES: old})

"""The manifest beside an exported file, and the two of them published together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from ralikit.errors import BundleError, RalikitError
from ralikit.files import publish, read_json, sha256_path, size_bytes, to_json

SCHEMA = 1


def manifest_path(file: Path) -> Path:
    """Where a file's manifest lies: ``mini-int8.onnx`` -> ``mini-int8.onnx.ralikit.json``.

    The suffix stays in the name, so that the same model for two targets has two manifests.
    """
    return file.with_name(f"{file.name}.ralikit.json")


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
    if not isinstance(manifest, dict) or manifest.get("manifest") != SCHEMA:
        raise BundleError(f"{path} is no manifest that this version reads")
    return manifest


@contextmanager
def publish_pair(file: Path, *, overwrite: bool = False) -> Iterator[tuple[Path, Path]]:
    """Give paths to write an exported file and its manifest to; both appear, or neither does.

    Two renames cannot be one, so their order matters to whoever pulls the plug in between:

    - A new file: its manifest first, the file last. Where the file is, its manifest is.
    - An old one replaced: the old manifest goes, the new file comes, then its manifest. A manifest
      never lies beside a file that it does not describe.

    Either way the file under its final name is at every moment one that passed.

    Args:
        file: Where the exported file (or folder) shall be.
        overwrite: Replace an existing one; otherwise it is an error before any work is done.

    Yields:
        The drafts of the file and of the manifest.

    Raises:
        UsageError: If the file exists and `overwrite` is not set.
        RalikitError: If the folder cannot be written (read-only, full disk, no such place).
    """
    beside = manifest_path(file)
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
                beside.unlink(missing_ok=True)
    except BaseException:
        if not replaces and not file.exists():
            with suppress(OSError):
                beside.unlink()
        raise

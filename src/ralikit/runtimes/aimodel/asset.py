"""The folder called .aimodel: metadata.json, the program with its weights, and the program's hash.

Read as untrusted, and without Apple's library: metadata.json is plain JSON, in whose entry for
whoever made the file ralikit keeps its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ralikit.errors import BundleError, RalikitError
from ralikit.files import is_file, read_json, sha256_path, to_json
from ralikit.model.facts import KEY, Facts, parse_facts
from ralikit.runtimes.digest import (
    BLANK,
    DIGEST_KEY,
    DIGEST_MARK,
    DIGITS,
    check_manifest,
    damaged,
    digits_of,
    package_digest,
    refuse_undigested,
)

METADATA, PROGRAM, HASH = "metadata.json", "main.mlirb", "main.hash"
_CUSTOM = "creatorDefinedMetadata"


@dataclass(frozen=True)
class Asset:
    """An opened folder.

    Attributes:
        root: The .aimodel folder.
        written: Its metadata.json.
    """

    root: Path
    written: dict[str, Any]

    @property
    def metadata(self) -> dict[str, str]:
        """The entries of whoever made the file."""
        return dict(self.written.get(_CUSTOM, {}))

    @property
    def program(self) -> Path:
        """The program with its weights."""
        return self.root / PROGRAM

    @property
    def others(self) -> list[Path]:
        """Every file but the metadata."""
        paths = sorted(self.root.rglob("*"))
        return [p for p in paths if p.is_file() and p != self.root / METADATA]


def open_asset(root: Path) -> Asset:
    """Open a .aimodel folder.

    Raises:
        BundleError: If it is no such folder, reaches outside itself, or its metadata does not
            parse.
    """
    if not root.is_dir():
        raise BundleError(f"{root} is not a Core AI model: it is no folder")
    for path in (root / METADATA, *root.rglob("*")):
        if root.resolve() not in path.resolve().parents:
            raise BundleError(f"{root}: {path.name} is a link to outside the folder")
    try:
        written = read_json(root / METADATA)
    except RalikitError as error:
        raise BundleError(f"{root} is not a Core AI model: its {METADATA} is unusable") from error
    custom = written.get(_CUSTOM, {}) if isinstance(written, dict) else None
    if not isinstance(custom, dict) or not all(isinstance(v, str) for v in custom.values()):
        raise BundleError(f"{root} is not a Core AI model: its {METADATA} holds no table of texts")
    if not is_file(root / PROGRAM):
        raise BundleError(f"{root} is not a Core AI model: it has no {PROGRAM}")
    return Asset(root, written)


def with_entries(asset: Asset, entries: dict[str, str], **fields: str) -> Asset:
    """The same asset with entries of ours and Apple's fields set; nothing is written yet."""
    written = asset.written | fields | {_CUSTOM: asset.metadata | entries}
    return Asset(asset.root, written)


def write_metadata(asset: Asset) -> None:
    """Write metadata.json: the same values give the same bytes, which Apple's writer does not."""
    ordered = {key: asset.written[key] for key in sorted(asset.written)}
    ordered[_CUSTOM] = {key: asset.metadata[key] for key in sorted(asset.metadata)}
    (asset.root / METADATA).write_text(to_json(ordered), encoding="utf-8")


def seal(asset: Asset) -> None:
    """Write the metadata with the digest over it and everything beside it."""
    blank = with_entries(asset, {DIGEST_KEY: BLANK.decode()})
    write_metadata(blank)
    path = asset.root / METADATA
    data = path.read_bytes()
    at = data.index(BLANK) + len(DIGEST_MARK)
    digits = package_digest(asset.root, path, at, asset.others)
    path.write_bytes(data[:at] + digits.encode() + data[at + DIGITS :])


def checked_facts(asset: Asset) -> Facts:
    """A folder's facts, once it is known to be the one that was written.

    Raises:
        BundleError: If it has no facts, was altered, or lacks the digest that its facts promise.
    """
    facts = parse_facts(asset.metadata.get(KEY), where=str(asset.root))
    digested = check_seal(asset)
    refuse_undigested(facts.written, digested, where=asset.root)
    return replace(facts, digested=digested)


def check_seal(asset: Asset) -> bool:
    """Make sure that a folder is the one that was written.

    Returns:
        Whether it carries a digest.

    Raises:
        BundleError: If it was altered, or is not the one that the manifest beside it speaks of.
    """
    entry = asset.metadata.get(DIGEST_KEY)
    try:
        if entry is None:
            check_manifest(asset.root)
            return False
        digits = digits_of(entry.encode(), where=asset.root)
        path = asset.root / METADATA
        at = path.read_bytes().find(entry.encode()) + len(DIGEST_MARK)
        found = package_digest(asset.root, path, at, asset.others)
    except OSError as error:
        raise BundleError(f"cannot read {asset.root}: {error.strerror or error}") from error
    if found != digits:
        raise damaged(asset.root)
    return True


def digest_bytes(path: Path) -> bytes:
    """What `HASH` holds: the program's SHA-256, 32 bytes."""
    return bytes.fromhex(sha256_path(path))

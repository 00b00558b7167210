"""A file's digest of itself, and the hash in its manifest: an altered file is not scored with.

The rule is one for every format, and docs/contract.md has it for other languages: the metadata
entry `DIGEST_KEY` holds `DIGEST_MARK` and 64 hexadecimal digits, the SHA-256 of the whole file in
which those 64 digits are zeros. A package is a folder, hashed as a list of its files. This guards
against damage, not against malice: whoever rewrites a file can rewrite its digest.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from ralikit.errors import BundleError, RalikitError
from ralikit.files import read_json, sha256_bytes, sha256_path
from ralikit.model.facts import KEY

DIGEST_KEY = f"{KEY}.digest"
"""Metadata entry of the digest: `DIGEST_MARK` and 64 hexadecimal digits."""
DIGEST_MARK = b"ralikit-sha256:"
DIGITS = 64
BLANK = DIGEST_MARK + b"0" * DIGITS
"""The entry before the digest is known."""
DECLARED = "digest"
"""Key of the facts that says which digest the file has: without it, one bit of `DIGEST_KEY` would
make a file one without a digest."""
KIND = "sha256"
_PIECE = 1 << 20
_HEXADECIMAL = frozenset(b"0123456789abcdef")


@dataclass(frozen=True)
class Digest:
    """Where a file's digest stands, in bytes from the start, and its 64 digits."""

    at: int
    digits: str


def manifest_path(file: Path) -> Path:
    """Where a file's manifest lies: ``mini-int8.onnx`` -> ``mini-int8.onnx.ralikit.json``.

    The suffix stays in the name, so that the same model for two targets has two manifests.
    """
    return file.with_name(f"{file.name}.ralikit.json")


def declared() -> dict[str, str]:
    """What the facts of a file that is going to have a digest say of it."""
    return {DECLARED: KIND}


def digits_of(entry: bytes, *, where: object) -> str:
    """The digits in a digest's metadata entry.

    Raises:
        BundleError: If it holds anything but `DIGEST_MARK` and 64 hexadecimal digits.
    """
    digits = entry[len(DIGEST_MARK) :]
    if (
        not entry.startswith(DIGEST_MARK)
        or len(digits) != DIGITS
        or not _HEXADECIMAL.issuperset(digits)
    ):
        raise damaged(where)
    return digits.decode()


def refuse_undigested(written: Mapping[str, Any], digest: object, *, where: object) -> None:
    """Refuse a file that lost the digest its facts speak of; older files have neither.

    Raises:
        BundleError: If the facts declare a digest and there is none.
    """
    if DECLARED in written and not digest:
        raise damaged(where)


def check_digest(path: Path, digest: Digest) -> None:
    """Make sure that a file is the one that was written, to the last bit.

    Raises:
        BundleError: If it cannot be read, or was altered since.
    """
    try:
        with path.open("rb") as file:
            found = digest_of(file, digest.at)
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror or error}") from error
    if found != digest.digits:
        raise damaged(path)


def check_manifest(path: Path) -> None:
    """Hold a file without a digest to the hash in the manifest beside it, where there is one.

    Raises:
        BundleError: If the manifest cannot be read or gives another hash.
    """
    beside = manifest_path(path)
    if not beside.exists():
        return
    try:
        manifest = read_json(beside)
    except RalikitError as error:
        raise BundleError(str(error)) from error
    wanted = _hashes(manifest)
    if wanted and sha256_path(path) not in wanted:
        raise BundleError(
            f"{path} is damaged or another file than {beside.name} beside it speaks of: copy both "
            "or export it again"
        )


def _hashes(manifest: object) -> set[object]:
    # While a file is being replaced its manifest speaks of two (`ralikit.export.manifest`).
    if not isinstance(manifest, dict):
        return set()
    if "replaces" not in manifest:
        return {manifest.get("sha256")} - {None}
    older = _hashes(manifest["replaces"])
    return {manifest.get("sha256"), *older} if older else set()


@contextmanager
def checked_meanwhile(path: Path, digest: Digest | None) -> Iterator[None]:
    """Check a file, in a thread, while the block loads it; for readers that damage cannot harm.

    Hashing 0.3 GB takes 5 % of the time in which ONNX Runtime loads them; a second core hides it.
    A cache by size and time would be as fast and miss what a failing disk alters.

    Raises:
        BundleError: If the file was altered, whatever the block made of it.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="ralikit-digest") as pool:
        if digest is None:
            checked = pool.submit(check_manifest, path)
        else:
            checked = pool.submit(check_digest, path, digest)
        try:
            yield
        finally:
            checked.result()


def digest_of(file: BinaryIO, at: int) -> str:
    """SHA-256 of a file in which the 64 digits at `at` count as zeros; read in pieces."""
    digest = hashlib.sha256()
    file.seek(0)
    left = at
    while left and (piece := file.read(min(_PIECE, left))):
        digest.update(piece)
        left -= len(piece)
    digest.update(b"0" * DIGITS)
    file.seek(at + DIGITS)
    while piece := file.read(_PIECE):
        digest.update(piece)
    return digest.hexdigest()


def sealed(data: bytes, at: int) -> bytes:
    """A file with the digest of everything else written over the 64 bytes at `at`."""
    head, tail = memoryview(data)[:at], memoryview(data)[at + DIGITS :]
    digest = hashlib.sha256(head)
    digest.update(b"0" * DIGITS)
    digest.update(tail)
    return b"".join((head, digest.hexdigest().encode(), tail))


def package_digest(root: Path, model: Path, at: int, others: Sequence[Path]) -> str:
    """SHA-256 of a package: of a line ``NAME\\0SHA-256\\n`` a file, sorted by name.

    Args:
        root: The package; names are paths below it, with forward slashes.
        model: The file with the digest, whose 64 digits count as zeros.
        at: Where they stand in it.
        others: The other files that change a score.
    """
    with model.open("rb") as file:
        hashes = {model: digest_of(file, at)}
    hashes |= {path: sha256_path(path) for path in others}
    listing = sorted(f"{path.relative_to(root).as_posix()}\0{h}\n" for path, h in hashes.items())
    return sha256_bytes("".join(listing).encode())


def damaged(where: object) -> BundleError:
    """The error of an altered file."""
    return BundleError(
        f"{where} is damaged: it differs from what ralikit export wrote; copy or export it again"
    )

"""The folder called .mlpackage: a manifest, the model's protobuf and one file of weights.

Read as untrusted: nothing outside the folder is touched, and what does not parse is one sentence.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from ralikit.errors import BundleError, RalikitError
from ralikit.files import is_file, read_json, to_json
from ralikit.printable import shown
from ralikit.runtimes.digest import (
    BLANK,
    DIGEST_KEY,
    DIGEST_MARK,
    DIGITS,
    check_manifest,
    damaged,
    digits_of,
    package_digest,
)
from ralikit.runtimes.mil.silent import coremltools, quiet_logs

_MANIFEST = "Manifest.json"
_IDS = uuid.UUID("6d0b2f6e-5d0c-4f6a-9c7b-2b1f6f1c8a55")


@dataclass(frozen=True)
class Package:
    """An opened package.

    Attributes:
        root: The .mlpackage folder.
        model: Its model.mlmodel file.
        weights: The folder of its weight files; may be absent.
        spec: The parsed ``coremltools.proto.Model_pb2.Model``.
    """

    root: Path
    model: Path
    weights: Path
    spec: Any

    @property
    def metadata(self) -> dict[str, str]:
        """The user-defined entries of the model's metadata."""
        return dict(self.spec.description.metadata.userDefined)

    @property
    def weight_files(self) -> list[Path]:
        """What the program reads beside the model file."""
        return sorted(path for path in self.weights.rglob("*") if path.is_file())


def open_package(root: Path) -> Package:
    """Open a .mlpackage folder holding an ML program.

    Raises:
        BundleError: If it is no package, reaches outside its folder, or does not parse.
        MissingExtraError: If coremltools is not installed.
    """
    ct = coremltools("Reading a Core ML package")
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    model = _model_path(root)
    spec = ct.proto.Model_pb2.Model()
    try:
        with quiet_logs():
            spec.ParseFromString(model.read_bytes())
    except OSError as error:
        raise BundleError(f"cannot read {model}: {error.strerror or error}") from error
    except DecodeError as error:
        raise BundleError(f"{root}: its model file is damaged or not a Core ML model") from error
    if spec.WhichOneof("Type") != "mlProgram":
        raise BundleError(f"{root} holds no ML program, the only kind of Core ML model read here")
    weights = model.parent / "weights"
    for entry in (weights, *(weights.iterdir() if weights.is_dir() else ())):
        _refuse_link(entry, root)
    return Package(root=root, model=model, weights=weights, spec=spec)


def write_spec(package: Package) -> None:
    """Write the package's spec back to its model file: the same spec gives the same bytes."""
    package.model.write_bytes(package.spec.SerializeToString(deterministic=True))


def seal(package: Package) -> None:
    """Write the package's spec back, with the digest over it and its weights."""
    package.spec.description.metadata.userDefined[DIGEST_KEY] = BLANK.decode()
    write_spec(package)
    data = package.model.read_bytes()
    at = data.index(BLANK) + len(DIGEST_MARK)
    digits = package_digest(package.root, package.model, at, package.weight_files)
    package.model.write_bytes(data[:at] + digits.encode() + data[at + DIGITS :])


def check_seal(package: Package) -> bool:
    """Make sure that a package is the one that was written; one without a digest, as far as can be.

    Returns:
        Whether it carries a digest.

    Raises:
        BundleError: If it was altered, or is not the one that the manifest beside it speaks of.
    """
    where = package.root
    try:
        data = package.model.read_bytes()
        if package.spec.ByteSize() != len(data):  # of two entries of one key, only one is kept
            raise BundleError(f"{where} carries some of its fields twice: it was altered")
        entry = package.metadata.get(DIGEST_KEY)
        if entry is None:
            check_manifest(where)
            return False
        digits = digits_of(entry.encode(), where=where)
        at = data.find(entry.encode()) + len(DIGEST_MARK)
        found = package_digest(where, package.model, at, package.weight_files)
    except OSError as error:
        raise BundleError(f"cannot read {where}: {error.strerror or error}") from error
    if found != digits:
        raise damaged(where)
    return True


def settle(root: Path) -> None:
    """Make a freshly saved package repeatable: fixed identifiers, no converter's debug files."""
    for entry in root.iterdir():
        if entry.is_file() and entry.name != _MANIFEST:
            entry.unlink()  # executorch_debug_handle_mapping.json: of no use on a phone
    manifest = read_json(root / _MANIFEST)
    names = {
        old: str(uuid.uuid5(_IDS, entry["path"])).upper()
        for old, entry in manifest["itemInfoEntries"].items()
    }
    manifest["itemInfoEntries"] = {
        names[old]: entry for old, entry in manifest["itemInfoEntries"].items()
    }
    manifest["rootModelIdentifier"] = names[manifest["rootModelIdentifier"]]
    (root / _MANIFEST).write_text(to_json(manifest), encoding="utf-8")


def _model_path(root: Path) -> Path:
    if not root.is_dir():
        raise BundleError(f"{root} is not a Core ML package: it is no folder")
    _refuse_link(root / _MANIFEST, root)
    try:
        manifest = read_json(root / _MANIFEST)
        entry = manifest["itemInfoEntries"][manifest["rootModelIdentifier"]]["path"]
    except (RalikitError, KeyError, TypeError) as error:
        raise BundleError(
            f"{root} is not a Core ML package: its {_MANIFEST} is unusable"
        ) from error
    relative = PurePosixPath(str(entry))
    if relative.is_absolute() or ".." in relative.parts:
        raise BundleError(f"{root}: its {_MANIFEST} points outside the package, to {entry!r}")
    model = root / "Data" / relative
    if not is_file(model):
        raise BundleError(
            f"{root} is not a Core ML package: it has no model file at {shown(repr(entry))}"
        )
    _refuse_link(model, root)
    return model


def _refuse_link(path: Path, root: Path) -> None:
    if root.resolve() not in path.resolve().parents:
        raise BundleError(f"{root}: {path.name} is a link to outside the package")

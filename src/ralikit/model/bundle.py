"""The bundle, which training writes and export reads: JSON and safetensors, no pickles."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from ralikit.config import from_mapping, renamed, to_mapping
from ralikit.errors import BundleError, RalikitError, UsageError
from ralikit.files import (
    is_file,
    parse_json,
    publish,
    read_json,
    sha256_bytes,
    sha256_path,
    to_json,
)
from ralikit.model.head import Head
from ralikit.model.onnx_tensors import read_tower
from ralikit.model.reasons_head import ReasonsHead, ReasonsInfo, reasons_head
from ralikit.model.safetensors import (
    count_numbers,
    read_safetensors,
    safetensors_bytes,
    write_safetensors,
)
from ralikit.photo.views import Preprocess
from ralikit.printable import shown

__all__ = [
    "HEAD",
    "MANIFEST",
    "REASONS",
    "SCHEMA",
    "SCORER",
    "TOWER",
    "TOWER_IN",
    "Bundle",
    "BundleInfo",
    "Scale",
    "TowerSpec",
    "check_name",
    "read_bundle",
    "read_safetensors",
    "write_bundle",
    "write_safetensors",
]

SCHEMA = 1
MANIFEST = "ralikit.json"
TOWER = "tower.safetensors"
HEAD = "head.safetensors"
REASONS = "reasons.safetensors"
SCORER = "scorer.onnx"

TOWER_IN = "tower_in"
"""Names the file that holds the tower where it has none of its own: then `SCORER`."""

_KEYS = ("schema", "model", "files", "hash", TOWER_IN)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The score scale: its ends, and what they mean to the people who gave the scores."""

    minimum: float = 1.0
    maximum: float = 5.0
    meaning: str = "mean opinion score (MOS): 1 bad, 2 poor, 3 fair, 4 good, 5 excellent"

    def __post_init__(self) -> None:
        ends = (self.minimum, self.maximum)
        if not all(math.isfinite(end) for end in ends) or not self.minimum < self.maximum:
            raise UsageError(f"a scale goes from a minimum to a larger maximum, not {ends}")


@dataclass(frozen=True, kw_only=True)
class TowerSpec:
    """Which image tower the weights belong to; `config` is the tower's own."""

    kind: str
    config: dict[str, Any] = field(default_factory=dict)
    weights: Literal["trained", "random"] = "trained"


@dataclass(frozen=True, kw_only=True)
class BundleInfo:
    """Everything in `ralikit.json`.

    Attributes:
        name: Short name, e.g. ``"mini"``.
        tower: The image tower.
        preprocess: From photo to views.
        temperature: Softmax temperature of the basis.
        normalize: Whether embeddings are scaled to unit norm before the PCA.
        view_pool: What is averaged over the views of a photo: embeddings or scores.
        scale: The score scale.
        tie_width: Scores closer than this are not told apart by the model; None: not measured.
        tie_width_note: How `tie_width` was measured.
        text_encoder: The frozen text tower of the alignment, for the record.
        reasons: What the bank of reasons says, and what it rests on; None: there is no bank.
        provenance: Data, recipe, seeds, versions.
        licence: Licence of these weights, in a sentence.
        notice: What a user must know before shipping these weights.
    """

    name: str
    tower: TowerSpec
    preprocess: Preprocess
    temperature: float
    normalize: bool = False
    view_pool: Literal["embedding", "score"] = "embedding"
    scale: Scale = field(default_factory=Scale)
    tie_width: float | None = renamed("resolution", default=None)
    tie_width_note: str = renamed("resolution_note", default="")
    text_encoder: str = ""
    reasons: ReasonsInfo | None = None
    provenance: dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    notice: str = ""

    def __post_init__(self) -> None:
        check_name(self.name)
        if not (math.isfinite(self.temperature) and self.temperature > 0):
            raise UsageError(f"temperature must be above 0, not {self.temperature}")
        if self.tie_width is not None and not (math.isfinite(self.tie_width)):
            raise UsageError(f"tie_width must be a number, not {self.tie_width}")


_LONGEST_NAME = 100


def check_name(name: str) -> None:
    """Refuse a model's name that no file can have, or that a terminal stumbles over.

    Raises:
        UsageError: If it is empty, long, of several folders, or not printable.
    """
    if not name or len(name) > _LONGEST_NAME or set(name) & set("/\\") or name in (".", ".."):
        raise UsageError(
            f"a model's name has 1 to {_LONGEST_NAME} characters and no / or \\, "
            f"not {shown(name)!r}"
        )
    if not name.isprintable():
        raise UsageError(f"a model's name is printable text, not {shown(name)!r}")


@dataclass(frozen=True)
class Bundle:
    """A bundle on disk, its description read and its hashes checked."""

    root: Path
    info: BundleInfo
    files: dict[str, str]

    @property
    def hash(self) -> str:
        """Identity of the model: a hash over description and tensors (not the ONNX file).

        The description counts under the names of its first version: a name that has changed since
        makes no other model, and neither does a bank that is not there.
        """
        parts = {
            "info": _plain(self.info, former=True),
            "files": {name: self.files[name] for name in _TENSORS if name in self.files},
        }
        return sha256_bytes(to_json(parts, indent=None).encode())

    @property
    def outputs(self) -> tuple[str, ...]:
        """What its exports give where nobody asks for more: the score, and reasons if it can."""
        return ("score",) if self.info.reasons is None else ("score", "reasons")

    @property
    def scorer(self) -> Path | None:
        """The ONNX file that scores without torch, where the bundle carries one."""
        return self.root / SCORER if SCORER in self.files else None

    @property
    def tower_file(self) -> Path:
        """The file that holds the tower's weights: a file of their own, or the ONNX file."""
        own = self.root / TOWER
        return own if own.is_file() else self.root / SCORER

    def tower_numbers(self) -> int:
        """How many numbers the tower's weights are.

        Raises:
            BundleError: If the file is not whole or not safetensors.
        """
        if self.tower_file.name == TOWER:
            return count_numbers(self.tower_file)
        return sum(tensor.size for tensor in self.tower_tensors().values())

    def tower_tensors(self) -> dict[str, np.ndarray[Any, Any]]:
        """The tower's weights by name, wherever the bundle keeps them.

        Raises:
            BundleError: If the file is not whole, or does not hold the weights that the bundle's
                description names.
        """
        if self.tower_file.name == TOWER:
            return read_safetensors(self.tower_file)
        tensors: dict[str, np.ndarray[Any, Any]] = dict(read_tower(self.tower_file))
        if sha256_bytes(safetensors_bytes(tensors)) != self.files[TOWER]:
            raise BundleError(f"{self.tower_file} does not hold the weights that {MANIFEST} names")
        return tensors

    def head(self) -> Head:
        """Read PCA and basis.

        Raises:
            BundleError: If tensors are missing, misshapen or not finite.
        """
        tensors = read_safetensors(self.root / HEAD)
        try:
            return Head(
                pca_mean=tensors["pca_mean"],
                pca_components=tensors["pca_components"],
                pca_scale=tensors.get("pca_scale", np.ones_like(tensors["pca_mean"])),
                centroids=tensors["centroids"],
                scores=tensors["scores"],
                temperature=self.info.temperature,
                normalize=self.info.normalize,
            )
        except KeyError as error:
            raise BundleError(f"{self.root / HEAD} has no tensor {error}") from error
        except ValueError as error:
            raise BundleError(f"{self.root / HEAD}: {error}") from error

    def reasons(self) -> ReasonsHead | None:
        """Read the bank's read-out; None where the bundle has no bank.

        Raises:
            BundleError: If tensors are missing, misshapen, not finite, or of other reasons.
        """
        if self.info.reasons is None:
            return None
        path = self.root / REASONS
        try:
            head = reasons_head(self.reasons_tensors())
        except KeyError as error:
            raise BundleError(f"{path} has no tensor {error}") from error
        except ValueError as error:
            raise BundleError(f"{path}: {error}") from error
        if len(head.bias) != len(self.info.reasons.bank):
            raise BundleError(
                f"{path} gives {len(head.bias)} reasons, {MANIFEST} names "
                f"{len(self.info.reasons.bank)}"
            )
        return head

    def reasons_tensors(self) -> dict[str, np.ndarray[Any, Any]]:
        """Everything that the bank's file holds, by name; nothing where there is no bank.

        Raises:
            BundleError: If the file is not whole or not safetensors.
        """
        return {} if self.info.reasons is None else read_safetensors(self.root / REASONS)


_TENSORS = (TOWER, HEAD, REASONS)


def _plain(info: BundleInfo, *, former: bool = False) -> dict[str, Any]:
    # A bundle without a bank says nothing of one, as those before there were any.
    plain = to_mapping(info, former=former)
    if info.reasons is None:
        del plain["reasons"]
    return plain


def read_bundle(root: Path) -> Bundle:
    """Open a bundle folder and check every file's hash.

    Raises:
        BundleError: If it is no bundle, of another schema, incomplete or altered.
    """
    path = root / MANIFEST
    if not path.is_file():
        raise BundleError(f"{root} is not a bundle: it has no {MANIFEST}")
    try:
        raw = read_json(path)
    except RalikitError as error:
        raise BundleError(str(error)) from error
    if not isinstance(raw, dict) or raw.get("schema") != SCHEMA:
        found = raw.get("schema") if isinstance(raw, dict) else None
        raise BundleError(f"{path} has schema {shown(repr(found))}, this version reads {SCHEMA}")
    if strange := sorted(raw.keys() - set(_KEYS)):  # one bit makes another key of "hash"
        raise BundleError(f"{path} has {shown(repr(strange[0]))}, which a bundle does not have")
    files = raw.get("files")
    inside = raw.get(TOWER_IN)
    if inside not in (None, SCORER):
        raise BundleError(f"{path}: a tower lies in {SCORER} or in a file of its own")
    if not isinstance(files, dict) or not {TOWER, HEAD, inside or TOWER} <= set(files):
        raise BundleError(f"{path} must list {TOWER} and {HEAD} with their hashes")
    try:
        info = from_mapping(BundleInfo, raw.get("model", {}), where=str(path))
    except UsageError as error:
        raise BundleError(str(error)) from error
    if (info.reasons is not None) != (REASONS in files):
        raise BundleError(f"{path} must both name its reasons and list {REASONS}, or neither")
    for name, digest in files.items():
        if name == TOWER and inside:
            continue  # held to its hash where it is read (`Bundle.tower_tensors`)
        file = root / name
        if Path(name).name != name or not is_file(file):
            raise BundleError(f"{root} lacks {shown(name)!r}, which its {MANIFEST} lists")
        if sha256_path(file) != digest:
            raise BundleError(f"{file} was altered: its hash is not the one in {MANIFEST}")
    bundle = Bundle(root=root, info=info, files=dict(files))
    if raw.get("hash", bundle.hash) != bundle.hash:  # older ones have none
        raise BundleError(
            f"{path} was altered: its description is not the one that its hash is of; copy the "
            'bundle again, or, if you changed it yourself, take "hash" out'
        )
    return bundle


def write_bundle(
    root: Path,
    info: BundleInfo,
    *,
    tower: dict[str, np.ndarray[Any, Any]],
    head: Head,
    reasons: Mapping[str, np.ndarray[Any, Any]] | None = None,
    extra: dict[str, bytes] | None = None,
    overwrite: bool = False,
) -> Bundle:
    """Write a bundle folder, whole or not at all.

    Args:
        root: The folder to make.
        info: Its description.
        tower: Named tower tensors, float16 or float32.
        head: PCA and basis, stored as float32.
        reasons: Tensors of the bank that `info` names (`ReasonsHead.tensors`, and whatever it was
            made from), stored as float32; None: it names none.
        extra: Further files by name, e.g. the scorer and the model card.
        overwrite: Replace an existing folder.
    """
    head_tensors = {
        "pca_mean": head.pca_mean,
        "pca_components": head.pca_components,
        "pca_scale": head.pca_scale,
        "centroids": head.centroids,
        "scores": head.scores,
    }
    with publish(root, overwrite=overwrite) as draft:
        draft.mkdir()
        write_safetensors(draft / TOWER, tower)
        write_safetensors(
            draft / HEAD, {k: np.asarray(v, dtype=np.float32) for k, v in head_tensors.items()}
        )
        if reasons:
            write_safetensors(
                draft / REASONS, {k: np.asarray(v, dtype=np.float32) for k, v in reasons.items()}
            )
        for name, data in (extra or {}).items():
            (draft / name).write_bytes(data)
        listing = {p.name: sha256_path(p) for p in sorted(draft.iterdir())}
        described = {"schema": SCHEMA, "model": _plain(info), "files": listing}
        # As readers of its JSON will find it.
        read = from_mapping(BundleInfo, parse_json(to_json(_plain(info))), where=str(root))
        described["hash"] = Bundle(root=draft, info=read, files=listing).hash
        (draft / MANIFEST).write_text(to_json(described), encoding="utf-8")
        made = read_bundle(draft)  # while nothing is replaced yet
    return replace(made, root=root)


def keep_one_copy(bundle: Bundle) -> Bundle:
    """Leave the tower's weights in ``scorer.onnx`` alone, where it holds the very same.

    The bundle's hash stays: it is over the weights, wherever they lie.

    Raises:
        BundleError: If the bundle has no such file, or the weights there are not the same.
    """
    if bundle.scorer is None:
        raise BundleError(f"{bundle.root} carries no {SCORER} that could hold its weights")
    files = {name: (bundle.root / name).read_bytes() for name in bundle.files if name != TOWER}
    raw = read_json(bundle.root / MANIFEST)
    with publish(bundle.root, overwrite=True) as draft:
        draft.mkdir()
        for name, data in files.items():
            (draft / name).write_bytes(data)
        (draft / MANIFEST).write_text(to_json({**raw, TOWER_IN: SCORER}), encoding="utf-8")
        read_bundle(draft).tower_tensors()
    return read_bundle(bundle.root)

"""Whole models to fuzz: a bundle and every format's file of a tiny tower, made on the spot.

Each is damaged in two ways. *Damaged* is what disks and copies do: the digest inside is left as it
was, and the outcome is the score of the whole file or a refusal, never another score. *Resealed* is
what somebody does on purpose: the digest fits again, and the outcome is a score or a refusal.
"""

from __future__ import annotations

import importlib.util
import io
import json
import math
import os
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from support_damage import (
    BYTES,
    Damage,
    fields,
    flatbuffer_changed,
    json_changed,
    json_twice,
    pick,
    protobuf_changed,
    replaced,
    varint,
)

from ralikit.errors import RalikitError

FILES = "RALIKIT_FUZZ_FILES"
"""Environment variable: a folder in which the models are made once for several processes."""
PHOTO = np.random.default_rng(0).integers(0, 256, (20, 30, 3), dtype=np.uint8)
_CONFIG = {"size": 16, "patch": 8, "width": 16, "depth": 1, "heads": 2, "hidden": 32, "dim": 8}
_PROBES = 2
# Core AI's library is a beta, and not part of the test environment.
_COREAI = all(importlib.util.find_spec(name) for name in ("coreai", "coreai_torch"))


@dataclass(frozen=True, kw_only=True, eq=False)
class Whole:
    """One kind of model.

    Attributes:
        name: Short name.
        suffix: Of its file or folder.
        folder: Whether it is a folder.
        seeds: Names of valid ones below the folder of `models`.
        damages: What can happen to a part, by the end of the part's name.
        seal: Makes what vouches for the parts fit them again; parts by name.
        native: Whether native code reads a resealed one and may fall over it: LiteRT trusts the
            offsets of a flatbuffer, and no checker of them comes with it.
    """

    name: str
    suffix: str
    folder: bool
    seeds: tuple[str, ...]
    damages: dict[str, tuple[Damage, ...]]
    seal: Callable[[dict[str, bytes]], dict[str, bytes]]
    native: bool = False


def tiny_clip(root: Path) -> Any:
    """A CLIP tower of 6,000 numbers with a head, random, on disk."""
    import torch

    from ralikit.bench.standin import random_tower
    from ralikit.model.bundle import BundleInfo, TowerSpec, write_bundle
    from ralikit.model.head import Head
    from ralikit.photo.views import Preprocess

    tower = random_tower("clip", dict(_CONFIG), seed=0)
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    state = {
        name: (value + 0.05 * torch.randn_like(value)).half().numpy()
        for name, value in tower.state_dict().items()
    }
    head = Head(
        pca_mean=rng.normal(size=8),
        pca_components=np.linalg.qr(rng.normal(size=(8, 8)))[0][:4],
        pca_scale=np.ones(8),
        centroids=rng.normal(size=(5, 4)),
        scores=np.linspace(1, 5, 5),
        temperature=0.3,
        normalize=False,
    )
    info = BundleInfo(
        name="tiny",
        tower=TowerSpec(kind="clip", config=dict(_CONFIG), weights="random"),
        preprocess=Preprocess(size=16, shortest_edge=16, anchors=((0.5, 0.5),)),
        temperature=0.3,
        provenance={"seed": 0},
    )
    return write_bundle(root, info, tower=state, head=head)


def exported(bundle: Any, folder: Path, target: str, precision: str) -> Path:
    """A bundle's file, with everything that `verify` reads; compared with nothing but itself."""
    from ralikit.export.quantise.workbench import Workbench
    from ralikit.export.targets import find
    from ralikit.export.targets.target import Request
    from ralikit.model.facts import facts_of
    from ralikit.model.folded import fold
    from ralikit.model.rewrite import rewrite
    from ralikit.photo.views import make_views
    from ralikit.probes import probe_photos
    from ralikit.runtimes import open_runtime
    from ralikit.runtimes.digest import declared

    preprocess, probes = bundle.info.preprocess, probe_photos()
    photos = [make_views(probe.pixels, preprocess) for probe in probes]
    chosen = find(target)
    assert chosen is not None
    path = folder / f"{precision}{chosen.suffix}"
    converter = chosen.load()
    folded = rewrite(fold(bundle))
    request = Request(bundle=bundle, bench=Workbench(folded, photos), precision=precision)
    converter.convert(request, path)
    facts = {
        **facts_of(bundle),
        **declared(),
        "target": target,
        "precision": precision,
        "outputs": ["score"],
        "layers": converter.layers(path),
        "tools": converter.tools(),
        "gate": None,
        "parity": None,
        **converter.structure(path, folded, photos),
    }
    converter.write_facts(path, {**facts, "golden": []})
    runtime = open_runtime(path)
    golden = [
        {"name": p.name, "sha256": p.sha256, "reference": runtime.run(views)}
        for p, views in zip(probes[:_PROBES], photos, strict=False)
    ]
    converter.write_facts(path, {**facts, "golden": golden})
    return path


@cache
def models() -> Path:
    """The folder of all seeds, made once; where `FILES` names a folder, once for many processes."""
    named = os.environ.get(FILES)
    folder = Path(named) if named else Path(tempfile.mkdtemp(prefix="ralikit-wholes-"))
    if (folder / "done").exists():
        return folder
    from ralikit.export.bundle_scorer import with_scorer

    bundle = tiny_clip(folder / "torch")
    with_scorer(tiny_clip(folder / "onnx"))
    for target, precisions in (
        ("onnx", ("fp32", "int8")),
        ("tflite", ("fp32", "int8")),
        ("coreml", ("fp16", "int8")),
        *((("coreai", ("fp32",)),) if _COREAI else ()),
    ):
        for precision in precisions:
            exported(bundle, folder, target, precision)
    (folder / "done").touch()
    return folder


def pack(path: Path) -> bytes:
    """A file's bytes, or a folder as a tar file that depends on names and contents alone."""
    if path.is_file():
        return path.read_bytes()
    return packed({p.relative_to(path).as_posix(): p.read_bytes() for p in _files_below(path)})


def packed(parts: dict[str, bytes]) -> bytes:
    """Parts as a tar file."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in parts.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return stream.getvalue()


def unpacked(data: bytes) -> dict[str, bytes]:
    """A tar file's parts.

    Raises:
        tarfile.TarError: If it is none.
    """
    with tarfile.open(fileobj=io.BytesIO(data), mode="r:") as archive:
        files = {entry.name: archive.extractfile(entry) for entry in archive if entry.isfile()}
        return {name: file.read() for name, file in files.items() if file is not None}


def _files_below(path: Path) -> list[Path]:
    return sorted(p for p in path.rglob("*") if p.is_file())


def mutations(whole: Whole, *, sealed: bool, seed: int) -> Iterator[tuple[str, bytes]]:
    """Damaged models without end; the same seed gives the same ones."""
    rng = np.random.default_rng(seed)
    seeds = {name: _parts(whole, models() / name) for name in whole.seeds}
    index = 0
    while True:
        name = pick(rng, sorted(seeds))
        parts = dict(seeds[name])
        for _ in range(1 if not sealed else int(rng.integers(1, 3))):
            part = pick(rng, sorted(parts))
            ends = [
                d for end, damages in whole.damages.items() if part.endswith(end) for d in damages
            ]
            damage = pick(rng, ends or BYTES)
            if parts[part]:
                parts[part] = _tried(damage, parts[part], rng)
        if whole.folder and int(rng.integers(30)) == 0:
            _shuffled(parts, rng)
        if sealed:
            parts = whole.seal(parts)
        yield f"{index} {name}", packed(parts) if whole.folder else parts[""]
        index += 1


def _damages(whole: Whole, part: str) -> tuple[Damage, ...]:
    return next((d for end, d in whole.damages.items() if part.endswith(end)), BYTES)


def _tried(damage: Damage, data: bytes, rng: np.random.Generator) -> bytes:
    try:
        return bytes(damage(data, rng))
    except (ValueError, TypeError, LookupError, ArithmeticError, RecursionError):
        # damaged before: no JSON any more, nested too deeply, or a number too large to change
        return bytes(pick(rng, BYTES)(data, rng))


def _shuffled(parts: dict[str, bytes], rng: np.random.Generator) -> None:
    """A part gone, another's bytes in it, or one that belongs to nothing."""
    part, kind = pick(rng, sorted(parts)), int(rng.integers(3))
    if kind == 0:
        del parts[part]
    elif kind == 1:
        parts[part] = parts[pick(rng, sorted(parts))]
    else:
        parts[pick(rng, ["x", "weights/x", "Data/x", part + ".x"])] = b"x"


def _parts(whole: Whole, path: Path) -> dict[str, bytes]:
    return unpacked(pack(path)) if whole.folder else {"": path.read_bytes()}


@cache
def _scores(whole: Whole) -> frozenset[float]:
    return frozenset(_score(models() / name) for name in whole.seeds)


def _score(path: Path) -> float:
    from ralikit.scorer import load

    return load(path, threads=1).score(PHOTO).value


def read(whole: Whole, data: bytes, *, sealed: bool) -> None:
    """Score and verify a model from its bytes.

    Raises:
        RalikitError: If it is refused, as it may be.
        AssertionError: If it gives a score that it must not.
    """
    right = _scores(whole)
    with tempfile.TemporaryDirectory(prefix="ralikit-fuzz-") as folder:
        path = Path(folder) / f"x{whole.suffix}"
        if not _written(whole, data, path):
            return
        try:
            score = _score(path)
        except RalikitError:
            assert not _passes(whole, path), "verify passes what does not score"
            raise
        assert math.isfinite(score)
        anything = sealed or _hash_taken_out(path)
        assert anything or score in right, f"{score} instead of {sorted(right)}"
        _passes(whole, path)


def _hash_taken_out(path: Path) -> bool:
    """Whether a bundle says no hash of its description: one of an earlier version, or made so."""
    if not path.is_dir() or not (path / "ralikit.json").is_file():
        return False
    return "hash" not in json.loads((path / "ralikit.json").read_bytes())


def _written(whole: Whole, data: bytes, path: Path) -> bool:
    if not whole.folder:
        path.write_bytes(data)
        return True
    try:
        parts = unpacked(data)
    except (tarfile.TarError, ValueError, EOFError):  # a coverage-led change of the tar itself
        return False
    path.mkdir()
    for name, part in parts.items():
        target = path / name
        if path not in target.resolve().parents or target.exists():
            return False
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(part)
    return True


def _passes(whole: Whole, path: Path) -> bool:
    if whole.name == "bundle":  # nothing to verify: it is what files are compared with
        return False
    from ralikit.export import verify

    try:
        with mock.patch.object(verify, "probe_photos", _probes):  # made once, not every time
            return verify.verify(path, threads=1).passed
    except RalikitError as error:
        said = str(error)
        assert said.isprintable(), said
        assert len(said) < 600, said
        return False


@cache
def _probes() -> list[Any]:
    from ralikit.probes import probe_photos

    return probe_photos()[:_PROBES]


def _seal_file(parts: dict[str, bytes]) -> dict[str, bytes]:
    from ralikit.runtimes.digest import DIGEST_MARK, DIGITS, sealed

    data = parts[""]
    at = data.rfind(DIGEST_MARK) + len(DIGEST_MARK)
    if at < len(DIGEST_MARK) or at + DIGITS > len(data):
        return parts
    return {"": sealed(data, at)}


def _seal_package(parts: dict[str, bytes]) -> dict[str, bytes]:
    from ralikit.runtimes.digest import BLANK, DIGEST_MARK, DIGITS, package_digest

    models_ = [name for name in parts if name.endswith(".mlmodel")]
    if not models_:
        return parts
    (name, *_), data = models_, parts[models_[0]]
    at = data.rfind(DIGEST_MARK) + len(DIGEST_MARK)
    if at < len(DIGEST_MARK) or at + DIGITS > len(data):
        return parts
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for part, value in parts.items():
            (root / part).parent.mkdir(parents=True, exist_ok=True)
            (root / part).write_bytes(value)
        weights = [p for p in _files_below((root / name).parent) if "weights" in p.parts]
        digits = package_digest(root, root / name, at, weights)
    whole = data[: at - len(DIGEST_MARK)] + BLANK + data[at + DIGITS :]
    return {**parts, name: whole.replace(BLANK, DIGEST_MARK + digits.encode(), 1)}


def _seal_aimodel(parts: dict[str, bytes]) -> dict[str, bytes]:
    from ralikit.runtimes.aimodel.asset import METADATA, open_asset, seal

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "x.aimodel"
        for part, value in parts.items():
            (root / part).parent.mkdir(parents=True, exist_ok=True)
            (root / part).write_bytes(value)
        try:
            seal(open_asset(root))
            return {**parts, METADATA: (root / METADATA).read_bytes()}
        except (RalikitError, ValueError, LookupError):  # nothing that a digest could be put into
            return parts


def _seal_bundle(parts: dict[str, bytes]) -> dict[str, bytes]:
    from ralikit.files import sha256_bytes

    try:
        described = json.loads(parts["ralikit.json"])
        described["files"] = {
            name: sha256_bytes(parts[name]) for name in described["files"] if name in parts
        }
        described.pop("hash", None)
    except (KeyError, TypeError, ValueError, AttributeError):
        return parts
    return {**parts, "ralikit.json": json.dumps(described).encode()}


def facts_changed(data: bytes, rng: np.random.Generator) -> bytes:
    """A protobuf with one of the facts changed, its lengths mended."""
    found = [f for f in fields(data) if data[f.begin : f.begin + 2] == b'{"']
    if not found:
        return protobuf_changed(data, rng)
    field = pick(rng, found)
    new = pick(rng, (json_changed, json_twice))(data[field.begin : field.end], rng)
    return replaced(data, field, data[field.tag : field.length] + varint(len(new)) + new)


def _flat_facts_changed(data: bytes, rng: np.random.Generator) -> bytes:
    """A flatbuffer with one of the facts changed; no longer than before, so that offsets hold."""
    at = data.find(b'{"')
    end = data.find(b"}}\0", at) + 2 if b"}}\0" in data[at:] else data.find(b"}\0", at) + 1
    new = json_changed(data[at:end], rng)
    if at < 0 or end <= at or len(new) > end - at:
        return flatbuffer_changed(data, rng)
    return data[:at] + new.ljust(end - at) + data[end:]


def _safetensors_changed(data: bytes, rng: np.random.Generator) -> bytes:
    """A safetensors file with its table changed, or numbers that are none."""
    size = int.from_bytes(data[:8], "little")
    kind = int(rng.integers(4))
    if kind == 0:
        numbers = np.frombuffer(data[8 + size :], np.uint8).copy()
        at = int(rng.integers(max(1, len(numbers) - 8)))
        special = pick(rng, [b"\0\x7c", b"\0\x7e", b"\0\0\x80\x7f", b"\0\0\xc0\x7f", b"\xff\x7b"])
        numbers[at // 4 * 4 :][: len(special)] = np.frombuffer(special, np.uint8)
        return bytes(data[: 8 + size] + numbers.tobytes())
    table = pick(rng, (json_changed, json_changed, json_twice))(data[8 : 8 + size], rng)
    return bytes(len(table).to_bytes(8, "little") + table + data[8 + size :])


_PROTOBUF = (*BYTES, *(protobuf_changed,) * 8, *(facts_changed,) * 4)
WHOLES: tuple[Whole, ...] = (
    Whole(
        name="bundle",
        suffix="",
        folder=True,
        seeds=("torch", "onnx"),
        damages={
            ".json": (*BYTES, *(json_changed,) * 12, json_twice),
            ".safetensors": (*BYTES, *(_safetensors_changed,) * 6),
            ".onnx": _PROTOBUF,
        },
        seal=_seal_bundle,
    ),
    Whole(
        name="onnx",
        suffix=".onnx",
        folder=False,
        seeds=("fp32.onnx", "int8.onnx"),
        damages={"": _PROTOBUF},
        seal=_seal_file,
    ),
    Whole(
        name="tflite",
        suffix=".tflite",
        folder=False,
        seeds=("fp32.tflite", "int8.tflite"),
        damages={"": (*BYTES, *(flatbuffer_changed,) * 8, *(_flat_facts_changed,) * 4)},
        seal=_seal_file,
        native=True,
    ),
    Whole(
        name="coreml",
        suffix=".mlpackage",
        folder=True,
        seeds=("fp16.mlpackage", "int8.mlpackage"),
        damages={
            ".json": (*BYTES, *(json_changed,) * 6),
            ".mlmodel": _PROTOBUF,
            ".bin": (*BYTES, *(flatbuffer_changed,) * 6),
        },
        seal=_seal_package,
    ),
)

_AIMODEL = Whole(
    name="coreai",
    suffix=".aimodel",
    folder=True,
    seeds=("fp32.aimodel",),
    damages={".json": (*BYTES, *(json_changed,) * 6), "": BYTES},
    seal=_seal_aimodel,
    native=True,
)
WHOLES += (_AIMODEL,) if _COREAI else ()

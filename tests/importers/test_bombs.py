"""A small file cannot cost much, and what is refused is said in one printable line."""

from __future__ import annotations

import bz2
import io
import json
import lzma
import pickle
import struct
import time
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from ralikit.errors import BundleError
from ralikit.importers.budget import MB, Budget, Refusal
from ralikit.importers.rali import _check_basis, _state
from ralikit.importers.tensors import arrays, unusual
from ralikit.importers.torch_file import read_torch
from ralikit.importers.torch_names import Unread
from ralikit.importers.unpickle import read_pca
from ralikit.model.head import Head

SCORER = ("pca_scale", "pca_components", "prototypes", "proto_scores", "logit_scale")


def _fitted() -> PCA:
    return PCA(n_components=3).fit(np.random.default_rng(0).normal(size=(20, 5)))


def _refused(read: Callable[[], object], match: str) -> None:
    with pytest.raises(BundleError, match=match) as caught:
        read()
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 1500


@pytest.mark.parametrize("compress", [("bz2", 3), ("xz", 3), ("lzma", 3), ("zlib", 3)])
def test_every_compression_of_joblib_is_read(tmp_path: Path, compress: Any) -> None:
    pca = _fitted()
    joblib.dump(pca, tmp_path / "pca.pkl", compress=compress)
    np.testing.assert_array_equal(read_pca(tmp_path / "pca.pkl").components, pca.components_)


@pytest.mark.parametrize("protocol", [0, 1])
def test_the_oldest_pickles_too(tmp_path: Path, protocol: int) -> None:
    pca = _fitted()
    (tmp_path / "pca.pkl").write_bytes(pickle.dumps(pca, protocol=protocol))
    np.testing.assert_array_equal(read_pca(tmp_path / "pca.pkl").components, pca.components_)


def test_a_pca_inside_a_dictionary(tmp_path: Path) -> None:
    pca, path = _fitted(), tmp_path / "pca.pkl"
    pca.random_state = np.random.RandomState(0)
    joblib.dump({"pca": pca, "srcc": np.float64(0.9)}, path)
    np.testing.assert_array_equal(read_pca(path).mean, pca.mean_)
    for found, said in (
        ({"a": pca, "b": pca}, "a dictionary of a, b, with 2 PCAs"),
        ({"c": 1}, "a dictionary of c, with no PCA among them; save the PCA alone"),
        ([pca], "it holds a list, not a PCA"),
    ):
        joblib.dump(found, path)
        _refused(lambda: read_pca(path), said)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "it is empty"),
        (b"PK\x03\x04....", "it is a zip file, such as torch.save"),
        (b"\x04\x22\x4d\x18....", "compressed with lz4, not a pickle; save the PCA alone"),
        (b"version https://git-lfs.github.com", "a Git LFS pointer"),
        (b"BZh9" + b"x" * 40, "its compression is damaged"),
        (b"\xfd7zXZ\x00" + b"x" * 40, "its compression is damaged"),
        (b"\x01\x02\x03\x04", "begins with the bytes 01 02 03 04"),
    ],
)
def test_what_was_found_and_what_to_do(tmp_path: Path, data: bytes, said: str) -> None:
    (tmp_path / "pca.pkl").write_bytes(data)
    _refused(lambda: read_pca(tmp_path / "pca.pkl"), said)


def _text(count: int) -> bytes:
    return b"X" + struct.pack("<I", count) + b"a" * count


def _encodes(times: int, count: int) -> bytes:
    """Text once, and again and again as bytes: each a copy."""
    call = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
    return b"\x80\x02" + _text(count) + b"q\x00" + call * times + b"."


_BOMBS: dict[str, tuple[bytes, str]] = {
    "empty dictionaries": (b"\x80\x02" + b"}" * 5000 + b".", "more than 2,000 opcodes"),
    "a list grown again and again": (
        b"\x80\x02]q\x00" + (b"(" + b"h\x00" * 50 + b"e") * 60 + b".",
        "more than 2,000 opcodes",
    ),
    "copies of a text": (_encodes(60, 100_000), "unpacks to more than 1 MB"),
    "a tower of tuples": (b"\x80\x02)" + b"\x85" * 5000 + b".", "more than 2,000 opcodes"),
    "keys that collide": (
        b"\x80\x02}\x8a\x09" + (2**61 - 1).to_bytes(9, "little") + b"Ns.",
        "a key in it is too large|a str is expected",
    ),
    "tuples as keys": (b"\x80\x02})Ns.", "a str is expected where it has a tuple"),
    "terminal": (b"\x80\x02cev\x1bil\nx\x07y\n.", r"asks for ev\\x1bil\.x\\x07y"),
    "half a character": (
        b"\x80\x04X\x03\x00\x00\x00\xed\xa0\x80X\x01\x00\x00\x00a\x93.",
        r"asks for \\ud800\.a",
    ),
}


@pytest.mark.parametrize("name", _BOMBS)
def test_a_pickle_stays_inside_its_budget(tmp_path: Path, name: str) -> None:
    data, said = _BOMBS[name]
    path = tmp_path / "pca.pkl"
    path.write_bytes(data)
    _refused(lambda: read_pca(path, budget=Budget(size=MB, opcodes=2000)), said)


@pytest.mark.parametrize("squeeze", [zlib.compress, bz2.compress, lzma.compress])
def test_what_unpacks_to_too_much(tmp_path: Path, squeeze: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "pca.pkl"
    path.write_bytes(squeeze(b"\x80\x02" + bytes(2 * MB)))
    _refused(lambda: read_pca(path, budget=Budget(size=MB)), "unpacks to more than 1 MB")


def test_numbers_and_seconds_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "pca.pkl"
    joblib.dump(_fitted(), path)
    _refused(lambda: read_pca(path, budget=Budget(elements=10)), "more than 10 numbers")
    clock = iter(range(0, 10_000, 100))
    monkeypatch.setattr(time, "process_time", lambda: next(clock))
    late = Budget()
    for _ in range(1023):
        late.step()
    with pytest.raises(Refusal, match="more than 60 seconds of processor time"):
        late.step()


def test_shapes_of_a_pca_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "pca.pkl"
    for mean in (np.float64(3), np.array(3.0), np.zeros(4), np.zeros((5, 1))):
        pca = _fitted()
        pca.mean_ = mean
        joblib.dump(pca, path)
        _refused(lambda: read_pca(path), "mean_ has shape|an array is expected")


@pytest.mark.parametrize("zipped", [True, False])
def test_a_checkpoint_is_read_as_it_was_saved(tmp_path: Path, zipped: bool) -> None:
    path, module = tmp_path / "ckpt.pt", torch.nn.BatchNorm1d(3)
    kept: dict[str, Any] = {
        "state_dict": module.state_dict(),
        "half": torch.randn(3, 2).bfloat16(),
        "turned": torch.arange(6).reshape(2, 3).t(),
        "none": torch.empty(0, 3),
        "one": torch.tensor(2.5),
        "srcc": np.float64(0.9),
        "where": Path("runs/1"),
        "steps": {1, 2},
    }
    torch.save(kept, path, _use_new_zipfile_serialization=zipped)
    read = read_torch(path)
    for name, tensor in module.state_dict().items():
        assert torch.equal(read["state_dict"][name], tensor)
    for name in ("half", "turned", "none", "one"):
        assert torch.equal(read[name], kept[name])
        assert read[name].dtype == kept[name].dtype
    assert read["srcc"] == 0.9
    whole = path.read_bytes()
    for cut in range(0, len(whole) - 1, max(len(whole) // 12, 1)):
        path.write_bytes(whole[:cut])
        _refused(lambda: read_torch(path), r"ckpt\.pt")


@pytest.mark.parametrize("prefix", ["", "module.", "_orig_mod.", "module._orig_mod.", "model."])
def test_what_wrappers_put_before_names_is_taken_off(tmp_path: Path, prefix: str) -> None:
    path = tmp_path / "ckpt.pt"
    state = {f"{prefix}scorer.{name}": torch.ones(2) for name in SCORER}
    for checkpoint in ({"state_dict": state, "srcc": np.float32(0.5)}, state):
        torch.save(checkpoint, path)
        assert set(_state(read_torch(path), path)) == {f"scorer.{name}" for name in SCORER}


def test_tensors_of_other_kinds_are_named(tmp_path: Path) -> None:
    path = tmp_path / "ckpt.pt"
    kinds = {
        "sparse": torch.eye(3).to_sparse(),
        "meta": torch.ones(2, device="meta"),
        "repeating": torch.ones(1).expand(100_000),
        "quantised, complex or small": torch.ones(2, dtype=torch.complex64),
    }
    for kind, tensor in kinds.items():
        state: dict[str, Any] = {f"scorer.{name}": torch.ones(2) for name in SCORER}
        torch.save({"state_dict": {**state, "elsewhere": tensor}}, path)
        read = _state(read_torch(path), path)
        assert isinstance(read["elsewhere"], Unread)
        torch.save({"state_dict": {**state, "scorer.prototypes": tensor}}, path)
        said = f"'scorer.prototypes' is no tensor of numbers: it is a {kind} tensor"
        _refused(lambda: _state(read_torch(path), path), said)
    with pytest.raises(BundleError, match="w is a sparse tensor; save it as a dense"):
        arrays({"w": torch.eye(2).to_sparse()}, where="x")
    assert [unusual(v) for v in (torch.ones(1), torch.ones(1).int(), 3)] == [
        "",
        "a int32 tensor",
        "a int",
    ]


def test_many_keys_are_not_all_listed(tmp_path: Path) -> None:
    path = tmp_path / "ckpt.pt"
    torch.save({"state_dict": {f"key.{i}": 0 for i in range(3000)}}, path)
    _refused(lambda: _state(read_torch(path), path), "and 2,992 more; the scorer's tensors")
    torch.save({f"key.{i}": 0 for i in range(3000)}, path)
    _refused(lambda: _state(read_torch(path), path), "has no state_dict; it has .* and 2,992 more")


def _rewritten(path: Path, change: Callable[[str, bytes], bytes], method: int) -> None:
    """The same torch file with changed entries, or compressed otherwise."""
    with zipfile.ZipFile(io.BytesIO(path.read_bytes())) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    with zipfile.ZipFile(path, "w", method) as new:
        for name, data in entries.items():
            new.writestr(name, change(name, data))


def test_checkpoints_that_grow_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "ckpt.pt"
    torch.save({"state_dict": {"w": torch.zeros(5000)}}, path)
    _rewritten(path, lambda _, data: data, zipfile.ZIP_DEFLATED)
    _refused(lambda: read_torch(path), "its storages are compressed")
    torch.save({"state_dict": {"w": torch.zeros(50)}}, path)
    _rewritten(
        path,
        lambda name, data: data + bytes(2 * MB) if name.endswith(".pkl") else data,
        zipfile.ZIP_DEFLATED,
    )
    _refused(lambda: read_torch(path, budget=Budget(size=MB)), "unpacks to more than 1 MB")
    whole = torch.zeros(200_000)
    torch.save({str(i): whole[i:] for i in range(20)}, path)  # each a view of nearly all of it
    _refused(lambda: read_torch(path), "more than four times the file's")


def _head() -> Head:
    return Head(
        pca_mean=np.zeros(5),
        pca_components=np.ones((3, 5)),
        pca_scale=np.ones(5),
        centroids=np.ones((2, 3)),
        scores=np.ones(2),
        temperature=1.0,
        normalize=False,
    )


def test_a_broken_basis_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "basis.npz"
    np.savez(path, vectors=np.ones((2, 3)), scores=np.ones(2))
    _check_basis(path, _head())
    whole = path.read_bytes()
    np.save(tmp_path / "x.npy", np.ones(3))
    deep = b"\x93NUMPY\x01\x00" + struct.pack("<H", 9000) + b"(" * 9000
    for data in (b"", whole[:40], whole[:-30], (tmp_path / "x.npy").read_bytes(), deep):
        path.write_bytes(data)
        _refused(lambda: _check_basis(path, _head()), r"is no basis of vectors and scores")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("vectors.npy", deep)
    _refused(lambda: _check_basis(path, _head()), r"is no basis of vectors and scores")
    # 2 GB of zeros in a small file: none of them are unpacked.
    header = io.BytesIO()
    described = {"descr": "<f8", "fortran_order": False, "shape": (2**28,)}
    np.lib.format.write_array_header_1_0(header, described)  # type: ignore[no-untyped-call]
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("vectors", "scores"):
            archive.writestr(f"{name}.npy", header.getvalue())
    _refused(lambda: _check_basis(path, _head()), r"has shapes \(\(268435456,\)")
    assert json.dumps(described["shape"]) == "[268435456]"

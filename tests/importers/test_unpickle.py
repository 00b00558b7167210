"""A PCA comes out of its pickle exactly; a hostile pickle is refused and nothing of it runs."""

from __future__ import annotations

import io
import os
import pickle
import pickletools
import zlib
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.decomposition import PCA, IncrementalPCA, KernelPCA

from ralikit.errors import BundleError
from ralikit.importers.unpickle import read_pca


def _data(seed: int = 0) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.random.default_rng(seed).normal(2, 3, (40, 9))


@pytest.mark.parametrize("compress", [0, 3, ("gzip", 3)])
@pytest.mark.parametrize("kind", [PCA, IncrementalPCA])
def test_a_joblib_file_gives_its_numbers(tmp_path: Path, kind: Any, compress: Any) -> None:
    pca = kind(n_components=4).fit(_data())
    joblib.dump(pca, tmp_path / "pca.pkl", compress=compress)
    read = read_pca(tmp_path / "pca.pkl")
    np.testing.assert_array_equal(read.mean, pca.mean_)
    np.testing.assert_array_equal(read.components, pca.components_)
    if kind is IncrementalPCA:
        np.testing.assert_array_equal(read.variance, pca.var_)
    else:
        assert read.variance is None


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_a_plain_pickle_too(tmp_path: Path, protocol: int) -> None:
    pca = PCA(n_components=3, random_state=7).fit(_data().astype(np.float32))
    (tmp_path / "pca.pkl").write_bytes(pickle.dumps(pca, protocol=protocol))
    np.testing.assert_array_equal(read_pca(tmp_path / "pca.pkl").components, pca.components_)


def test_fortran_order_survives(tmp_path: Path) -> None:
    pca = PCA(n_components=3).fit(_data())
    pca.components_ = np.asfortranarray(pca.components_)
    joblib.dump(pca, tmp_path / "pca.pkl")
    np.testing.assert_array_equal(read_pca(tmp_path / "pca.pkl").components, pca.components_)


class _Runs:
    """Pickles as a call."""

    def __init__(self, function: Any, *args: Any) -> None:
        self.call = (function, args)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


def _hostile(flag: Path) -> dict[str, Any]:
    pca = PCA(n_components=2).fit(_data())
    inside = PCA(n_components=2).fit(_data())
    inside.mean_ = np.array([_Runs(os.system, f"touch {flag}")], dtype=object)
    hidden = PCA(n_components=2).fit(_data())
    hidden.note = _Runs(eval, f"open({str(flag)!r}, 'w')")
    chain = _Runs(getattr, _Runs(__import__, "os"), "system")
    return {
        "os.system": _Runs(os.system, f"touch {flag}"),
        "eval inside a PCA": hidden,
        "object array": inside,
        "getattr chain": chain,
        "import": _Runs(__import__, "antigravity"),
        "another estimator": KernelPCA(n_components=2).fit(_data()),
        "a function of numpy": _Runs(np.fromfile, str(flag)),
        "a list of a PCA": [pca],
        "a callable array": _Runs(np.ndarray, (3,)),
    }


@pytest.mark.parametrize("name", list(_hostile(Path("unused"))))
@pytest.mark.parametrize("writer", ["joblib", "pickle"])
def test_hostile_pickles_are_refused_and_do_not_run(tmp_path: Path, name: str, writer: str) -> None:
    flag = tmp_path / "ran"
    payload = _hostile(flag)[name]
    path = tmp_path / "pca.pkl"
    if writer == "joblib":
        joblib.dump(payload, path)
    else:
        path.write_bytes(pickle.dumps(payload))
    with pytest.raises(BundleError, match="was refused and nothing in it was run"):
        read_pca(path)
    assert not flag.exists()


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x02cposix\nsystem\nX\x04\x00\x00\x00trueq\x00\x85R.",
        b"\x80\x02csklearn.decomposition._pca\nPCA.__init__.__globals__\n.",
        b"(S'true'\nios\nsystem\n.",  # INST, protocol 0
        b"\x80\x02P1\n.",  # persistent id
        b"\x80\x02\x82\x01.",  # extension registry
        # BUILD on a class, not an instance: would set the class's attributes.
        b"\x80\x02csklearn.decomposition._pca\nPCA\n}X\x01\x00\x00\x00aK\x01sb.",
        b"\x80\x02}}K\x01s.",  # a dictionary as a key's place
        b"\x80\x02).",
        b"\x80\x02N.",
        b"\x80\x02000.",
        b"\x80\x02h\x05.",
        b"\x80\x02t.",
    ],
)
def test_handmade_programs(tmp_path: Path, program: bytes) -> None:
    path = tmp_path / "pca.pkl"
    path.write_bytes(program)
    with pytest.raises(BundleError, match=r"was refused|is no whole pickle"):
        read_pca(path)


def test_a_cut_or_bloated_file_is_refused(tmp_path: Path) -> None:
    stream = io.BytesIO()
    joblib.dump(PCA(n_components=4).fit(_data()), stream)
    whole, path = stream.getvalue(), tmp_path / "pca.pkl"
    for cut in range(0, len(whole) - 1, 37):
        path.write_bytes(whole[:cut])
        with pytest.raises(BundleError):
            read_pca(path)
    path.write_bytes(zlib.compress(b"\x80\x02" + bytes(300 * 1024 * 1024), 9))
    with pytest.raises(BundleError, match="unpacks to more than 256 MB"):
        read_pca(path)
    huge = whole.replace(b"K\x04K\t\x86", b"J\xff\xff\xff\x7fK\t\x86")
    assert huge != whole
    path.write_bytes(huge)
    with pytest.raises(BundleError, match="cut off"):
        read_pca(path)
    with pytest.raises(BundleError, match="cannot read"):
        read_pca(tmp_path / "absent.pkl")


def test_an_unfitted_pca_says_so(tmp_path: Path) -> None:
    joblib.dump(PCA(n_components=4), tmp_path / "pca.pkl")
    with pytest.raises(BundleError, match="never fitted: it has no mean_, components_"):
        read_pca(tmp_path / "pca.pkl")


def test_random_bytes_never_surprise(tmp_path: Path) -> None:
    whole = pickle.dumps(PCA(n_components=2).fit(_data()), protocol=2)
    rng = np.random.default_rng(0)
    path = tmp_path / "pca.pkl"
    opcodes = [op.code.encode("latin-1") for op in pickletools.opcodes]
    for _ in range(300):
        data = bytearray(whole)
        for place in rng.integers(0, len(data), 3):
            data[place : place + 1] = opcodes[rng.integers(len(opcodes))]
        path.write_bytes(bytes(data))
        try:
            read_pca(path)
        except BundleError:
            continue

"""Read a fitted scikit-learn PCA from a pickle without running anything it asks for.

`opcodes` reads the pickle as data; the names it may use are numpy's arrays and numbers, one
scikit-learn PCA and joblib's way of laying arrays raw between the opcodes.
"""

from __future__ import annotations

import bz2
import io
import lzma
import math
import struct
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import BundleError
from ralikit.importers import numpy_names
from ralikit.importers.budget import MB, Budget, Refusal
from ralikit.importers.found import what_begins
from ralikit.importers.opcodes import Interpreter, Made, Name, Vocabulary, of
from ralikit.printable import listed, shown

LIMIT = Budget().size
"""Largest pickle read, bytes, compressed or not: a 768-wide PCA has 3 MB."""

_ESTIMATORS: frozenset[Name] = frozenset(
    (f"sklearn.decomposition.{module}", name)
    for name, modules in (("PCA", ("_pca", "pca")), ("IncrementalPCA", ("_incremental_pca",)))
    for module in modules
) | {("sklearn.decomposition.incremental_pca", "IncrementalPCA")}
_JOBLIB = frozenset({("joblib.numpy_pickle", "NumpyArrayWrapper")})
_ADVICE = "save the PCA alone: joblib.dump(pca, 'pca.pkl')"


@dataclass(frozen=True, eq=False)
class FittedPca:
    """What a pickled PCA holds that a score needs.

    Attributes:
        mean: (D,).
        components: (M, D).
        variance: Variance of every input feature, (D,), which only an IncrementalPCA keeps; None.
    """

    mean: NDArray[np.float64]
    components: NDArray[np.float64]
    variance: NDArray[np.float64] | None


def read_pca(path: Path, *, budget: Budget | None = None) -> FittedPca:
    """Read a PCA or IncrementalPCA that joblib or pickle wrote, alone or inside a dictionary.

    Args:
        path: The pickle; plain, or compressed with zlib, gzip, bz2, xz or lzma.
        budget: What reading it may use; the usual one where None.

    Raises:
        BundleError: If the file is missing, too large, damaged, or asks for anything but a
            scikit-learn PCA and numeric arrays; nothing of it has run then.
    """
    budget = budget or Budget()
    try:
        data = _decompress(_read(path, budget), budget)
        value = Interpreter(io.BytesIO(data), _vocabulary(budget), budget).run()
        return _fitted(value, budget)
    except Refusal as error:
        raise BundleError(f"{path} was refused and nothing in it was run: {error}") from error
    except (ValueError, LookupError, TypeError, OverflowError, struct.error) as error:
        said = shown(str(error), most=300)
        raise BundleError(f"{path} is no whole pickle of a fitted PCA: {said}") from error


def _read(path: Path, budget: Budget) -> bytes:
    try:
        if path.stat().st_size > budget.size:
            raise Refusal(f"it has more than {budget.size // MB} MB")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror or error}") from error


def _zlib(data: bytes, limit: int) -> tuple[bytes, bool]:
    inflate = zlib.decompressobj(wbits=47)  # zlib or gzip, by its header
    return inflate.decompress(data, limit), bool(inflate.unconsumed_tail)


def _bz2(data: bytes, limit: int) -> tuple[bytes, bool]:
    inflate = bz2.BZ2Decompressor()
    plain = inflate.decompress(data, limit)
    return plain, len(plain) >= limit and not inflate.eof


def _lzma(data: bytes, limit: int) -> tuple[bytes, bool]:
    # A header may ask for a dictionary of 4 GB, whatever the file's size.
    inflate = lzma.LZMADecompressor(memlimit=LIMIT)
    plain = inflate.decompress(data, limit)
    return plain, len(plain) >= limit and not inflate.eof


_Inflate = Callable[[bytes, int], tuple[bytes, bool]]
_COMPRESSED: dict[bytes, _Inflate] = {
    b"\x78": _zlib,
    b"\x1f\x8b": _zlib,
    b"BZh": _bz2,
    b"\xfd7zXZ\x00": _lzma,
    b"\x5d\x00": _lzma,  # the older format without a header of its own
}
# How pickles begin: with their protocol, or, up to 1, with a class, a mark or a container.
_PICKLES = (b"\x80", b"ccopy_reg", b"csklearn", b"(dp", b"(lp", b"}q", b"]q")


def _decompress(data: bytes, budget: Budget) -> bytes:
    if data.startswith(_PICKLES):
        return data
    for start, inflate in _COMPRESSED.items():
        if data.startswith(start):
            try:
                # What it unpacks to lies beside what is read off it: both are paid.
                plain, more = inflate(data, budget.left)
            except (zlib.error, lzma.LZMAError, OSError, EOFError) as error:
                raise Refusal(f"its compression is damaged ({error})") from error
            if more:
                raise Refusal(f"it unpacks to more than {budget.size // MB} MB")
            return plain
    raise Refusal(f"{what_begins(data)}, not a pickle; {_ADVICE}")


def _vocabulary(budget: Budget) -> Vocabulary:
    return Vocabulary(
        makers=numpy_names.with_classes(numpy_names.makers(budget), _ESTIMATORS | _JOBLIB),
        mentioned=numpy_names.MENTIONED,
        only=f"a scikit-learn PCA is read; {_ADVICE}",
        built=_built,
    )


def _built(made: Made, take: Callable[[int], bytes]) -> Any:
    """An array that joblib laid between the opcodes; anything else stays."""
    if made.name not in _JOBLIB:
        return made
    state = of(made.state, dict)
    dtype = numpy_names.dtype_of(state["dtype"])
    shape: tuple[int, ...] = tuple(of(extent, int) for extent in of(state["shape"], tuple))
    if state.get("numpy_array_alignment_bytes") is not None:
        (padding,) = take(1)
        take(padding)
    if min(shape, default=0) < 0:
        raise Refusal("an array in it has a negative size")
    data = take(math.prod(shape) * dtype.itemsize)
    fortran = state.get("order") == "F"
    return numpy_names.shaped(np.frombuffer(data, dtype=dtype), shape, fortran=fortran)


def _fitted(value: Any, budget: Budget) -> FittedPca:
    state = of(_estimator(value).state, dict)
    missing = [name for name in ("mean_", "components_") if state.get(name) is None]
    if missing:
        raise Refusal(f"its PCA was never fitted: it has no {', '.join(missing)}")
    mean = numpy_names.array(state["mean_"], budget)
    components = numpy_names.array(state["components_"], budget)
    if mean.ndim != 1 or components.ndim != 2 or components.shape[1] != len(mean):
        raise Refusal(
            f"its mean_ has shape {mean.shape} and its components_ {components.shape}; (D,) and "
            "(M, D) are expected"
        )
    variance = state.get("var_")
    return FittedPca(
        mean=mean,
        components=components,
        variance=None if variance is None else numpy_names.array(variance, budget),
    )


def _estimator(value: Any) -> Made:
    """The PCA itself, or the only one of a dictionary."""
    if isinstance(value, dict):
        found = [v for v in value.values() if isinstance(v, Made) and v.name in _ESTIMATORS]
        if len(found) != 1:
            count = "no PCA" if not found else f"{len(found)} PCAs"
            raise Refusal(
                f"it holds a dictionary of {listed(value) or 'nothing'}, with {count} among "
                f"them; {_ADVICE}"
            )
        return found[0]
    if not isinstance(value, Made):
        raise Refusal(f"it holds a {type(value).__name__}, not a PCA (a made object); {_ADVICE}")
    if value.name not in _ESTIMATORS:
        raise Refusal(f"it holds a {'.'.join(value.name)}, not a scikit-learn PCA")
    return value

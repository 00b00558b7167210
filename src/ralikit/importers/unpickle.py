"""Read a fitted scikit-learn PCA from a pickle without running anything it asks for.

Unpickling runs code, so nothing is unpickled here. The opcodes are read as data by an interpreter
that can build numbers, text, lists, numpy arrays and one scikit-learn PCA; it has no way to import
or call anything. A name outside the few below, or an opcode outside the plain ones, is refused
where it stands. joblib's way of laying arrays raw between the opcodes is understood.
"""

from __future__ import annotations

import io
import math
import pickletools
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import BundleError

LIMIT = 256 * 1024 * 1024
"""Largest pickle read, bytes, compressed or not: a 768-wide PCA has 3 MB."""

Name = tuple[str, str]

_ESTIMATORS: frozenset[Name] = frozenset(
    (f"sklearn.decomposition.{module}", name)
    for name, modules in (("PCA", ("_pca", "pca")), ("IncrementalPCA", ("_incremental_pca",)))
    for module in modules
) | {("sklearn.decomposition.incremental_pca", "IncrementalPCA")}
_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_RECONSTRUCT = frozenset((module, "_reconstruct") for module in _MULTIARRAY)
_SCALAR = frozenset((module, "scalar") for module in _MULTIARRAY)
_FROM_BUFFER = frozenset((m, "_frombuffer") for m in ("numpy.core.numeric", "numpy._core.numeric"))
_DTYPE = frozenset({("numpy", "dtype")})
_NDARRAY = frozenset({("numpy", "ndarray")})
_JOBLIB = frozenset({("joblib.numpy_pickle", "NumpyArrayWrapper")})
_OBJECT = frozenset(
    {("copy_reg", "_reconstructor"), ("copyreg", "_reconstructor"), ("__builtin__", "object")}
    | {("builtins", "object"), ("_codecs", "encode")}
)
_ADMITTED = (
    _ESTIMATORS | _RECONSTRUCT | _SCALAR | _FROM_BUFFER | _DTYPE | _NDARRAY | _JOBLIB | _OBJECT
)
# Numbers alone: an array of objects would be pickled again inside.
_CODES = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"})


@dataclass(frozen=True)
class _Global:
    """A name the pickle mentions; it is never looked up."""

    name: Name


@dataclass(eq=False)
class _Made:
    """Something the pickle wants made: by which name, from what, with which state."""

    name: Name
    args: tuple[Any, ...]
    state: Any = None


@dataclass(eq=False)
class _Mark:
    """The stack's mark."""


@dataclass
class _Stack:
    items: list[Any] = field(default_factory=list)

    def push(self, value: Any) -> None:
        self.items.append(value)

    def pop(self) -> Any:
        if not self.items or isinstance(self.items[-1], _Mark):
            raise _Refusal("its opcodes do not fit together")
        return self.items.pop()

    def pop_to_mark(self) -> list[Any]:
        for index in range(len(self.items) - 1, -1, -1):
            if isinstance(self.items[index], _Mark):
                found = self.items[index + 1 :]
                del self.items[index:]
                return found
        raise _Refusal("its opcodes do not fit together")

    def top(self) -> Any:
        if not self.items:
            raise _Refusal("its opcodes do not fit together")
        return self.items[-1]


class _Refusal(Exception):  # noqa: N818 (an internal signal, turned into BundleError)
    """Why the pickle is not read."""


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


def read_pca(path: Path) -> FittedPca:
    """Read a PCA or IncrementalPCA that joblib or pickle wrote.

    Raises:
        BundleError: If the file is missing, too large, damaged, or asks for anything but a
            scikit-learn PCA and numeric arrays; nothing of it has run then.
    """
    try:
        data = _decompress(_read(path))
        value = _Interpreter(data).run()
        return _fitted(value)
    except _Refusal as error:
        raise BundleError(f"{path} was refused and nothing in it was run: {error}") from error
    except (ValueError, KeyError, IndexError, TypeError, OverflowError, struct.error) as error:
        raise BundleError(f"{path} is no whole pickle of a fitted PCA: {error}") from error


def _read(path: Path) -> bytes:
    try:
        if path.stat().st_size > LIMIT:
            raise _Refusal(f"it has more than {LIMIT // 2**20} MB")
        return path.read_bytes()
    except OSError as error:
        raise BundleError(f"cannot read {path}: {error.strerror or error}") from error


def _decompress(data: bytes) -> bytes:
    if data[:1] == b"\x80":
        return data
    if data[:1] != b"\x78" and data[:2] != b"\x1f\x8b":
        raise _Refusal("it is neither a pickle nor one compressed with zlib or gzip")
    inflate = zlib.decompressobj(wbits=47)  # either of the two, by its header
    try:
        plain = inflate.decompress(data, LIMIT)
    except zlib.error as error:
        raise _Refusal(f"its compression is damaged ({error})") from error
    if inflate.unconsumed_tail:
        raise _Refusal(f"it unpacks to more than {LIMIT // 2**20} MB")
    return plain


class _Interpreter:
    """Reads opcodes as data; see the module."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self.stream = io.BytesIO(data)
        self.stack = _Stack()
        self.memo: dict[int, Any] = {}

    def run(self) -> Any:
        """The value at STOP."""
        for name, argument in self._opcodes():
            if name == "STOP":
                return self.stack.pop()
            self._step(name, argument)
        raise _Refusal("it ends before its STOP")

    def _opcodes(self) -> Iterator[tuple[str, Any]]:
        for opcode, argument, _ in pickletools.genops(self.stream):
            yield opcode.name, argument

    def _step(self, name: str, argument: Any) -> None:
        stack = self.stack
        if name in ("PROTO", "FRAME"):
            return
        if name in _LITERALS:
            stack.push(argument)
        elif name in _CONSTANTS:
            stack.push(_CONSTANTS[name]())
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            self.memo[int(argument)] = stack.top()
        elif name == "MEMOIZE":
            self.memo[len(self.memo)] = stack.top()
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.push(self.memo[int(argument)])
        elif name in _TUPLES:
            stack.push(tuple([stack.pop() for _ in range(_TUPLES[name])][::-1]))
        elif name in ("TUPLE", "LIST"):
            items = stack.pop_to_mark()
            stack.push(tuple(items) if name == "TUPLE" else items)
        elif name in ("APPEND", "APPENDS"):
            items = [stack.pop()] if name == "APPEND" else stack.pop_to_mark()
            _of(stack.top(), list).extend(items)
        elif name in ("SETITEM", "SETITEMS", "DICT"):
            self._set_items(name)
        elif name == "GLOBAL":
            module, _, attribute = str(argument).partition(" ")
            stack.push(_admit(module, attribute))
        elif name == "STACK_GLOBAL":
            attribute, module = stack.pop(), stack.pop()
            stack.push(_admit(module, attribute))
        elif name in ("REDUCE", "NEWOBJ"):
            args, maker = _of(stack.pop(), tuple), stack.pop()
            stack.push(_make(_of(maker, _Global).name, args))
        elif name == "BUILD":
            state = stack.pop()
            made = _of(stack.top(), _Made)
            made.state = state
            if made.name in _JOBLIB:
                stack.pop()
                array = self._raw_array(_of(state, dict))
                stack.push(array)
                # The wrapper was memoised when it was made: later mentions mean the array.
                self.memo.update({k: array for k, v in self.memo.items() if v is made})
        else:
            raise _Refusal(f"it uses the opcode {name}, which a fitted PCA does not need")

    def _set_items(self, name: str) -> None:
        if name == "SETITEM":
            value, key = self.stack.pop(), self.stack.pop()
            pairs = [key, value]
        else:
            pairs = self.stack.pop_to_mark()
        if name == "DICT":
            self.stack.push({})
        target = _of(self.stack.top(), dict)
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            target[_of(key, str)] = value

    def _raw_array(self, state: dict[str, Any]) -> NDArray[Any]:
        """Read an array that joblib laid between the opcodes."""
        dtype = _dtype(state["dtype"])
        shape: tuple[int, ...] = tuple(_of(extent, int) for extent in _of(state["shape"], tuple))
        if state.get("numpy_array_alignment_bytes") is not None:
            (padding,) = self._take(1)
            self._take(padding)
        count = math.prod(shape)
        if min(shape, default=0) < 0:
            raise _Refusal("an array in it has a negative size")
        data = self._take(count * dtype.itemsize)
        return _shaped(np.frombuffer(data, dtype=dtype), shape, fortran=state.get("order") == "F")

    def _take(self, count: int) -> bytes:
        data = self.stream.read(count) if count <= self.size else b""
        if len(data) != count:
            raise _Refusal("an array in it is cut off")
        return data


_LITERALS = frozenset(
    {"BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BINFLOAT", "FLOAT"}
    | {"BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4"}
    | {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
)
_CONSTANTS: dict[str, Any] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "MARK": _Mark,
    "EMPTY_DICT": dict,
    "EMPTY_LIST": list,
    "EMPTY_TUPLE": tuple,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}


def _admit(module: Any, attribute: Any) -> _Global:
    name = (_of(module, str), _of(attribute, str))
    if name not in _ADMITTED:
        raise _Refusal(f"it asks for {'.'.join(name)}, and only a scikit-learn PCA is read")
    return _Global(name)


def _make(name: Name, args: tuple[Any, ...]) -> Any:
    if name in _FROM_BUFFER:
        data, dtype, shape, order = args
        flat = np.frombuffer(_of(data, bytes | bytearray), dtype=_dtype(dtype))
        return _shaped(flat, shape, fortran=order == "F")
    if name in _SCALAR:
        dtype, data = args
        return np.frombuffer(_of(data, bytes), dtype=_dtype(dtype))[0]
    if name[1] == "_reconstructor":  # pickles of protocol 0 and 1: (class, object, None)
        return _make(_of(args[0], _Global).name, ())
    if name[1] == "encode":  # bytes in protocol 0 to 2: (text, "latin1")
        return _of(args[0], str).encode("latin-1")
    if name in _ESTIMATORS | _RECONSTRUCT | _DTYPE | _JOBLIB:
        return _Made(name, args)
    raise _Refusal(f"it makes a {'.'.join(name)}, which a fitted PCA does not hold")


def _dtype(value: Any) -> np.dtype[Any]:
    made = _of(value, _Made)
    code = made.args[0] if made.name in _DTYPE and made.args else None
    if code not in _CODES:
        raise _Refusal(f"an array in it is of type {code!r}, and only numbers are read")
    order = made.state[1] if isinstance(made.state, tuple) and len(made.state) > 1 else "="
    dtype: np.dtype[Any] = np.dtype(code).newbyteorder(order if order in ("<", ">") else "=")
    return dtype


def _shaped(flat: NDArray[Any], shape: tuple[int, ...], *, fortran: bool) -> NDArray[Any]:
    return flat.reshape(shape, order="F") if fortran else flat.reshape(shape)


def _array(value: Any) -> NDArray[np.float64]:
    """Whatever form an array took in the pickle, as float64."""
    if isinstance(value, _Made) and value.name in _RECONSTRUCT:
        _, shape, dtype, fortran, data = _of(value.state, tuple)
        flat = np.frombuffer(_of(data, bytes), dtype=_dtype(dtype))
        value = _shaped(flat, shape, fortran=bool(fortran))
    if not isinstance(value, np.ndarray):
        raise _Refusal(f"an array is expected where it has a {type(value).__name__}")
    return value.astype(np.float64)


def _fitted(value: Any) -> FittedPca:
    made = _of(value, _Made)
    if made.name not in _ESTIMATORS:
        raise _Refusal(f"it holds a {'.'.join(made.name)}, not a scikit-learn PCA")
    state = _of(made.state, dict)
    missing = [name for name in ("mean_", "components_") if state.get(name) is None]
    if missing:
        raise _Refusal(f"its PCA was never fitted: it has no {', '.join(missing)}")
    mean, components = _array(state["mean_"]), _array(state["components_"])
    variance = state.get("var_")
    return FittedPca(
        mean=mean,
        components=components,
        variance=None if variance is None else _array(variance),
    )


def _of(value: Any, kind: Any) -> Any:
    if not isinstance(value, kind):
        wanted = getattr(kind, "__name__", str(kind)).strip("_").lower()
        raise _Refusal(f"a {wanted} is expected where it has a {type(value).__name__}")
    return value

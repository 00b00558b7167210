"""How numpy's arrays and numbers lie in a pickle, and what is made of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.importers.budget import Budget, Refusal
from ralikit.importers.opcodes import Global, Made, Maker, Name, inert, make, of
from ralikit.printable import shown

_MULTIARRAY = ("numpy.core.multiarray", "numpy._core.multiarray")
_RECONSTRUCT = frozenset((module, "_reconstruct") for module in _MULTIARRAY)
_SCALAR = frozenset((module, "scalar") for module in _MULTIARRAY)
_FROM_BUFFER = frozenset((m, "_frombuffer") for m in ("numpy.core.numeric", "numpy._core.numeric"))
_DTYPE = frozenset({("numpy", "dtype")})
# State of random generators, e.g. of an estimator's `random_state`: kept as a description.
_RANDOM = frozenset(
    ("numpy.random._pickle", name)
    for name in ("__randomstate_ctor", "__generator_ctor", "__bit_generator_ctor")
)
_BUILTINS = ("builtins", "__builtin__")
_RECONSTRUCTOR = frozenset((m, "_reconstructor") for m in ("copy_reg", "copyreg"))

MENTIONED: frozenset[Name] = frozenset(
    {("numpy", "ndarray"), ("numpy.random._mt19937", "MT19937"), ("numpy.random._pcg64", "PCG64")}
    | {(module, "object") for module in _BUILTINS}
)

# Numbers alone: an array of objects would be pickled again inside.
_CODES = frozenset({"f2", "f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "b1"})


def makers(budget: Budget) -> dict[Name, Maker]:
    """What numpy's calls become, and those that every pickle of protocol 0 to 2 makes.

    Args:
        budget: Charged for text that is turned into bytes, a copy each time.
    """

    def encode(args: tuple[Any, ...]) -> bytes:  # bytes in protocol 0 to 2: (text, "latin1")
        text: str = of(args[0], str)
        budget.unpack(len(text))
        return text.encode("latin-1")

    def reconstructor(args: tuple[Any, ...]) -> Any:  # protocol 0 and 1: (class, object, None)
        return make(table, of(args[0], Global).name, ())

    table: dict[Name, Maker] = {
        **dict.fromkeys(_FROM_BUFFER, _from_buffer),
        **dict.fromkeys(_SCALAR, _scalar),
        **dict.fromkeys(_RECONSTRUCTOR, reconstructor),
        ("_codecs", "encode"): encode,
        **inert(_RECONSTRUCT | _DTYPE | _RANDOM),
    }
    return table


def dtype_of(value: Any) -> np.dtype[Any]:
    """The type that a description of one means.

    Raises:
        Refusal: If it is not one of plain numbers.
    """
    made = of(value, Made)
    code = made.args[0] if made.name in _DTYPE and made.args else None
    if code not in _CODES:
        what = shown(repr(code))
        raise Refusal(f"an array in it is of type {what}, and only numbers are read")
    order = made.state[1] if isinstance(made.state, tuple) and len(made.state) > 1 else "="
    dtype: np.dtype[Any] = np.dtype(code).newbyteorder(order if order in ("<", ">") else "=")
    return dtype


def shaped(flat: NDArray[Any], shape: tuple[int, ...], *, fortran: bool) -> NDArray[Any]:
    """A flat array in its shape."""
    return flat.reshape(shape, order="F") if fortran else flat.reshape(shape)


def array(value: Any, budget: Budget) -> NDArray[np.float64]:
    """Whatever form an array took in the pickle, as float64.

    Raises:
        Refusal: If it is none, or holds more numbers than the budget has.
    """
    if isinstance(value, Made) and value.name in _RECONSTRUCT:
        _, shape, dtype, fortran, data = of(value.state, tuple)
        flat = np.frombuffer(of(data, bytes), dtype=dtype_of(dtype))
        value = shaped(flat, shape, fortran=bool(fortran))
    if not isinstance(value, np.ndarray):
        raise Refusal(f"an array is expected where it has a {type(value).__name__}")
    budget.number(value.size)
    return value.astype(np.float64)


def _from_buffer(args: tuple[Any, ...]) -> NDArray[Any]:
    data, dtype, shape, order = args
    flat = np.frombuffer(of(data, (bytes, bytearray)), dtype=dtype_of(dtype))
    return shaped(flat, shape, fortran=order == "F")


def _scalar(args: tuple[Any, ...]) -> Any:
    dtype, data = args
    return np.frombuffer(of(data, bytes), dtype=dtype_of(dtype))[0]


def with_classes(table: Mapping[Name, Maker], classes: frozenset[Name]) -> dict[Name, Maker]:
    """The table and classes whose instances are kept as a description."""
    # In place, so that what protocol 0 and 1 reconstruct is looked up among the classes too.
    whole = table if isinstance(table, dict) else dict(table)
    whole.update(inert(classes))
    return whole

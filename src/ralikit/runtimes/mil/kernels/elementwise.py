"""Elementwise arithmetic, comparison and casts."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from ralikit.runtimes.mil.kernels.registry import KERNELS, Kernel, Operand, kernel, pair

_BINARY: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "add": torch.add,
    "sub": torch.sub,
    "mul": torch.mul,
    "real_div": torch.true_divide,
    "floor_div": torch.floor_divide,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "mod": torch.remainder,
    "pow": torch.pow,
    "equal": torch.eq,
    "not_equal": torch.ne,
    "greater": torch.gt,
    "greater_equal": torch.ge,
    "less": torch.lt,
    "less_equal": torch.le,
    "logical_and": torch.logical_and,
    "logical_or": torch.logical_or,
    "logical_xor": torch.logical_xor,
}

_UNARY: dict[str, Callable[[Tensor], Tensor]] = {
    "abs": torch.abs,
    "acos": torch.acos,
    "asin": torch.asin,
    "atan": torch.atan,
    "atanh": torch.atanh,
    "ceil": torch.ceil,
    "cos": torch.cos,
    "cosh": torch.cosh,
    "erf": torch.erf,
    "exp": torch.exp,
    "exp2": torch.exp2,
    "floor": torch.floor,
    "logical_not": torch.logical_not,
    "round": torch.round,  # halves to even, as MIL
    "sign": torch.sign,
    "sin": torch.sin,
    "sinh": torch.sinh,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "tan": torch.tan,
    "tanh": torch.tanh,
}

DTYPES = {
    "fp16": torch.float32,  # computed wider; the program rounds where it is asked to
    "fp32": torch.float32,
    "int8": torch.int8,
    "uint8": torch.uint8,
    "int16": torch.int16,
    "uint16": torch.int32,
    "int32": torch.int32,
    "uint32": torch.int64,
    "int64": torch.int64,
    "bool": torch.bool,
}
"""How each MIL type is held here."""


def _binary(function: Callable[[Tensor, Tensor], Tensor]) -> Kernel:
    def run(x: Operand, y: Operand) -> Tensor:
        return function(*pair(x, y))

    return run


def _unary(function: Callable[[Tensor], Tensor]) -> Kernel:
    def run(x: Tensor) -> Tensor:
        return function(x)

    return run


KERNELS.update({name: _binary(function) for name, function in _BINARY.items()})
KERNELS.update({name: _unary(function) for name, function in _UNARY.items()})


@kernel("rsqrt")
def rsqrt(x: Tensor, epsilon: float = 1e-12) -> Tensor:
    """1 / sqrt(x + epsilon)."""
    return torch.rsqrt(x + epsilon)


@kernel("inverse")
def inverse(x: Tensor, epsilon: float = 1e-4) -> Tensor:
    """1 / (x + epsilon)."""
    return torch.reciprocal(x + epsilon)


@kernel("log")
def log(x: Tensor, epsilon: float = 1e-45) -> Tensor:
    """log(x + epsilon)."""
    return torch.log(x + epsilon)


@kernel("clip")
def clip(x: Tensor, alpha: float, beta: float) -> Tensor:
    """x between alpha and beta."""
    return torch.clamp(x, alpha, beta)


@kernel("threshold")
def threshold(x: Tensor, alpha: float) -> Tensor:
    """max(x, alpha)."""
    return torch.clamp_min(x, alpha)


@kernel("cast")
def cast(x: Tensor, dtype: str) -> Tensor:
    """Another type; floats lose their fraction on the way to integers."""
    return x.to(DTYPES[dtype])


@kernel("select")
def select(cond: Operand, a: Operand, b: Operand) -> Tensor:
    """a where cond holds, else b."""
    a, b = pair(a, b)
    return torch.where(torch.as_tensor(cond), a, b)


@kernel("identity")
def identity(x: Tensor) -> Tensor:
    """x."""
    return x

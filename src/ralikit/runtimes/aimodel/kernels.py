"""Core AI's operations over torch: those that a folded scorer's program has."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ralikit.runtimes.aimodel.read import Operation
from ralikit.runtimes.mil import dequantise

Kernel = Callable[[Operation, Sequence[Tensor]], Tensor]


def _whole(tensor: Tensor) -> list[int]:
    return [int(n) for n in tensor.flatten().tolist()]


def _conv2d(op: Operation, x: Sequence[Tensor]) -> Tensor:
    image, weight, stride, dilation, groups = x
    return F.conv2d(
        image, weight, None, _whole(stride), 0, _whole(dilation), int(groups.flatten()[0])
    )


def _pad(op: Operation, x: Sequence[Tensor]) -> Tensor:
    image, sides, value = x
    mode = op.words.get("padding_mode", "")
    if "<constant>" not in mode:
        raise ValueError(f"it pads with {mode or 'no mode'}, and only constants are known here")
    pairs = torch.tensor(_whole(sides)).view(-1, 2).flip(0).flatten()  # torch: last axis first
    return F.pad(image, pairs.tolist(), value=float(value))


def _slice(op: Operation, x: Sequence[Tensor]) -> Tensor:
    values, begin, end, step = x
    parts = zip(_whole(begin), _whole(end), _whole(step), strict=True)
    return values[tuple(slice(a, b, s) for a, b, s in parts)]


def _gelu(op: Operation, x: Sequence[Tensor]) -> Tensor:
    tanh = any("tanh" in word for word in op.words.values())
    return F.gelu(x[0], approximate="tanh" if tanh else "none")


def _palette(op: Operation, x: Sequence[Tensor]) -> Tensor:
    indices, lut, axis = x
    dense = dequantise.palette(indices.numpy(), lut.numpy(), int(axis.flatten()[0]))
    return torch.from_numpy(np.ascontiguousarray(dense))


def _shift_scale(op: Operation, x: Sequence[Tensor]) -> Tensor:
    # scale * (data - offset1) + offset2, rounded once where the program rounds.
    data, scale, first, second = (_spread(part, x[0].shape).float() for part in x)
    return scale * (data - first) + second


def _quantize(op: Operation, x: Sequence[Tensor]) -> Tensor:
    # One step for the whole tensor; codes stay floats here, as all values do.
    values, scale, zero, least = _of_tensor(x)
    return torch.clamp(torch.round((values - least) / scale) + zero, -128, 127)


def _dequantize(op: Operation, x: Sequence[Tensor]) -> Tensor:
    codes, scale, zero, least = _of_tensor(x)
    return scale * (codes - zero) + least


def _of_tensor(x: Sequence[Tensor]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    values, scale, zero, least, _ = x
    if any(part.numel() != 1 for part in (scale, zero, least)):
        raise ValueError("steps for channels of what a layer reads are not known here")
    return values, scale.reshape(()), zero.reshape(()).float(), least.reshape(())


def _spread(values: Tensor, shape: torch.Size) -> Tensor:
    for axis, extent in enumerate(shape):
        if values.shape[axis] != extent:
            values = values.repeat_interleave(extent // values.shape[axis], axis)
    return values


KERNELS: dict[str, Kernel] = {
    "blockwise_shift_scale": _shift_scale,
    "broadcasting_add": lambda op, x: x[0] + x[1],
    "broadcasting_batch_matmul": lambda op, x: torch.matmul(x[0], x[1]),
    "broadcasting_divide": lambda op, x: x[0] / x[1],
    "broadcasting_maximum": lambda op, x: torch.maximum(x[0], x[1]),
    "broadcasting_minimum": lambda op, x: torch.minimum(x[0], x[1]),
    "broadcasting_mul": lambda op, x: x[0] * x[1],
    "broadcasting_sub": lambda op, x: x[0] - x[1],
    "broadcast_in_dims": lambda op, x: x[0].expand(op.shape),
    "cast": lambda op, x: x[0],  # its result is made the declared type
    "concat": lambda op, x: torch.cat(list(x[1:]), int(x[0].flatten()[0])),
    "conv2d": _conv2d,
    "dequantize": _dequantize,
    "exp": lambda op, x: torch.exp(x[0]),
    "gelu": _gelu,
    "lut_to_dense": _palette,
    "pad": _pad,
    "quantize": _quantize,
    "reduce_mean": lambda op, x: x[0].mean(_whole(x[1]), keepdim=True),
    "reduce_sum": lambda op, x: x[0].sum(_whole(x[1]), keepdim=True),
    "reshape": lambda op, x: x[0].reshape(op.shape),
    "relu": lambda op, x: torch.relu(x[0]),
    "rsqrt": lambda op, x: torch.rsqrt(x[0]),
    "sigmoid": lambda op, x: torch.sigmoid(x[0]),
    "silu": lambda op, x: F.silu(x[0]),
    "slice": _slice,
    "softmax": lambda op, x: torch.softmax(x[0], int(x[1].flatten()[0])),
    "tanh": lambda op, x: torch.tanh(x[0]),
    "transpose": lambda op, x: x[0].permute(_whole(x[1])),
}
"""By operation. Sums are float32; what a program declares float16 is rounded after each step."""

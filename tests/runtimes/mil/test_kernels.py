"""Every kernel of the Core ML evaluator against an answer that is not ours.

Where coremltools folds constants itself, its numpy arithmetic is the answer; elsewhere torch's own
layers or numpy written out here.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support_mil import block_of, builder, flatten, target
from torch.nn import functional as F

from ralikit.runtimes.mil.kernels import KERNELS
from ralikit.runtimes.mil.program import Program
from ralikit.runtimes.mil.silent import quiet_logs

Array = NDArray[Any]
Answer = Callable[..., Any]


@dataclass(frozen=True)
class Case:
    """One operation: what it is fed, its settings, and (unless coremltools folds it) the answer."""

    op: str
    feeds: Mapping[str, Array | tuple[Array, ...]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    answer: Answer | None = None
    ios: int = 17
    about: str = ""

    def __str__(self) -> str:
        return f"{self.op}-{self.about}" if self.about else self.op


def evaluated(case: Case) -> list[Array]:
    program = Program(block_of(case.op, case.feeds, case.settings, case.ios), where="test")
    results = program.run(flatten(case.feeds))
    return [results[name] for name in program.outputs]


def folded(case: Case) -> list[Array]:
    """coremltools' own value of the operation on constants."""
    from coremltools.converters.mil.mil import Function

    with quiet_logs(), Function({}, opset_version=target(case.ios)):
        # Copies: coremltools' folding of some activations writes into its input.
        results = getattr(builder(), case.op)(**copy.deepcopy(dict(case.feeds)), **case.settings)
    results = results if isinstance(results, tuple | list) else [results]
    assert all(var.val is not None for var in results), "coremltools does not fold this operation"
    return [np.asarray(var.val) for var in results]


RNG = np.random.default_rng(5)


def r(*shape: int) -> Array:
    return RNG.normal(size=shape).astype(np.float32)


def t(array: Array) -> torch.Tensor:
    return torch.from_numpy(array)


X234, X23, POSITIVE = r(2, 3, 4), r(2, 3), np.abs(r(3, 4)) + 0.1
FLAGS = np.array([[True, False, True], [False, False, True]])
INTS = np.array([[7, -7, 5], [-5, 3, 8]], dtype=np.int32)

BINARY = [
    Case(op, {"x": r(2, 3, 1), "y": r(1, 4)}, about="broadcast")
    for op in ("add", "sub", "mul", "real_div", "maximum", "minimum")
] + [
    Case("pow", {"x": POSITIVE, "y": r(3, 4)}),
    Case("mod", {"x": INTS, "y": np.array([[3, 3, -3], [3, -2, 5]], np.int32)}, about="signs"),
    Case("floor_div", {"x": INTS, "y": np.array([[2, 2, -3], [3, -2, 5]], np.int32)}),
    *[
        Case(op, {"x": INTS, "y": INTS[::-1].copy()})
        for op in ("equal", "not_equal", "greater", "greater_equal", "less", "less_equal")
    ],
    *[
        Case(op, {"x": FLAGS, "y": FLAGS[::-1].copy()})
        for op in ("logical_and", "logical_or", "logical_xor")
    ],
    Case("mul", {"x": X23}, {"y": np.float32(2.5)}, lambda x, y: x * y, about="number"),
    Case("sub", {"y": X23}, {"x": np.float32(2.5)}, lambda y, x: x - y, about="number first"),
]
UNARY = [
    *[
        Case(op, {"x": r(3, 4)})
        for op in (
            "abs",
            "atan",
            "ceil",
            "cos",
            "cosh",
            "erf",
            "exp",
            "exp2",
            "floor",
            "sign",
            "sin",
            "sinh",
            "square",
            "tan",
            "tanh",
        )
    ],
    *[Case(op, {"x": (r(3, 4) / 4).clip(-0.9, 0.9)}) for op in ("acos", "asin", "atanh")],
    Case("round", {"x": np.array([0.5, 1.5, 2.5, -0.5, 2.4], np.float32)}, about="halves to even"),
    Case("sqrt", {"x": POSITIVE}),
    Case("rsqrt", {"x": POSITIVE}, {"epsilon": 0.5}, about="epsilon"),
    Case("rsqrt", {"x": POSITIVE}),
    Case("log", {"x": POSITIVE}, {"epsilon": 0.5}),
    Case("inverse", {"x": POSITIVE}),
    Case("clip", {"x": X23}, {"alpha": -0.3, "beta": 0.6}),
    Case("threshold", {"x": X23}, {"alpha": 0.2}),
    Case("logical_not", {"x": FLAGS}),
    Case("identity", {"x": X23}, answer=lambda x: x),
    Case(
        "cast",
        {"x": np.array([1.9, -1.9, 0.0], np.float32)},
        {"dtype": "int32"},
        about="towards 0",
    ),
    Case("cast", {"x": INTS}, {"dtype": "fp32"}),
    Case("cast", {"x": np.array([0.0, 0.5], np.float32)}, {"dtype": "bool"}),
    Case("select", {"cond": FLAGS, "a": X23, "b": r(2, 3)}),
]
ACTIVATIONS = [
    *[Case(op, {"x": 4 * r(3, 4)}) for op in ("relu", "relu6", "sigmoid", "softplus", "softsign")],
    Case("silu", {"x": X23}, answer=lambda x: x / (1 + np.exp(-x))),
    *[
        Case("gelu", {"x": 2 * X23}, {"mode": mode}, about=mode.lower())
        for mode in ("EXACT", "TANH_APPROXIMATION", "SIGMOID_APPROXIMATION")
    ],
    Case("softmax", {"x": X234}, {"axis": 1}),
    Case("softmax", {"x": 200 * X23}, about="large", answer=lambda x: F.softmax(t(x), -1).numpy()),
    Case("leaky_relu", {"x": X23}, {"alpha": 0.1}),
    Case("elu", {"x": X23}, {"alpha": 0.7}),
    Case(
        "prelu",
        {"x": r(2, 3, 2, 2)},
        {"alpha": np.array([0.1, 0.2, 0.3], np.float32)},
        lambda x, alpha: np.where(x >= 0, x, x * alpha[None, :, None, None]),
    ),
    Case("clamped_relu", {"x": 3 * X23}, {"alpha": 0.1, "beta": 1.0}),
    Case("thresholded_relu", {"x": X23}, {"alpha": 0.4}),
    Case("linear_activation", {"x": X23}, {"alpha": 0.4, "beta": 2.0}),
    Case("scaled_tanh", {"x": X23}, {"alpha": 0.4, "beta": 2.0}),
    Case("sigmoid_hard", {"x": 3 * X23}, {"alpha": 0.2, "beta": 0.5}),
]
REDUCTIONS = [
    *[
        Case(f"reduce_{op}", {"x": X234}, {"axes": axes, "keep_dims": keep}, about=f"{axes}")
        for op in ("mean", "sum", "max", "min", "prod", "l1_norm", "l2_norm", "sum_square")
        for axes, keep in (([1], False), ([0, -1], True))
    ],
    Case("reduce_log_sum", {"x": POSITIVE}, {"axes": [1]}),
    Case("reduce_log_sum_exp", {"x": X23}, {"axes": [-1]}),
    Case("reduce_sum", {"x": X234}, about="all"),
    Case("reduce_argmax", {"x": X234}, {"axis": 1}),
    Case("reduce_argmin", {"x": X234}, {"axis": -1, "keep_dims": True}),
]
SHAPES = [
    Case("transpose", {"x": X234}, {"perm": [2, 0, 1]}),
    Case("reshape", {"x": X234}, {"shape": [4, -1]}),
    Case("reshape", {"x": X234}, {"shape": [0, -1, 2]}, about="0 keeps"),
    Case("squeeze", {"x": r(1, 3, 1, 2)}, {"axes": [0, 2]}),
    Case("squeeze", {"x": r(1, 3, 1, 2)}, about="all"),
    Case("expand_dims", {"x": X23}, {"axes": [0, -1]}),
    Case("concat", {"values": (X23, r(4, 3))}, {"axis": 0}),
    Case(
        "concat",
        {"values": (X23, X23 + 1)},
        {"axis": 1, "interleave": True},
        lambda values, **_: np.stack(values, axis=-1).reshape(2, 6),  # coremltools folds it wrongly
        about="in turns",
    ),
    Case("stack", {"values": (X23, r(2, 3))}, {"axis": -1}),
    Case("split", {"x": X234}, {"num_splits": 2, "axis": -1}),
    Case("split", {"x": X234}, {"split_sizes": [1, 2], "axis": 1}, about="sizes"),
    Case(
        "slice_by_index",
        {"x": r(4, 5, 6)},
        {"begin": [1, 4, 0], "end": [4, 0, -1], "stride": [2, -2, 1]},
        about="backwards",
    ),
    Case(
        "slice_by_index",
        {"x": r(4, 5, 6)},
        {
            "begin": [1, 2, 3],
            "end": [2, 3, 4],
            "begin_mask": [True, False, False],
            "end_mask": [False, True, False],
            "squeeze_mask": [False, False, True],
        },
        about="masks",
    ),
    Case("slice_by_size", {"x": r(4, 5)}, {"begin": [1, 2], "size": [2, -1]}),
    Case("gather", {"x": r(4, 5)}, {"indices": np.array([[3, 0], [1, 1]]), "axis": 1}),
    Case("gather", {"x": r(4, 5)}, {"indices": np.int32(2), "axis": 0}, about="one"),
    Case(
        "gather_along_axis",
        {"x": X23},
        {"indices": np.array([[1, 0, 1]], np.int32), "axis": 0},
    ),
    Case("tile", {"x": X23}, {"reps": [2, 3]}),
    Case("pad", {"x": X23}, {"pad": [0, 1, 2, 0], "constant_val": 1.5}, about="constant"),
    Case("pad", {"x": X234}, {"pad": [2, 1], "mode": "reflect"}, about="reflect, last axis"),
    Case("pad", {"x": X234}, {"pad": [1, 0, 3, 3], "mode": "replicate"}, about="replicate"),
    Case("reverse", {"x": X234}, {"axes": [0, 2]}),
    Case(
        "cumsum",
        {"x": X23},
        {"axis": 1, "exclusive": True, "reverse": True},
        lambda x, **_: np.stack([x[:, 1] + x[:, 2], x[:, 2], 0 * x[:, 2]], axis=1),
        about="what follows",
    ),
    Case("cumsum", {"x": X23}, {"axis": 0}),
    Case("shape", {"x": X234}, answer=lambda x: np.array(x.shape)),
    Case(
        "fill",
        {"shape": np.array([2, 3], np.int32)},
        {"value": 1.5},
        lambda shape, value: np.full(shape, value),
    ),
    Case(
        "pixel_shuffle",
        {"x": r(1, 8, 2, 3)},
        {"upscale_factor": 2},
        lambda x, upscale_factor: F.pixel_shuffle(t(x), upscale_factor).numpy(),
    ),
]
LINEAR = [
    Case("linear", {"x": X234}, {"weight": r(5, 4), "bias": r(5)}),
    Case("linear", {"x": X23}, {"weight": r(5, 3)}, about="no bias"),
    Case("matmul", {"x": r(2, 1, 3, 4), "y": r(5, 4, 6)}, about="broadcast"),
    Case("matmul", {"x": r(2, 4, 3), "y": r(2, 6, 4)}, {"transpose_x": True, "transpose_y": True}),
    Case("einsum", {"values": (r(2, 3, 4, 5), r(2, 5, 4, 6))}, {"equation": "nchw,nwhu->nchu"}),
    Case("einsum", {"values": (r(3, 1, 5), r(5, 4, 6))}, {"equation": "chw,whr->chr"}, about="1"),
    Case(
        "scaled_dot_product_attention",
        {"query": r(2, 3, 4, 8), "key": r(2, 3, 5, 8), "value": r(2, 3, 5, 6)},
        ios=18,
    ),
    Case(
        "scaled_dot_product_attention",
        {
            "query": r(2, 4, 8),
            "key": r(2, 3, 8),
            "value": r(2, 3, 8),
            "attn_mask": np.tril(np.ones((4, 3), bool)),
        },
        ios=18,
        about="mask",
    ),
]
NORMS = [
    Case("layer_norm", {"x": X234}, {"axes": [-1], "gamma": r(4), "beta": r(4), "epsilon": 1e-3}),
    Case("layer_norm", {"x": X234}, {"axes": [1, 2], "gamma": r(3, 4), "beta": r(3, 4)}),
    Case("layer_norm", {"x": X234}, {"axes": [1]}, about="middle axis, plain"),
    Case("l2_norm", {"x": r(2, 3, 4, 5)}),
    Case(
        "batch_norm",
        {"x": r(2, 3, 4, 4)},
        {"mean": r(3), "variance": POSITIVE[:, 0], "gamma": r(3), "beta": r(3), "epsilon": 1e-3},
        lambda x, mean, variance, gamma, beta, epsilon: F.batch_norm(
            t(x), t(mean), t(variance), t(gamma), t(beta), eps=epsilon
        ).numpy(),
    ),
    Case(
        "instance_norm",
        {"x": r(2, 3, 4, 4)},
        {"gamma": r(3), "beta": r(3), "epsilon": 1e-3},
        lambda x, gamma, beta, epsilon: F.instance_norm(
            t(x), weight=t(gamma), bias=t(beta), eps=epsilon
        ).numpy(),
    ),
]


def conv_answer(
    x: Array,
    weight: Array,
    bias: Array | None = None,
    pad: list[int] | None = None,
    strides: list[int] | None = None,
    dilations: list[int] | None = None,
    groups: int = 1,
    **_: Any,
) -> Array:
    """2-D convolution as sums over the kernel, in float64."""
    sy, sx = strides or (1, 1)
    dy, dx = dilations or (1, 1)
    top, bottom, left, right = pad or (0, 0, 0, 0)
    x = np.pad(x.astype(np.float64), ((0, 0), (0, 0), (top, bottom), (left, right)))
    kh, kw = weight.shape[2:]
    height = (x.shape[2] - (kh - 1) * dy - 1) // sy + 1
    width = (x.shape[3] - (kw - 1) * dx - 1) // sx + 1
    outs, ins = weight.shape[0] // groups, weight.shape[1]
    result = np.zeros((x.shape[0], weight.shape[0], height, width))
    for g in range(groups):
        for i in range(kh):
            for j in range(kw):
                window = x[
                    :,
                    g * ins : (g + 1) * ins,
                    i * dy : i * dy + (height - 1) * sy + 1 : sy,
                    j * dx : j * dx + (width - 1) * sx + 1 : sx,
                ]
                kernel = weight[g * outs : (g + 1) * outs, :, i, j]
                result[:, g * outs : (g + 1) * outs] += np.einsum("nchw,oc->nohw", window, kernel)
    return result if bias is None else result + bias[None, :, None, None]


def same_answer(x: Array, weight: Array, **settings: Any) -> Array:
    """TensorFlow's SAME: ceil(n / stride) positions, an odd zero after (`same_lower`: before)."""
    settings = dict(settings)
    lower = settings.pop("pad_type") == "same_lower"
    pads = []
    for extent, kernel, stride in zip(
        x.shape[2:], weight.shape[2:], settings["strides"], strict=True
    ):
        total = max((int(np.ceil(extent / stride)) - 1) * stride + kernel - extent, 0)
        after = total // 2 if lower else total - total // 2
        pads += [total - after, after]
    return conv_answer(x, weight, pad=pads, **settings)


CONVOLUTIONS = [
    Case(
        "conv",
        {"x": r(2, 4, 7, 6)},
        {"weight": r(6, 4, 3, 2), "bias": r(6), "strides": [2, 1], "pad_type": "valid"},
        conv_answer,
        about="valid",
    ),
    Case(
        "conv",
        {"x": r(1, 4, 7, 6)},
        {"weight": r(8, 2, 3, 3), "pad_type": "custom", "pad": [0, 1, 2, 0], "groups": 2},
        conv_answer,
        about="odd pads, groups",
    ),
    Case(
        "conv",
        {"x": r(1, 5, 6, 6)},
        {
            "weight": r(5, 1, 3, 3),
            "bias": r(5),
            "pad_type": "custom",
            "pad": [1, 1, 1, 1],
            "strides": [2, 2],
            "groups": 5,
        },
        conv_answer,
        about="depthwise",
    ),
    Case(
        "conv",
        {"x": r(1, 2, 9, 9)},
        {"weight": r(3, 2, 3, 3), "dilations": [2, 3], "pad_type": "valid"},
        conv_answer,
        about="dilated",
    ),
    *[
        Case(
            "conv",
            {"x": r(1, 2, 8, 7)},
            {"weight": r(3, 2, 3, 4), "strides": [2, 2], "pad_type": pad_type},
            same_answer,
            about=pad_type,
        )
        for pad_type in ("same", "same_lower")
    ],
    Case(
        "conv",
        {"x": r(2, 3, 9)},
        {"weight": r(4, 3, 3), "strides": [2], "pad_type": "custom", "pad": [0, 2]},
        lambda x, weight, **_: F.conv1d(F.pad(t(x), (0, 2)), t(weight), stride=2).numpy(),
        about="1-D",
    ),
    Case(
        "max_pool",
        {"x": -np.abs(r(1, 2, 5, 5))},
        {
            "kernel_sizes": [3, 3],
            "strides": [2, 2],
            "pad_type": "custom",
            "pad": [1, 1, 1, 1],
        },
        lambda x, **_: F.max_pool2d(t(x), 3, 2, 1).numpy(),
        about="padding never wins",
    ),
    *[
        Case(
            "avg_pool",
            {"x": r(1, 2, 5, 5)},
            {
                "kernel_sizes": [3, 3],
                "strides": [2, 2],
                "pad_type": "custom",
                "pad": [1, 1, 1, 1],
                "exclude_padding_from_average": exclude,
            },
            lambda x, exclude_padding_from_average, **_: F.avg_pool2d(
                t(x), 3, 2, 1, count_include_pad=not exclude_padding_from_average
            ).numpy(),
            about=f"exclude {exclude}",
        )
        for exclude in (False, True)
    ],
]
QUANTISED = [
    Case(
        "quantize",
        {"input": 3 * r(2, 3, 4)},
        {
            "scale": np.array([0.02, 0.05, 0.1], np.float32),
            "zero_point": np.array([3, -4, 0], np.int8),
            "axis": 1,
            "output_dtype": "int8",
        },
    ),
    Case(
        "quantize",
        {"input": 9 * X23},
        {"scale": np.float32(0.05), "zero_point": np.uint8(7), "output_dtype": "uint8"},
        about="clipped",
    ),
    Case(
        "dequantize",
        {"input": RNG.integers(-128, 128, (2, 3)).astype(np.int8)},
        {"scale": np.float32(0.05), "zero_point": np.int8(7)},
        lambda scale, zero_point, **x: scale * (x["input"].astype(np.float32) - zero_point),
    ),
]
CASES = [
    *BINARY,
    *UNARY,
    *ACTIVATIONS,
    *REDUCTIONS,
    *SHAPES,
    *LINEAR,
    *NORMS,
    *CONVOLUTIONS,
    *QUANTISED,
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_operation(case: Case) -> None:
    if case.answer is None:
        expected = folded(case)
    else:
        answer = case.answer(**case.feeds, **case.settings)
        expected = list(answer) if isinstance(answer, tuple) else [answer]
    got = evaluated(case)
    assert len(got) == len(expected)
    for ours, theirs in zip(got, expected, strict=True):
        assert ours.shape == np.shape(theirs)
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=2e-6)


def test_every_kernel_has_a_case() -> None:
    assert set(KERNELS) == {case.op for case in CASES}

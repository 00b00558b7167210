"""Core AI's operations by hand-made graphs; Apple's library is not needed to compute them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ralikit.errors import BundleError
from ralikit.runtimes.aimodel.kernels import KERNELS
from ralikit.runtimes.aimodel.program import Program
from ralikit.runtimes.aimodel.read import Constant, Graph, Operation, _numbers
from ralikit.runtimes.mil.ranges import Ranges

RNG = np.random.default_rng(5)


class Made:
    """Builds a function of one uint8 input, value by value."""

    def __init__(self, *shape: int) -> None:
        self.arguments = (("image", "ui8", shape),)
        self.constants: dict[int, Constant] = {}
        self.operations: list[Operation] = []
        self.count = 1

    def constant(self, values: Any, stored: str = "f32", size: int = 0) -> int:
        self.constants[self.count] = Constant(np.asarray(values), stored, size)
        return self._next()

    def op(self, kind: str, *read: int, shape: tuple[int, ...], **more: Any) -> int:
        words, dtype = more.get("words", {}), more.get("dtype", "fp32")
        self.operations.append(Operation(kind, read, self.count, dtype, shape, words))
        return self._next()

    def program(self, result: int, **others: Graph) -> Program:
        graph = Graph(self.arguments, self.constants, tuple(self.operations), (result,), ("score",))
        return Program({"main": graph, **others}, where="made")

    def _next(self) -> int:
        self.count += 1
        return self.count - 1


def whole(*values: int) -> np.ndarray:
    return np.array(values, np.int32)


def test_padding_is_a_pair_an_axis_from_the_first() -> None:
    made = Made(1, 2, 3, 1)
    sides, value = made.constant(whole(0, 0, 1, 0, 0, 2, 0, 0), "si32"), made.constant(7.0)
    words = {"padding_mode": "#coreai.padding_mode<constant>"}
    out = made.op("pad", 0, sides, value, shape=(1, 3, 5, 1), words=words)
    image = RNG.integers(0, 9, (1, 2, 3, 1)).astype(np.uint8)
    wanted = np.pad(image, ((0, 0), (1, 0), (0, 2), (0, 0)), constant_values=7)
    np.testing.assert_array_equal(made.program(out).run(image)["score"], wanted)
    made.operations[0] = Operation("pad", (0, sides, value), out, "fp32", (1, 3, 5, 1), {})
    with pytest.raises(BundleError, match="only constants are known here"):
        made.program(out).run(image)


@pytest.mark.parametrize("groups", [1, 2])
def test_a_convolution_has_its_steps_and_groups(groups: int) -> None:
    made = Made(1, 4, 9, 8)
    kernel = RNG.normal(size=(6, 4 // groups, 3, 2)).astype(np.float32)
    weight, stride = made.constant(kernel), made.constant(whole(2, 1), "ui32")
    spread, parts = made.constant(whole(1, 2), "ui32"), made.constant(np.int64(groups), "ui32")
    out = made.op("conv2d", 0, weight, stride, spread, parts, shape=(1, 6, 4, 6))
    image = RNG.integers(0, 9, (1, 4, 9, 8)).astype(np.uint8)
    wanted = F.conv2d(
        torch.from_numpy(image).float(),
        torch.from_numpy(kernel),
        stride=(2, 1),
        dilation=(1, 2),
        groups=groups,
    )
    program = made.program(out)
    np.testing.assert_allclose(program.run(image)["score"], wanted.numpy(), rtol=1e-6)
    (found,) = program.weights()
    assert found.stored == "float32"
    np.testing.assert_array_equal(found.values, kernel)


def test_integers_have_a_scale_for_a_block_and_are_one_layers_weight() -> None:
    made = Made(2, 4)
    codes = RNG.integers(-8, 8, (3, 4)).astype(np.int8)
    scale = np.array([[0.5, 2.0], [1.0, 0.25], [3.0, 1.5]], np.float16)
    data, step = made.constant(codes, "si4", 6), made.constant(scale, "f16", 12)
    zero, none = made.constant(np.zeros((3, 2), np.int8), "si4"), made.constant(scale * 0, "f16")
    dense = made.op("blockwise_shift_scale", data, step, zero, none, shape=(3, 4), dtype="fp16")
    turned = made.op("transpose", dense, made.constant(whole(1, 0), "ui32"), shape=(4, 3))
    out = made.op("broadcasting_batch_matmul", 0, turned, shape=(2, 3))
    image = RNG.integers(0, 9, (2, 4)).astype(np.uint8)
    wanted = codes * np.repeat(scale, 2, axis=1).astype(np.float32)
    program = made.program(out)
    np.testing.assert_allclose(program.run(image)["score"], image @ wanted.T, rtol=1e-6)
    (found,) = program.weights()
    assert (found.stored, found.size) == ("int4", 18)
    np.testing.assert_array_equal(found.values, wanted)


def test_a_palette_for_a_group_of_channels() -> None:
    made = Made(1, 2)
    indices = np.array([[0, 1], [3, 2], [1, 1], [0, 3]], np.uint8)
    lut = np.array([[1.0, 2, 3, 4], [10, 20, 30, 40]], np.float16).reshape(2, 1, 4, 1)
    parts = made.constant(indices, "ui2", 2), made.constant(lut, "f16", 16)
    dense = made.op(
        "lut_to_dense", *parts, made.constant(np.int16(0), "si16"), shape=(4, 2), dtype="fp16"
    )
    turned = made.op("transpose", dense, made.constant(whole(1, 0), "ui32"), shape=(2, 4))
    out = made.op("broadcasting_batch_matmul", 0, turned, shape=(1, 4))
    program = made.program(out)
    (found,) = program.weights()
    assert (found.stored, found.size) == ("pal2", 18)
    np.testing.assert_array_equal(found.values, [[1, 2], [4, 3], [20, 20], [10, 40]])
    assert program.run(np.ones((1, 2), np.uint8))["score"].tolist() == [[3, 7, 40, 50]]


def test_what_a_layer_reads_is_rounded_to_int8_and_back() -> None:
    made = Made(1, 4)
    halves, shift = made.constant(np.float32(1.6)), made.constant(np.float32(-100))
    values = made.op("broadcasting_add", 0, shift, shape=(1, 4))
    zero, least = made.constant(np.int8(0), "si8"), made.constant(np.float32(0))
    axis = made.constant(np.int32(0), "si32")
    codes = made.op("quantize", values, halves, zero, least, axis, shape=(1, 4), dtype="si8")
    back = made.op("dequantize", codes, halves, zero, least, axis, shape=(1, 4))
    weight = made.constant(np.eye(4, dtype=np.float32))
    out = made.op("broadcasting_batch_matmul", back, weight, shape=(1, 4))
    program = made.program(out)
    # -100, 0, 2 and 155 in steps of 1.6: -62.5 to the even -62, 0, 1.25 to 1, 96.875 to 97.
    image = np.array([[0, 100, 102, 255]], np.uint8)
    np.testing.assert_allclose(program.run(image)["score"], [[-99.2, 0, 1.6, 155.2]], rtol=1e-6)
    assert [w.input_scale for w in program.weights()] == [pytest.approx(1.6)]
    made.constants[halves] = Constant(np.array(0.5, np.float32), "f32", 4)
    clipped = made.program(out).run(image)["score"]  # codes end at -128 and 127
    np.testing.assert_allclose(clipped, [[-64, 0, 2, 63.5]], rtol=1e-6)
    made.constants[halves] = Constant(np.ones(4, np.float32), "f32", 16)
    with pytest.raises(BundleError, match="steps for channels of what a layer reads"):
        made.program(out).run(image)
    with pytest.raises(BundleError, match="int8 values with no step of their own"):
        made.program(out).weights()


def test_float16_is_rounded_and_its_overflow_seen() -> None:
    made = Made(1)
    half = made.op("broadcasting_mul", 0, made.constant(300.3), shape=(1,), dtype="fp16")
    out = made.op("cast", half, shape=(1,))
    program, ranges = made.program(out), Ranges()
    found = float(program.run(np.array([100], np.uint8), observe=ranges)["score"][0])
    assert found == float(np.float16(30030))
    assert not ranges.overflowing()
    program.run(np.array([255], np.uint8), observe=ranges)
    assert ranges.overflowing()[0] == "%2 (broadcasting_mul)"


def test_slices_concatenations_and_calls() -> None:
    inner = Made(3)
    doubled = inner.op("broadcasting_add", 0, 0, shape=(3,))
    graph = Graph(inner.arguments, {}, tuple(inner.operations), (doubled,), ("y",))
    made = Made(5)
    ends = [made.constant(whole(n), "si32") for n in (0, 5, 2)]
    odd = made.op("slice", 0, *ends, shape=(3,))
    called = {"callee": "#param.constant<@twice_abc> : !param.symbol"}
    twice = made.op("invoke", odd, shape=(3,), words=called)
    axis = made.constant(np.int32(0), "si32")
    out = made.op("concat", axis, twice, 0, shape=(8,))
    image = np.arange(5, dtype=np.uint8)
    program = made.program(out, twice_abc=graph)
    assert program.run(image)["score"].tolist() == [0, 4, 8, 0, 1, 2, 3, 4]
    with pytest.raises(BundleError, match="it calls twice_abc, which it does not have"):
        made.program(out).run(image)


def test_what_is_not_known_or_does_not_fit_is_one_sentence() -> None:
    made = Made(2)
    with pytest.raises(BundleError, match="operation sort is not known here"):
        made.program(made.op("sort", 0, shape=(2,)))
    wrong = Made(2)
    out = wrong.op("rsqrt", 0, shape=(3,))
    with pytest.raises(BundleError, match=r"rsqrt cannot be computed: it gives \(2,\), not \(3,\)"):
        wrong.program(out).run(np.ones(2, np.uint8))


@pytest.mark.parametrize(
    ("said", "shown"), [("", "ValueError"), ("one\n\n two", "one two"), ("\x1b[31mred", "red")]
)
def test_what_a_kernel_says_is_one_printable_line(
    said: str, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> torch.Tensor:
        raise ValueError(said)

    made = Made(2)
    out = made.op("rsqrt", 0, shape=(2,))
    monkeypatch.setitem(KERNELS, "rsqrt", refuse)
    with pytest.raises(BundleError, match=f"rsqrt cannot be computed: .*{shown}$") as refused:
        made.program(out).run(np.ones(2, np.uint8))
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("raw", "stored", "bits", "wanted"),
    [
        ([0xF1, 0x08], "si4", 4, [1, -1, -8]),
        ([0xF1, 0x08], "ui4", 4, [1, 15, 8]),
        ([0x41, 0x20, 0xFC], "ui6", 6, [1, 1, 2, 63]),
        ([0xFF, 0x02], "si8", 8, [-1, 2]),
        ([0xFF, 0x02], "ui16", 16, [767]),
        ([0x00, 0x3C], "f16", 16, [1.0]),
    ],
)
def test_stored_numbers_are_unpacked_from_the_lowest_bit(
    raw: list[int], stored: str, bits: int, wanted: list[float]
) -> None:
    found = _numbers(np.array(raw, np.uint8), stored, bits, len(wanted))
    assert found.tolist() == wanted

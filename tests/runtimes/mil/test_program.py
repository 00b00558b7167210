"""The evaluator as a whole: what it refuses, what it watches, what it forgets in time."""

from __future__ import annotations

import numpy as np
import pytest
from support_mil import block_of, builder, target

from ralikit.errors import BundleError
from ralikit.runtimes.mil.program import Program
from ralikit.runtimes.mil.ranges import Ranges
from ralikit.runtimes.mil.silent import quiet_logs

X = np.array([[1.0, -2.0], [300.0, 0.5]], dtype=np.float32)


def squares(*, half: bool) -> Program:
    """x -> (x^2) / 2, the square in float16 where asked: 300^2 = 90,000 does not fit."""
    make = builder()
    from coremltools.converters.mil.mil import Function, Placeholder

    with quiet_logs(), Function({"x": Placeholder((2, 2))}, opset_version=target(16)) as block:
        x = block.inputs["x"]
        if half:
            x = make.cast(x=x, dtype="fp16")
        y = make.mul(x=x, y=x, name="square")
        if half:
            y = make.cast(x=y, dtype="fp32")
        block.set_outputs([make.mul(x=y, y=np.float32(0.5), name="half")])
    return Program(block, where="test")


def test_plain_evaluation_does_not_round() -> None:
    np.testing.assert_array_equal(squares(half=True).run({"x": X})["half"], X * X / 2)


def test_rounding_shows_an_overflow() -> None:
    result = squares(half=True).run({"x": X}, round_fp16=True)["half"]
    assert np.isinf(result[1, 0])
    np.testing.assert_array_equal(result[0], (X * X / 2)[0])


def test_rounding_loses_what_float16_cannot_hold() -> None:
    x = np.full((2, 2), 1 + 2**-13, dtype=np.float32)
    assert squares(half=True).run({"x": x}, round_fp16=True)["half"][0, 0] == 0.5
    assert squares(half=False).run({"x": x}, round_fp16=True)["half"][0, 0] > 0.5


def test_ranges_name_the_tensor_that_leaves_float16() -> None:
    ranges = Ranges()
    program = squares(half=True)
    program.run({"x": X}, observe=ranges)
    program.run({"x": -X}, observe=ranges)
    assert ranges.overflowing() == ["square"]
    assert (ranges.low["x"], ranges.high["x"]) == (-300.0, 300.0)


def test_ranges_keep_float32_apart() -> None:
    ranges = Ranges()
    squares(half=False).run({"x": X}, observe=ranges)
    assert ranges.overflowing() == []
    squares(half=False).run({"x": X * np.nan}, observe=ranges)
    assert "square" in ranges.overflowing()


def test_an_operation_without_a_kernel_is_named() -> None:
    block = block_of("band_part", {"x": X}, {"lower": 1, "upper": 1}, 16)
    with pytest.raises(BundleError, match="operation band_part is not one that ralikit evaluates"):
        Program(block, where="foreign.mlpackage")


@pytest.mark.parametrize("feeds", [{}, {"x": X[:1]}, {"y": X}])
def test_inputs_are_checked(feeds: dict[str, np.ndarray]) -> None:
    with pytest.raises(ValueError, match="input 'x' takes shape"):
        squares(half=False).run(feeds)


def test_results_are_released_after_their_last_reader() -> None:
    steps = squares(half=True).steps
    results = [step.outputs[0][0] for step in steps]
    assert [step.release for step in steps] == [(name,) for name in ["x", *results[:-1]]]


def test_a_list_may_mix_constants_and_results() -> None:
    """A class token before the patches is stored; the patches are computed."""
    make = builder()
    from coremltools.converters.mil.mil import Function, Placeholder

    token = np.array([[7.0, 8.0]], dtype=np.float32)
    with quiet_logs(), Function({"x": Placeholder((2, 2))}, opset_version=target(16)) as block:
        block.set_outputs([make.concat(values=(token, block.inputs["x"]), axis=0, name="all")])
    result = Program(block, where="test").run({"x": X})["all"]
    np.testing.assert_array_equal(result, np.concatenate([token, X]))

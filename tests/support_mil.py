"""Programs of one operation, made with coremltools' builder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.runtimes.mil.silent import coremltools, quiet_logs

Array = NDArray[Any]


def builder() -> Any:
    """coremltools' builder of operations."""
    coremltools("This test")
    from coremltools.converters.mil.mil import Builder

    return Builder


def target(ios: int) -> Any:
    """An operation set by its iOS version."""
    coremltools("This test")
    from coremltools.converters.mil._deployment_compatibility import AvailableTarget

    return getattr(AvailableTarget, f"iOS{ios}")


def block_of(op: str, feeds: Mapping[str, Any], settings: Mapping[str, Any], ios: int) -> Any:
    """A program of one operation: arrays in `feeds` become inputs, a tuple of them several."""
    make = builder()
    from coremltools.converters.mil.mil import Function, Placeholder, types

    def placeholder(array: Array) -> Any:
        return Placeholder(array.shape, dtype=types.numpy_type_to_builtin_type(array.dtype.type))

    flat = flatten(feeds)
    with (
        quiet_logs(),
        Function({k: placeholder(v) for k, v in flat.items()}, opset_version=target(ios)) as block,
    ):
        arguments = {
            key: tuple(block.inputs[f"{key}{i}"] for i in range(len(value)))
            if isinstance(value, tuple)
            else block.inputs[key]
            for key, value in feeds.items()
        }
        results = getattr(make, op)(**arguments, **settings)
        block.set_outputs(list(results) if isinstance(results, tuple | list) else [results])
    return block


def flatten(feeds: Mapping[str, Any]) -> dict[str, Array]:
    """Feeds by the input names that `block_of` gives them."""
    return {
        (f"{key}{i}" if isinstance(value, tuple) else key): np.asarray(array)
        for key, value in feeds.items()
        for i, array in enumerate(value if isinstance(value, tuple) else (value,))
    }

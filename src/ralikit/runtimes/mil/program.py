"""An ML program read back from its package and evaluated over torch, on any computer.

This is not Core ML. Weights are the stored ones, dequantised exactly as Core ML defines it; sums
are float32, and on request every result is rounded to float16 where the program says so. What it
does not model is float16 accumulation, fused kernels and the neural engine: "evaluated off-device".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ralikit.errors import BundleError
from ralikit.printable import shown
from ralikit.runtimes.mil.dequantise import decoder
from ralikit.runtimes.mil.kernels import KERNELS, Kernel
from ralikit.runtimes.mil.kernels.elementwise import DTYPES
from ralikit.runtimes.mil.package import Package
from ralikit.runtimes.mil.silent import coremltools, quiet_logs

Array = NDArray[Any]
Observe = Callable[[str, str, Tensor], None]
"""Called with a tensor's name, declared type and values, for every input and result."""

_LARGEST = 2**31
# What coremltools raises on a program it cannot read; its reader has no error type of its own.
_READER_ERRORS = (
    AssertionError,
    AttributeError,
    IndexError,
    KeyError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class Step:
    """One operation, ready to run.

    Attributes:
        kind: MIL's name of the operation.
        kernel: What computes it.
        constants: Arguments known beforehand.
        tensors: Arguments that are results of earlier steps: a name, or names, by argument.
        outputs: Name and declared type of each result.
        release: Tensors that nobody reads afterwards.
    """

    kind: str
    kernel: Kernel
    constants: dict[str, Any]
    tensors: dict[str, str | tuple[str, ...]]
    outputs: tuple[tuple[str, str], ...]
    release: tuple[str, ...]


class Program:
    """A loaded program.

    Args:
        block: A function as coremltools reads it (see `load_block`).
        where: Named in errors, e.g. the package's path.

    Attributes:
        inputs: Shape and declared type of every input, by name.
        outputs: Names of the results.
        steps: Its operations in order.

    Raises:
        BundleError: If it has an operation without a kernel.
    """

    def __init__(self, block: Any, *, where: str) -> None:
        self.where = where
        self.inputs: dict[str, tuple[tuple[int, ...], str]] = {
            name: (tuple(int(n) for n in var.shape), _dtype(var))
            for name, var in block.inputs.items()
        }
        self.outputs: tuple[str, ...] = tuple(var.name for var in block.outputs)
        self._shared: dict[str, Tensor] = {}
        self.steps = self._compile(block)

    @classmethod
    def load(cls, package: Package, *, function: str = "main") -> Program:
        """Read one of a package's functions; where there is one, it is called ``main``.

        Raises:
            BundleError: If the program cannot be read or has an operation without a kernel.
        """
        return cls(load_block(package, function), where=str(package.root))

    def run(
        self,
        feeds: Mapping[str, Array],
        *,
        round_fp16: bool = False,
        observe: Observe | None = None,
    ) -> dict[str, Array]:
        """Evaluate the program.

        Args:
            feeds: An array for every input, of its shape.
            round_fp16: Round each result that the program declares float16, so that overflow and
                lost digits show; sums inside an operation stay float32.
            observe: Sees every input and result, before rounding.

        Raises:
            ValueError: If an input is missing or of another shape.
            BundleError: If an operation cannot be carried out.
        """
        values = dict(self._shared)
        for name, (shape, dtype) in self.inputs.items():
            if name not in feeds or feeds[name].shape != shape:
                came = feeds[name].shape if name in feeds else "nothing"
                raise ValueError(f"input {name!r} takes shape {shape}, not {came}")
            values[name] = torch.from_numpy(np.ascontiguousarray(feeds[name])).to(DTYPES[dtype])
            if observe is not None:
                observe(name, dtype, values[name])
        with torch.inference_mode():
            for step in self.steps:
                results = self._execute(step, values)
                for (name, dtype), result in zip(step.outputs, results, strict=True):
                    if observe is not None:
                        observe(name, dtype, result)
                    values[name] = _round(result) if round_fp16 and dtype == "fp16" else result
                for name in step.release:
                    del values[name]
        return {name: values[name].numpy() for name in self.outputs}

    def _execute(self, step: Step, values: dict[str, Tensor]) -> tuple[Tensor, ...]:
        arguments = {
            key: values[name] if isinstance(name, str) else tuple(values[n] for n in name)
            for key, name in step.tensors.items()
        }
        try:
            results = step.kernel(**step.constants, **arguments)
        except (RuntimeError, IndexError, TypeError, NotImplementedError, KeyError) as error:
            said = shown(str(error), most=300)
            raise BundleError(
                f"{self.where}: operation {step.kind} ({step.outputs[0][0]}) "
                f"cannot be evaluated here: {said}"
            ) from error
        results = results if isinstance(results, tuple) else (results,)
        return tuple(
            result.to(DTYPES[dtype])
            for (_, dtype), result in zip(step.outputs, results, strict=True)
        )

    def _compile(self, block: Any) -> tuple[Step, ...]:
        constants: dict[str, Any] = {}
        drafts: list[Step] = []
        for op in block.operations:
            if op.op_type == "const" or op.op_type.startswith("constexpr_"):
                constants[op.outputs[0].name] = _constant(materialise(op))
                continue
            drafts.append(self._step(op, constants))
        for name in self.outputs:
            if name in constants:
                raise BundleError(f"{self.where}: its output {name!r} is a constant")
        return _with_releases(drafts, keep={*self.outputs})

    def _step(self, op: Any, constants: dict[str, Any]) -> Step:
        if op.op_type not in KERNELS or op.blocks:
            raise BundleError(
                f"{self.where}: operation {op.op_type} is not one that ralikit evaluates; "
                "packages written by ralikit export use none such"
            )
        known: dict[str, Any] = {}
        tensors: dict[str, str | tuple[str, ...]] = {}
        for key, value in op.inputs.items():
            if value is None:
                continue
            if isinstance(value, list | tuple):
                names = tuple(var.name for var in value)
                # A list may mix results and constants, e.g. a class token before patches.
                for name in names:
                    if name in constants:
                        self._shared[name] = torch.as_tensor(constants[name])
                tensors[key] = names
            elif value.name in constants:
                known[key] = constants[value.name]
            else:
                tensors[key] = value.name
        return Step(
            kind=op.op_type,
            kernel=KERNELS[op.op_type],
            constants=known,
            tensors=tensors,
            outputs=tuple((var.name, _dtype(var)) for var in op.outputs),
            release=(),
        )


def materialise(op: Any) -> Any:
    """The value of a ``const`` or ``constexpr_*`` operation, decompressed.

    Raises:
        BundleError: If the compression is unknown.
    """
    if op.op_type == "const":
        return op.outputs[0].val
    inputs = {key: var for key, var in op.inputs.items() if var is not None}
    decode = decoder(op.op_type, set(inputs))
    if decode is None:
        raise BundleError(f"operation {op.op_type} is not one that ralikit evaluates")
    return decode(
        **{
            key: materialise(var.op) if var.op.op_type.startswith("constexpr_") else var.val
            for key, var in inputs.items()
        }
    )


def functions(package: Package) -> list[str]:
    """Names of the package's functions."""
    return sorted(package.spec.mlProgram.functions)


def load_block(package: Package, function: str = "main") -> Any:
    """One function of a package as a coremltools block: its operations, compressed weights kept.

    Raises:
        BundleError: If the program cannot be read.
    """
    coremltools("Reading a Core ML package")
    from coremltools.converters.mil.frontend.milproto import load

    spec = package.spec
    if function not in spec.mlProgram.functions:
        raise BundleError(
            f"{package.root} has no function {function!r}, only {', '.join(functions(package))}"
        )
    _refuse_giants(package, spec.mlProgram.functions[function])
    try:
        with quiet_logs():
            program = load.load(spec, spec.specificationVersion, str(package.weights))
    except _READER_ERRORS as error:
        said = shown(str(error), most=300)
        raise BundleError(f"{package.root}: its program cannot be read: {said}") from error
    return program.functions[function]


def _refuse_giants(package: Package, function: Any) -> None:
    for block in function.block_specializations.values():
        for op in block.operations:
            for out in op.outputs:
                size = 1
                for dim in out.type.tensorType.dimensions:
                    size *= max(int(dim.constant.size), 1)
                if size > _LARGEST:
                    raise BundleError(f"{package.root}: tensor {out.name} has {size} elements")


def _with_releases(steps: list[Step], *, keep: set[str]) -> tuple[Step, ...]:
    last: dict[str, int] = {}
    for index, step in enumerate(steps):
        for name, _ in step.outputs:
            last[name] = index
        for names in step.tensors.values():
            last.update(dict.fromkeys((names,) if isinstance(names, str) else names, index))
    gone: dict[int, list[str]] = {}
    for name, index in last.items():
        if name not in keep:
            gone.setdefault(index, []).append(name)
    return tuple(
        Step(**{**vars(step), "release": tuple(gone.get(i, ()))}) for i, step in enumerate(steps)
    )


def _constant(value: Any) -> Any:
    """Arrays as tensors, numbers and words as they are."""
    if isinstance(value, str):
        return value
    array = np.asarray(value)
    if array.dtype.kind == "U":
        return str(array)
    if array.ndim == 0:
        return array.item()
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    if array.dtype == np.uint16:
        array = array.astype(np.int32)
    if array.dtype == np.uint32:
        array = array.astype(np.int64)
    return torch.from_numpy(np.array(array, order="C"))  # a copy: coremltools keeps its own


def _round(x: Tensor) -> Tensor:
    return x.to(torch.float16).to(torch.float32)


def _dtype(var: Any) -> str:
    from coremltools.converters.mil.mil import types

    name: str = types.builtin_to_string(var.dtype)
    return name

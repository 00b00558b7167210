"""Rewrites of the MIL program that coremltools does not make by itself.

Importing this module registers them with coremltools, so only the Core ML target imports it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from coremltools.converters.mil._deployment_compatibility import AvailableTarget
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813 (coremltools' own idiom)
from coremltools.converters.mil.mil import types
from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY, register_pass

from ralikit.errors import ExportError
from ralikit.export.targets.coreml.names import base_name
from ralikit.export.targets.coreml.schemes import Stored

MERGE_PADS = "ralikit::merge_pads"
STORE_WEIGHTS = "ralikit::store_weights"

if MERGE_PADS not in PASS_REGISTRY.passes:

    @register_pass(namespace="ralikit", override=True)
    class merge_pads(AbstractGraphPass):  # type: ignore[misc]  # noqa: N801 (names the pass)
        """Give a convolution the zeros that a ``pad`` before it makes.

        A padding that is odd on one side (TensorFlow's SAME at stride 2) reaches coremltools as an
        operation of its own, which copies the whole feature map on the phone.
        """

        def apply(self, prog: Any) -> None:
            """Rewrite every function of the program."""
            for function in prog.functions.values():
                with function:
                    for op in list(function.operations):
                        _merge(function, op)

    @register_pass(namespace="ralikit", override=True)
    class store_weights(AbstractGraphPass):  # type: ignore[misc]  # noqa: N801
        """Put compressed weights in the place of the constants that hold their values.

        Attributes:
            table: Compressed weights by the constant's first name.
        """

        def __init__(self) -> None:
            super().__init__()
            self._table: dict[str, Stored] = {}

        @property
        def table(self) -> dict[str, Stored]:
            """Compressed weights by the constant's first name."""
            return self._table

        @table.setter
        def table(self, table: dict[str, Stored]) -> None:
            self._table = table

        def apply(self, prog: Any) -> None:
            """Rewrite every function of the program."""
            for function in prog.functions.values():
                reads: dict[tuple[str, float], Any] = {}
                with function:
                    for op in list(function.operations):
                        stored = self._table.get(base_name(op.name))
                        if op.op_type == "const" and stored is not None:
                            readers = list(op.outputs[0].child_ops)
                            _store(function, op, stored)
                            if stored.input_scale is not None:
                                for reader in readers:
                                    _quantise_input(function, reader, stored.input_scale, reads)


def restart_names() -> None:
    """Number unnamed constants from 0 again, which coremltools does only after a success."""
    mb.name_count.clear()


def _store(block: Any, const: Any, stored: Stored) -> None:
    value = const.outputs[0].val
    if not np.array_equal(value, stored.values()):
        raise ExportError(
            f"constant {const.name} of the converted graph is not the weight that was compressed"
        )
    name = f"{const.name}_palettized" if stored.tables is not None else f"{const.name}_quantized"
    newer = block.opset_version >= AvailableTarget.iOS18
    var = _constexpr(stored, name, const, newer=newer)
    block.replace_uses_of_var_after_op(
        anchor_op=const, old_var=const.outputs[0], new_var=var, no_check_var_types=True
    )
    block.remove_ops([const])


def _quantise_input(
    block: Any, reader: Any, scale: float, known: dict[tuple[str, float], Any]
) -> None:
    # A quantize and a dequantize in front of the layer, which a device may merge into an integer
    # kernel; layers that read the same tensor share them.
    x = reader.x
    key = (x.name, scale)
    if key not in known:
        places = {op: place for place, op in enumerate(block.operations)}
        first = min(x.child_ops, key=places.__getitem__)
        step = np.float16(scale)
        codes = mb.quantize(
            input=x, scale=step, output_dtype="int8", name=f"{x.name}_int8", before_op=first
        )
        known[key] = mb.dequantize(
            input=codes, scale=step, name=f"{x.name}_from_int8", before_op=first
        )
    inputs = {key: var for key, var in reader.inputs.items() if var is not None}
    inputs |= {"x": known[key], "name": reader.name}
    made = getattr(mb, reader.op_type)(**inputs, before_op=reader)
    block.replace_uses_of_var_after_op(anchor_op=reader, old_var=reader.outputs[0], new_var=made)
    block.remove_ops([reader])


def _constexpr(stored: Stored, name: str, const: Any, *, newer: bool) -> Any:
    # iOS 18 has blocks, and palettes for groups, in layouts of their own; a program keeps to one.
    codes = stored.codes
    place = {"name": name, "before_op": const}
    if stored.tables is None:
        if not newer:
            return mb.constexpr_affine_dequantize(
                quantized_data=codes,
                zero_point=np.int8(0),
                scale=stored.scale,
                axis=np.int32(0),
                **place,
            )
        return mb.constexpr_blockwise_shift_scale(
            data=codes.astype(_numpy_type(f"int{stored.bits}")),
            scale=stored.block_scale(),
            **place,
        )
    if not newer:
        return mb.constexpr_lut_to_dense(
            indices=_packed(codes, stored.bits),
            lut=stored.tables,
            shape=np.array(codes.shape, dtype=np.uint32),
            **place,
        )
    return mb.constexpr_lut_to_dense(
        indices=codes.astype(_numpy_type(f"uint{stored.bits}")),
        lut=stored.tables_18(),
        **place,
    )


def _numpy_type(name: str) -> Any:
    return types.nptype_from_builtin(getattr(types, name))


def _packed(codes: Any, bits: int) -> Any:
    # Indices one after the other, from the lowest bit of the first byte up.
    flags = (codes.reshape(-1, 1) >> np.arange(bits)) & 1
    return np.packbits(flags.astype(np.uint8).reshape(-1), bitorder="little")


def _merge(block: Any, conv: Any) -> None:
    if conv.op_type != "conv" or conv.x.op is None or conv.x.op.op_type != "pad":
        return
    pad = conv.x.op
    sides = [] if pad.pad.val is None else pad.pad.val.tolist()
    spatial = conv.x.rank - 2
    outer = sides[: -2 * spatial]
    if (
        not sides
        or any(outer)
        or len(sides) < 2 * spatial
        or pad.mode.val != "constant"
        or pad.constant_val.val != 0
        or len(conv.x.child_ops) != 1
        or conv.pad_type.val not in ("valid", "custom")
    ):
        return
    present = conv.pad.val if conv.pad_type.val == "custom" else np.zeros(2 * spatial, np.int32)
    total = np.asarray(sides[-2 * spatial :], dtype=np.int32) + present
    inputs = {key: var for key, var in conv.inputs.items() if var is not None}
    inputs |= {"x": pad.x, "pad_type": "custom", "pad": total, "name": conv.name}
    merged = mb.conv(**inputs, before_op=conv)
    block.replace_uses_of_var_after_op(anchor_op=conv, old_var=conv.outputs[0], new_var=merged)
    block.remove_ops([conv, pad])

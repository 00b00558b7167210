"""Rewrites of the MIL program that coremltools does not make by itself.

Importing this module registers them with coremltools, so only the Core ML target imports it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813 (coremltools' own idiom)
from coremltools.converters.mil.mil.passes.graph_pass import AbstractGraphPass
from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY, register_pass

MERGE_PADS = "ralikit::merge_pads"

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

"""Whether the NPUs of Android phones would take a whole .tflite: the rules of LiteRT's compilers.

Three vendors' plugins compile a .tflite for their NPU (LiteRT's CompiledModel): Qualcomm's and
MediaTek's take the operators on a list, Google Tensor's all but those on one. A file for any phone
has to suit all three. The lists are facts of LiteRT's repository (github.com/google-ai-edge/LiteRT)
at commit f6745779 of 2026-08-21: ``litert/vendors/qualcomm/compiler/Qualcomm_QNN_Compiler.md``,
``litert/vendors/mediatek/compiler/MediaTek_Neuro_Compiler.md`` and ``kUnSupportedOps`` of
``litert/vendors/google_tensor/compiler/compiler_plugin.cc``. No compiler and no phone ran here.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ai_edge_litert import schema_py_generated as schema

from ralikit.export.targets.common import names
from ralikit.export.targets.tflite.graph import CONVOLUTIONS, Graph
from ralikit.printable import counted

SOURCE = "LiteRT f6745779, 2026-08-21"

MEDIATEK = names(
    "ABS ADD AVERAGE_POOL_2D BATCH_MATMUL CAST CONCATENATION CONV_2D DEPTHWISE_CONV_2D DEQUANTIZE "
    "DIV FULLY_CONNECTED GELU GREATER HARD_SWISH L2_NORMALIZATION LEAKY_RELU LESS LOGISTIC MAXIMUM "
    "MAX_POOL_2D MEAN MINIMUM MUL PAD PADV2 PRELU QUANTIZE REDUCE_MAX RELU RESHAPE RESIZE_BILINEAR "
    "RESIZE_NEAREST_NEIGHBOR RSQRT SLICE SOFTMAX SPLIT SQRT SQUARED_DIFFERENCE STRIDED_SLICE SUB "
    "SUM TANH TRANSPOSE TRANSPOSE_CONV"
)
"""Operators that MediaTek's compiler takes."""

QUALCOMM = MEDIATEK | names(
    "ARG_MAX ARG_MIN BATCH_TO_SPACE_ND BROADCAST_TO CEIL CONV_3D COS CUMSUM DEPTH_TO_SPACE "
    "DYNAMIC_UPDATE_SLICE ELU EMBEDDING_LOOKUP EQUAL EXP FLOOR FLOOR_DIV FLOOR_MOD GATHER "
    "GATHER_ND GREATER_EQUAL L2_POOL_2D LESS_EQUAL LOG LOGICAL_AND LOGICAL_NOT LOGICAL_OR "
    "MIRROR_PAD NEG NOT_EQUAL ONE_HOT PACK POW REDUCE_ALL REDUCE_ANY REDUCE_MIN RELU6 RELU_0_TO_1 "
    "RELU_N1_TO_1 REVERSE_V2 ROUND SELECT SELECT_V2 SIGN SIN SPACE_TO_BATCH_ND SPACE_TO_DEPTH "
    "SPLIT_V SQUARE TILE TOPK_V2 UNPACK"
)
"""Operators that Qualcomm's compiler takes: MediaTek's and more."""

GOOGLE_REFUSES = names(
    "ASSIGN_VARIABLE BIDIRECTIONAL_SEQUENCE_LSTM BROADCAST_ARGS BUCKETIZE CALL_ONCE COMPLEX_ABS "
    "CONV_3D_TRANSPOSE CUSTOM DENSIFY FAKE_QUANT HASHTABLE HASHTABLE_FIND HASHTABLE_IMPORT "
    "HASHTABLE_SIZE IMAG LOCAL_RESPONSE_NORMALIZATION MATRIX_DIAG MATRIX_SET_DIAG MULTINOMIAL "
    "NON_MAX_SUPPRESSION_V4 NON_MAX_SUPPRESSION_V5 RANDOM_STANDARD_NORMAL RANDOM_UNIFORM RANK "
    "READ_VARIABLE REAL REDUCE_PROD REVERSE_SEQUENCE RFFT2D SEGMENT_SUM SHAPE SPARSE_TO_DENSE SVDF "
    "UNIDIRECTIONAL_SEQUENCE_RNN UNIQUE UNSORTED_SEGMENT_MAX UNSORTED_SEGMENT_MIN "
    "UNSORTED_SEGMENT_PROD UNSORTED_SEGMENT_SUM VAR_HANDLE WHERE"
)
"""Operators that Google Tensor's compiler leaves out."""

_TYPES = frozenset({"float32", "float16", "int32", "int16", "uint8", "int8", "int4", "bool"})
_SMALL = ("int8", "int4")


def npu_findings(graph: Graph) -> list[str]:
    """Why an NPU would not take the whole file: one sentence for each reason, naming operators."""
    return counted(reason for op in graph.operators for reason in _reasons(graph, op))


def _reasons(graph: Graph, op: Any) -> Iterator[str]:
    kind = graph.kind(op)
    refusing = [
        vendor
        for vendor, refuses in (
            ("Qualcomm's", kind not in QUALCOMM),
            ("MediaTek's", kind not in MEDIATEK),
            ("Google Tensor's", kind in GOOGLE_REFUSES),
        )
        if refuses
    ]
    if refusing:
        yield f"{_listed(refusing)} compiler has no {kind}"
    tensors = [int(t) for t in (*op.inputs, *op.outputs) if t >= 0]
    for tensor in tensors:
        entry = graph.main.tensors[tensor]
        details = getattr(entry.quantization, "details", None)
        if isinstance(details, schema.BlockwiseQuantizationT):
            yield f"a {kind} reads weights with steps for blocks, which no compiler takes"
        signature = entry.shapeSignature
        if signature is not None and any(n < 0 for n in signature):
            yield f"a {kind} has a shape that is known only when it runs"
        constant = graph.is_constant(tensor)
        if graph.dtype(tensor) not in _TYPES and not (constant and graph.dtype(tensor) == "int64"):
            yield f"a {kind} has {graph.dtype(tensor)} values, which MediaTek's compiler lacks"
    if kind in (*CONVOLUTIONS, "FULLY_CONNECTED") and _is_dynamic(graph, op):
        yield f"a {kind} finds its input's range while it runs (dynamic int8): no NPU does"


def _is_dynamic(graph: Graph, op: Any) -> bool:
    read, weight = graph.dtype(int(op.inputs[0])), graph.dtype(int(op.inputs[1]))
    return read == "float32" and weight in _SMALL


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"

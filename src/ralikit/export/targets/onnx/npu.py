"""Whether ONNX Runtime's QNN provider would put a whole graph on a Qualcomm NPU.

The provider has a builder for each operator that it takes; whatever else is in a graph stays on the
CPU, unless the session forbids that. The list is a fact of the provider's repository
(github.com/onnxruntime/onnxruntime-qnn) at commit cee6c0d9 of 2026-03-13,
``onnxruntime/core/providers/qnn/builder/op_builder_factory.cc``; fixed shapes and quantisation by
QuantizeLinear and DequantizeLinear are what its guide asks for
(onnxruntime.ai/docs/execution-providers/QNN-ExecutionProvider). No provider and no phone ran here.
"""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from ralikit.export.targets.common import names
from ralikit.printable import counted

SOURCE = "onnxruntime-qnn cee6c0d9, 2026-03-13"

QNN = names(
    "Abs Add And ArgMax ArgMin Asin Atan AveragePool BatchNormalization Cast Ceil Clip Concat Conv "
    "ConvTranspose Cos CumSum DepthToSpace DequantizeLinear Div Einsum Elu Equal Exp Expand "
    "Flatten Floor Gather GatherElements GatherND Gelu Gemm GlobalAveragePool GlobalMaxPool "
    "Greater GreaterOrEqual GridSample GroupNormalization HardSigmoid HardSwish "
    "InstanceNormalization IsNaN LRN LSTM LayerNormalization LeakyRelu Less LessOrEqual Log "
    "LogSoftmax LpNormalization MatMul Max MaxPool Mean Min Mod Mul Neg Not Or PRelu Pad Pow "
    "QuantizeLinear RMSNormalization RandomUniformLike Reciprocal ReduceL2 ReduceMax ReduceMean "
    "ReduceMin ReduceProd ReduceSum Relu Reshape Resize RoiAlign Round STFT ScatterElements "
    "ScatterND Sigmoid Sign Sin Slice Softmax SpaceToDepth Split Sqrt Squeeze Sub Sum Tan Tanh "
    "ThresholdedRelu Tile TopK Transpose Unsqueeze Upsample Where"
)
"""Standard operators that the provider has a builder for."""

_FOLDED = frozenset({"Constant", "Identity"})  # gone before a provider sees the graph
_DYNAMIC = frozenset({"DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"})


def npu_findings(model: onnx.ModelProto) -> list[str]:
    """Why QNN would not take the whole graph: one sentence for each reason, naming operators."""
    return counted(_reasons(model))


def _reasons(model: onnx.ModelProto) -> Iterator[str]:
    for value in (*model.graph.input, *model.graph.output):
        if any(not d.HasField("dim_value") for d in value.type.tensor_type.shape.dim):
            yield f"{value.name} has a shape that is known only when it runs"
    for node in model.graph.node:
        if node.op_type in _DYNAMIC:
            yield f"a {node.op_type} finds ranges while it runs (dynamic int8): no NPU does"
        elif node.domain not in ("", "ai.onnx") or node.op_type not in QNN | _FOLDED:
            yield f"QNN's provider has no {node.op_type}"
        if node.op_type == "DequantizeLinear" and any(
            a.name == "block_size" and a.i for a in node.attribute
        ):
            yield "a DequantizeLinear has steps for blocks, not for a tensor or its channels"

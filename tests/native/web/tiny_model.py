"""Write a model of a few bytes whose score is a photo's mean brightness, and so are its reasons.

python tests/native/web/tiny_model.py OUT.onnx
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ralikit.config import to_mapping
from ralikit.model.facts import dump_facts
from ralikit.model.reasons import BANK
from ralikit.photo.views import Preprocess

SIZE = 32


def tiny_model() -> onnx.ModelProto:
    """Score = 1 + 4 * mean / 255 over one squashed view; too bright by the mean, else too dark."""
    constants = {"gain": 4.0 / 255.0, "one": 1.0, "white": 255.0}
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["mean"], keepdims=0),
        helper.make_node("Reshape", ["mean", "shape"], ["flat"]),
        helper.make_node("Mul", ["flat", "gain"], ["scaled"]),
        helper.make_node("Add", ["scaled", "one"], ["score"]),
        helper.make_node("Div", ["flat", "white"], ["bright"]),
        helper.make_node("Sub", ["one", "bright"], ["dark"]),
        helper.make_node("Concat", ["dark", "bright"], ["reasons"], axis=0),
    ]
    initializers = [
        numpy_helper.from_array(np.array([v], dtype=np.float32), k) for k, v in constants.items()
    ]
    initializers.append(numpy_helper.from_array(np.array([1], dtype=np.int64), "shape"))
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("image", TensorProto.UINT8, [1, SIZE, SIZE, 3])],
        [
            helper.make_tensor_value_info("score", TensorProto.FLOAT, [1]),
            helper.make_tensor_value_info("reasons", TensorProto.FLOAT, [2]),
        ],
        initializers,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    facts = {
        "schema": 1,
        "precision": "fp32",
        "outputs": ["score", "reasons"],
        "reasons": [to_mapping(entry.info) for entry in BANK[3:5]],
        "model": {
            "name": "brightness",
            "bundle": "0" * 64,
            "tower": "none",
            "weights": "trained",
            "licence": "for tests",
            "notice": "",
            "resolution": 0.1,
        },
        "preprocess": to_mapping(Preprocess(size=SIZE, shortest_edge=None)),
        "scale": {"minimum": 1.0, "maximum": 5.0, "meaning": "brightness, 1 black to 5 white"},
    }
    helper.set_model_props(model, {"ralikit": dump_facts(facts)})
    onnx.checker.check_model(model)
    return model


if __name__ == "__main__":
    Path(sys.argv[1]).write_bytes(tiny_model().SerializeToString())

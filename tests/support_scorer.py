"""Scorers made on the spot: the score is the brightness, so a test can say what it must be."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from ralikit.model.bundle import Bundle, BundleInfo, TowerSpec, write_bundle
from ralikit.model.facts import dump_facts, facts_of
from ralikit.model.head import Head
from ralikit.photo.views import Preprocess

SMALL = Preprocess(size=16, shortest_edge=24, anchors=((0.0, 0.0), (1.0, 1.0), (0.5, 0.5)))


def grey(value: int, width: int = 40, height: int = 30) -> Image.Image:
    """A photo of one brightness that is not of one colour: two pixels differ, up and down."""
    pixels = np.full((height, width, 3), value, dtype=np.uint8)
    pixels[0, 0], pixels[0, 1] = min(255, value + 1), max(0, value - 1)
    return Image.fromarray(pixels)


def brightness_onnx(
    facts: dict[str, Any] | None,
    preprocess: Preprocess = SMALL,
    *,
    gain: float = 4.0 / 255.0,
    dtype: int = TensorProto.UINT8,
    output: str = "score",
) -> bytes:
    """A graph that scores ``1 + gain * mean``: 1 for black, 5 for white."""
    shape = [preprocess.views, preprocess.size, preprocess.size, 3]
    constants = [
        numpy_helper.from_array(np.array(gain, dtype=np.float32), "gain"),
        numpy_helper.from_array(np.array(1.0, dtype=np.float32), "one"),
        numpy_helper.from_array(np.array([1], dtype=np.int64), "shape"),
    ]
    nodes = [
        helper.make_node("Cast", ["image"], ["float"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["float"], ["mean"], keepdims=0),
        helper.make_node("Mul", ["mean", "gain"], ["scaled"]),
        helper.make_node("Add", ["scaled", "one"], ["scalar"]),
        helper.make_node("Reshape", ["scalar", "shape"], [output]),
    ]
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("image", dtype, shape)],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, [1])],
        constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    if facts is not None:
        helper.set_model_props(model, {"ralikit": dump_facts(facts)})
    data: bytes = model.SerializeToString()
    onnx.checker.check_model(model)
    return data


def brightness_bundle(
    root: Path, preprocess: Preprocess = SMALL, *, tie_width: float | None = 0.25
) -> Bundle:
    """A bundle whose scorer.onnx is `brightness_onnx`; its tower is a stand-in."""
    info = BundleInfo(
        name="brightness",
        tower=TowerSpec(kind="mobilenet_v2", weights="random"),
        preprocess=preprocess,
        temperature=1.0,
        tie_width=tie_width,
        tie_width_note="made up",
        licence="none",
        notice="a test's own",
    )
    head = Head(
        pca_mean=np.zeros(3),
        pca_components=np.eye(3)[:2],
        pca_scale=np.ones(3),
        centroids=np.eye(2),
        scores=np.array([1.0, 5.0]),
        temperature=1.0,
        normalize=False,
    )
    tower = {"stand_in": np.zeros(1, dtype=np.float32)}
    first = write_bundle(root, info, tower=tower, head=head)
    scorer = brightness_onnx(facts_of(first), preprocess)
    return write_bundle(
        root, info, tower=tower, head=head, extra={"scorer.onnx": scorer}, overwrite=True
    )


def reasoned_file(path: Path) -> Path:
    """The web tests' tiny model at a path: its score and reasons are a photo's brightness."""
    script = Path(__file__).parent / "native" / "web" / "tiny_model.py"
    path.write_bytes(runpy.run_path(str(script))["tiny_model"]().SerializeToString())
    return path

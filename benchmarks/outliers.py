"""int8 against the outliers that trained transformers have: what folding and smoothing save.

    python benchmarks/outliers.py --out benchmarks/results/outliers.json

For each kind of planted outliers a random transformer is converted to ONNX int8 in four ways, each
file is run by ONNX Runtime, and its embeddings are compared with the float32 tower's. The figure is
their error over the spread between photos (root mean squares). Random weights: it ranks ways to
quantise, and says nothing of how well anything rates photos.
"""

from __future__ import annotations

import argparse
import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ralikit.bench.standin import KINDS, OUTLIERS, make_standin
from ralikit.export.gate.calibration_photos import built_in
from ralikit.export.gate.parity import embedding_shift
from ralikit.export.quantise import layer_types, typed_layers
from ralikit.export.quantise.equalising import pixels_of
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.onnx import target as onnx
from ralikit.export.targets.onnx.layer_types import store
from ralikit.files import publish, to_json
from ralikit.model.folded import Folded, fold
from ralikit.model.rewrite import rewrite
from ralikit.runtimes import Views
from ralikit.runtimes.onnxruntime_import import ort

WAYS = ("neither folded nor smoothed", "folded", "folded and smoothed", "as exported")


def embeddings(model: Any, photos: tuple[Views, ...]) -> np.ndarray[Any, np.dtype[np.float64]]:
    """What ONNX Runtime makes of photos, (n, D)."""
    session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = [session.run(["embedding"], {"image": v})[0][0] for v in photos]
    return np.stack(found).astype(np.float64)


def way(folded: Folded, name: str, calibration: tuple[Views, ...]) -> tuple[Any, int]:
    """A model quantised in one of `WAYS`, and how many layers it leaves in float."""
    types = typed_layers.uniform_types(folded, "int8")
    activations: Any = None
    if name != WAYS[0]:
        folded = rewrite(folded)
        types = typed_layers.uniform_types(folded, "int8")
    bench = Workbench(folded, calibration)
    if name in WAYS[2:]:
        activations = "tensor"
    if name == WAYS[3]:
        types = layer_types.int8_types(bench)
    plan = layer_types.prepare_mixed(bench, types, activations=activations)
    size = folded.tower.config()["size"]
    model = onnx.to_model(plan.folded, (1, size, size, 3), outputs=("score", "embedding"))
    kept = sum(types[layer] != "int8" for layer in typed_layers.small_layers(folded))
    return store(model, plan, integers=True), kept


def main() -> None:
    """Run all kinds and ways and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kind", default="clip-vit-b-16-224", choices=list(KINDS))
    parser.add_argument("--photos", type=int, default=24)
    parser.add_argument("--outliers", nargs="+", default=OUTLIERS, choices=OUTLIERS)
    arguments = parser.parse_args()
    rows = []
    for outliers in arguments.outliers:
        with tempfile.TemporaryDirectory() as folder:
            bundle = make_standin(Path(folder) / "bundle", kind=arguments.kind, outliers=outliers)
            calibration = built_in("calibration", bundle.info.preprocess, 32).views
            photos = built_in("gate", bundle.info.preprocess, arguments.photos).views
            folded = fold(bundle)
            with torch.inference_mode():
                wanted = np.concatenate(
                    [folded.tower(pixels_of(folded, v)).double().numpy() for v in photos]
                )
            for name in WAYS:
                model, kept = way(folded, name, calibration)
                shift = embedding_shift(embeddings(model, photos), wanted)
                row = {"outliers": outliers, "way": name, "shift": round(shift, 4), "kept": kept}
                rows.append(row)
                print(f"{outliers:8} {name:28} {shift:8.4f}  {kept} layers in float", flush=True)
    record = {
        "what": "int8 embedding error over the spread between photos",
        "tower": arguments.kind,
        "weights": "random",
        "photos": arguments.photos,
        "runtime": f"onnxruntime {ort.__version__}",
        "machine": platform.processor() or platform.machine(),
        "command": f"python benchmarks/outliers.py --kind {arguments.kind}",
        "rows": rows,
    }
    with publish(arguments.out, overwrite=True) as draft:
        draft.write_text(to_json(record), encoding="utf-8")


if __name__ == "__main__":
    main()

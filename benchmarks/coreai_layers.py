"""The same weights through Core ML's program and Core AI's, layer by layer.

    python benchmarks/coreai_layers.py --out benchmarks/results/coreai-layers.json

The bundled model's tower is converted twice with every layer's result as an output: to Core ML,
which ralikit's evaluator computes, and to Core AI, which Apple's own runtime computes. For each
layer the record holds the error of both against torch in float32 with the same weights, and their
difference, all as root mean squares over the result's own. What Apple's runtime has and the
evaluator lacks is what the evaluator cannot see. One view of a built-in photo each. Needs
the extras coreai and coreml in one environment.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import platform
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ralikit.export.gate.calibration_photos import built_in
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.coreai import target as coreai
from ralikit.export.targets.coreml import target as coreml
from ralikit.export.targets.target import Request
from ralikit.files import publish, to_json
from ralikit.model.folded import Folded, fold
from ralikit.model.rewrite import rewrite
from ralikit.models import bundled
from ralikit.runtimes.mil import Program, open_package
from ralikit.runtimes.mil.silent import coremltools, quiet_logs

Array = NDArray[np.float32]


class Watched(Folded):
    """A folded scorer whose outputs are its layers' results, ``r0``, ``r1`` and so on."""

    watched: tuple[str, ...] = ()

    def forward(self, image: Tensor) -> tuple[Tensor, ...]:
        """(V, S, S, 3) -> every watched layer's result, float32."""
        seen: dict[str, Tensor] = {}
        modules = dict(self.named_modules())
        handles = []
        for name in self.watched:
            layer = modules.get(name) or modules[name.replace("tower.", "tower.tower.", 1)]

            def note(_m: object, _x: object, y: Tensor, name: str = name) -> None:
                seen[name] = y

            handles.append(layer.register_forward_hook(note))
        outputs, self.outputs = self.outputs, ("score",)
        try:
            super().forward(image)
        finally:
            self.outputs = outputs
            for handle in handles:
                handle.remove()
        return tuple(seen[name].float() for name in self.watched)


def watching(folded: Folded, names: Sequence[str]) -> Watched:
    """The scorer, its weights shared, giving its layers' results."""
    other = copy.copy(folded)
    other.__class__ = Watched
    assert isinstance(other, Watched)  # noqa: S101
    other.watched = tuple(names)
    other.outputs = tuple(f"r{i}" for i in range(len(names)))
    return other


def by_coreml(request: Request, views: Any, path: Path) -> list[Array]:
    """Every result, by ralikit's evaluator of the Core ML program."""
    ct = coremltools("This benchmark")
    folded, stored, schemes = coreml.compressed(request)
    with quiet_logs():
        watched = watching(folded, NAMES)
        model = coreml._convert(ct, request, watched, stored, schemes)
        model.save(str(path))
    found = Program.load(open_package(path)).run(
        {"image": views.astype(np.float32)}, round_fp16=True
    )
    return [found[name] for name in request.outputs]


def by_apple(request: Request, views: Any, path: Path) -> list[Array]:
    """Every result, by Apple's runtime of the Core AI program."""
    folded, stored, _ = coreml.compressed(request)
    coreai._save(request, watching(folded, NAMES), stored, path)

    async def run() -> dict[str, Array]:
        from coreai.authoring.asset import AIModelAsset
        from coreai.runtime import NDArray as Values

        async with AIModelAsset.load(path).executable() as model:
            given = await model.load_function("main")({"image": Values(views)})
            return {k: np.array(v.numpy(), np.float32) for k, v in given.items()}

    found = asyncio.run(run())
    return [found[name] for name in request.outputs]


def off(found: Array, wanted: Array) -> float:
    """Root mean square of a difference over that of what is wanted."""
    scale = float(np.sqrt(np.mean(np.square(wanted, dtype=np.float64))))
    difference = found.reshape(wanted.shape).astype(np.float64) - wanted
    return float(np.sqrt(np.mean(np.square(difference)))) / max(scale, 1e-12)


NAMES: tuple[str, ...] = ()


def main() -> None:
    """Measure and write the record."""
    global NAMES
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--precisions", nargs="+", default=["fp16", "int8-weights"])
    parser.add_argument("--every", type=int, default=1, help="every how many-th layer")
    arguments = parser.parse_args()
    bundle = bundled("mini")
    preprocess = replace(bundle.info.preprocess, anchors=((0.5, 0.5),))
    bundle = replace(bundle, info=replace(bundle.info, preprocess=preprocess))
    folded = rewrite(fold(bundle))
    calibration = built_in("calibration", preprocess, 32).views
    views = np.array(built_in("gate", preprocess, 1).views[0])
    layers = [
        name
        for name, module in folded.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and name.startswith("tower.")
    ]
    NAMES = tuple(layers[:: arguments.every])
    rows = []
    for precision in arguments.precisions:
        bench = Workbench(folded, calibration)
        outputs = tuple(f"r{i}" for i in range(len(NAMES)))
        request = Request(bundle=bundle, bench=bench, precision=precision, outputs=outputs)
        exact = coreml.compressed(request)[0]
        with torch.inference_mode():
            wanted = [t.numpy() for t in watching(exact, NAMES)(torch.from_numpy(views))]
        with tempfile.TemporaryDirectory() as folder:
            evaluated = by_coreml(request, views, Path(folder) / "x.mlpackage")
            apple = by_apple(request, views, Path(folder) / "x.aimodel")
        for name, want, ours, theirs in zip(NAMES, wanted, evaluated, apple, strict=True):
            row = {
                "precision": precision,
                "layer": name,
                "coreml_evaluated": round(off(ours, want), 7),
                "coreai_apple": round(off(theirs, want), 7),
                "between": round(off(ours, theirs.reshape(want.shape)), 7),
            }
            rows.append(row)
            print(row, flush=True)
    record = {
        "what": "error of each layer's result over its own size, root mean squares",
        "model": bundle.info.name,
        "view": "one, of the first photo of the built-in gate set",
        "tools": {name: version(name) for name in ("coremltools", "coreai-core", "coreai-torch")},
        "machine": platform.processor() or platform.machine(),
        "ran_on": "CPU: no Apple device, no accelerator",
        "rows": rows,
    }
    with publish(arguments.out, overwrite=True) as draft:
        draft.write_text(to_json(record), encoding="utf-8")


if __name__ == "__main__":
    main()

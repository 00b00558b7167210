"""The same weights through Core ML's program and Core AI's, layer by layer.

    python benchmarks/coreai_layers.py --out benchmarks/results/coreai-layers.json
    python benchmarks/coreai_layers.py --vitl --out benchmarks/results/coreai-vitl.json

A tower is converted twice with every layer's result as an output: to Core ML, which ralikit's
evaluator computes, and to Core AI, which Apple's own runtime computes and ralikit's evaluator of
that format too. For each layer the record holds the error of each against torch in float32 with the
same weights, and how far Apple's runtime is from Core ML's evaluator, all as root mean squares over
the result's own. What Apple's runtime has and the evaluator lacks is what the evaluator cannot see.
With `--evaluated` Apple's runtime is left out: it takes minutes for one block of a large tower.
`codes` is what the codes alone cost: torch with the weights that they stand for against torch with
the exact ones. One view of a built-in photo each. Needs the extras coreai and coreml in one
environment.

The tower is the bundled model's, its convolutions and linear layers; with `--vitl` that of CLIP
ViT-L/14-336 with random weights, its blocks: those of `--blocks`, one after another, and the last
one, since Apple's runtime is slow on a computer. `--whole` besides converts all of its 24 blocks,
codes rounded to nearest, and reads them back: the bytes are those that chosen codes have.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import json
import platform
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from ralikit.bench import standin
from ralikit.export.gate.calibration_photos import built_in
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.coreai import target as coreai
from ralikit.export.targets.coreml import target as coreml
from ralikit.export.targets.coreml.precisions import Scheme
from ralikit.export.targets.coreml.schemes import Stored
from ralikit.export.targets.target import Request
from ralikit.files import publish, size_bytes, to_json
from ralikit.model.bundle import Bundle
from ralikit.model.folded import Folded, fold
from ralikit.model.rewrite import rewrite
from ralikit.models import bundled
from ralikit.photo.views import Preprocess
from ralikit.runtimes.aimodel.asset import open_asset
from ralikit.runtimes.aimodel.program import Program as StandIn
from ralikit.runtimes.mil import Program, open_package
from ralikit.runtimes.mil.silent import coremltools, quiet_logs

Array = NDArray[np.float32]
Compressed = tuple[Folded, dict[str, Stored], dict[str, Scheme]]
"""What `coreml.compressed` gives; worked out once for both formats."""


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


def by_coreml(
    request: Request, made: Compressed, names: Sequence[str], views: Any, path: Path
) -> list[Array]:
    """Every result, by ralikit's evaluator of the Core ML program."""
    ct = coremltools("This benchmark")
    folded, stored, schemes = made
    with quiet_logs():
        watched = watching(folded, names)
        model = coreml._convert(ct, request, watched, stored, schemes)
        model.save(str(path))
    found = Program.load(open_package(path)).run(
        {"image": views.astype(np.float32)}, round_fp16=True
    )
    return [found[name] for name in request.outputs]


def save_coreai(request: Request, made: Compressed, names: Sequence[str], path: Path) -> None:
    """Write the Core AI program, every result an output."""
    folded, stored, _ = made
    coreai._save(request, watching(folded, names), stored, path)


def by_stand_in(request: Request, views: Any, path: Path) -> list[Array]:
    """Every result, by ralikit's evaluator of the Core AI program."""
    found = StandIn.load(open_asset(path)).run(views)
    return [found[name] for name in request.outputs]


def by_apple(request: Request, views: Any, path: Path) -> list[Array]:
    """Every result, by Apple's runtime of the Core AI program."""

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


@dataclass(frozen=True, kw_only=True)
class Subject:
    """What is looked at.

    Attributes:
        bundle: Its description; the weights are those of `folded`.
        folded: The scorer.
        names: Modules whose results are compared.
    """

    bundle: Bundle
    folded: Folded
    names: tuple[str, ...]


def bundled_tower(every: int) -> Subject:
    """The bundled model, one view, every so-many-th convolution or linear layer of its tower."""
    bundle = one_view(bundled("mini"), bundled("mini").info.preprocess)
    folded = rewrite(fold(bundle))
    layers = [
        name
        for name, module in folded.named_modules()
        if isinstance(module, nn.Conv2d | nn.Linear) and name.startswith("tower.")
    ]
    return Subject(bundle=bundle, folded=folded, names=tuple(layers[::every]))


def large_tower(blocks: Sequence[int] | None = None) -> Subject:
    """CLIP ViT-L/14-336 with random weights; some of its blocks and the last, or all.

    The last block computes the class token alone, and nothing calls it as a module: what stands for
    it is the projection behind it.
    """
    tower = standin.random_tower("clip", {}, seed=0)
    every: list[nn.Module] = list(tower.blocks)  # type: ignore[arg-type]
    if blocks is not None:
        tower.blocks = nn.ModuleList([*(every[i] for i in blocks), every[-1]])
    preprocess = Preprocess(size=336, shortest_edge=336, anchors=((0.5, 0.5),))
    bundle = one_view(bundled("mini"), preprocess, name="clip-vit-l-14-336-random")
    names = [f"tower.blocks.{i}" for i in range(len(tower.blocks) - 1)]  # type: ignore[arg-type]
    head = standin.blank_head(tower.dim)
    folded = Folded(
        tower, head, mean=standin.CLIP_MEAN, std=standin.CLIP_STD, view_pool="embedding"
    )
    return Subject(
        bundle=bundle,
        folded=rewrite(folded.eval().requires_grad_(False)),
        names=(*names, "tower.projection"),
    )


def one_view(bundle: Bundle, preprocess: Preprocess, *, name: str | None = None) -> Bundle:
    """The bundle as if its photos had one view, in the middle; perhaps under another name."""
    preprocess = replace(preprocess, anchors=((0.5, 0.5),))
    info = replace(bundle.info, preprocess=preprocess, name=name or bundle.info.name)
    return replace(bundle, info=info)


def measured(subject: Subject, precision: str, *, apple: bool) -> list[dict[str, Any]]:
    """A row for each result of one precision."""
    names, preprocess = subject.names, subject.bundle.info.preprocess
    calibration = built_in("calibration", preprocess, 32).views
    views = np.array(built_in("gate", preprocess, 1).views[0])
    request = Request(
        bundle=subject.bundle,
        bench=Workbench(subject.folded, calibration),
        precision=precision,
        outputs=tuple(f"r{i}" for i in range(len(names))),
    )
    made = coreml.compressed(request)
    with torch.inference_mode():
        wanted = [t.numpy() for t in watching(made[0], names)(torch.from_numpy(views))]
        exact = [t.numpy() for t in watching(subject.folded, names)(torch.from_numpy(views))]
    rows: list[dict[str, Any]] = [
        {"precision": precision, "layer": name, "codes": round(off(want, first), 7)}
        for name, first, want in zip(names, exact, wanted, strict=True)
    ]

    def note(key: str, found: list[Array], against: list[Array]) -> None:
        for row, one, other in zip(rows, found, against, strict=True):
            row[key] = round(off(one, other), 7)

    with tempfile.TemporaryDirectory() as folder:
        evaluated = by_coreml(request, made, names, views, Path(folder) / "x.mlpackage")
        note("coreml_evaluated", evaluated, wanted)
        path = Path(folder) / "x.aimodel"
        save_coreai(request, made, names, path)
        note("coreai_evaluated", by_stand_in(request, views, path), wanted)
        if apple:
            begun = time.perf_counter()
            found = by_apple(request, views, path)
            print(f"Core AI: {time.perf_counter() - begun:.0f} s", flush=True)
            note("coreai_apple", found, wanted)
            note("between", evaluated, found)
    return rows


def whole(precision: str) -> dict[str, Any]:
    """Bytes of all 24 blocks' file, every stored type and weight read back by the target."""
    subject = large_tower()
    request = Request(bundle=subject.bundle, bench=Workbench(subject.folded), precision=precision)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.aimodel"
        coreai.convert(request, path)
        types = Counter(coreai.layers(path).values())
        return {"precision": precision, "bytes": size_bytes(path), "layers": dict(types)}


def main() -> None:
    """Measure and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--precisions", nargs="*", default=["fp16", "int8-weights"])
    parser.add_argument("--every", type=int, default=1, help="every how many-th layer of mini")
    parser.add_argument("--vitl", action="store_true", help="CLIP ViT-L/14-336, random weights")
    parser.add_argument("--evaluated", action="store_true", help="without Apple's runtime")
    parser.add_argument("--blocks", type=int, nargs="+", default=[0, 12], help="of ViT-L")
    parser.add_argument("--whole", nargs="*", default=[], help="precisions of the whole ViT-L")
    arguments = parser.parse_args()
    subject = large_tower(arguments.blocks) if arguments.vitl else bundled_tower(arguments.every)
    record: dict[str, Any] = {
        "what": "error of each result over its own size, root mean squares",
        "model": subject.bundle.info.name,
        "view": "one, of the first photo of the built-in gate set",
        "tools": {name: version(name) for name in ("coremltools", "coreai-core", "coreai-torch")},
        "machine": platform.processor() or platform.machine(),
        "ran_on": "CPU: no Apple device, no accelerator",
        "rows": [],
    }
    if arguments.vitl:
        record |= {"blocks": [*arguments.blocks, 23], "whole": []}
    if arguments.out.is_file():  # made in pieces: rows of other precisions stay
        before = json.loads(arguments.out.read_text(encoding="utf-8"))
        for key, now in (("rows", arguments.precisions), ("whole", arguments.whole)):
            kept = [row for row in before.get(key, []) if row["precision"] not in now]
            record |= {key: kept} if key in record else {}
    for precision in arguments.whole:
        record["whole"].append(whole(precision))
        write(arguments.out, record)
    for precision in arguments.precisions:
        record["rows"] += measured(subject, precision, apple=not arguments.evaluated)
        write(arguments.out, record)


def write(path: Path, record: dict[str, Any]) -> None:
    """Write what there is so far, and say what came last."""
    with publish(path, overwrite=True) as draft:
        draft.write_text(to_json(record), encoding="utf-8")
    print(to_json(record["rows"] or record.get("whole"), indent=None)[-2000:], flush=True)


if __name__ == "__main__":
    main()

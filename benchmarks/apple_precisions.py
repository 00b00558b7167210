"""Core AI and Core ML beside each other, precision by precision, on labelled photos.

    python benchmarks/apple_precisions.py make FILES                       # also those over a limit
    python benchmarks/apple_precisions.py score FILES scores.jsonl --meta LABELS.csv --root IMAGES \
        --mos-range 0,1 --split test --dataset biq2021-test
    python benchmarks/apple_precisions.py apple FILES scores.jsonl --meta ... --photos 2
    python benchmarks/apple_precisions.py record FILES scores.jsonl --meta ... --out RECORD.json

Apple's runtime takes up to 20 s a photo on a computer's CPU. So `score` puts the photos through
what `ralikit export` compares on hundreds of photos: for either format the evaluator of the saved
program with its stored weights, and the float32 bundle in torch. `apple` puts the first few photos
of the same order through Apple's own runtime as well, Core AI's files alone. Photos come in the
order of their names' SHA-256: however many were scored, they are a subset that nobody chose. What
was scored stays in the file, a line a photo, and is not scored again. Needs the extras coreai and
coreml in one environment.
"""

from __future__ import annotations

import argparse
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from ralikit.bench import device
from ralikit.bench.parity import figures
from ralikit.data.metas import MetaSpec, Sample
from ralikit.evaluate import load_set
from ralikit.export import pipeline
from ralikit.export.gate.gate import open_gate
from ralikit.export.order import order
from ralikit.files import publish, sha256_path, size_bytes, to_json
from ralikit.metrics.agreement import agreement
from ralikit.models import bundled
from ralikit.photo.views import load_views
from ralikit.runtimes import Runtime, format_of, open_runtime
from ralikit.runtimes.torch import TorchRuntime

PRECISIONS = ("fp32", "fp16", "int8-weights", "pal6", "pal4", "int4", "w8a8")
TARGETS = ("coreai", "coreml")
REFERENCE = "float32"
APPLE = "apple:"
"""Before a file's name: what Apple's own runtime made of a photo."""

Row = dict[str, float]


def in_order(samples: Sequence[Sample]) -> list[Sample]:
    """Photos by their names' SHA-256: the first n are a fixed subset that nobody chose."""
    return sorted(samples, key=lambda s: hashlib.sha256(s.name.encode()).hexdigest())


def read_scores(path: Path) -> dict[str, Row]:
    """Scores by photo and by what scored it; later lines of one photo add to earlier ones."""
    found: dict[str, Row] = {}
    if path.is_file():
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            found.setdefault(row["photo"], {}).update(row["scores"])
    return found


def columns(
    samples: Sequence[Sample], scores: dict[str, Row], names: Sequence[str]
) -> tuple[list[Sample], dict[str, Any]]:
    """The first photos that all of some names have scored, and each name's scores of them, (n,)."""
    done: list[Sample] = []
    for sample in in_order(samples):
        if not set(names) <= set(scores.get(sample.name, {})):
            break
        done.append(sample)
    return done, {n: np.array([scores[s.name][n] for s in done]) for n in names}


def make(arguments: argparse.Namespace) -> None:
    """Convert, whatever the drift: what `ralikit export` would refuse is measured here too."""
    bundle = bundled(arguments.model)
    arguments.files.mkdir(parents=True, exist_ok=True)
    gate = open_gate(bundle, count=8)
    for precision in arguments.precisions:
        for target in arguments.targets:
            asked = order(bundle, target=target, precision=precision, out=arguments.files)
            if asked.file.exists():
                continue
            draft = pipeline.convert(asked, gate, asked.file)
            asked.target.load().write_facts(asked.file, draft.facts)
            print(asked.file.name, size_bytes(asked.file), flush=True)


def run(
    runtimes: dict[str, Runtime], samples: Sequence[Sample], scores: dict[str, Row]
) -> Iterator[tuple[str, Row]]:
    """What has not scored a photo yet does; a photo's new scores as they come."""
    preprocess = next(iter(runtimes.values())).facts.preprocess
    for sample in samples:
        missing = [n for n in runtimes if n not in scores.get(sample.name, {})]
        if missing:
            views = load_views(sample.image, preprocess)
            yield sample.name, {name: runtimes[name].run(views) for name in missing}


def score(arguments: argparse.Namespace) -> None:
    """Score photos with every file's evaluator, or some in Apple's runtime."""
    torch.set_num_threads(1)
    proof = arguments.what == "apple"
    runtimes: dict[str, Runtime] = {}
    if not proof:
        runtimes[REFERENCE] = TorchRuntime(bundled(arguments.model))
    for path in files(arguments.files):
        if not proof:
            runtimes[path.name] = open_runtime(path, to_prove=True)
        elif path.suffix == ".aimodel":
            runtimes[APPLE + path.name] = open_runtime(path)
    samples = in_order(labelled(arguments))[: arguments.photos]
    for photo, row in run(runtimes, samples, read_scores(arguments.scores)):
        with arguments.scores.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps({"photo": photo, "scores": row}) + "\n")
        print(photo, flush=True)


def record(arguments: argparse.Namespace) -> None:
    """A row a file, and one of the reference, over the photos that all have scored."""
    found, paths = read_scores(arguments.scores), files(arguments.files)
    samples = labelled(arguments)
    done, scores = columns(samples, found, [REFERENCE, *(path.name for path in paths)])
    mos = np.array([sample.score for sample in done])
    rows = [{"file": REFERENCE, "runtime": f"torch {torch.__version__}", **opinions(scores, mos)}]
    for path in paths:
        runtime = open_runtime(path, to_prove=True)
        rows.append(
            {
                "file": path.name,
                "target": format_of(path),
                "precision": runtime.facts.precision,
                "bytes": size_bytes(path),
                "sha256": sha256_path(path),
                "runtime": runtime.name,
                "tools": runtime.facts.written.get("tools"),
                **figures(scores[path.name], scores[REFERENCE]),
                **opinions(scores, mos, path.name),
                **proof_of(path, found),
            }
        )
        print(rows[-1], flush=True)
    written = {
        "what": "drift from the float32 bundle in torch, and agreement with people's scores",
        "model": arguments.model,
        "dataset": arguments.dataset,
        "photos": len(done),
        "of": len(samples),
        "which": "the first by the SHA-256 of their names",
        "machine": device.host().chip,
        "commit": device.commit(),
        "rows": rows,
    }
    with publish(arguments.out, overwrite=True) as draft:
        draft.write_text(to_json(written), encoding="utf-8")


def opinions(scores: dict[str, Any], mos: Any, name: str = REFERENCE) -> dict[str, Any]:
    """SRCC of some scores with people's, and its 95 % interval over photos."""
    close = agreement(scores[name], mos, resamples=1000, seed=0).srcc
    return {"srcc_mos": close.value, "srcc_mos_interval": [close.low, close.high]}


def proof_of(path: Path, scores: dict[str, Row]) -> dict[str, Any]:
    """Where Apple's runtime scored a file's photos too: how many, how far from the evaluator."""
    pairs = [
        (row[APPLE + path.name], row[path.name])
        for row in scores.values()
        if APPLE + path.name in row and path.name in row
    ]
    if not pairs:
        return {}
    most = max(abs(apple - ours) for apple, ours in pairs)
    return {"apple_photos": len(pairs), "apple_from_evaluator": most}


def files(folder: Path) -> list[Path]:
    """The exported files in a folder."""
    return sorted(p for p in folder.iterdir() if p.suffix in (".aimodel", ".mlpackage"))


def labelled(arguments: argparse.Namespace) -> tuple[Sample, ...]:
    """The photos that were asked for."""
    low, high = (float(end) for end in arguments.mos_range.split(","))
    spec = MetaSpec(
        path=arguments.meta,
        root=arguments.root,
        mos_range=(low, high),
        split=arguments.split,
        dataset=arguments.dataset,
    )
    return load_set(spec).samples


def parsed(words: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=["make", "score", "apple", "record"])
    parser.add_argument("files", type=Path, help="folder of the exported files")
    parser.add_argument("scores", type=Path, nargs="?")
    parser.add_argument("--model", default="mini", help="a bundled model")
    parser.add_argument("--precisions", nargs="+", default=PRECISIONS)
    parser.add_argument("--targets", nargs="+", default=TARGETS, choices=TARGETS)
    parser.add_argument("--meta", type=Path)
    parser.add_argument("--root", type=Path)
    parser.add_argument("--mos-range", default="1,5")
    parser.add_argument("--split")
    parser.add_argument("--dataset")
    parser.add_argument("--photos", type=int, help="the first so many; default: all")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args(words)
    if arguments.what != "make" and None in (arguments.scores, arguments.meta, arguments.root):
        parser.error(f"{arguments.what} needs SCORES, --meta and --root")
    if arguments.what == "record" and arguments.out is None:
        parser.error("record needs --out")
    return arguments


def main() -> None:
    """Do one of the four steps."""
    arguments = parsed()
    {"make": make, "score": score, "apple": score, "record": record}[arguments.what](arguments)


if __name__ == "__main__":
    main()

"""Does the score map find what was spoilt? Faults planted in a square of good photos.

    python benchmarks/score_map.py --labels labels.csv --images images \
        --out benchmarks/results/score-map.json

One square of each photo is blurred, made noisy or compressed, its border feathered over a few
pixels; the worst window of `ralikit.explain` is then held against the square. A hit: they overlap
at all; a close hit: at least half of the smaller of the two is shared. Chance is what a window
drawn at random would reach. What the worst window was before says how much the photo itself has
there.

Windows are scored by a file of the same weights with one view, a fifth of the cost: how far that is
from the bundled file stands in the record. Windows that no fault touches are scored once.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from ralikit.explain import Explanation, Window, explain
from ralikit.export.targets.onnx import target as onnx
from ralikit.files import publish, to_json
from ralikit.model.bundle import Bundle
from ralikit.model.facts import facts_of, outputs_facts
from ralikit.model.folded import fold, with_outputs
from ralikit.models import bundled, open_bundle
from ralikit.photo.degrade import add_noise, blur, compress
from ralikit.runtimes import open_runtime
from ralikit.scorer import Scorer, load

EDGE = 512
"""Shortest edge that photos are brought to before anything is planted, pixels."""
FEATHER = 4.0
"""Of a planted square's border, pixels (Gaussian)."""


def _noise(image: Image.Image, sigma: float) -> Image.Image:
    pixels = np.asarray(image, dtype=np.float32)
    return Image.fromarray(add_noise(pixels, sigma, np.random.default_rng(0)))


FAULTS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "blur, sigma 3.5": lambda image: blur(image, 3.5),
    "blur, sigma 5.5": lambda image: blur(image, 5.5),
    "noise, sigma 28": lambda image: _noise(image, 28.0),
    "JPEG blocks, quality 9": lambda image: compress(image, 9),
}


class Remembering(Scorer):
    """A scorer that scores equal views once."""

    def __init__(self, scorer: Scorer) -> None:
        super().__init__(scorer.runtime)
        self._known: dict[bytes, tuple[float, list[float]]] = {}

    def score_view(self, view: NDArray[np.uint8]) -> tuple[float, list[float]]:
        """As the scorer does, out of its memory where it can."""
        key = view.tobytes()
        if key not in self._known:
            self._known[key] = super().score_view(view)
        return self._known[key]

    def forget(self) -> None:
        """Before the next photo."""
        self._known.clear()


@dataclass(frozen=True, kw_only=True)
class Square:
    """Where a fault is planted, pixels."""

    left: int
    top: int
    edge: int

    def shared(self, window: Window) -> float:
        """The part of the smaller of the two squares that both cover, 0..1."""
        across = min(self.left + self.edge, window.right) - max(self.left, window.left)
        down = min(self.top + self.edge, window.bottom) - max(self.top, window.top)
        smaller = min(self.edge, window.right - window.left)
        return max(0.0, across) * max(0.0, down) / smaller**2


def one_view(bundle: Bundle, path: Path) -> Scorer:
    """The bundle's weights in a file that takes one view."""
    centre = replace(bundle.info.preprocess, anchors=((0.5, 0.5),))
    outputs = bundle.outputs
    size = centre.size
    model = onnx.to_model(with_outputs(fold(bundle), outputs), (1, size, size, 3), outputs=outputs)
    path.write_bytes(model.SerializeToString())
    facts = facts_of(replace(bundle, info=replace(bundle.info, preprocess=centre)))
    onnx.write_facts(
        path, {**facts, "target": "onnx", "precision": "fp32", **outputs_facts(bundle, outputs)}
    )
    return Scorer(open_runtime(path, threads=1))


def drift(scorer: Scorer, bundled_scorer: Scorer, pixels: NDArray[np.uint8]) -> float:
    """Largest difference of scores between the two over a photo's corners and centre."""
    size = scorer.preprocess.size
    rooms = pixels.shape[0] - size, pixels.shape[1] - size
    places = [(0, 0), (0, rooms[1]), (rooms[0], 0), rooms, (rooms[0] // 2, rooms[1] // 2)]
    views = [np.ascontiguousarray(pixels[y : y + size, x : x + size]) for y, x in places]
    return max(abs(scorer.score_view(v)[0] - bundled_scorer.score_view(v)[0]) for v in views)


def plant(image: Image.Image, square: Square, fault: str) -> Image.Image:
    """A copy with a fault inside a square."""
    mask = Image.new("L", image.size, 0)
    right, bottom = square.left + square.edge, square.top + square.edge
    mask.paste(255, (square.left, square.top, right, bottom))
    made = image.copy()
    made.paste(FAULTS[fault](image), (0, 0), mask.filter(ImageFilter.GaussianBlur(FEATHER)))
    return made


CHOSEN_ON = frozenset(
    [
        "ss01_1606.jpg",
        "ss02_1882.jpg",
        "ss02_414.jpg",
        "ss03_2199.jpg",
        "ss03_2800.jpg",
        "ss03_3501.jpg",
        "ss03_4479.jpg",
        "ss03_449.jpg",
        "ss03_4997.jpg",
        "ss03_5050.jpg",
        "ss03_6283.jpg",
        "ss03_679.jpg",
        "ss03_796.jpg",
    ]
)
"""On these the windows' size and what counts as plain were chosen: they are left out."""


def photos(labels: Path, images: Path, *, split: str, good: float, count: int) -> list[Path]:
    """Photos of a split that people found good, drawn by a fixed seed."""
    with labels.open(encoding="utf-8") as file:
        rows = [
            r
            for r in csv.DictReader(file)
            if r["split"] == split and float(r["mos"]) >= good and r["file"] not in CHOSEN_ON
        ]
    order = np.random.default_rng(0).permutation(len(rows))[:count]
    return [images / rows[i]["file"] for i in order]


def judge(found: Explanation, square: Square) -> dict[str, Any]:
    """One photo's line of the record."""
    overlaps = [square.shared(window) for window in found.windows]
    worst = square.shared(found.worst)
    return {
        "hit": worst > 0,
        "close": worst >= 0.5,
        "stands_out": found.stands_out,
        "first_reason": found.worst.reasons[0].id if found.worst.reasons else None,
        "worst": round(found.worst.value, 4),
        "median": round(found.median, 4),
        "chance_hit": float(np.mean([o > 0 for o in overlaps])),
        "chance_close": float(np.mean([o >= 0.5 for o in overlaps])),
    }


def summary(lines: list[dict[str, Any]]) -> dict[str, Any]:
    """Shares over the photos; `sure`: of those where the map says that a region stands out."""
    sure = [line for line in lines if line["stands_out"]]

    def share(of: list[dict[str, Any]], key: str) -> float | None:
        return round(float(np.mean([line[key] for line in of])), 3) if of else None

    reasons: dict[str, int] = {}
    for line in lines:
        name = line["first_reason"] or "none"
        reasons[name] = reasons.get(name, 0) + 1
    return {
        "photos": len(lines),
        **{k: share(lines, k) for k in ("hit", "close", "chance_hit", "chance_close")},
        "stand_out": len(sure),
        "hit_where_sure": share(sure, "hit"),
        "first_reasons": reasons,
    }


def run(
    scorer: Remembering, paths: list[Path], *, share: float, edges: list[int]
) -> Iterator[list[dict[str, Any]]]:
    """Plant every fault in every photo and map it; the record's rows, after each photo."""
    lines: dict[tuple[int, str], list[dict[str, Any]]] = {}
    rng = np.random.default_rng(1)
    for path in paths:
        image = Image.open(path).convert("RGB")
        scale = EDGE / min(image.size)
        image = image.resize((round(image.width * scale), round(image.height * scale)))
        edge = round(EDGE * share)
        left, top = (int(rng.integers(0, extent - edge + 1)) for extent in image.size)
        square = Square(left=left, top=top, edge=edge)
        for size in edges:
            for fault in ("nothing", *FAULTS):
                made = image if fault == "nothing" else plant(image, square, fault)
                line = {"photo": path.name, **judge(explain(scorer, made, edge=size), square)}
                lines.setdefault((size, fault), []).append(line)
        scorer.forget()
        yield [
            {"edge": size, "fault": fault, **summary(found), "each": found}
            for (size, fault), found in lines.items()
        ]


def write(record: dict[str, Any], out: Path) -> None:
    """Write what is there so far: a run that is stopped leaves a record of fewer photos."""
    with publish(out, overwrite=True) as draft:
        draft.write_text(to_json(record), encoding="utf-8")


def main() -> None:
    """Run all faults and write the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--images", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--model", default=None)
    parser.add_argument("--photos", type=int, default=40)
    parser.add_argument("--split", default="test")
    parser.add_argument("--good", type=float, default=0.7, help="least opinion score, 0..1")
    parser.add_argument("--share", type=float, default=0.35, help="square's edge, of the short one")
    parser.add_argument("--edges", type=int, nargs="+", default=[96, 256])
    args = parser.parse_args()
    paths = photos(args.labels, args.images, split=args.split, good=args.good, count=args.photos)
    bundle = bundled() if args.model is None else open_bundle(args.model)
    with tempfile.TemporaryDirectory() as folder:
        scorer = Remembering(one_view(bundle, Path(folder) / "one_view.onnx"))
        image = np.asarray(Image.open(paths[0]).convert("RGB"))
        off = drift(scorer, load(args.model, threads=1), image)
        record = {
            "what": "planted faults that the worst window of a score map overlaps",
            "model": bundle.info.name,
            "bundle": bundle.hash,
            "runtime": scorer.runtime.name,
            "drawn_from": {"split": args.split, "least_mos": args.good},
            "square": args.share,
            "one_view_drift": off,
            "command": (
                f"python benchmarks/score_map.py --model {bundle.info.name} --labels labels.csv "
                f"--images images --photos {args.photos} --share {args.share} --edges "
                + " ".join(map(str, args.edges))
            ),
        }
        for rows in run(scorer, paths, share=args.share, edges=args.edges):
            write({**record, "rows": rows}, args.out)
            print(f"{rows[0]['photos']} of {len(paths)} photos", flush=True)
    for row in rows:
        print({key: value for key, value in row.items() if key != "each"})


if __name__ == "__main__":
    main()

"""Scores of exported files on this processor and on an emulated ARM64 one, beside each other.

    arm64.py views FOLDER MODEL...   # FOLDER/views-*.npy of golden photos, and FOLDER/job.json
    arm64.py score FOLDER OUT.json   # every model on those views; needs numpy and runtimes alone
    arm64.py compare HERE.json ARM64.json

`views` runs here, `score` runs on both processors, and `compare` prints a line for every file, then
`N passed, N failed`; exit 1 where a file is further apart than its limit.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np

GOLDEN = Path(__file__).resolve().parents[3] / "runtimes" / "golden" / "images"
FEW = ("portrait.png",)
SOME = ("alpha_p3.png", "j_turn6.jpg", *FEW)
"""Photos of the default run, SOME where sums are of integers: the emulator computes each operation
on floats in software, 20 s a photo and file or more, and 5 s in int8."""

LIMIT = 1e-6
"""Largest difference of an output. In int8 files it is the head's, which is of floats: in none of
the 8-bit layers looked at did a value differ between x86 and the emulated core."""
ROUNDED = {"long.png": 4e-6, "adobe_rgb.png": 2e-6}
"""Larger for photos on which float32 itself is that far off. Computed in float64, `mini` in fp32
gives the first 1.9929868: x86 is 3.2e-6 above that, ARM64 3.6e-7. The second is LiteRT's in int8:
1.4e-6 in the head of floats, six steps of float32. The others differ by 9.5e-7 at most."""


def photos(precision: str) -> list[Path]:
    """The photos to score: some, or with RALIKIT_ARM64_PHOTOS=all every one."""
    if os.environ.get("RALIKIT_ARM64_PHOTOS") == "all":
        return [p for p in sorted(GOLDEN.iterdir()) if p.suffix in {".png", ".jpg"}]
    return [GOLDEN / name for name in (SOME if precision == "int8" else FEW)]


def write_views(folder: Path, models: list[Path]) -> None:
    """Write the views of the photos, (N, V, S, S, 3) uint8, once for every preprocessing."""
    from ralikit.config import to_mapping
    from ralikit.photo.views import load_views
    from ralikit.runtimes import open_runtime

    job: dict[str, Any] = {}
    for model in models:
        facts = open_runtime(model).facts
        paths = photos(facts.precision)
        settings = json.dumps([to_mapping(facts.preprocess), [p.name for p in paths]])
        views = folder / f"views-{hashlib.sha256(settings.encode()).hexdigest()[:8]}.npy"
        names = views.with_suffix(".json")
        if not names.exists():
            # Some photos differ in their files alone: the first of them stands for all.
            every: dict[bytes, tuple[str, Any]] = {}
            for path in paths:
                found = load_views(path, facts.preprocess)
                every.setdefault(found.tobytes(), (path.name, found))
            np.save(views, np.stack([found for _, found in every.values()]))
            names.write_text(json.dumps([name for name, _ in every.values()]))
        job[f"{model.stem} {facts.target}"] = {
            "model": str(model.resolve()),
            "views": views.name,
            "photos": json.loads(names.read_text()),
        }
    (folder / "job.json").write_text(json.dumps(job, indent=1))


def score(folder: Path, out: Path) -> None:
    """Write what every model gives for every photo, and by which runtime; after each model anew."""
    from ralikit.runtimes import open_runtime

    found = {}
    for name, entry in json.loads((folder / "job.json").read_text()).items():
        runtime = open_runtime(Path(entry["model"]), threads=1)
        outputs = [runtime.outputs(views) for views in np.load(folder / entry["views"])]
        found[name] = {
            "runtime": runtime.name,
            "photos": entry["photos"],
            "outputs": [
                {key: [float(v) for v in value.reshape(-1)] for key, value in given.items()}
                for given in outputs
            ],
        }
        out.write_text(json.dumps(found))


def apart(here: dict[str, Any], there: dict[str, Any], key: str) -> list[float]:
    """The difference of an output, for each photo."""
    pairs = zip(here["outputs"], there["outputs"], strict=True)
    return [float(np.abs(np.subtract(a[key], b[key])).max()) for a, b in pairs]


def line(name: str, here: dict[str, Any], there: dict[str, Any]) -> tuple[bool, str]:
    """Whether a file's scores are as near as they must be, and the line that says how near."""
    if here["runtime"] != there["runtime"]:
        return False, f"{name}: {here['runtime']} here, {there['runtime']} of pins.txt on ARM64"
    far = {key: apart(here, there, key) for key in here["outputs"][0]}
    said = ", ".join(f"{key} {max(values):.3g}" for key, values in far.items())
    limits = [ROUNDED.get(name, LIMIT) for name in here["photos"]]
    good = all(
        value <= limit
        for values in far.values()
        for value, limit in zip(values, limits, strict=True)
    )
    count = len(here["outputs"])
    over = "1 photo" if count == 1 else f"{count} photos"
    text = f"{name}: {over}, largest difference {said} (limit {max(limits):g})"
    return good, text


def compare(here: dict[str, Any], there: dict[str, Any]) -> bool:
    """Print a line for every file, and the count."""
    lines = [line(name, here[name], there[name]) for name in here]
    for good, text in lines:
        print(f"{'ok' if good else 'FAILED'} {text}")
    passed = sum(good for good, _ in lines)
    print(f"{passed} passed, {len(lines) - passed} failed")
    return passed == len(lines)


def main(command: str, *words: str) -> int:
    """Run the command line."""
    if command == "views":
        write_views(Path(words[0]), [Path(w) for w in words[1:]])
    elif command == "score":
        score(Path(words[0]), Path(words[1]))
    else:
        here, there = (json.loads(Path(w).read_text()) for w in words)
        return 0 if compare(here, there) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

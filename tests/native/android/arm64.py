"""Scores of exported files on this processor and on an emulated ARM64 one, beside each other.

    arm64.py views FOLDER MODEL...   # FOLDER/views-*.npy of golden photos, and FOLDER/job.json
    arm64.py score FOLDER OUT.json   # every model on those views; needs numpy and the runtimes alone
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
SOME = ("alpha_p3.png", "j_turn6.jpg", "portrait.png")
"""Photos of the default run: the emulator computes every float in software, 20 s a photo and file."""

LIMITS = {
    "onnx fp32": 1e-6,
    "onnx fp16": 1e-6,
    "onnx int8": 0.0,
    "onnx int8-weights": 1e-6,
    "tflite fp32": 1e-6,
    "tflite int8": 0.0,
}
"""Largest difference of a score, by target and precision."""


def photos() -> list[Path]:
    """The photos to score: some, or with RALIKIT_ARM64_PHOTOS=all each that differs."""
    if os.environ.get("RALIKIT_ARM64_PHOTOS") == "all":
        return [p for p in sorted(GOLDEN.iterdir()) if p.suffix in {".png", ".jpg"}]
    return [GOLDEN / name for name in SOME]


def write_views(folder: Path, models: list[Path]) -> None:
    """Write the views of the photos, (N, V, S, S, 3) uint8, once for every preprocessing."""
    from ralikit.config import to_mapping
    from ralikit.photo.views import load_views
    from ralikit.runtimes import open_runtime

    job: dict[str, Any] = {}
    for model in models:
        facts = open_runtime(model).facts
        settings = json.dumps(to_mapping(facts.preprocess), sort_keys=True)
        views = folder / f"views-{hashlib.sha256(settings.encode()).hexdigest()[:8]}.npy"
        if not views.exists():
            # Some photos differ in their files alone.
            every = {v.tobytes(): v for v in (load_views(p, facts.preprocess) for p in photos())}
            np.save(views, np.stack(list(every.values())))
        name = f"{model.stem} {facts.target}"
        job[name] = {
            "model": str(model.resolve()),
            "views": views.name,
            "limit": f"{facts.target} {facts.precision}",
        }
    (folder / "job.json").write_text(json.dumps(job, indent=1))


def score(folder: Path) -> dict[str, Any]:
    """What every model gives for every photo, and which runtime it was."""
    from ralikit.runtimes import open_runtime

    found = {}
    for name, entry in json.loads((folder / "job.json").read_text()).items():
        runtime = open_runtime(Path(entry["model"]), threads=1)
        outputs = [runtime.outputs(views) for views in np.load(folder / entry["views"])]
        found[name] = {
            "limit": entry["limit"],
            "runtime": runtime.name,
            "outputs": [
                {key: [float(v) for v in value.reshape(-1)] for key, value in given.items()}
                for given in outputs
            ],
        }
        print(f"scored {name}: {len(outputs)} photos", file=sys.stderr, flush=True)
    return found


def apart(here: list[dict[str, list[float]]], there: list[dict[str, list[float]]], key: str) -> float:
    """Largest difference of an output over all photos."""
    return max(
        float(np.abs(np.subtract(a[key], b[key])).max()) for a, b in zip(here, there, strict=True)
    )


def line(name: str, here: dict[str, Any], there: dict[str, Any]) -> tuple[bool, str]:
    """Whether a file's scores are as near as they must be, and the line that says how near."""
    if here["runtime"] != there["runtime"]:
        return False, f"{name}: {here['runtime']} here, {there['runtime']} on ARM64"
    limit = LIMITS[here["limit"]]
    far = {key: apart(here["outputs"], there["outputs"], key) for key in here["outputs"][0]}
    spread = np.ptp([given["score"] for given in here["outputs"]])
    said = ", ".join(f"{key} {value:.3g}" for key, value in far.items())
    text = f"{name}: {len(here['outputs'])} photos, largest difference {said} (limit {limit:g})"
    # Photos that all score the same would hide a graph that ignores its input.
    return max(far.values()) <= limit and spread > 0.1, text


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
        Path(words[1]).write_text(json.dumps(score(Path(words[0]))))
    else:
        here, there = (json.loads(Path(w).read_text()) for w in words)
        return 0 if compare(here, there) else 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))

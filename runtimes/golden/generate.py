"""Golden vectors: what every runtime, in every language, must give for the same photos.

    python runtimes/golden/generate.py            # expected pixels and scores of the bundled model
    python runtimes/golden/generate.py --images   # the photos too (needs scikit-image)
    python runtimes/golden/generate.py --check    # change nothing; exit 1 where something differs
    python runtimes/golden/generate.py --raw DIR  # raw pixels, for tests without a PNG reader

`golden.json` holds the expected pixels of every photo after every step, as SHA-256 of the raw bytes
(rows top to bottom, RGB, 8 bits); `expected/*.png` holds some of them to look at and to measure
against; `scores.json` holds the scores of the bundled model per precision. README.md says how to
read them.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ralikit.config import to_mapping
from ralikit.files import read_json, sha256_bytes, sha256_path, to_json, write_text
from ralikit.photo.decode import decode
from ralikit.photo.resample import resize_image
from ralikit.photo.views import Preprocess, load_views, make_views

ROOT = Path(__file__).parent
IMAGES, EXPECTED = ROOT / "images", ROOT / "expected"
GOLDEN, SCORES = ROOT / "golden.json", ROOT / "scores.json"
SCHEMA = 1
PRECISIONS = ("fp32", "fp16", "int8", "int8-weights")

Array = NDArray[np.uint8]

# Settings that no model of ours needs to have: between them they reach every branch.
CORNERS = ((0.0, 0.0), (1.0, 0.0), (0.5, 0.5), (0.0, 1.0), (1.0, 1.0))
SETTINGS: dict[str, Preprocess] = {
    "five": Preprocess(size=32, shortest_edge=45, anchors=CORNERS),
    "squash": Preprocess(size=40, shortest_edge=None),
    "clip": Preprocess(size=224, shortest_edge=224),
    "bilinear": Preprocess(size=31, shortest_edge=31, resample="bilinear"),
    "lanczos": Preprocess(size=33, shortest_edge=37, resample="lanczos"),
}
DRAWN = "five"  # its views are kept as PNG
LARGEST = 4_000_000  # resized photos of more pixels are checked by their views alone


def fact(pixels: Array) -> dict[str, Any]:
    """Size and hash of pixels, (H, W, 3) or (V, S, S, 3)."""
    data = np.ascontiguousarray(pixels)
    return {"shape": list(data.shape), "sha256": sha256_bytes(data.tobytes())}


def steps(path: Path) -> dict[str, Array]:
    """Pixels of one photo after each step, RGB: as stored, in sRGB over white, upright."""
    photo = decode(path)
    stored = photo.image
    wide = stored.mode.startswith("I;16")
    plain = Image.fromarray((np.asarray(stored) >> 8).astype(np.uint8)) if wide else stored
    return {
        "stored": np.asarray(plain.convert("RGBA").convert("RGB")),
        "srgb": np.asarray(photo.colour.to_srgb(stored)),
        "upright": photo.pixels,
    }


def vectors(path: Path) -> dict[str, Any]:
    """Everything `golden.json` says about one photo."""
    photo = decode(path)
    made = steps(path)
    upright = made["upright"]
    entry: dict[str, Any] = {
        "bytes": path.stat().st_size,
        "sha256": sha256_path(path),
        "orientation": photo.orientation,
        "steps": {name: fact(pixels) for name, pixels in made.items()},
        "settings": {},
    }
    for name, preprocess in SETTINGS.items():
        size = preprocess.resized(photo.width, photo.height)
        views = make_views(upright, preprocess)
        resized = None
        if size[0] * size[1] <= LARGEST:
            whole = resize_image(Image.fromarray(upright), size, resample=preprocess.resample)
            resized = fact(np.asarray(whole))
        entry["settings"][name] = {
            "resized_size": list(size),
            "corners": [list(c) for c in preprocess.corners(*size)],
            "resized": resized,
            "views": fact(views),
        }
    return entry


def golden() -> dict[str, Any]:
    """The whole of `golden.json`."""
    about = read_json(IMAGES / "about.json")
    return {
        "schema": SCHEMA,
        "settings": {name: to_mapping(p) for name, p in SETTINGS.items()},
        "photos": {
            path.name: {**about[path.name], **vectors(path)}
            for path in sorted(IMAGES.iterdir())
            if path.suffix in {".png", ".jpg"}
        },
    }


def drawings() -> dict[str, Array]:
    """Expected pixels that are kept as PNG: views of PNG photos, decoded JPEG photos."""
    drawn = {}
    for path in sorted(IMAGES.iterdir()):
        if path.suffix == ".png":
            views = make_views(steps(path)["upright"], SETTINGS[DRAWN])
            drawn[f"{path.stem}.{DRAWN}.png"] = views.reshape(-1, *views.shape[2:])
        elif path.suffix == ".jpg":
            drawn[f"{path.stem}.upright.png"] = steps(path)["upright"]
    return drawn


def score_file(path: Path) -> dict[str, Any]:
    """Scores and reasons of every photo by one exported file, in ONNX Runtime on this processor."""
    from ralikit.runtimes import open_runtime

    runtime = open_runtime(path, threads=1)
    preprocess = runtime.facts.preprocess
    scores, reasons = {}, {}
    for photo in sorted(IMAGES.iterdir()):
        if photo.suffix in {".png", ".jpg"}:
            given = runtime.outputs(load_views(photo, preprocess))
            scores[photo.name] = float(given["score"].flat[0])
            if runtime.facts.reasons:
                reasons[photo.name] = [round(float(v), 7) for v in given["reasons"].reshape(-1)]
    ids = [reason.id for reason in runtime.facts.reasons]
    return {
        **({"reason_ids": ids, "reasons": reasons} if ids else {}),
        "file": sha256_path(path),
        "bundle": runtime.facts.model.bundle,
        "precision": runtime.facts.precision,
        "preprocess": to_mapping(preprocess),
        "runtime": runtime.name,
        "scores": scores,
    }


def carried(bundle: Path | None) -> dict[str, Path]:
    """The exported file that a bundle carries, by its precision: no need to export it again."""
    from ralikit.model.bundle import read_bundle
    from ralikit.models import bundled
    from ralikit.runtimes.onnx import read_facts

    scorer = (read_bundle(bundle) if bundle else bundled()).scorer
    return {} if scorer is None else {read_facts(scorer).precision: scorer}


def export(precision: str, out: Path, bundle: Path | None) -> Path:
    """Export the bundle to ONNX; the command line is what users run, so it is what is tested."""
    model = [str(bundle)] if bundle else []
    command = [sys.executable, "-m", "ralikit", "export", *model, "--target", "onnx"]
    command += ["--precision", precision, "--out", str(out)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)  # noqa: S603
    (made,) = out.glob("*.onnx")
    return made


def all_scores(
    precisions: list[str], models: dict[str, Path], bundle: Path | None, keep: Path | None
) -> dict[str, Any]:
    """The whole of `scores.json`.

    Args:
        precisions: Which ones.
        models: Exported files to use; the other precisions are exported first.
        bundle: What to export; None: the bundled model.
        keep: Folder to keep the files in, as PRECISION.onnx.
    """
    table = {}
    models = {**carried(bundle), **models}
    with tempfile.TemporaryDirectory() as temporary:
        for precision in precisions:
            path = models.get(precision)
            if path is None:
                print(f"exporting {precision} …", flush=True)
                path = export(precision, Path(temporary) / precision, bundle)
            if keep is not None:
                keep.mkdir(parents=True, exist_ok=True)
                path = Path(shutil.copyfile(path, keep / f"{precision}.onnx"))
            table[precision] = score_file(path)
    return {"schema": SCHEMA, "precisions": table}


def write_images() -> None:
    """Write the photos and what each is for."""
    from pictures import LICENCES, pictures

    IMAGES.mkdir(exist_ok=True)
    about = {}
    for name, (purpose, source, save) in pictures().items():
        save(IMAGES / name)
        about[name] = {"for": purpose, "licence": LICENCES[source]}
    write_text(IMAGES / "about.json", to_json(about))


def write_raw(folder: Path) -> None:
    """Write upright pixels and views as raw RGB bytes: NAME.upright.rgb, NAME.SETTING.rgb."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(IMAGES.iterdir()):
        if path.suffix not in {".png", ".jpg"}:
            continue
        upright = steps(path)["upright"]
        (folder / f"{path.name}.upright.rgb").write_bytes(upright.tobytes())
        for name, preprocess in SETTINGS.items():
            (folder / f"{path.name}.{name}.rgb").write_bytes(
                make_views(upright, preprocess).tobytes()
            )


def check(models: dict[str, Path]) -> list[str]:
    """What differs from the committed files; scores only of the models given."""
    committed, now = read_json(GOLDEN)["photos"], golden()["photos"]
    wrong = [
        f"{name}: its pixels are no longer the expected ones"
        for name in sorted(committed | now)
        if committed.get(name) != now.get(name)
    ]
    for precision, path in models.items():
        scores = read_json(SCORES)["precisions"]
        found, wanted = score_file(path), scores[precision]
        for name, value in found["scores"].items():
            was = wanted["scores"].get(name)
            if was is None or abs(value - was) > 1e-4:
                wrong.append(f"{name}: {precision} scores {value}, expected {was}")
        for name, values in found.get("reasons", {}).items():
            was = wanted.get("reasons", {}).get(name)
            if was is None or np.abs(np.subtract(values, was)).max() > 1e-3:
                wrong.append(f"{name}: {precision} gives reasons {values}, expected {was}")
    return wrong


def main() -> int:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--images", action="store_true", help="write the photos first")
    parser.add_argument("--check", action="store_true", help="compare only; exit 1 on a difference")
    parser.add_argument("--pixels-only", action="store_true", help="leave scores.json alone")
    parser.add_argument("--raw", type=Path, help="write raw pixels into this folder, and stop")
    parser.add_argument("--bundle", type=Path, help="score with this bundle (default: mini)")
    parser.add_argument(
        "--model", action="append", default=[], metavar="PRECISION=FILE",
        help="use this exported file for a precision instead of exporting it",
    )  # fmt: skip
    parser.add_argument(
        "--precision", action="append", choices=PRECISIONS, help="only this one (repeatable)"
    )
    parser.add_argument("--models-out", type=Path, help="keep the exported files in this folder")
    parser.add_argument("--scores-out", type=Path, default=SCORES, help="where the scores go")
    words = parser.parse_args()
    models = {key: Path(file) for key, _, file in (m.partition("=") for m in words.model)}
    if words.raw:
        write_raw(words.raw)
        return 0
    if words.check:
        wrong = check(models)
        print("\n".join(wrong) or "golden vectors hold")
        return 1 if wrong else 0
    if words.images:
        write_images()
    if words.scores_out == SCORES:
        write_text(GOLDEN, to_json(golden(), indent=1))
        EXPECTED.mkdir(exist_ok=True)
        for name, pixels in drawings().items():
            Image.fromarray(pixels).save(EXPECTED / name, optimize=True)
        print(f"wrote {GOLDEN.name} and {EXPECTED.name}/")
    if not words.pixels_only:
        wanted = words.precision or list(PRECISIONS)
        scores = all_scores(wanted, models, words.bundle, words.models_out)
        write_text(words.scores_out, to_json(scores, indent=1))
        print(f"wrote {words.scores_out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`ralikit quickstart`: score, export, verify and time here, and a page that shows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ralikit.errors import RalikitError
from ralikit.export.targets import everyday
from ralikit.extras import hush_imports, require_all
from ralikit.files import write_text
from ralikit.model.bundle import Bundle
from ralikit.progress import Tell, named, telling
from ralikit.report.first_look import Curve, first_look

if TYPE_CHECKING:
    from PIL.Image import Image

    from ralikit.bench.records import Record
    from ralikit.scorer import Scorer


PRECISION = "int8"
_NEEDS = (
    ("torch", "export"),
    ("skimage", "export"),
    ("sklearn", "export"),
    ("matplotlib", "bench"),
    ("jinja2", "bench"),
)
"""What it needs besides what its targets do, and the extra that brings each."""


def quickstart(
    out: Path,
    bundle: Bundle,
    *,
    tell: Tell = lambda _what, _done: None,
    say: Callable[[str], None] = lambda _line: None,
) -> Path:
    """Run the whole product once and write ``report.html``.

    Args:
        out: Folder for the exported files, the records and the report; made anew or filled up.
        bundle: The model.
        tell: Told the stage and the share of it that is done, 0..1.
        say: Given a line as work begins, as each of its five steps does, and as a file is finished.

    Returns:
        The report.

    Raises:
        RalikitError: If any stage fails; no report is written then.
        MissingExtraError: If libraries are not installed, before any work is done; it names all.
    """
    targets = everyday()
    needs = [(module, target.extra) for target in targets for module in target.modules]
    require_all([*needs, *_NEEDS], job="The quickstart")
    hush_imports()
    from ralikit.export.options import ExportOptions
    from ralikit.export.pipeline import export_all
    from ralikit.scorer import load

    say("five steps, seven to ten minutes on two cores; nothing is downloaded or sent")
    photos = packaged_photos()
    say(f"1 of 5: scoring {len(photos)} photos, as they are and degraded")
    tell("loading the model", 0.0)
    scorer = load(bundle.root)
    scores = {name: scorer.score(photo) for name, photo in photos.items()}
    curves = degradation_curves(scorer, photos, tell)
    say(f"2 of 5: exporting to {', '.join(t.name for t in targets)} in {PRECISION}, with proof")
    files = {}
    for done in export_all(
        bundle,
        targets=[target.name for target in targets],
        precision=PRECISION,
        out=out,
        options=ExportOptions(overwrite=True),
        tell=tell,
    ):
        say(f"  {done.path}: {done.size / 1e6:.1f} MB, scores within {done.parity.max_drift:.3f}")
        files[done.target] = done.path
    say("3 of 5: verifying the files, from themselves alone")
    verified = _verify(files, tell)
    say("4 of 5: timing them here")
    records = _time(out, files, tell)
    say("5 of 5: writing the report")
    tell("drawing plots", 0.0)
    report = out / "report.html"
    text = first_look(
        out,
        bundle,
        scorer=scorer,
        photos=photos,
        scores=scores,
        curves=curves,
        files=files,
        verified=verified,
        records=records,
    )
    write_text(report, text)
    return report


def packaged_photos() -> dict[str, Image]:
    """Photos inside scikit-learn's and scikit-image's own packages; nothing is downloaded."""
    from PIL import Image
    from skimage import data
    from sklearn.datasets import load_sample_image

    arrays = {
        "china": load_sample_image("china.jpg"),
        "flower": load_sample_image("flower.jpg"),
        "astronaut": data.astronaut(),
        "cat": data.cat(),
        "coffee": data.coffee(),
        "rocket": data.rocket(),
    }
    return {name: Image.fromarray(np.asarray(a)) for name, a in arrays.items()}


def degradation_curves(
    scorer: Scorer, photos: Mapping[str, Image], tell: Tell = lambda _what, _done: None
) -> list[Curve]:
    """Score every photo under growing noise, compression, blur and darkness."""
    from ralikit.photo.degrade import CLASSES, SEVERITIES, Degradation, degrade

    curves = []
    for index, (name, photo) in enumerate(photos.items()):
        tell("scoring degraded photos", index / len(photos))
        clean = scorer.score(photo).value
        for kind in CLASSES:
            worse = [
                scorer.score(degrade(photo, Degradation(kind, s), seed=0, index=index)).value
                for s in SEVERITIES
            ]
            curves.append(Curve(name, kind, (clean, *worse)))
    return curves


def _verify(files: Mapping[str, Path], tell: Tell) -> dict[str, float]:
    """Largest difference on the golden photos, per target, from the file alone."""
    from ralikit.export.verify import verify

    found = {}
    for target, file in files.items():
        with telling(named(tell, file.name)):
            result = verify(file)
        if not result.passed:
            raise RalikitError(f"{file} does not verify: {result.reason}")
        found[target] = result.max_drift
    return found


def _time(out: Path, files: Mapping[str, Path], tell: Tell) -> list[Record]:
    from ralikit.bench.host import HostPlan, bench_host
    from ralikit.bench.photos import rendered_jpeg
    from ralikit.bench.records import append

    with rendered_jpeg(4032, 3024) as photo:
        plan = HostPlan(files=tuple(files.values()), photo=photo, quick=True)
        records = list(bench_host(plan, command="ralikit quickstart", progress=tell))
    append(out / "records.jsonl", records)
    return records

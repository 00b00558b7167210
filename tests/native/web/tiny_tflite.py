"""Export a small random model with reasons to .tflite, and score the golden PNG photos with it.

python tests/native/web/tiny_tflite.py DIR    # DIR/tiny-PRECISION.tflite and DIR/scores-tflite.json
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[3]
sys.path.insert(0, str(ROOT / "tests"))
PRECISIONS = ("fp32", "int8")
PHOTOS = ("photo.png", "portrait.png", "noise.png", "gray.png")


def main(out: Path) -> None:
    """Write the files; those that are there are replaced."""
    from support_export import tiny_bundle

    from ralikit.export.options import ExportOptions
    from ralikit.export.pipeline import export_all
    from ralikit.files import to_json, write_text
    from ralikit.scorer import load

    scores = {}
    with tempfile.TemporaryDirectory() as temporary:
        bundle = tiny_bundle(Path(temporary) / "bundle", reasons=True)
        for precision in PRECISIONS:
            options = ExportOptions(overwrite=True)
            (made,) = export_all(
                bundle, targets=("tflite",), precision=precision, out=out, options=options
            )
            scorer = load(made.path)
            found = {name: scorer.score(ROOT / "runtimes/golden/images" / name) for name in PHOTOS}
            scores[made.path.name] = {
                name: [score.value, *score.reason_values.values()] for name, score in found.items()
            }
    write_text(out / "scores-tflite.json", to_json(scores))


if __name__ == "__main__":
    main(Path(sys.argv[1]))

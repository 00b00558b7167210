"""How many calibration photos int8 needs: drift of the bundled model against their number.

    python benchmarks/calibration_size.py --out benchmarks/results/calibration-size.json

The files are converted and run; drift is against the float32 reference on the built-in gate photos,
none of which is among the calibration photos.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from ralikit.export.gate.gate import open_gate
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.onnx import target as onnx
from ralikit.export.targets.target import Request
from ralikit.files import publish, to_json
from ralikit.model.facts import facts_of
from ralikit.models import bundled
from ralikit.runtimes import open_runtime
from ralikit.runtimes.onnxruntime_import import ort

COUNTS = (8, 16, 32, 64, 128)


def main() -> None:
    """Convert with each number of photos and write the record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    gate = open_gate(bundled(), calibration_count=max(COUNTS))
    rows = []
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            request = Request(
                bundle=gate.bundle,
                bench=Workbench(gate.folded, gate.bench.calibration[:count]),
                precision="int8",
            )
            onnx.convert(request, path)
            facts = {**facts_of(gate.bundle), "target": "onnx", "precision": "int8"}
            onnx.write_facts(path, {**facts, "outputs": ["score"]})
            parity = gate.compare(open_runtime(path, threads=1))
        rows.append({"photos": count, **parity.figures()})
        print(rows[-1], flush=True)
    record = {
        "what": "int8 drift against the number of calibration photos",
        "model": gate.bundle.info.name,
        "runtime": f"onnxruntime {ort.__version__}",
        "command": "python benchmarks/calibration_size.py",
        "rows": rows,
    }
    with publish(arguments.out, overwrite=True) as draft:
        draft.write_text(to_json(record), encoding="utf-8")


if __name__ == "__main__":
    main()

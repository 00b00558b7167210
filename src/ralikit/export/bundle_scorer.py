"""Give a bundle the ONNX file that scores without torch."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np

from ralikit.errors import ParityError
from ralikit.export.gate.parity import FOLD_REASONS
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.onnx import target as onnx
from ralikit.export.targets.target import Request
from ralikit.model.bundle import SCORER, Bundle, keep_one_copy, read_bundle, write_bundle
from ralikit.model.facts import facts_of, outputs_facts
from ralikit.model.folded import fold
from ralikit.runtimes.digest import declared

_TOLERANCE = {"score": 1e-4, "reasons": FOLD_REASONS}
_PROBES = 4


def with_scorer(bundle: Bundle, extra: dict[str, bytes] | None = None) -> Bundle:
    """Write the bundle anew with ``scorer.onnx`` (and further files) in it.

    The file stores the tower's float16 values as they are and computes in float32, so nothing is
    rounded twice; it is run on random views against torch before the bundle is replaced.

    Args:
        bundle: On disk; its folder is replaced as a whole.
        extra: Further files by name, e.g. the model card.

    Raises:
        ParityError: If the file does not give torch's scores.
        ExportError: If the conversion fails.
    """
    from ralikit.runtimes.onnx import OnnxRuntime
    from ralikit.runtimes.torch import TorchRuntime

    folded = fold(bundle)
    with tempfile.TemporaryDirectory(prefix="ralikit-scorer-") as folder:
        path = Path(folder) / SCORER
        request = Request(
            bundle=bundle, bench=Workbench(folded), precision="fp16", outputs=bundle.outputs
        )
        onnx.convert(request, path)
        said = outputs_facts(bundle, bundle.outputs) if bundle.info.reasons else {}
        facts = {**facts_of(bundle), **said, **declared(), "target": "onnx", "precision": "fp16"}
        onnx.write_facts(path, facts)
        runtime = OnnxRuntime(path)
        size = bundle.info.preprocess.size
        rng = np.random.default_rng(0)
        for _ in range(_PROBES):
            views = rng.integers(
                0, 256, (bundle.info.preprocess.views, size, size, 3), dtype=np.uint8
            )
            expected, got = TorchRuntime(bundle, folded).outputs(views), runtime.outputs(views)
            for name in bundle.outputs:
                drift = float(np.abs(got[name] - expected[name]).max())
                if not drift <= _TOLERANCE[name]:
                    raise ParityError(f"{SCORER}: its {name} is off torch's by {drift:.6f}")
        files = {SCORER: path.read_bytes(), **(extra or {})}
    tower = bundle.tower_tensors()
    head = bundle.head()
    write_bundle(
        bundle.root,
        bundle.info,
        tower={k: v.copy() for k, v in tower.items()},
        head=head,
        reasons={k: v.copy() for k, v in bundle.reasons_tensors().items()},
        extra=files,
        overwrite=True,
    )
    return read_bundle(bundle.root)


def finish(bundle: Bundle, extra: dict[str, bytes] | None = None) -> Bundle:
    """Make a bundle as it ships: with a scorer, and with one copy of the tower's weights, in it.

    Args:
        bundle: On disk; its folder is replaced as a whole.
        extra: Further files by name, e.g. the model card.

    Raises:
        ParityError: If the file does not give torch's outputs.
        ExportError: If the conversion fails.
        BundleError: If the file does not hold the tower's weights as they are.
    """
    return keep_one_copy(with_scorer(bundle, extra))

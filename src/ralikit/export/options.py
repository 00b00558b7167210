"""What is asked of an export besides target and precision."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ralikit.errors import UsageError

OUTPUTS = ("score", "embedding", "reasons")
"""What a file can give, all float32: the score, (1,); the tower's embedding averaged over the
views, before the PCA, (1, D); and, of a model with a bank, the reasons, (K,)."""

LAYOUTS = ("standard", "neural-engine")
"""How a transformer's tokens lie: rows of a matrix, or, for Core ML, (V, C, 1, N) with 1 x 1
convolutions and attention head by head (`ralikit.export.targets.coreml.layout`)."""


INPUTS = ("standard", "float16-planar")
"""How a file takes its views: as its target's files do, or, for Core ML, float16 (V, 3, S, S)."""

PATCHES = ("convolution", "linear")
"""How a transformer cuts patches: by its strided convolution, or, for Core ML, by a reshape and a
linear layer (`ralikit.export.targets.coreml.layout.linear_patches`)."""


@dataclass(frozen=True, kw_only=True)
class ExportOptions:
    """What is asked of an export besides target and precision.

    Attributes:
        calibration: A folder of photos to calibrate and compare on; None: the built-in set.
        outputs: What the file gives, of `OUTPUTS`; None: the score, and reasons where the model has
            a bank of them.
        layout: One of `LAYOUTS`.
        input: One of `INPUTS`.
        patches: One of `PATCHES`.
        gpu: Refuse a file that a phone's GPU would not take whole (TFLite).
        npu: Refuse a file that a phone's NPU would not take whole (TFLite, ONNX).
        thorough: Compare a large tower on as many photos as a small one.
        overwrite: Replace a file of the same name.

    Raises:
        UsageError: If there is no such layout, input or way to cut patches.
    """

    calibration: Path | None = None
    outputs: tuple[str, ...] | None = None
    layout: str = "standard"
    input: str = "standard"
    patches: str = "convolution"
    gpu: bool = False
    npu: bool = False
    thorough: bool = False
    overwrite: bool = False

    def __post_init__(self) -> None:
        for option, known in (("layout", LAYOUTS), ("input", INPUTS), ("patches", PATCHES)):
            asked = getattr(self, option)
            if asked not in known:
                raise UsageError(f"--{option} is {' or '.join(known)}, not {asked!r}")


PLAIN = ExportOptions()
"""Nothing asked for."""


def parse_outputs(words: str) -> tuple[str, ...]:
    """``"score,embedding"`` -> ``("score", "embedding")``; the score is always there, and first.

    Raises:
        UsageError: If a word is none of `OUTPUTS`, or the score is missing.
    """
    named = [word.strip() for word in words.split(",") if word.strip()]
    strange = [word for word in named if word not in OUTPUTS]
    if strange:
        raise UsageError(f"there is no output {strange[0]!r}; there are {', '.join(OUTPUTS)}")
    if "score" not in named:
        raise UsageError("a file gives the score, with or without the rest: --outputs score,...")
    return tuple(name for name in OUTPUTS if name in named)

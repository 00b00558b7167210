"""ralikit: train a RALI image quality scorer, export it to phones, prove that the score survived.

`ralikit.load().score("photo.jpg")` works after the core install, offline and without torch.
"""

from typing import TYPE_CHECKING, Any

from ralikit.telemetry import switch_off

if TYPE_CHECKING:
    from ralikit.scorer import Score, Scorer, load

__version__ = "0.1.0"

__all__ = ["Score", "Scorer", "__version__", "load"]

# Here, as nothing of ralikit can import a library that reports before this has run.
switch_off()


def __getattr__(name: str) -> Any:
    # Importing the package stays free: numpy, Pillow and ONNX Runtime arrive with the first use.
    if name in {"Score", "Scorer", "load"}:
        from ralikit import scorer

        return getattr(scorer, name)
    raise AttributeError(f"module 'ralikit' has no attribute {name!r}")

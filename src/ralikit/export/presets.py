"""Presets: what to export for where it shall run, one TOML file each, with the reason."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ralikit.config import from_mapping, read_toml
from ralikit.errors import RalikitError, UsageError

_INSTALLED = Path(__file__).parents[1] / "export_presets"
_CHECKOUT = Path(__file__).parents[3] / "export"


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Options of `ralikit export`.

    Attributes:
        target: Format.
        precision: One that the target has.
        why: The reason, in words for whoever has to trust it.
        outputs: What the file gives, as ``--outputs`` takes it; None: what the model can say.
        gpu: Whether a phone's GPU must take the whole file.
        npu: Whether a phone's NPU must.
        transformers: The precision of vision transformers, where it is another one.
    """

    target: str
    precision: str
    why: str
    outputs: str | None = None
    gpu: bool = False
    npu: bool = False
    transformers: str | None = None

    def __post_init__(self) -> None:
        if not self.why.strip():
            raise UsageError("a preset says why")

    @property
    def options(self) -> dict[str, str | bool | None]:
        """Values by the name of the option."""
        return {
            "target": self.target,
            "precision": self.precision,
            "outputs": self.outputs,
            "gpu": self.gpu,
            "npu": self.npu,
        }


def folder() -> Path:
    """Where the presets lie: in the package, or in a checkout.

    Raises:
        RalikitError: If they are in neither.
    """
    for place in (_INSTALLED, _CHECKOUT):
        if any(place.glob("*.toml")):
            return place
    raise RalikitError("this installation carries no export presets; install ralikit's wheel again")


def names() -> list[str]:
    """All presets, sorted."""
    return sorted(path.stem for path in folder().glob("*.toml"))


def read_preset(name: str) -> Preset:
    """A preset by name.

    Raises:
        UsageError: If there is none of that name; those there are are named.
    """
    known = names()
    if name not in known:
        raise UsageError(f"there is no preset {name!r}; there are {', '.join(known)}")
    path = folder() / f"{name}.toml"
    return from_mapping(Preset, read_toml(path), where=path.name)

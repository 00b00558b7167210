"""A plan: what lies in a GPU's memory at each stage of a training, part by part."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ralikit.errors import UsageError

GIB = 2**30
LABEL = "computed, not measured"

_CONTEXT = 2 * GIB
_LOOSE = 0.05
"""Set aside: CUDA's context and libraries, and pieces that the allocator cannot use. Ours."""

_SPREADS = ("copies", "sharded")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """What is planned for.

    Attributes:
        card: Memory of one GPU, GiB.
        gpus: Processes that train together, one a GPU.
        spread: ``copies``: each GPU has everything (one GPU, DDP). ``sharded``: weights, gradients
            and moments are divided (FSDP's full sharding, ZeRO-3; Rajbhandari et al. 2020).
    """

    card: float
    gpus: int = 1
    spread: str = "copies"

    def __post_init__(self) -> None:
        if not self.card > 0 or self.gpus < 1:
            raise UsageError("a card has more than 0 GB, and there is at least one GPU")
        if self.spread not in _SPREADS:
            raise UsageError(f"spread is {' or '.join(_SPREADS)}, not {self.spread!r}")

    @property
    def parts(self) -> int:
        """Over how many GPUs weights and their like are divided."""
        return self.gpus if self.spread == "sharded" else 1


@dataclass(frozen=True, kw_only=True)
class Part:
    """One thing in memory.

    Attributes:
        name: What it is.
        bytes: Its size on one GPU.
        how: How the size comes about.
    """

    name: str
    bytes: int
    how: str


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What lies in memory together.

    Attributes:
        name: Of the stage.
        parts: What is there.
        problem: Why it cannot run whatever its size, in a sentence; empty: it can.
    """

    name: str
    parts: tuple[Part, ...]
    problem: str = ""

    @property
    def bytes(self) -> int:
        """Of one GPU, what is set aside included."""
        return int(sum(p.bytes for p in self.parts) * (1 + _LOOSE)) + _CONTEXT

    def fits(self, machine: Machine) -> bool:
        """Whether a card holds it."""
        return not self.problem and self.bytes <= machine.card * GIB

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        parts = [{"name": p.name, "bytes": p.bytes, "how": p.how} for p in self.parts]
        return {"name": self.name, "bytes": self.bytes, "problem": self.problem, "parts": parts}


def training_state(
    parameters: int, trained: int, machine: Machine, *, weight: int = 4
) -> tuple[Part, ...]:
    """Weights, gradients and AdamW's two moments.

    Rajbhandari et al. 2020 (ZeRO), section 3.1, for float32 throughout: 16 bytes a trained
    parameter.

    Args:
        parameters: All of the model's.
        trained: Those that move; always float32.
        machine: What they are divided over.
        weight: Bytes of a parameter that stays.
    """
    n = machine.parts
    still = parameters - trained
    how = f"{trained:,} that move, 4 bytes"
    how += f"; {still:,} that stay, {weight} bytes" if still else ""
    found = [
        Part(name="weights", bytes=(still * weight + 4 * trained) // n, how=how),
        Part(name="gradients", bytes=4 * trained // n, how="4 bytes each"),
        Part(name="optimiser's moments", bytes=8 * trained // n, how="AdamW: two of 4 bytes each"),
    ]
    if machine.gpus > 1 and machine.spread == "copies":
        found.append(
            Part(
                name="buckets of gradients",
                bytes=4 * trained,
                how="DDP gathers gradients in a second copy",
            )
        )
    return tuple(found)

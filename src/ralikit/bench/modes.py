"""How long a device is measured, as MLPerf Mobile has it (its rules, section on run times)."""

from __future__ import annotations

from dataclasses import dataclass

from ralikit.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class Mode:
    """At least so many queries, and at least so many seconds of them.

    Attributes:
        name: As chosen on the command line.
        queries: Fewest inferences.
        seconds: Fewest seconds of inferences.
        warmups: Inferences before the first sample.
    """

    name: str
    queries: int
    seconds: float
    warmups: int

    @property
    def quick(self) -> bool:
        """Whether a record of it is a look, not a final figure."""
        return self.name != "final"


MODES = {
    mode.name: mode
    for mode in (
        Mode(name="quick", queries=16, seconds=1.0, warmups=2),
        Mode(name="rapid", queries=64, seconds=6.0, warmups=5),
        Mode(name="final", queries=1024, seconds=60.0, warmups=10),
    )
}


def mode_named(name: str) -> Mode:
    """The mode of that name.

    Raises:
        UsageError: If there is none.
    """
    if name not in MODES:
        raise UsageError(f"--mode is one of {', '.join(MODES)}, not {name!r}")
    return MODES[name]

"""What a converted file is looked at for, besides its scores: a few checks of each target's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ralikit.errors import ParityError
from ralikit.model.facts import Facts

if TYPE_CHECKING:
    from ralikit.runtimes import Runtime

FLOAT16_MAX = 65504.0
"""Largest finite float16."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at: what, whether it held (None: not checked), and the detail."""

    name: str
    passed: bool | None
    detail: str

    def figures(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"name": self.name, "passed": self.passed, "detail": self.detail}

    def refuse(self, *, what: str) -> None:
        """Stop an export whose file did not pass.

        Raises:
            ParityError: If it did not.
        """
        if self.passed is False:
            raise ParityError(f"{what}: {self.name}: {self.detail}")


def watch(runtime: Runtime) -> None:
    """Let a runtime that can do so note the range of every activation from now on."""
    if runtime.observer is not None:
        runtime.observer.start()


def layers_check(found: dict[str, str], stated: Mapping[str, str] | None) -> Check:
    """Whether a file's layers are stored as it says.

    Args:
        found: Stored type of every layer, read from the file.
        stated: What its metadata says; None where that cannot be read.
    """
    if found == stated:
        kinds = ", ".join(sorted(set(found.values())))
        return Check("layers", True, f"{len(found)}, stored as {kinds}, as stated")
    known = stated or {}
    name = next((n for n in sorted({*known, *found}) if found.get(n) != known.get(n)), "")
    detail = f"{name} is stored as {found.get(name)} where the file says {known.get(name)}"
    return Check("layers", False, detail)


def npu_check(findings: Sequence[str], facts: Facts, *, source: str) -> Check:
    """Whether a phone's NPU would take the whole file, by its compilers' own lists.

    Args:
        findings: The rules that it breaks, one sentence each.
        facts: The file's; a file that is not meant for an NPU only says what it would break.
        source: Where the lists are from, and their date.
    """
    if not findings:
        return Check(
            "NPU", True, f"no rule broken ({source}); not compiled and not run on one here"
        )
    return Check("NPU", False if facts.npu else None, f"{'; '.join(findings)} ({source})")


def float16_check(facts: Facts, *, meant: bool) -> Check:
    """Whether float16 holds everything the graph computes.

    Args:
        facts: The file's; `activations` says how large values got on photos.
        meant: Whether the file is meant for arithmetic in float16: only then is overflow an end.
    """
    name, seen = "float16", facts.activations
    if seen is None:
        return Check(name, None, "the file does not say how large its values get")
    reached = f"values reach {seen.largest:.4g} in {seen.where}"
    if seen.largest <= FLOAT16_MAX:
        return Check(name, True, f"{reached}, {FLOAT16_MAX:.0f} at most are possible")
    detail = f"{reached}, beyond float16's {FLOAT16_MAX:.0f}: what computes in it gives NaN"
    return Check(name, False if meant else None, detail)

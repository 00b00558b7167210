"""Words that say how a label file is read."""

from __future__ import annotations

from typing import Literal

from ralikit.errors import UsageError


def mos_range_of(text: str) -> tuple[float, float] | Literal["observed"] | None:
    """What `--mos-range` says: LOW,HIGH; ``observed``: the file's own ends; ``stated``: None.

    Raises:
        UsageError: If it is none of these.
    """
    if text == "observed":
        return "observed"
    if text == "stated":
        return None
    try:
        low, high = (float(part) for part in text.split(","))
    except ValueError as error:
        raise UsageError(
            f"--mos-range takes LOW,HIGH such as 0,1, or observed, or stated, not {text!r}"
        ) from error
    return low, high

"""What a bundle that was made from another one takes over: its notice, its licence, its descent."""

from __future__ import annotations

from typing import Any

from ralikit.model.bundle import Bundle

_LICENCE = "LICENSE-WEIGHTS.md"


def notices(parent: Bundle, *, made: str, own: str) -> str:
    """The notice of a bundle that was made from another.

    Args:
        parent: The other.
        made: How, before "from".
        own: What else a user must know.
    """
    first = (
        f"{made} from {parent.info.name} ({parent.hash[:8]}): what holds for its weights holds for "
        "these."
    )
    return " ".join(part for part in (first, parent.info.notice, own) if part)


def licence_of(parent: Bundle) -> dict[str, bytes] | None:
    """The licence file that goes along with copies of its weights, by name; None: it has none."""
    path = parent.root / _LICENCE
    return {_LICENCE: path.read_bytes()} if path.is_file() else None


def descent(parent: Bundle) -> dict[str, Any]:
    """What provenance says of it."""
    return {"name": parent.info.name, "hash": parent.hash, "data": parent.info.provenance}

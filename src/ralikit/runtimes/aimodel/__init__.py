"""Core AI's programs: the folder called .aimodel, its program read back and computed with torch."""

from __future__ import annotations

from ralikit.runtimes.aimodel.asset import Asset, open_asset
from ralikit.runtimes.aimodel.program import Program

__all__ = ["Asset", "Program", "open_asset"]

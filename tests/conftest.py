"""Fixtures shared by all tests; everything they need is made on the spot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

# Tiny models gain nothing from threads that spin for each other, and tests share the machine.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The development photos beside the checkout; tests that need them skip where they are not."""
    root = Path(__file__).parents[2] / "shared" / "data"
    override = os.environ.get("RALIKIT_DATA")
    root = Path(override) if override else root
    if not root.is_dir():
        pytest.skip(f"the development photos are not here: no folder {root}")
    return root

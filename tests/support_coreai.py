"""Where Core AI's library is: it is a beta, and not part of the test environment."""

from __future__ import annotations

import importlib.util

import pytest

needs_coreai = pytest.mark.skipif(
    importlib.util.find_spec("coreai") is None or importlib.util.find_spec("coreai_torch") is None,
    reason="the extra 'coreai' is not installed",
)

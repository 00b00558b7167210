"""Other libraries' telemetry: off before they load, unless a person has set its switch.

Each of these reads its switch as it is imported, so `import ralikit` sets them first of all, and
processes that ralikit starts inherit them. SECURITY.md says what was found and how.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SWITCHES = {
    # ONNX Runtime 1.31: a device id and a database under ~/.cache as it is imported, and an event
    # host looked up once the process has lived for some 20 seconds.
    "ORT_DISABLE_TELEMETRY": "1",
    # TRL reports the start of every trainer; the hub's client names torch and looks up who runs it.
    "HF_HUB_DISABLE_TELEMETRY": "1",
    # vLLM reports every engine's start.
    "VLLM_NO_USAGE_STATS": "1",
    # Ray reports a cluster's start and goes on once an hour.
    "RAY_USAGE_STATS_ENABLED": "0",
}
"""Environment variables that say no, and their words for it."""


def switch_off() -> None:
    """Set every switch that is not set yet: a person's own setting wins."""
    for name, value in SWITCHES.items():
        os.environ.setdefault(name, value)


@contextmanager
def hidden(module: str) -> Iterator[None]:
    """Let `module` be missing for the block, unless it was imported before.

    For a library that reports as it is imported, has no switch, and does without its reporter.
    """
    if module in sys.modules:
        yield
        return
    sys.modules[module] = None  # type: ignore[assignment]  # the import system's word for "missing"
    try:
        yield
    finally:
        del sys.modules[module]

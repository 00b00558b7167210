"""A line of figures a step, in a file that a resumed run goes on with, and in TensorBoard."""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

from ralikit.extras import require
from ralikit.lines import numbered_lines

METRICS = "metrics.jsonl"


@contextlib.contextmanager
def metrics_log(
    out: Path, *, step: int, tensorboard: bool
) -> Iterator[Callable[[dict[str, float]], None]]:
    """Open ``metrics.jsonl`` of a run's folder.

    Args:
        out: The folder.
        step: The step that comes next; lines from there on are of a run that was killed and go.
        tensorboard: Also write TensorBoard files.
    """
    path = out / METRICS
    written = path.read_bytes() if path.is_file() else b""
    kept = [line for _, line in numbered_lines(written) if _step_of(line) < step]
    board = None
    if tensorboard:
        require("tensorboard", extra="tensorboard", job="Writing TensorBoard files")
        from torch.utils.tensorboard import SummaryWriter

        board = SummaryWriter(str(out / "tensorboard"), purge_step=step)
    with path.open("w", encoding="utf-8") as stream:
        stream.writelines(line.decode() + "\n" for line in kept)

        def log(figures: dict[str, float]) -> None:
            stream.write(json.dumps(figures) + "\n")
            stream.flush()
            if board is not None:
                for name, value in figures.items():
                    board.add_scalar(name, value, figures["step"])

        try:
            yield log
        finally:
            if board is not None:
                board.close()


def _step_of(line: bytes) -> float:
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf  # a line that a kill tore in half

"""Checkpoints around TRL's trainers: whole or gone, resumed exactly, with metrics beside them."""

from __future__ import annotations

import errno
import json
import math
import shutil
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PrinterCallback, TrainerCallback

from ralikit.errors import TrainingError
from ralikit.files import to_json
from ralikit.lines import numbered_lines
from ralikit.progress import listened_to, tell
from ralikit.train.teacher.trainer_tools import is_main, wait_for_all
from ralikit.train.teacher.vlm import load_model

__all__ = [
    "Bookkeeping",
    "WholeResume",
    "attach",
    "clear_errors",
    "last_checkpoint",
    "old_names_allowed",
    "resume_point",
]

_WHOLE = "ralikit-whole"
"""An empty file in a checkpoint that was written to its end."""

_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO}

# What torch.save's zip writer raises, as a RuntimeError, when a write falls short.
_TORCH_WRITER = ("PytorchStreamWriter", "inline_container", "iostream error")


class WholeResume:
    """Resume from the whole of a checkpoint; goes before a TRL trainer in the bases.

    Checkpoints are written under the published names of Qwen2.5-VL (``visual.…``) and the trainer
    looks for the names in memory (``model.visual.…``): it warns, loads the output layer alone, and
    trains on from the start. Adapters and sharded checkpoints have one set of names: those are
    left to it.
    """

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:
        trainer: Any = self
        folder = Path(resume_from_checkpoint)
        sharded = trainer.is_fsdp_enabled or trainer.is_deepspeed_enabled
        if sharded or (folder / "adapter_config.json").exists():
            super()._load_from_checkpoint(resume_from_checkpoint, model)  # type: ignore[misc]
            return
        whole = load_model(str(folder)).state_dict()
        (trainer.model if model is None else model).load_state_dict(whole)


class Bookkeeping(TrainerCallback):  # type: ignore[misc]
    """Write the metrics as JSON lines, mark whole checkpoints, stop at a non-finite loss."""

    def __init__(self, folder: Path) -> None:
        """Log below `folder`; a resumed run cuts off the lines of steps it makes again."""
        self._folder = folder
        self._metrics = folder / "metrics.jsonl"

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Drop metrics of steps that will be made again."""
        if not state.is_world_process_zero or not self._metrics.exists():
            return
        text = self._metrics.read_bytes()
        whole = text[: text.rfind(b"\n") + 1]
        kept = [
            line + b"\n"
            for _, line in numbered_lines(whole)
            if json.loads(line)["step"] <= state.global_step
        ]
        self._metrics.write_bytes(b"".join(kept))

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Append one line; refuse to go on with a loss that is no number."""
        loss = (logs or {}).get("loss")
        if loss is not None and not math.isfinite(loss):
            last = last_checkpoint(self._folder / "checkpoints")
            raise TrainingError(
                f"the loss of step {state.global_step} is {loss}; training stopped, "
                + (f"{last} is the last good checkpoint" if last else "no checkpoint exists yet")
                + "; lower the learning rate and resume"
            )
        if state.is_world_process_zero and logs:
            _tell(state, logs)
            plain = {k: v for k, v in logs.items() if isinstance(v, int | float)}
            finite = {k: v for k, v in plain.items() if math.isfinite(v)}
            if torch.cuda.is_available():
                finite["peak_gpu_bytes"] = torch.cuda.max_memory_allocated()
            with self._metrics.open("a", encoding="utf-8") as stream:
                stream.write(to_json({"step": state.global_step, **finite}, indent=None) + "\n")

    def on_save(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Mark the checkpoint just written as whole."""
        if state.is_world_process_zero:
            (Path(args.output_dir) / f"checkpoint-{state.global_step}" / _WHOLE).touch()


def _tell(state: Any, logs: dict[str, Any]) -> None:
    """What a person watches, to who listens, else a line a step; the rest is in the metrics."""
    names = {"reward": "reward", "loss": "loss", "kl": "kl", "learning_rate": "lr"}
    shown = [f"{label} {logs[key]:.4g}" for key, label in names.items() if key in logs]
    line = f"step {state.global_step}/{state.max_steps}  " + "  ".join(shown)
    if shown and listened_to():
        tell(f"training, {', '.join(shown)}", state.global_step / max(state.max_steps, 1))
    elif shown:
        print(line, file=sys.stderr, flush=True)


def attach(trainer: Any, folder: Path) -> Any:
    """Put `Bookkeeping` in the place of the trainer's own printing; gives the trainer back."""
    trainer.remove_callback(PrinterCallback)
    trainer.add_callback(Bookkeeping(folder))
    return trainer


def last_checkpoint(folder: Path) -> Path | None:
    """The newest checkpoint that was written to its end; None where there is none."""
    whole = [p for p in folder.glob("checkpoint-*") if (p / _WHOLE).is_file()]
    return max(whole, key=lambda p: int(p.name.rpartition("-")[2]), default=None)


def resume_point(folder: Path) -> str | None:
    """Where to go on: the last whole checkpoint; unfinished ones are removed."""
    checkpoints = folder / "checkpoints"
    wait_for_all()
    if is_main():
        for path in checkpoints.glob("checkpoint-*"):
            if not (path / _WHOLE).is_file():
                shutil.rmtree(path, ignore_errors=True)
    wait_for_all()
    last = last_checkpoint(checkpoints)
    return None if last is None else str(last)


@contextmanager
def old_names_allowed() -> Iterator[None]:
    """Let TRL use transformers' former names of activation checkpointing without a warning a call.

    TRL itself has to change; every other deprecation is still said.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore",
            message=r"`(is_)?gradient_checkpointing\w*` is deprecated",
            category=FutureWarning,
        )
        yield


@contextmanager
def clear_errors(folder: Path) -> Iterator[None]:
    """Turn what a full or read-only disk and a full GPU raise into a sentence."""
    try:
        yield
    except torch.cuda.OutOfMemoryError as error:
        raise TrainingError(
            "the GPU has no memory left; lower runtime.per_device or grpo.max_pixels, or use lora"
        ) from error
    except (OSError, SafetensorError, RuntimeError) as error:
        reason = _write_failure(error, folder)
        if reason is None:
            raise
        last = last_checkpoint(folder / "checkpoints")
        raise TrainingError(
            f"cannot write below {folder}: {reason}; "
            + (f"{last.name} is whole" if last else "no checkpoint exists yet")
            + ": make room and run again with --resume"
        ) from error


def _write_failure(error: BaseException, folder: Path) -> str | None:
    """Why a file could not be written; None if the error is about something else."""
    if isinstance(error, OSError):
        return error.strerror if error.errno in _UNWRITABLE else None
    if isinstance(error, RuntimeError) and not any(w in str(error) for w in _TORCH_WRITER):
        return None
    # torch and safetensors do not say why; a disk with less room than a checkpoint does.
    free = shutil.disk_usage(folder).free
    return f"No space left on device ({free / 1e6:.0f} MB free; {str(error).splitlines()[0]})"

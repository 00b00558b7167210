"""What GRPO and SFT share around TRL: whole checkpoints, a metrics file, clear errors."""

from __future__ import annotations

import dataclasses
import errno
import json
import math
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from accelerate.state import PartialState
from safetensors import SafetensorError
from transformers import PrinterCallback, TrainerCallback

from ralikit.errors import TrainingError, UsageError
from ralikit.files import publish, to_json
from ralikit.train.recipes import LoraSettings, Runtime
from ralikit.train.vlm import load_model, write_card

__all__ = [
    "Bookkeeping",
    "WholeResume",
    "attach",
    "check_processes",
    "checkpointing",
    "clear_errors",
    "is_main",
    "last_checkpoint",
    "lora_config",
    "precision",
    "process",
    "publish_model",
    "resume_point",
    "steps_per_device",
    "wait_for_all",
]

_WHOLE = "ralikit-whole"
"""An empty file in a checkpoint that was written to its end."""

_UNWRITABLE = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EIO}

# What torch.save's zip writer raises, as a RuntimeError, when a write falls short.
_TORCH_WRITER = ("PytorchStreamWriter", "inline_container", "iostream error")

_LANGUAGE = r"model\.language_model\.layers\.\d+\.(self_attn|mlp)\.(q|k|v|o|gate|up|down)_proj"
_VISION = r"model\.visual\.blocks\.\d+\.(attn\.(qkv|proj)|mlp\.(gate|up|down)_proj)"


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
        lines = self._metrics.read_text(encoding="utf-8").splitlines(keepends=True)
        kept = [
            line
            for line in lines
            if line.endswith("\n") and json.loads(line)["step"] <= state.global_step
        ]
        self._metrics.write_text("".join(kept), encoding="utf-8")

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
    """One line a step on stderr: what a person watches; the rest is in the metrics file."""
    names = {"reward": "reward", "loss": "loss", "kl": "kl", "learning_rate": "lr"}
    shown = [f"{label} {logs[key]:.4g}" for key, label in names.items() if key in logs]
    if shown:
        line = f"step {state.global_step}/{state.max_steps}  " + "  ".join(shown)
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


def _state() -> PartialState:
    return PartialState(cpu=not torch.cuda.is_available())


def is_main() -> bool:
    """Whether this process is the first of all: the one that prints and writes."""
    return bool(_state().is_main_process)


def process() -> tuple[int, int]:
    """This process's number, and how many there are."""
    state = _state()
    return int(state.process_index), int(state.num_processes)


def wait_for_all() -> None:
    """Let no process go on before all are here."""
    _state().wait_for_everyone()


def check_processes(expected: int | None) -> int:
    """The number of processes that train together, held against what the recipe says.

    Raises:
        UsageError: If it is another.
    """
    world = int(_state().num_processes)
    if expected is not None and world != expected:
        raise UsageError(
            f"the recipe asks for {expected} processes and {world} started; launch it with: "
            f"torchrun --nproc_per_node {expected} -m ralikit train …"
        )
    return world


def steps_per_device(sequences: int, runtime: Runtime) -> int:
    """Passes each device makes for one optimiser step of `sequences` sequences.

    Raises:
        UsageError: If they do not divide evenly.
    """
    world = check_processes(runtime.processes)
    once = runtime.per_device * world
    if sequences % once:
        fitting = [n for n in range(1, sequences + 1) if sequences % (n * world) == 0]
        hint = (
            f"runtime.per_device can be {', '.join(map(str, fitting))}"
            if fitting
            else f"{sequences} sequences do not divide over {world} processes at all"
        )
        raise UsageError(
            f"an optimiser step has {sequences} sequences, which do not divide into passes of "
            f"{runtime.per_device} on {world} processes; {hint}"
        )
    return sequences // once


def precision() -> dict[str, bool]:
    """bfloat16 autocast over float32 weights on a GPU that has it; float32 on a CPU."""
    gpu = torch.cuda.is_available()
    return {
        "use_cpu": not gpu,
        "bf16": gpu and torch.cuda.is_bf16_supported(),
        "fp16": gpu and not torch.cuda.is_bf16_supported(),
    }


def checkpointing(config: type, wanted: bool) -> dict[str, Any]:
    """Gradient checkpointing as `config` calls it: transformers renames it to activation…"""
    names = {field.name for field in dataclasses.fields(config)}
    prefix = "activation" if "activation_checkpointing" in names else "gradient"
    return {
        f"{prefix}_checkpointing": wanted,
        f"{prefix}_checkpointing_kwargs": {"use_reentrant": False},
    }


def lora_config(settings: LoraSettings | None) -> Any:
    """The settings as peft's, or None."""
    if settings is None:
        return None
    from peft import LoraConfig

    patterns = {"language": _LANGUAGE, "vision": _VISION, "all": f"({_LANGUAGE}|{_VISION})"}
    return LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,
        lora_dropout=settings.dropout,
        target_modules=patterns[settings.parts],
        task_type="CAUSAL_LM",
    )


def publish_model(
    trainer: Any, target: Path, *, base: str, lora: bool, prompt: str, method: str
) -> None:
    """Write the trained model as an ordinary folder: float32 safetensors, tokenizer, processor.

    Every process must call this: a sharded model is gathered by all. Adapters are merged into the
    base weights.

    Args:
        trainer: A TRL trainer that has finished.
        target: The folder; replaced if it exists.
        base: The model the training started from.
        lora: Whether adapters were trained.
        prompt: What it was trained to answer, kept in its card.
        method: How, likewise.
    """
    drafts = target.parent / f".{target.name}-draft"
    try:
        trainer.save_model(str(drafts))
        if is_main():
            with publish(target, overwrite=True) as draft:
                if lora:
                    _merge(base, drafts, draft)
                else:
                    shutil.move(drafts, draft)
                    (draft / "training_args.bin").unlink(missing_ok=True)  # a pickle
                trainer.processing_class.save_pretrained(draft)
                write_card(draft, prompt=prompt, base=base, method=method)
    finally:
        if is_main():
            shutil.rmtree(drafts, ignore_errors=True)
    wait_for_all()


def _merge(base: str, adapters: Path, target: Path) -> None:
    from peft import PeftModel

    model = PeftModel.from_pretrained(load_model(base), str(adapters))
    model.merge_and_unload().save_pretrained(target)

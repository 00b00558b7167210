"""What GRPO and SFT share around TRL: processes, passes, precision, adapters, the final model."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import torch
from accelerate.state import PartialState

from ralikit.errors import UsageError
from ralikit.files import publish
from ralikit.train.teacher.recipe import LoraSettings, Machine
from ralikit.train.teacher.vlm import load_model, write_card

__all__ = [
    "check_processes",
    "checkpointing",
    "is_main",
    "lora_config",
    "precision",
    "process",
    "publish_model",
    "steps_per_device",
    "wait_for_all",
]

_LANGUAGE = r"model\.language_model\.layers\.\d+\.(self_attn|mlp)\.(q|k|v|o|gate|up|down)_proj"
_VISION = r"model\.visual\.blocks\.\d+\.(attn\.(qkv|proj)|mlp\.(gate|up|down)_proj)"


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


def steps_per_device(sequences: int, runtime: Machine) -> int:
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
    trainer: Any,
    target: Path,
    *,
    base: str,
    lora: bool,
    prompt: str,
    method: str,
    max_pixels: int,
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
        max_pixels: How large it saw photos, likewise.
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
                write_card(draft, prompt=prompt, base=base, method=method, max_pixels=max_pixels)
    finally:
        if is_main():
            shutil.rmtree(drafts, ignore_errors=True)
    wait_for_all()


def _merge(base: str, adapters: Path, target: Path) -> None:
    from peft import PeftModel

    model = PeftModel.from_pretrained(load_model(base), str(adapters))
    model.merge_and_unload().save_pretrained(target)

"""GRPO of a teacher in TRL: its trainer with our sampler, rewards and defaults."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from trl import GRPOConfig, GRPOTrainer

from ralikit.train.teacher.checkpoints import WholeResume, attach
from ralikit.train.teacher.data import as_dataset
from ralikit.train.teacher.engines import BARRED, barred_tokens, context_length
from ralikit.train.teacher.grpo_rewards import reward_functions
from ralikit.train.teacher.recipe import TeacherRecipe
from ralikit.train.teacher.samples import Samples, check_reporters, reporters
from ralikit.train.teacher.sampling import OneDatasetSampler
from ralikit.train.teacher.trainer_tools import (
    check_processes,
    checkpointing,
    lora_config,
    precision,
    steps_per_device,
)
from ralikit.train.teacher.vlm import load_model, load_processor, resolve_model

__all__ = ["TeacherTrainer", "build_trainer", "generation_arguments", "trainer_arguments"]


class TeacherTrainer(WholeResume, GRPOTrainer):  # type: ignore[misc]
    """TRL's trainer, seeing the rows in the order of `OneDatasetSampler`."""

    def __init__(
        self, *args: Any, order: Sequence[str], block: int | None = None, **kwargs: Any
    ) -> None:
        """Take the dataset of every row, and how many go together, besides TRL's own arguments."""
        self._order, self._block = order, block
        super().__init__(*args, **kwargs)

    def _get_train_sampler(self, dataset: Any = None) -> OneDatasetSampler:
        return OneDatasetSampler(
            self._order,
            chunk=self.args.generation_batch_size // self.num_generations,
            generations=self.num_generations,
            repeats=self.num_iterations * self.args.steps_per_generation,
            seed=self.args.seed,
            block=self._block,
        )


def generation_arguments(recipe: TeacherRecipe, barred: Sequence[int]) -> dict[str, Any]:
    """What TRL is told about writing completions: by transformers, or by vLLM.

    The two bar tokens under different names, and neither takes the other's.

    Args:
        recipe: Checked settings.
        barred: Ids of tokens that must never be sampled.
    """
    runtime, grpo = recipe.runtime, recipe.grpo
    if runtime.vllm == "off":
        return {"use_vllm": False, "generation_kwargs": {"suppress_tokens": list(barred)}}
    arguments: dict[str, Any] = {
        "use_vllm": True,
        "vllm_mode": runtime.vllm,
        "generation_kwargs": {"logit_bias": dict.fromkeys(barred, BARRED)},
    }
    if runtime.vllm == "server":
        return arguments | {"vllm_server_base_url": runtime.vllm_server}
    return arguments | {
        "vllm_gpu_memory_utilization": runtime.vllm_memory,
        "vllm_tensor_parallel_size": runtime.vllm_tensor_parallel,
        "vllm_max_model_length": context_length(grpo.max_pixels, grpo.max_completion_tokens),
    }


def trainer_arguments(
    recipe: TeacherRecipe, folder: Path, *, passes: int, barred: Sequence[int]
) -> dict[str, Any]:
    """What TRL's `GRPOConfig` is told; everything else keeps its default.

    Args:
        recipe: Checked settings.
        folder: Checkpoints go to ``folder/checkpoints``.
        passes: Of one device in an optimiser step.
        barred: Ids of tokens that must never be sampled.
    """
    grpo, runtime = recipe.grpo, recipe.runtime
    return {
        "output_dir": str(folder / "checkpoints"),
        "num_generations": grpo.generations,
        "generation_batch_size": grpo.images_per_step * grpo.generations,
        "per_device_train_batch_size": runtime.per_device,
        "gradient_accumulation_steps": passes,
        "beta": grpo.beta,
        "loss_type": "grpo",
        "scale_rewards": "group",
        "learning_rate": grpo.learning_rate,
        "lr_scheduler_type": "polynomial",
        "lr_scheduler_kwargs": {"lr_end": grpo.lr_end, "power": 1.0},
        "num_train_epochs": grpo.epochs,
        "max_steps": grpo.max_steps or -1,
        "weight_decay": 0.0,
        "temperature": grpo.temperature,
        "max_completion_length": grpo.max_completion_tokens,
        **generation_arguments(recipe, barred),
        **checkpointing(GRPOConfig, runtime.gradient_checkpointing),
        "seed": grpo.seed,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # it would show a mean in place of a NaN
        "save_steps": runtime.save_steps,
        "save_total_limit": runtime.keep,
        "report_to": reporters(runtime),
        "log_multimodal": False,  # every photo of the step, gathered over all processes
        "remove_unused_columns": False,
        "disable_tqdm": True,
        **precision(),
    }


def build_trainer(
    recipe: TeacherRecipe, rows: list[dict[str, Any]], folder: Path
) -> TeacherTrainer:
    """Load the model and put the trainer together.

    Args:
        recipe: Checked settings.
        rows: See `ralikit.train.teacher.data.teacher_rows`.
        folder: Checkpoints go to ``folder/checkpoints``, metrics to ``folder/metrics.jsonl``.

    Raises:
        UsageError: If the batch does not divide over the processes, or a set is too small.
    """
    grpo, runtime = recipe.grpo, recipe.runtime
    check_processes(runtime.processes)
    check_reporters(runtime)
    sequences = grpo.images_per_step * grpo.generations
    passes = steps_per_device(sequences, runtime)
    # RL2R compares within a dataset; Q-Insight mixes its two tasks in every batch.
    ranks = recipe.method == "visualquality-r1"
    order = [row["dataset"] if ranks else "" for row in rows]
    # Refuses small sets early.
    OneDatasetSampler(order, chunk=grpo.images_per_step, generations=1, block=grpo.compare)

    processor = load_processor(recipe.model, max_pixels=grpo.max_pixels)
    # The arguments come before the model: DeepSpeed's ZeRO-3 shards it while it loads.
    args = GRPOConfig(
        **trainer_arguments(
            recipe, folder, passes=passes, barred=barred_tokens(processor.tokenizer)
        )
    )
    lora = recipe.lora
    model = load_model(
        recipe.model,
        dtype="float32" if lora is None else lora.base_dtype,
        attention=runtime.attention,
    )
    # TRL loads the reference model from this name.
    model.config._name_or_path = resolve_model(recipe.model)
    trainer = TeacherTrainer(
        model=model,
        reward_funcs=reward_functions(recipe),
        args=args,
        train_dataset=as_dataset(rows, recipe),
        processing_class=processor,
        peft_config=lora_config(lora),
        order=order,
        block=grpo.compare,
        callbacks=[Samples(folder, runtime, lambda: trainer._logs)],
    )
    attach(trainer, folder)
    return trainer

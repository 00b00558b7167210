"""Every setting of a recipe reaches the trainer it is meant for, as what it is meant."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from ralikit.config import from_mapping
from ralikit.train.teacher.recipe import GrpoSettings, Machine, TeacherRecipe
from ralikit.train.teacher.sft import SftSettings, sft_arguments

pytest.importorskip("trl", reason="the extra 'teacher' is not installed")

# Values that no default has.
GRPO: dict[str, Any] = {
    "generations": 5,
    "images_per_step": 6,
    "compare": 3,
    "beta": 0.07,
    "learning_rate": 3e-5,
    "lr_end": 2e-7,
    "epochs": 4,
    "max_steps": 11,
    "max_completion_tokens": 77,
    "temperature": 0.6,
    "max_pixels": 784 * 60,
    "seed": 9,
}
RUNTIME: dict[str, Any] = {
    "per_device": 15,
    "processes": 1,
    "gradient_checkpointing": False,
    "attention": "eager",
    "vllm": "off",
    "vllm_memory": 0.7,
    "vllm_tensor_parallel": 3,
    "vllm_server": "",
    "save_steps": 13,
    "keep": 6,
    "tensorboard": True,
    "wandb": False,
    "samples_every": 7,
}


def recipe(**changes: Any) -> TeacherRecipe:
    values: dict[str, Any] = {
        "method": "visualquality-r1",
        "model": "none",
        "data": [{"path": "labels.csv", "root": "."}],
        "grpo": {**GRPO, **changes},
        "runtime": RUNTIME,
    }
    return from_mapping(TeacherRecipe, values)


def test_the_values_below_name_every_setting() -> None:
    assert set(GRPO) == {field.name for field in fields(GrpoSettings)}
    assert set(RUNTIME) == {field.name for field in fields(Machine)}


def test_grpo_is_told_what_the_recipe_says(tmp_path: Path) -> None:
    from trl import GRPOConfig

    from ralikit.train.teacher.grpo import trainer_arguments

    told = trainer_arguments(recipe(), tmp_path, passes=2, barred=[8])
    expected = {
        "num_generations": 5,
        "generation_batch_size": 30,
        "per_device_train_batch_size": 15,
        "gradient_accumulation_steps": 2,
        "beta": 0.07,
        "loss_type": "grpo",
        "scale_rewards": "group",
        "learning_rate": 3e-5,
        "lr_scheduler_type": "polynomial",
        "lr_scheduler_kwargs": {"lr_end": 2e-7, "power": 1.0},
        "num_train_epochs": 4,
        "max_steps": 11,
        "weight_decay": 0.0,
        "temperature": 0.6,
        "max_completion_length": 77,
        "use_vllm": False,
        "generation_kwargs": {"suppress_tokens": [8]},
        "seed": 9,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_steps": 13,
        "save_total_limit": 6,
        "report_to": ["tensorboard"],
        "log_multimodal": False,
        "remove_unused_columns": False,
        "disable_tqdm": True,
        "output_dir": str(tmp_path / "checkpoints"),
    }
    assert {key: told[key] for key in expected} == expected
    extra = set(told) - set(expected)
    assert {key.split("_checkpointing")[0] for key in extra if "checkpointing" in key} <= {
        "gradient",
        "activation",
    }
    assert extra - {key for key in extra if "checkpointing" in key} == {"use_cpu", "bf16", "fp16"}
    assert [told[key] for key in extra if key.endswith("_checkpointing")] == [False]
    assert set(told) <= {field.name for field in fields(GRPOConfig)}
    assert trainer_arguments(recipe(max_steps=None), tmp_path, passes=2, barred=[])[
        "max_steps"
    ] == (-1)


def test_grpo_gets_pixels_attention_and_blocks(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from ralikit.train.teacher import grpo

    # What is told to whom is asked here, not whether it is installed.
    monkeypatch.setattr(grpo, "check_reporters", lambda _runtime: None)
    seen: dict[str, Any] = {}

    class Tokenizer:
        def get_vocab(self) -> dict[str, int]:
            return {"<|image_pad|>": 4}

    class Processor:
        tokenizer = Tokenizer()

    class Model:
        class config:  # noqa: N801
            pass

    def processor(name: str, *, max_pixels: int) -> Processor:
        seen["max_pixels"] = max_pixels
        return Processor()

    def model(name: str, **how: Any) -> Model:
        seen.update(how)
        return Model()

    class Trainer:
        def __init__(self, **given: Any) -> None:
            seen.update(given)

    for name, fake in (
        ("load_processor", processor),
        ("load_model", model),
        ("TeacherTrainer", Trainer),
        ("as_dataset", lambda rows, recipe: rows),
        ("attach", lambda trainer, folder: None),
        ("resolve_model", lambda name: "resolved"),
    ):
        monkeypatch.setattr(grpo, name, fake)
    rows = [{"dataset": name} for name in "aaabbb"]
    grpo.build_trainer(recipe(), rows, tmp_path)
    assert (seen["max_pixels"], seen["attention"], seen["block"]) == (784 * 60, "eager", 3)
    assert seen["order"] == list("aaabbb")
    assert seen["args"].generation_kwargs == {"suppress_tokens": [4]}
    assert Model.config._name_or_path == "resolved"  # type: ignore[attr-defined]
    assert [f.__name__ for f in seen["reward_funcs"]] == ["fidelity", "format"]


SFT: dict[str, Any] = {
    "labels": "score",
    "part": "vision",
    "images_per_step": 30,
    "learning_rate": 4e-5,
    "epochs": 3,
    "max_steps": 17,
    "weight_decay": 0.02,
    "max_pixels": 784 * 60,
    "seed": 5,
    "lora": None,
    "runtime": RUNTIME,
}


def test_sft_is_told_what_its_settings_say(tmp_path: Path) -> None:
    from trl import SFTConfig

    assert set(SFT) == {field.name for field in fields(SftSettings)}
    told = sft_arguments(from_mapping(SftSettings, SFT), tmp_path, passes=2)
    expected = {
        "max_length": None,
        "completion_only_loss": True,  # the question is not learnt
        "per_device_train_batch_size": 15,
        "gradient_accumulation_steps": 2,
        "learning_rate": 4e-5,
        "lr_scheduler_type": "linear",
        "num_train_epochs": 3,
        "max_steps": 17,
        "weight_decay": 0.02,
        "seed": 5,
        "logging_nan_inf_filter": False,
        "save_steps": 13,
        "save_total_limit": 6,
        "report_to": ["tensorboard"],
        "remove_unused_columns": False,
    }
    assert {key: told[key] for key in expected} == expected
    assert set(told) <= {field.name for field in fields(SFTConfig)}

"""The recipes in train/ can be read, say what the papers say, and divide over their machines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ralikit.cli.train import read_recipe_values
from ralikit.config import from_mapping, read_toml
from ralikit.errors import UsageError
from ralikit.train.ract import RactRecipe
from ralikit.train.teacher.prompts import get_prompt
from ralikit.train.teacher.recipe import TeacherRecipe
from ralikit.train.teacher.sft import SftRecipe
from ralikit.train.teacher.train import read_recipe

FOLDER = Path(__file__).parents[3] / "train"


def sequences(recipe: TeacherRecipe | RactRecipe) -> int:
    return recipe.grpo.images_per_step * recipe.grpo.generations


def test_q_insight_is_the_papers() -> None:
    recipe = read_recipe(FOLDER / "q_insight.toml")
    grpo, reward = recipe.grpo, recipe.reward
    assert (grpo.generations, grpo.beta, grpo.epochs) == (8, 1e-3, 10)
    assert (grpo.learning_rate, grpo.lr_end) == (1e-6, 1e-9)
    assert sequences(recipe) == 128
    assert (reward.tolerance, reward.class_weight, reward.severity_weight) == (0.35, 0.25, 0.75)
    assert recipe.degradation is not None
    assert (recipe.score_prompt, recipe.degradation_prompt) == (
        "score-released",
        "degradation-released",
    )
    assert (grpo.max_pixels, grpo.max_completion_tokens) == (12_845_056, 256)
    assert sequences(recipe) % (8 * recipe.runtime.per_device) == 0


def test_q_insight_without_reasoning_is_a_setting() -> None:
    values = read_recipe_values(FOLDER / "q_insight.toml", ["prompt=score-direct"])
    recipe = from_mapping(TeacherRecipe, values)
    assert (recipe.score_prompt, recipe.degradation_prompt) == (
        "score-direct",
        "degradation-direct",
    )
    for name in (recipe.score_prompt, recipe.degradation_prompt):
        assert not get_prompt(name).thinking
        assert "<think>" not in get_prompt(name).user
    with pytest.raises(UsageError, match="'score-direct' \\(without reasoning\\)"):
        from_mapping(TeacherRecipe, {**values, "prompt": "visualquality-direct"})


def test_the_bar_of_table_a1_is_sft_on_scores() -> None:
    recipe = from_mapping(SftRecipe, read_toml(FOLDER / "qwen_sft.toml"))
    assert recipe.sft.labels == "rating"
    assert recipe.sft.images_per_step % (8 * recipe.sft.runtime.per_device) == 0
    assert ".732/.709" in recipe.expected


def test_visualquality_r1_is_the_papers() -> None:
    recipe = read_recipe(FOLDER / "visualquality_r1.toml")
    assert (recipe.grpo.generations, recipe.grpo.beta) == (6, 0.04)
    assert recipe.grpo.images_per_step == 8 * 16
    assert recipe.grpo.compare == 8
    assert recipe.score_prompt == "visualquality-released"
    assert (recipe.grpo.max_pixels, recipe.grpo.max_completion_tokens) == (12_845_056, 256)
    assert recipe.reward.variant == "mean"
    assert [spec.dataset for spec in recipe.data] == ["kadid", "spaq"]
    for gpus in (8, 16):
        assert sequences(recipe) % (gpus * recipe.runtime.per_device) == 0


@pytest.mark.parametrize("name", ["q_insight_lora", "visualquality_r1_lora"])
def test_lora_recipes_fit_one_device(name: str) -> None:
    recipe = read_recipe(FOLDER / f"{name}.toml")
    assert recipe.lora is not None
    assert recipe.lora.base_dtype == "bfloat16"
    assert sequences(recipe) % recipe.runtime.per_device == 0


@pytest.mark.parametrize("name", ["ract", "ract_lora"])
def test_ract_recipes(name: str) -> None:
    recipe = from_mapping(RactRecipe, read_toml(FOLDER / f"{name}.toml"))
    assert recipe.sft_from == "koniq"
    assert recipe.sft.labels == "text"
    processes = 8 if name == "ract" else 1
    assert sequences(recipe) % (processes * recipe.runtime.per_device) == 0
    assert recipe.sft.images_per_step % (processes * recipe.sft.runtime.per_device) == 0


def test_settings_can_be_changed_from_the_command_line() -> None:
    changes = ["grpo.max_steps=3", "model=/m/qwen", "reward.variant=binary", "lora.rank = 8"]
    values = read_recipe_values(FOLDER / "visualquality_r1.toml", changes)
    recipe = from_mapping(TeacherRecipe, values)
    assert (recipe.grpo.max_steps, recipe.model) == (3, "/m/qwen")
    assert recipe.reward.variant == "binary"
    assert recipe.lora is not None
    assert recipe.lora.rank == 8
    with pytest.raises(UsageError, match="--set takes key=value"):
        read_recipe_values(FOLDER / "q_insight.toml", ["grpo.max_steps"])
    with pytest.raises(UsageError, match="model is no table"):
        read_recipe_values(FOLDER / "q_insight.toml", ["model.x=1"])


@pytest.mark.parametrize("name", ["fsdp", "zero3", "ddp"])
def test_launch_files_say_that_they_were_not_run(name: str) -> None:
    text = (FOLDER / "launch" / f"{name}.yaml").read_text()
    assert "NOT RUN HERE" in text


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"grpo": {"compare": 3}}, "compare = 3 must be at least 2 and divide images_per_step"),
        ({"grpo": {"compare": 1}}, "compare = 1 must be at least 2"),
        ({"method": "q-insight", "grpo": {"compare": 2}}, "q-insight compares no images"),
        ({"runtime": {"vllm": "server"}}, "vllm_server is the address"),
        ({"runtime": {"vllm_server": "http://a"}}, "vllm_server is the address"),
        ({"runtime": {"vllm_memory": 1.5}}, "vllm_memory is a share"),
        ({"runtime": {"vllm_tensor_parallel": 0}}, "vllm_tensor_parallel at least 1"),
    ],
)
def test_what_does_not_fit_is_refused(change: dict[str, Any], words: str) -> None:
    values: dict[str, Any] = {
        "method": "visualquality-r1",
        "model": "none",
        "data": [{"path": "labels.csv", "root": "."}],
        "grpo": {"generations": 2, "images_per_step": 4, "beta": 0.0},
    }
    for key, value in change.items():
        values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
    with pytest.raises(UsageError, match=words):
        from_mapping(TeacherRecipe, values)

"""Plans: parameters and optimiser to the byte, what is said of recipes, what is advised."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from support_layout import lay_out_models
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.errors import UsageError
from ralikit.train.plan.memory import GIB, Machine, Stage, training_state
from ralikit.train.plan.plan import plan
from ralikit.train.plan.rali import tower_of
from ralikit.train.plan.shapes import vlm_shape
from ralikit.train.plan.teacher import Photo

RECIPES = Path(__file__).parents[3] / "train"
NO_PLAN = ("ablations", "unseen", "distil")
SEVEN = "Qwen/Qwen2.5-VL-7B-Instruct"


def _values(name: str, **tables: Any) -> dict[str, Any]:
    values = tomllib.loads((RECIPES / f"{name}.toml").read_text(encoding="utf-8"))
    for table, changes in tables.items():
        values[table] = {**values.get(table, {}), **changes}
    return values


def _plan(name: str, card: float, *, gpus: int = 1, spread: Any = "copies", **tables: Any) -> Any:
    machine = Machine(card=card, gpus=gpus, spread=spread)
    return plan(_values(name, **tables), machine, photo=Photo(), where=name)


def _part(stage: Stage, name: str) -> int:
    return next(part.bytes for part in stage.parts if part.name == name)


def test_parameters_are_those_published() -> None:
    shape = vlm_shape(SEVEN)
    assert (shape.parameters, shape.vision.parameters) == (8_292_166_656, 676_550_144)
    assert vlm_shape("Qwen/Qwen2.5-VL-3B-Instruct").parameters == 3_754_622_976


def test_parameters_and_optimiser_to_the_byte(tiny_vlm: Path) -> None:
    from ralikit.train.teacher.vlm import load_model

    model = load_model(str(tiny_vlm))
    own = sum(p.numel() for p in model.parameters())
    assert vlm_shape(str(tiny_vlm)).parameters == own
    optimizer = torch.optim.AdamW(model.parameters())
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    moments = [
        value.nbytes
        for state in optimizer.state.values()
        for key, value in state.items()
        if key != "step"
    ]
    weights, gradients, moved = training_state(own, own, Machine(card=80))
    assert weights.bytes == sum(p.nbytes for p in model.parameters())
    assert gradients.bytes == sum(p.grad.nbytes for p in model.parameters())
    assert moved.bytes == sum(moments)


@pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")
@pytest.mark.parametrize("parts", ["language", "vision", "all"])
def test_adapters_are_those_that_peft_puts_in(tiny_vlm: Path, parts: Any) -> None:
    from peft import get_peft_model

    from ralikit.train.teacher.recipe import LoraSettings
    from ralikit.train.teacher.trainer_tools import lora_config
    from ralikit.train.teacher.vlm import load_model

    settings = LoraSettings(rank=4, alpha=8, parts=parts)
    model = get_peft_model(load_model(str(tiny_vlm)), lora_config(settings))
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert vlm_shape(str(tiny_vlm)).adapters(4, parts) == trained


def test_a_towers_sizes_are_its_folders(tmp_path: Path) -> None:
    from ralikit.config import from_mapping
    from ralikit.importers.hf_tower import load_hf_tower
    from ralikit.train.rali.recipe import RaliRecipe

    lay_out_models(tmp_path)
    for name in ("rali_koniq_vitl336", "rali_siglip2"):
        values = {**_values(name), "data_root": str(tmp_path)}
        recipe = from_mapping(RaliRecipe, values, where=name)
        made, size = tower_of(recipe)
        loaded, preprocess = load_hf_tower(tmp_path / recipe.tower.weights)
        assert made.config() == loaded.config()
        assert size == preprocess.size
        assert next(made.parameters()).device.type == "meta"  # nothing is made


def test_sharding_divides_what_ddp_repeats() -> None:
    alone, copies, sharded = (
        training_state(8_000, 8_000, Machine(card=80, gpus=n, spread=how))
        for n, how in ((1, "copies"), (8, "copies"), (8, "sharded"))
    )
    assert [p.bytes for p in alone] == [32_000, 32_000, 64_000]
    assert [p.bytes for p in copies] == [32_000, 32_000, 64_000, 32_000]
    assert [p.bytes for p in sharded] == [4_000, 4_000, 8_000]


def test_a_whole_teacher_needs_its_gpus_and_adapters_do_not() -> None:
    found = _plan("q_insight", 80)
    writing, training = found.stages
    assert not found.fits
    assert _part(training, "weights") == 4 * 8_292_166_656
    assert _part(training, "reference model") == 4 * 8_292_166_656
    assert _part(writing, "keys and values") == 128 * 1511 * 28 * 2 * 512 * 4
    sharding, adapters = found.ways
    assert "--gpus 4 --spread sharded" in sharding[0]
    assert adapters == ("a table [lora]: adapters instead of all weights",)
    assert _plan("q_insight", 80, gpus=8, spread="sharded").fits
    assert _plan("q_insight", 80, grpo={"beta": 0.0}).stages[1].bytes < training.bytes


def test_what_is_advised_fits_and_nothing_of_it_is_spare() -> None:
    wide = {"gradient_checkpointing": False, "micro_batch": 256}
    found = _plan("rali_koniq_vitl336", 24, align=wide)
    assert found.ways == (
        ("--set align.gradient_checkpointing=true", "--set align.micro_batch=128"),
    )
    changed = {"gradient_checkpointing": True, "micro_batch": 128}
    assert _plan("rali_koniq_vitl336", 24, align=changed).fits
    for spare in ({"gradient_checkpointing": True}, {"micro_batch": 128}):
        assert not _plan("rali_koniq_vitl336", 24, align={**wide, **spare}).fits


def test_vllms_share_must_hold_its_weights() -> None:
    beside = {"vllm": "colocate", "vllm_memory": 0.3}
    (small,) = _plan("q_insight_lora", 24, runtime=beside).stages
    assert "set runtime.vllm_memory to 0.65 or more" in small.problem
    (large,) = _plan("q_insight_lora", 80, runtime=beside).stages
    assert not large.problem
    assert _part(large, "vLLM") == int(0.3 * 80 * GIB)
    elsewhere = {"vllm": "server", "vllm_server": "http://10.0.0.2:8000"}
    assert len(_plan("q_insight_lora", 24, runtime=elsewhere).stages) == 1


def test_a_small_towers_activations_are_counted_from_its_operations() -> None:
    (stage,) = _plan("mini", 24).stages
    (fewer,) = _plan("mini", 24, align={"frozen": ["stem"]}).stages
    assert _part(fewer, "activations") > _part(stage, "activations")  # frozen blocks keep nothing
    assert _plan("mini", 0.1).ways == ()  # CUDA alone takes more


def test_vision_alone_trains_less() -> None:
    settings = {**_values("qwen_sft")["sft"], "part": "vision"}
    vision, whole = (_plan("qwen_sft", 80, sft=s).stages[0] for s in (settings, {}))
    assert _part(vision, "gradients") == 4 * 676_550_144
    assert _part(whole, "gradients") == 4 * 8_292_166_656


def test_what_has_no_plan_is_said() -> None:
    for name in NO_PLAN:
        with pytest.raises(UsageError, match="plans are for teachers and for RALI's alignment"):
            _plan(name, 80)
    values = {**_values("q_insight"), "model": "someone/else"}
    with pytest.raises(UsageError, match="sizes are not known here"):
        plan(values, Machine(card=80), photo=Photo(), where="q")


@pytest.mark.parametrize("name", sorted(p.stem for p in RECIPES.glob("*.toml")))
def test_every_recipe_has_a_plan_or_a_reason(name: str) -> None:
    words = ["train", "plan", str(RECIPES / f"{name}.toml"), "--card", "80"]
    told = CliRunner().invoke(app, words)
    if name in NO_PLAN:
        assert isinstance(told.exception, UsageError)
        return
    assert told.exit_code == 0, told.output
    assert told.output.startswith("computed, not measured")
    assert "80 GB, 1 GPU: " in told.output


def test_json_has_every_part() -> None:
    words = ["train", "plan", str(RECIPES / "ract.toml"), "--gpus", "8", "--card", "80", "--json"]
    (found,) = json.loads(CliRunner().invoke(app, words).output)
    assert found["label"] == "computed, not measured"
    assert found["spread"] == "sharded"
    assert found["fits"]
    assert [s["name"].split(",")[0] for s in found["stages"]] == ["stage 1", "stage 1", "stage 3"]

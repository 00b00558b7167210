"""Two GRPO steps of each teacher on a tiny random Qwen2.5-VL, photos in the prompt."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ralikit.config import from_mapping
from ralikit.train.recipes import TeacherRecipe
from ralikit.train.teacher import train_teacher

pytest.importorskip("trl")

# TRL still uses names that transformers is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")


def recipe(method: str, model: Path, data: Path, **more: Any) -> TeacherRecipe:
    values: dict[str, Any] = {
        "method": method,
        "model": str(model),
        "data": [
            {"path": data / "labels.csv", "root": data / "images", "mos_range": [1.0, 5.0]},
        ],
        "grpo": {
            "generations": 2,
            "images_per_step": 2,
            "beta": 0.04,
            "learning_rate": 1e-3,
            "max_steps": 2,
            "max_completion_tokens": 6,
            "max_pixels": 112 * 112,
        },
        "runtime": {"per_device": 2, "save_steps": 1},
    }
    for key, value in more.items():
        values[key] = {**values[key], **value} if isinstance(values.get(key), dict) else value
    return from_mapping(TeacherRecipe, values)


def tensors(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    return dict(load_file(folder / "model.safetensors"))


def changed(before: Path, after: Path) -> set[str]:
    old, new = tensors(before), tensors(after)
    assert old.keys() == new.keys()
    return {name for name in old if not bool((old[name] == new[name]).all())}


def metrics(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_q_insight(tiny_vlm: Path, labelled: Path, tmp_path: Path) -> None:
    spec = {"photos": labelled / "images", "count": 6, "seed": 1}
    model = train_teacher(
        recipe("q-insight", tiny_vlm, labelled, degradation=spec, grpo={"images_per_step": 4}),
        tmp_path / "run",
    )
    moved = changed(tiny_vlm, model)
    print(len(moved), len(tensors(model)))
    for m in metrics(tmp_path / "run"):
        print(m)
    print(sorted(p.name for p in (tmp_path / "run").rglob("*")))

"""RACT's stages chain and go on where they stopped."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from support_teacher import PIXELS, changed

from ralikit.config import from_mapping
from ralikit.data.triplets import read_triplets
from ralikit.errors import DataError, TrainingError, UsageError
from ralikit.train.ract import RactRecipe, run_ract, stages

pytest.importorskip("trl", reason="the extra 'teacher' is not installed")

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")


def recipe(model: Path, labelled: Path, **more: Any) -> RactRecipe:
    meta = {
        "path": labelled / "labels.csv",
        "root": labelled / "images",
        "mos_range": [1.0, 5.0],
    }
    values: dict[str, Any] = {
        "model": str(model),
        "datasets": [{"name": "koniq", "meta": meta}, {"name": "spaq", "meta": meta}],
        "sft_from": "koniq",
        "grpo": {
            "generations": 2,
            "images_per_step": 2,
            "beta": 1e-3,
            "learning_rate": 1e-4,
            "max_steps": 1,
            "max_completion_tokens": 12,
            "max_pixels": PIXELS,
        },
        "runtime": {"per_device": 4},
        "describe": {
            "texts": 1,
            "retries": 3,
            "asking": {"max_tokens": 12, "max_pixels": PIXELS},
        },
        "sft": {
            "part": "vision",
            "images_per_step": 2,
            "learning_rate": 1e-3,
            "max_steps": 1,
            "max_pixels": PIXELS,
            "runtime": {"per_device": 2},
        },
    }
    return from_mapping(RactRecipe, {**values, **more})


def test_three_stages_chain_and_go_on_after_a_stop(
    warm_vlm: Path, labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, out = recipe(warm_vlm, labelled), tmp_path / "ract"
    assert stages(settings) == ["rl:koniq", "texts:koniq", "rl:spaq", "texts:spaq", "sft"]
    said: list[str] = []
    from ralikit.train import ract

    def stopped(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ract, "train_sft", stopped)
        with pytest.raises(KeyboardInterrupt):
            run_ract(settings, out, say=said.append)
    assert said == [f"stage {i} of 5, {s}" for i, s in enumerate(stages(settings), start=1)]
    texts = sorted((out / "texts").glob("*.jsonl"))
    written = {path: path.read_bytes() for path in texts}
    assert [p.name for p in texts] == ["koniq.0-of-1.jsonl", "spaq.0-of-1.jsonl"]
    assert all(len(read_triplets(p, keep_empty=True)) == 6 for p in texts)

    said.clear()
    model = run_ract(settings, out, say=said.append)
    assert [s.endswith("done already") for s in said] == [True] * 4 + [False]
    assert {path: path.read_bytes() for path in texts} == written
    # The one RL model's language part is kept; its eyes have learnt from both sets' texts.
    moved = changed(out / "rl" / "koniq" / "model", model)
    assert moved
    assert all(name.startswith("visual.") for name in moved)
    assert json.loads((model / "ralikit-teacher.json").read_text())["method"] == "ract"

    with pytest.raises(UsageError, match=r"another recipe \(sft_from differ\)"):
        run_ract(recipe(warm_vlm, labelled, sft_from="spaq"), out)


@pytest.mark.slow
def test_stages_launched_in_two_processes_each(
    warm_vlm: Path, labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    settings = recipe(
        warm_vlm,
        labelled,
        runtime={"per_device": 2, "processes": 2},
        sft={
            "images_per_step": 2,
            "max_steps": 1,
            "max_pixels": PIXELS,
            "runtime": {"per_device": 1, "processes": 2},
        },
    )
    out = tmp_path / "ract"
    model = run_ract(settings, out, launch=[*launch, "--nproc_per_node", "2"])
    parts = sorted((out / "texts").glob("koniq.*.jsonl"))
    assert [p.name for p in parts] == ["koniq.0-of-2.jsonl", "koniq.1-of-2.jsonl"]
    assert len(read_triplets(parts, keep_empty=True)) == 6
    assert changed(out / "rl" / "koniq" / "model", model)


def test_launched_stage_that_fails_stops_the_run(labelled: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    settings = recipe(tmp_path / "empty", labelled)
    with pytest.raises(TrainingError, match="rl:koniq ended with exit code 3"):
        run_ract(settings, tmp_path / "ract", launch=["sh", "-c", "exit 3"])


def test_all_that_is_named_is_looked_at_before_the_first_stage(
    labelled: Path, tmp_path: Path
) -> None:
    out, words = tmp_path / "ract", ["sh", "-c", "exit 3"]
    with pytest.raises(UsageError, match="there is no model folder"):
        run_ract(recipe(tmp_path / "none", labelled), out, launch=words)
    (tmp_path / "empty").mkdir()
    good = {"path": labelled / "labels.csv", "root": labelled / "images", "mos_range": [1.0, 5.0]}
    far = {**good, "root": labelled / "elsewhere"}
    sets = [{"name": "koniq", "meta": good}, {"name": "spaq", "meta": far}]
    with pytest.raises(DataError, match="6 of 6 images are missing"):
        run_ract(recipe(tmp_path / "empty", labelled, datasets=sets), out, launch=words)
    assert not out.exists()
    # A stage that failed before it made anything holds nobody to its recipe; one that made it does.
    with pytest.raises(TrainingError, match="exit code 3"):
        run_ract(recipe(tmp_path / "empty", labelled), out, launch=words)
    with pytest.raises(TrainingError, match="exit code 3"):
        run_ract(recipe(tmp_path / "empty", labelled, sft_from="spaq"), out, launch=words)
    assert json.loads((out / "recipe.json").read_text())["sft_from"] == "spaq"
    (out / "rl" / "koniq").mkdir(parents=True)
    (out / "rl" / "koniq" / "metrics.jsonl").write_text("{}\n")
    with pytest.raises(UsageError, match=r"another recipe \(sft_from differ\)"):
        run_ract(recipe(tmp_path / "empty", labelled), out, launch=words)


def test_recipe_names_its_mistakes(tiny_vlm: Path, labelled: Path) -> None:
    with pytest.raises(UsageError, match=r"sft_from is 'kadid', which is none of .* koniq, spaq"):
        recipe(tiny_vlm, labelled, sft_from="kadid")
    meta = {"path": labelled / "labels.csv", "root": labelled}
    with pytest.raises(UsageError, match="names files"):
        recipe(tiny_vlm, labelled, datasets=[{"name": "a/b", "meta": meta}])

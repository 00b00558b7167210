"""The ablation grid on a tiny CLIP: the whole training route, and each row changes what it says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from torch import nn
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.config import from_mapping, read_toml
from ralikit.data.triplets import Text, Triplet, write_triplets
from ralikit.errors import UsageError
from ralikit.train.rali import stages
from ralikit.train.rali.ablation_grid import AblationGrid, Row
from ralikit.train.rali.recipe import RaliRecipe
from ralikit.train.rali.run import open_run

ROOT = Path(__file__).parents[3]
COUNT = 24


class _Encoder:
    """Counts of letters: a frozen text tower as wide as the tiny CLIP."""

    name, dim, limit = "letters", 10, 99

    def count(self, text: str) -> int:
        return len(text.split())

    def encode(self, texts: Sequence[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        rows = np.array([[1e-2 + t.count(c) for c in "abcdefghij"] for t in texts])
        unit: np.ndarray[tuple[int, int], np.dtype[np.float32]]
        unit = (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)
        return unit


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos whose brightness is their quality, texts that tell it, a CLIP folder, a grid."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    monkeypatch.setattr("ralikit.train.rali.run.open_text_encoder", lambda _name: _Encoder())
    rng = np.random.default_rng(0)
    (tmp_path / "photos").mkdir()
    rows, triplets = [], []
    for k in range(COUNT):
        pixels = rng.normal(60 + 6 * k, 10, (34, 40, 3)).clip(0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{k}.png")
        rows.append(f"{k}.png,{k / (COUNT - 1)},{'test' if k % 3 == 0 else 'train'}")
        words = ["a" * (1 + k) + "b" * (COUNT - k) + "cd"[seed] for seed in range(2)]
        texts = tuple(Text(text=w, seed=s, source="rules") for s, w in enumerate(words))
        triplets.append(Triplet(image=f"{k}.png", score=1 + 4 * k / (COUNT - 1), texts=texts))
    (tmp_path / "labels.csv").write_text("file,mos,split\n" + "\n".join(rows) + "\n")
    write_triplets(tmp_path / "texts.jsonl", triplets)
    vision = transformers.CLIPVisionConfig(
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=2,
        num_attention_heads=2,
        patch_size=7,
        image_size=28,
        projection_dim=10,
    )
    clip = transformers.CLIPVisionModelWithProjection(vision)
    for parameter in clip.parameters():
        nn.init.normal_(parameter, std=0.2)
    clip.save_pretrained(tmp_path / "clip")
    (tmp_path / "clip" / "preprocessor_config.json").write_text(
        json.dumps(
            {
                "size": {"shortest_edge": 28},
                "crop_size": {"height": 28, "width": 28},
                "image_mean": [0.5, 0.5, 0.5],
                "image_std": [0.5, 0.5, 0.5],
            }
        )
    )
    (tmp_path / "recipe.toml").write_text(
        f"""
        data_root = "{tmp_path}"
        data = [{{ path = "labels.csv", root = "photos", mos_range = [0.0, 1.0], split = "train" }}]
        texts = {{ triplets = ["texts.jsonl"] }}
        tower = {{ kind = "hugging_face", weights = "clip" }}
        bundle = {{ name = "tiny" }}
        [align]
        epochs = 2
        batch = 8
        learning_rate = 1e-3
        warmup_steps = 1
        ema = 0.9
        dropout = 0.1
        gradient_checkpointing = true
        micro_batch = 4
        autocast = "off"
        [fit]
        pca = 4
        buckets = 4
        clusters = 6
        steps = 20
        temperature = 0.1
        """
    )
    (tmp_path / "grid.toml").write_text(
        """
        recipe = "recipe.toml"
        resamples = 50
        test = [{ path = "labels.csv", root = "photos", mos_range = [0.0, 1.0], split = "test" }]
        rows = [
            { name = "full", paper = ".798/.779" },
            { name = "the same" },
            { name = "no alignment", aligned = false },
            { name = "no PCA", pca = false },
            { name = "no score fit", fit = { steps = 0 } },
            { name = "longer", align = { epochs = 3.0 } },
        ]
        """
    )
    return tmp_path


def test_the_grid_runs_and_tells_ties(workplace: Path) -> None:
    out, table = workplace / "runs", workplace / "table.md"
    words = ["train", "ablate", "--grid", str(workplace / "grid.toml"), "--out", str(out)]
    told = CliRunner().invoke(app, [*words, "--table", str(table)])
    assert told.exit_code == 0, told.output
    lines = {line.split(" | ")[0]: line for line in table.read_text().splitlines()}
    assert lines["| the same"].endswith("| +0.000 [+0.000, +0.000], tie |  |")
    assert lines["| full"].endswith("|  | .798/.779 |")
    rows = json.loads(table.with_suffix(".json").read_text())["rows"]
    values = {r["row"]["name"]: r["sets"] for r in rows}
    found = {n: next(iter(s.values()))["agreement"] for n, s in values.items()}
    assert found["full"]["count"] == COUNT // 3
    for name in ("no alignment", "no score fit", "longer"):
        assert found[name]["rmse"] != found["full"]["rmse"], name
    # Two alignments were trained, the recipe's and the longer one; each wrote its metrics.
    assert len(list(out.glob("*/metrics.jsonl"))) == 2
    before = {p: p.stat().st_mtime_ns for p in out.glob("*/tower.safetensors")}
    again = CliRunner().invoke(app, [*words, "--row", "no PCA"])
    assert again.exit_code == 0, again.output
    assert {p: p.stat().st_mtime_ns for p in out.glob("*/tower.safetensors")} == before
    assert lines["| no PCA"] in again.output


def test_a_row_may_fit_the_tower_too_and_leaves_the_aligned_one_alone(workplace: Path) -> None:
    grid = workplace / "grid.toml"
    rows = """rows = [
        { name = "full", fit = { steps = 3 } },
        { name = "tower too", fit = { steps = 3, tower_rate = 1e-2, batch = 8 } },
        { name = "full again", fit = { steps = 3 } },
    ]"""
    text = grid.read_text()
    grid.write_text(text[: text.index("rows = [")] + rows)
    words = ["train", "ablate", "--grid", str(grid), "--out", str(workplace / "runs")]
    told = CliRunner().invoke(app, [*words, "--table", str(workplace / "table.md")])
    assert told.exit_code == 0, told.output
    found = [
        next(iter(row["sets"].values()))["agreement"]["rmse"]["value"]
        for row in json.loads((workplace / "table.json").read_text())["rows"]
    ]
    assert found[0] == found[2] != found[1]
    metrics = workplace / "runs" / "base" / "end_to_end" / "metrics.jsonl"
    assert len(metrics.read_text().splitlines()) == 3
    refused = CliRunner().invoke(app, [*words, "--row", "tower too", "--bundle", "mini"])
    assert isinstance(refused.exception, UsageError)
    assert "leave out --bundle" in str(refused.exception)


def test_the_trained_clip_becomes_a_bundle_that_scores(workplace: Path) -> None:
    from ralikit.cli.train_rali import read_recipe
    from ralikit.scorer import load

    run = open_run(read_recipe(workplace / "recipe.toml", None), workplace / "runs" / "one")
    stages.align(run)
    bundle = stages.fit(run)
    assert bundle.info.tower.kind == "clip"
    assert bundle.info.preprocess.shortest_edge == 28
    score = load(bundle.root).score(workplace / "photos" / "20.png")
    assert 1 <= score.value <= 5
    # A grid over the bundle's tower trains nothing and gives the bundle's own figures.
    words = ["train", "ablate", "--grid", str(workplace / "grid.toml"), "--row", "no score fit"]
    words += ["--out", str(workplace / "runs" / "grid"), "--bundle", str(bundle.root)]
    told = CliRunner().invoke(app, [*words, "--table", str(workplace / "table.md")])
    assert told.exit_code == 0, told.output
    assert not list((workplace / "runs" / "grid").glob("*/metrics.jsonl"))
    rows = json.loads((workplace / "table.json").read_text())["rows"]
    full = next(iter(rows[0]["sets"].values()))["agreement"]
    test = [k for k in range(COUNT) if k % 3 == 0]
    given = [load(bundle.root).score(workplace / "photos" / f"{k}.png").value for k in test]
    errors = [g - (1 + 4 * k / (COUNT - 1)) for g, k in zip(given, test, strict=True)]
    # The run computes in bfloat16 where the bundle's scorer has float32.
    assert full["rmse"]["value"] == pytest.approx(np.sqrt(np.mean(np.square(errors))), abs=0.05)


def test_rows_that_make_no_sense_are_refused(workplace: Path) -> None:
    from ralikit.cli.train_rali import read_recipe

    recipe = read_recipe(workplace / "recipe.toml", None)
    with pytest.raises(UsageError, match="row 'x', fit: unknown setting 'cluster'"):
        Row(name="x", fit={"cluster": 3}).fit_settings(recipe.fit)
    with pytest.raises(UsageError, match="per_photo is for texts that rules write"):
        Row(name="x", per_photo=1).recipe(recipe)
    grid = from_mapping(AblationGrid, read_toml(workplace / "grid.toml"))
    with pytest.raises(UsageError, match="no row 'y'; the grid has full, the same"):
        grid.pick(["y"])
    with pytest.raises(UsageError, match="row 'x': a regression needs a tower whose width"):
        Row(name="x", align={"objective": "regression"}).recipe(recipe)
    with pytest.raises(UsageError, match="row 'x': a regression is trained and has no fit"):
        Row(name="x", align={"objective": "regression"}, pca=False)
    with pytest.raises(UsageError, match="at least two rows"):
        AblationGrid(recipe=Path("r"), test=grid.test, rows=grid.rows[:1])


@pytest.mark.parametrize("name", ["rali_koniq_vitl336", "rali_siglip2"])
def test_shipped_recipes_are_valid_and_name_the_papers_figures(name: str) -> None:
    from ralikit.cli.train_rali import read_recipe

    recipe = read_recipe(ROOT / "train" / f"{name}.toml", None)
    assert (recipe.fit.pca, recipe.fit.buckets, recipe.fit.clusters) == (512, 240, 250)
    assert (recipe.align.learning_rate, recipe.fit.learning_rate) == (1e-5, 3e-2)
    assert recipe.align.objective == "clip"
    assert "average .798/.779" in recipe.expected
    assert "not measured" in recipe.expected


def _shipped(name: str) -> tuple[AblationGrid, RaliRecipe]:
    """A grid of train/ and its recipe."""
    from ralikit.cli.train_rali import read_recipe

    path = ROOT / "train" / f"{name}.toml"
    grid = from_mapping(AblationGrid, read_toml(path), where=str(path))
    assert (path.parent / grid.recipe).is_file()
    return grid, read_recipe(path.parent / grid.recipe, None)


@pytest.mark.parametrize("name", ["ablations", "unseen"])
def test_rows_of_a_shipped_grid_are_trained_alike(name: str) -> None:
    grid, recipe = _shipped(name)
    rows = [row.recipe(recipe) for row in grid.rows]
    assert rows[0] == recipe
    assert {(row.align.seed, row.align.epochs) for row in rows} == {
        (recipe.align.seed, recipe.align.epochs)
    }
    for row in grid.rows:
        row.fit_settings(recipe.fit)


def test_unseen_is_tested_on_a_set_that_its_recipe_leaves_out() -> None:
    grid, recipe = _shipped("unseen")
    tested = {(spec.dataset, spec.split) for spec in (*grid.test, *grid.test_lists)}
    assert tested == {("biq2021", "train")}
    assert "biq2021" not in {spec.dataset for spec in (*recipe.data, *recipe.lists)}


def test_the_shipped_grid_has_the_papers_rows() -> None:
    grid, recipe = _shipped("ablations")
    papers = {row.name: row.paper for row in grid.rows}
    assert papers["no score fit"] == ".743/.723"  # Table A.5's 512/250/240 without it, too
    table_4 = {".798/.779", ".748/.727", ".792/.772", ".785/.766", ".793/.773", ".743/.723"}
    fitted = {".785/.764", ".783/.762", ".787/.767"}  # Table A.5; .783/.762 stands there twice
    unfitted = {".748/.720", ".747/.718", ".745/.717", ".745/.719"}
    assert set(papers.values()) - {""} == table_4 | fitted | unfitted
    for row in grid.rows:
        changed = row.recipe(recipe)
        dim = 1 if row.regresses else recipe.tower.config["dim"]
        assert changed.tower == replace(recipe.tower, config={"dim": dim})
    by_name = {row.name: row.recipe(recipe).align for row in grid.rows}
    alone = [a for n, a in by_name.items() if n.startswith("contrastive loss alone")]
    assert [(a.objective, a.learn_temperature, a.chains) for a in alone] == [("clip", True, 0)]

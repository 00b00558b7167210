"""A whole training run in seconds: photos and scores in, a bundle that scores out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import lively_tower
from support_align import Letters, photo_files
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.cli.train_rali import read_recipe
from ralikit.errors import DataError, RalikitError, TrainingError, UsageError
from ralikit.files import to_json
from ralikit.metrics.agreement import srcc
from ralikit.model.bundle import read_bundle, read_safetensors, write_safetensors
from ralikit.runtimes.torch import TorchRuntime
from ralikit.train.rali import run as runs
from ralikit.typed import typed

runner = CliRunner()


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(runs, "open_text_encoder", lambda _name: Letters())
    (tmp_path / "photos").mkdir()
    photos = photo_files(tmp_path / "photos", 48)
    lines = [f"{p.name},{1 - i / 60:.3f}" for i, p in enumerate(photos)]
    (tmp_path / "labels.csv").write_text("file,mos\n" + "\n".join(lines) + "\n")
    tower = lively_tower()
    weights = {k: v.numpy() for k, v in tower.state_dict().items() if "projection" not in k}
    write_safetensors(tmp_path / "start.safetensors", weights)
    config = json.dumps(tower.config()).replace(":", " =")  # as TOML has it
    path = tmp_path / "tiny.toml"
    path.write_text(f"""
data_root = {str(tmp_path)!r}
data = [{{ path = "labels.csv", root = "photos", mos_range = [0.0, 1.0], dataset = "made-up" }}]
texts = {{ per_photo = 2, encoder = "letters" }}
tower = {{ kind = "mobilenet_v2", weights = "start.safetensors", config = {config} }}
preprocess = {{ shortest_edge = 40, size = 32, anchors = [[0.0, 0.0], [1.0, 1.0]] }}
bundle = {{ name = "tiny" }}
[align]
objective = "readout"
epochs = 3
batch = 8
learning_rate = 1e-3
warmup_steps = 2
chains = 2
projection_init = "ridge"
centre_texts = true
long_texts = "truncate"
autocast = "off"
[fit]
pca = 4
buckets = 8
clusters = 10
temperature = 0.2
normalize = true
steps = 40
chains = 12
""")
    return path


def _train(recipe: Path, out: Path, *words: str) -> str:
    done = runner.invoke(app, ["train", "rali", "--recipe", str(recipe), "--out", str(out), *words])
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


def test_a_run_ends_in_a_bundle_that_orders_its_photos(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "one"
    assert f"next: {typed('ralikit')} eval" in _train(recipe, out)
    bundle = read_bundle(out / "bundle")
    assert bundle.info.provenance["trained_on"] == 48
    assert bundle.info.tower.weights == "trained"
    runtime = TorchRuntime(bundle)
    from ralikit.photo.views import load_views

    photos = sorted((tmp_path / "photos").iterdir())
    scores = [runtime.run(load_views(p, bundle.info.preprocess)) for p in photos]
    assert srcc(scores, -np.arange(48)) > 0.5
    assert min(scores) >= 1.0
    # the same recipe again makes nothing anew; another one is refused in this folder
    before = (out / "metrics.jsonl").read_bytes()
    _train(recipe, out)
    assert (out / "metrics.jsonl").read_bytes() == before
    # a run begun under the first names of its settings goes on
    noted = out / "recipe.json"
    settings = noted.read_text(encoding="utf-8")
    first = json.loads(settings.replace('"tie_width', '"resolution'))
    noted.write_text(to_json(first), encoding="utf-8")
    _train(recipe, out)
    assert noted.read_text(encoding="utf-8") == settings
    with pytest.raises(TrainingError, match="run of other settings"):
        _train(recipe, out, "--set", "align.seed=5")
    # a run that could not begin leaves no folder that would refuse the mended recipe
    with pytest.raises(RalikitError, match="cannot read the labels"):
        _train(recipe, out.with_name("two"), "--set", "data_root=nowhere")
    assert not out.with_name("two").exists()


def test_photos_kept_out_are_reported(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "held"
    text = _train(
        recipe, out, "--set", "validation.share=0.25", "--set", "validation.likeness=0.9999"
    )
    figures = json.loads((out / "validation.json").read_text())
    assert 6 <= figures["photos"] <= 18
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    looked = [line["step"] for line in lines if "validation_srcc" in line]
    each = len([line for line in lines if line["step"] <= lines[-1]["step"]]) // 3
    assert looked == [each - 1, 2 * each - 1, 3 * each - 1]  # once an epoch
    assert all(-1 <= line.get("validation_plcc", 0) <= 1 for line in lines)
    assert f'"photos": {figures["photos"]}' in text


def test_too_few_photos_kept_out_for_a_figure_cost_no_bundle(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "few"
    words = ["--set", "validation.share=0.02", "--set", "validation.likeness=0.9999"]
    text = _train(recipe, out, *words, "--set", "align.epochs=1")
    figures = json.loads((out / "validation.json").read_text(encoding="utf-8"))
    assert 1 <= figures["photos"] <= 2
    assert "srcc" not in figures
    assert "at least 30 photos" in figures["tie_width_missing"]
    assert (out / "bundle" / "ralikit.json").is_file()
    assert "bundle: " in text


def test_regression_has_no_texts_and_no_bundle_of_its_own(recipe: Path, tmp_path: Path) -> None:
    done = runner.invoke(
        app,
        [
            "train",
            "align",
            "--recipe",
            str(recipe),
            "--out",
            str(tmp_path / "runs" / "reg"),
            "--set",
            'align.objective="regression"',
            "--set",
            "tower.config.dim=1",
        ],
    )
    assert done.exit_code == 0, done.output
    assert not (tmp_path / "runs" / "reg" / "texts.jsonl").exists()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("align.epochz=1", "did you mean 'epochs'"),
        ("tower.config.dim=5", "6 wide"),
        ("fit.pca=99", r"fit\.pca is 99: the PCA's width must lie in 1\.\.48 for 48 photos"),
        ("fit.pca=7", r"1\.\.6 for 48 photos of 6 features"),
        ("fit.photos=3", r"1\.\.3 for 3 photos"),
        ("fit.clusters=999", "do not fit 48 photos"),
        ("align.long_texts=refuse", "longer than the 12 tokens"),
        ("align.batch=64", "48 photos are fewer than a batch of 64"),
        ("align.frozen=['nothing']", "no parameter of the tower"),
        ("align.learn_temperature=true", "learn_temperature is for objective clip"),
        ("validation.leave_out=['three']", "leave_out names three; the recipe has made-up"),
        ("validation.leave_out=['made-up']", "leave_out names every set"),
        ("texts.triplets=['absent.jsonl']", r"absent\.jsonl"),
        ("texts.triplets=['some.jsonl']", "47 of 48 photos have no quality text"),
        ("tower.weights=absent.safetensors", r"absent\.safetensors"),
        ("data=[{path='labels.csv', root='nowhere', mos_range=[0, 1]}]", "48 of 48 images"),
        ("data=[{path='labels.csv', root='photos'}]", "does not state its scale"),
        (
            "data=[{path='labels.csv', root='photos', mos_range=[0, 1], columns={mos='score'}}]",
            "no column 'score'; its columns are file, mos",
        ),
        ("align.objective=regression", "nothing to fit"),
    ],
)
def test_a_mistake_is_one_sentence_before_any_work(
    recipe: Path, tmp_path: Path, change: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = '{"image": "00.png", "score": 3.0, "texts": [{"text": "a", "seed": 0, "source": "x"}]}'
    (tmp_path / "some.jsonl").write_text(lines + "\n", encoding="utf-8")
    if "long_texts" not in change:  # how long the rules' texts are is known once they are written
        monkeypatch.setattr(runs, "_open_store", _no_work)
    with pytest.raises(RalikitError, match=words) as raised:
        _train(recipe, tmp_path / "runs" / "bad", "--set", change)
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "runs" / "bad" / "bundle").exists()


def test_long_texts_that_a_recipe_brings_are_refused_before_any_work(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = {"text": "word " * 13, "seed": 0, "source": "x"}
    lines = [json.dumps({"image": f"{i:02d}.png", "score": 3, "texts": [text]}) for i in range(48)]
    (tmp_path / "long.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.setattr(runs, "_open_store", _no_work)
    words = ["--set", "align.long_texts=refuse", "--set", "texts.triplets=['long.jsonl']"]
    with pytest.raises(TrainingError, match="48 of 48 texts are longer than the 12 tokens"):
        _train(recipe, tmp_path / "runs" / "bad", *words)


def test_a_mended_recipe_is_taken_where_nothing_was_trained(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "one"
    with pytest.raises(TrainingError, match="longer than the 12 tokens"):
        _train(recipe, out, "--set", "align.long_texts=refuse")
    written = (out / "texts.jsonl").read_text(encoding="utf-8")  # the rules had written
    _train(recipe, out, "--set", "texts.words=level", "--set", "texts.per_photo=1")
    assert (out / "texts.jsonl").read_text(encoding="utf-8") != written
    assert json.loads((out / "recipe.json").read_text())["texts"]["words"] == "level"
    with pytest.raises(
        TrainingError, match=r"other settings \(texts\.per_photo, texts\.words differ"
    ):
        _train(recipe, out)


def test_a_changed_fit_is_a_new_fit_on_the_same_alignment(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "one"
    _train(recipe, out)
    metrics, tower = ((out / n).read_bytes() for n in ("metrics.jsonl", "tower.safetensors"))
    words = ["--set", "fit.pca=3", "--set", "bundle.name=other", "--set", "align.micro_batch=4"]
    _train(recipe, out, *words)
    bundle = read_bundle(out / "bundle")
    assert bundle.info.name == "other"
    assert bundle.head().pca_components.shape == (3, 6)
    assert (out / "metrics.jsonl").read_bytes() == metrics
    assert (out / "tower.safetensors").read_bytes() == tower
    assert json.loads((out / "recipe.json").read_text())["fit"]["pca"] == 3
    (out / "recipe.json").write_text("{}", encoding="utf-8")
    with pytest.raises(TrainingError, match=r"recipe\.json is no recipe"):
        _train(recipe, out)


def test_a_folder_is_no_run_before_its_first_stage(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "one"
    runs.open_run(read_recipe(recipe, None), out)  # photos are decoded, into the cache beside it
    assert not out.exists()


def _no_work(*_: object) -> None:
    raise AssertionError("photos are decoded before the recipe is checked")


def test_a_missing_photo_stops_the_run(recipe: Path, tmp_path: Path) -> None:
    (tmp_path / "photos" / "03.png").unlink()
    with pytest.raises(DataError, match=r"03\.png"):
        _train(recipe, tmp_path / "runs" / "bad")


def test_what_cannot_be_told_apart_is_refused(recipe: Path, tmp_path: Path) -> None:
    photos = sorted((tmp_path / "photos").iterdir())
    same = photos[0].read_bytes()
    kept = [photo.read_bytes() for photo in photos]
    for photo in photos:
        photo.write_bytes(same)
    with pytest.raises(DataError, match="48 photos are copies of one"):
        _train(recipe, tmp_path / "runs" / "copies")
    for photo, data in zip(photos, kept, strict=True):
        photo.write_bytes(data)
    lines = "".join(f"{photo.name},0.5\n" for photo in photos)
    (tmp_path / "labels.csv").write_text(f"file,mos\n{lines}")
    with pytest.raises(DataError, match="48 photos are labelled 3"):
        _train(recipe, tmp_path / "runs" / "labels")
    assert not list(tmp_path.rglob("bundle"))


def test_a_scorer_that_tells_nothing_apart_is_no_bundle(recipe: Path, tmp_path: Path) -> None:
    # Two photos that differ in one pixel, over and over: not copies, and the same to any tower.
    first, *rest = sorted((tmp_path / "photos").iterdir())
    pixels = np.asarray(Image.open(first)).copy()
    pixels[0, 0, 0] ^= 1
    for photo in rest[::2]:
        Image.fromarray(pixels).save(photo)
    for photo in rest[1::2]:
        photo.write_bytes(first.read_bytes())
    with pytest.raises(TrainingError, match="features of all 48 photos are the same"):
        _train(recipe, tmp_path / "runs" / "near")
    assert not (tmp_path / "runs" / "near" / "bundle").exists()


def test_a_fit_of_its_own_gives_the_bundle_of_one_go(recipe: Path, tmp_path: Path) -> None:
    """What was interrupted between the stages ends in the same bytes as what was not."""
    whole, parts = tmp_path / "whole" / "run", tmp_path / "parts" / "run"
    _train(recipe, whole)
    for stage in ("align", "fit"):
        words = ["train", stage, "--recipe", str(recipe), "--out", str(parts)]
        done = runner.invoke(app, words)
        assert done.exit_code == 0, done.output
    for name in ("tower.safetensors", "head.safetensors"):
        one, two = (read_safetensors(run / "bundle" / name) for run in (whole, parts))
        for key, value in one.items():
            np.testing.assert_array_equal(two[key], value, err_msg=f"{name}: {key}")


def test_fit_without_alignment_says_what_to_do(recipe: Path, tmp_path: Path) -> None:
    done = runner.invoke(
        app, ["train", "fit", "--recipe", str(recipe), "--out", str(tmp_path / "runs" / "new")]
    )
    assert isinstance(done.exception, TrainingError)
    assert "run align first" in str(done.exception)


def test_a_tower_needs_its_preprocessing(recipe: Path, tmp_path: Path) -> None:
    text = recipe.read_text()
    lines = [line for line in text.splitlines() if not line.startswith("preprocess")]
    recipe.write_text("\n".join(lines))
    with pytest.raises(UsageError, match=r"needs a \[preprocess\] table"):
        _train(recipe, tmp_path / "runs" / "bad")


def _two_sets(recipe: Path) -> Path:
    """The recipe's photos as two sets, the second rated on a scale that is shifted and narrow."""
    text = recipe.read_text(encoding="utf-8")
    root = recipe.parent
    lines = (root / "labels.csv").read_text(encoding="utf-8").splitlines()[1:]
    (root / "one.csv").write_text("file,mos\n" + "\n".join(lines[::3]) + "\n")
    other = [line for index, line in enumerate(lines) if index % 3]
    moved = [f"{n},{0.2 + float(m) / 4:.4f}" for n, m in (line.split(",") for line in other)]
    (root / "two.csv").write_text("file,mos\n" + "\n".join(moved) + "\n")
    begin, end = text.index("data = ["), text.index("texts =")
    sets = ", ".join(
        f'{{ path = "{n}.csv", root = "photos", mos_range = [0.0, 1.0], dataset = "{n}" }}'
        for n in ("one", "two")
    )
    path = root / "two.toml"
    path.write_text(f"{text[:begin]}data = [{sets}]\nscales = 'matched'\n{text[end:]}")
    return path


def test_sets_of_other_scales_are_matched_balanced_and_left_out(
    recipe: Path, tmp_path: Path
) -> None:
    two = _two_sets(recipe)
    values = read_recipe(two, ["data_root=" + str(tmp_path)])
    run = runs.open_run(values, tmp_path / "runs" / "seen")
    one, other = (run.scores[run.sets() == n] for n in (0, 1))
    assert one.mean() == pytest.approx(other.mean(), abs=0.05)
    assert one.std() == pytest.approx(other.std(), abs=0.05)
    assert srcc(one, [float(s.raw) for s in run.samples if s.dataset == "one"]) == 1.0
    out = tmp_path / "runs" / "two"
    _train(
        two,
        out,
        "--set",
        "align.balance=0.0",
        "--set",
        "fit.balance=0.0",
        "--set",
        'validation.leave_out=["one"]',
        "--set",
        "fit.photos=24",
        "--set",
        "align.init_photos=20",
    )
    figures = json.loads((out / "validation.json").read_text(encoding="utf-8"))
    assert figures["photos"] == len(one)
    assert "sets" not in figures
    assert figures["srcc"] > 0.5  # on a set it never saw: noise is quality in both
    both = tmp_path / "runs" / "both"
    kept = ("--set", "validation.share=0.3", "--set", "validation.likeness=0.9999")
    _train(two, both, *kept, "--set", "align.epochs=1")
    figures = json.loads((both / "validation.json").read_text(encoding="utf-8"))
    assert set(figures["sets"]) == {"one", "two"}
    assert sum(part["photos"] for part in figures["sets"].values()) == figures["photos"]
    assert all(-1 <= part["srcc"] <= 1 for part in figures["sets"].values())
    with pytest.raises(UsageError, match="leave_out names three"):
        runs.open_run(read_recipe(two, ['validation.leave_out=["three"]']), tmp_path / "runs" / "x")


def test_reasons_are_trained_on_planted_faults(recipe: Path, tmp_path: Path) -> None:
    out = tmp_path / "runs" / "reasons"
    _train(recipe, out, "--set", "align.faults=true", "--set", "align.reason_weight=0.3")
    lines = (out / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    losses = [json.loads(line)["reasons"] for line in lines]
    assert losses[0] > 0
    assert sum(losses[-4:]) < sum(losses[:4])
    with pytest.raises(UsageError, match="reason_weight needs faults"):
        read_recipe(recipe, ["align.reason_weight=0.3"])


def test_a_regressions_tower_gives_scores(recipe: Path, tmp_path: Path) -> None:
    from ralikit.train.rali import stages

    changes = ["align.objective=regression", "tower.config.dim=1", "align.epochs=6"]
    values = read_recipe(recipe, changes)
    out = tmp_path / "runs" / "reg"
    run = runs.open_run(values, out, fits=False)
    with pytest.raises(TrainingError, match="no finished alignment"):
        stages.regressed(run)
    stages.align(run)
    score = stages.regressed(run)
    mean, std = float(run.scores.mean()), float(run.scores.std())
    standard = np.array([[-1.0], [0.0], [0.5], [99.0], [-99.0]], dtype=np.float32)
    wanted = [mean - std, mean, mean + std / 2, 5.0, 1.0]
    np.testing.assert_allclose(score(standard), wanted, rtol=1e-5)


def test_a_score_fit_may_move_the_tower_and_goes_on_where_it_was(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "runs" / "one"
    words = ["--set", "fit.tower_rate=1e-3", "--set", "fit.batch=16", "--set", "fit.steps=4"]
    words += ["--set", "align.epochs=1"]
    _train(recipe, out, *words)
    before = read_safetensors(out / "tower.safetensors")  # the alignment stays as it was
    after = read_safetensors(out / "bundle" / "tower.safetensors")
    assert any((before[name] != value).any() for name, value in after.items())
    assert len((out / "end_to_end" / "metrics.jsonl").read_text().splitlines()) == 4
    start, head = (
        read_safetensors(path)["scores"]
        for path in (out / "end_to_end" / "start.safetensors", out / "bundle" / "head.safetensors")
    )
    assert (start != head).any()
    # what is done is not done again; another fit is a fit anew
    monkeypatch.setattr("ralikit.train.rali.end_to_end.EndToEnd.train_step", _no_work)
    _train(recipe, out, *words)
    with pytest.raises(AssertionError):
        _train(recipe, out, *words, "--set", "fit.keep=0.1")
    with pytest.raises(UsageError, match="batches of 64 photos"):
        _train(recipe, out, *words, "--set", "fit.batch=64")

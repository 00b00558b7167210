"""Evaluation: whole sets or none, both PLCC named, the papers' rows where the set is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import lively_tower, make_head
from typer.testing import CliRunner

from ralikit import evaluate as library
from ralikit.bench.records import read
from ralikit.cli import app
from ralikit.data.metas import MetaSpec, Sample
from ralikit.data.papers import known_set, paper_averages, paper_rows
from ralikit.errors import DataError, PhotoError, UsageError
from ralikit.evaluate import EvalModel, EvalSet, evaluate, load_set
from ralikit.model.bundle import BundleInfo, Scale, TowerSpec, write_bundle
from ralikit.photo.views import Preprocess
from ralikit.report import accuracy
from ralikit.scorer import load

COUNT = 24


def _model(name: str, noise: float, *, bad: str = "") -> EvalModel:
    """A scorer that reads the MOS off the file's name and errs by a fixed amount."""

    def score(photo: Path) -> float:
        if photo.name == bad:
            raise PhotoError(f"{photo.name} is cut off")
        index = int(photo.stem)
        return 1 + 4 * index / (COUNT - 1) + noise * float(np.sin(7.0 * index))

    return EvalModel(
        name=name,
        scores=lambda photos: map(score, photos),
        runtime="none 1.0",
        unit="gpu",
        model={
            "name": name,
            "hash": "0" * 64,
            "bundle": "",
            "format": "onnx",
            "precision": "fp32",
            "size_bytes": 1,
            "weights": "trained",
        },
    )


@pytest.fixture
def labelled(tmp_path: Path) -> MetaSpec:
    root = tmp_path / "agiqa3k"
    root.mkdir()
    for k in range(COUNT):
        (root / f"{k}.png").write_bytes(b"")
    rows = [f"{k}.png,{5 * k / (COUNT - 1)},{'test' if k % 2 else 'train'}" for k in range(COUNT)]
    (root / "labels.csv").write_text("file,mos,split\n" + "\n".join(rows) + "\n")
    return MetaSpec(path=root / "labels.csv", root=root, mos_range=(0, 5))


def test_a_perfect_scorer_has_perfect_figures(labelled: MetaSpec) -> None:
    (result,) = evaluate([_model("exact", 0.0)], [load_set(labelled)], resamples=20)
    found = result.agreement
    assert (found.count, found.srcc.value, found.krcc.value) == (COUNT, 1.0, 1.0)
    assert found.plcc.value == pytest.approx(1.0)
    assert found.rmse.value == pytest.approx(0.0, abs=1e-9)


def test_models_are_compared_on_the_same_photos(labelled: MetaSpec) -> None:
    data = load_set(labelled)
    first, again, worse = evaluate(
        [_model("exact", 0.0), _model("again", 0.0), _model("worse", 1.5)], [data], resamples=100
    )
    assert first.difference is None
    assert again.difference is not None
    assert again.difference.tie
    assert worse.difference is not None
    assert not worse.difference.tie
    assert "worse less that of exact: -" in accuracy.differences([first, again, worse])[1]


def test_one_unreadable_photo_refuses_the_whole_figure(labelled: MetaSpec) -> None:
    with pytest.raises(DataError, match=r"agiqa3k cannot be evaluated whole: 3\.png is cut off"):
        evaluate([_model("m", 0.1, bad="3.png")], [load_set(labelled)], resamples=2)
    (labelled.root / "5.png").unlink()
    with pytest.raises(DataError, match="1 of 24 images are missing"):
        load_set(labelled)


def test_a_photo_with_two_scores_refuses_the_figure(labelled: MetaSpec) -> None:
    table = labelled.path.read_text()
    labelled.path.write_text(table + "3.png,0.6521739130434783,test\n")
    assert any("1 labels repeat a photo" in note for note in load_set(labelled).notes)
    labelled.path.write_text(table + "3.png,4.5,test\n")
    with pytest.raises(DataError, match=r"3\.png is labelled twice, 0\.652174 and 4\.5"):
        load_set(labelled)


def test_a_constant_scorer_is_named(labelled: MetaSpec) -> None:
    flat = EvalModel(
        name="flat",
        scores=lambda photos: (3.0 for _ in photos),
        model={},
        runtime="none",
        unit="cpu",
    )
    with pytest.raises(DataError, match="flat on agiqa3k: all 24 predictions are 3"):
        evaluate([flat], [load_set(labelled)], resamples=2)


def test_what_was_assumed_is_noted(labelled: MetaSpec) -> None:
    data = load_set(MetaSpec(path=labelled.path, root=labelled.root, split="test"))
    assert len(data.samples) == COUNT // 2
    assert "the MOS scale was not given" in data.notes[0]
    assert "the papers' figures are over 2982 photos, these over 12" in data.notes[1]
    bare = labelled.path.with_name("bare.csv")
    bare.write_text("file,mos\n0.png,1\n1.png,2\n2.png,3\n")
    spec = MetaSpec(path=bare, root=labelled.root, mos_range=(1, 5), split="test")
    assert "name no splits: all 3 photos" in load_set(spec, lenient_split=True).notes[0]
    with pytest.raises(UsageError, match="no split 'test'"):
        load_set(spec)


def test_a_bundle_is_evaluated_with_the_scores_it_gives(tmp_path: Path) -> None:
    tower = lively_tower()
    info = BundleInfo(
        name="tiny",
        tower=TowerSpec(kind=tower.kind, config=tower.config()),
        preprocess=Preprocess(size=32, shortest_edge=32),
        temperature=0.1,
        scale=Scale(minimum=0.0, maximum=100.0),
    )
    tensors = {k: v.numpy() for k, v in tower.state_dict().items()}
    head = make_head()
    percent = replace(head, scores=25 * (head.scores - 1))
    bundle = write_bundle(tmp_path / "tiny", info, tower=tensors, head=percent)
    rng = np.random.default_rng(0)
    for k in range(4):
        picture = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
        picture.resize((40, 36)).save(tmp_path / f"{k}.png")
    photos = [tmp_path / f"{k}.png" for k in range(4)]
    model = library.open_model(str(bundle.root))
    expected = [1 + load(bundle.root).score(p).value / 25 for p in photos]  # 0..100 -> 1..5
    assert list(model.scores(photos)) == pytest.approx(expected)
    assert (model.name, model.model["bundle"], model.unit) == ("tiny", bundle.hash, "cpu")
    with pytest.raises(UsageError, match="is no teacher"):
        library.open_model(str(bundle.root), teacher=library.TeacherOptions(seeds=(0,)))
    with pytest.raises(UsageError, match="there is no model"):
        library.open_model(str(tmp_path / "absent"))


def test_a_scorer_that_leaves_photos_out_is_refused(labelled: MetaSpec) -> None:
    short = EvalModel(
        name="short", scores=lambda _photos: iter([1.0]), model={}, runtime="none", unit="cpu"
    )
    with pytest.raises(DataError, match="short gave 1 scores for the 24 photos of agiqa3k"):
        evaluate([short], [load_set(labelled)], resamples=2)


def test_sets_are_known_by_name_alone() -> None:
    known = known_set("KONIQ")
    assert known is not None
    assert (known.key, known.photos) == ("koniq", 2010)
    assert known_set("AGIQA-3K") is not None
    assert known_set("koniq10k_512x384") is None  # another resolution is another set
    rows = {row.method: row for row in paper_rows("csiq")}
    assert (rows["RALI"].plcc, rows["RALI"].srcc) == (0.828, 0.788)
    assert rows["RACT"].source.endswith("Table 3")


SEVEN = ("koniq", "spaq", "kadid", "pipal", "livew", "agiqa", "csiq")


@pytest.mark.parametrize("key", ["average", "in_domain", "out_of_domain"])
def test_printed_averages_are_those_of_their_sets(key: str) -> None:
    (average,) = [a for a in paper_averages() if a.key == key]
    checked = []
    for printed in paper_rows(key):
        found = [
            row
            for name in average.sets
            for row in paper_rows(name)
            if (row.method, row.trained_on) == (printed.method, printed.trained_on)
        ]
        if len(found) < len(average.sets):
            continue  # its sets are not printed one by one
        checked.append(printed.method)
        # To the digits printed: every number of a row is rounded, and so is its mean.
        assert np.mean([r.srcc for r in found]) == pytest.approx(printed.srcc, abs=1e-3)
        assert np.mean([r.plcc for r in found]) == pytest.approx(printed.plcc, abs=1e-3)
    assert len(checked) == {"average": 11, "in_domain": 0, "out_of_domain": 1}[key]


def test_printed_numbers_are_correlations_of_known_sets() -> None:
    known = {average.key for average in paper_averages()} | {*SEVEN, "tid2013"}
    for key in known:
        assert paper_rows(key), key
        assert all(0.0 < value < 1.0 for row in paper_rows(key) for value in (row.plcc, row.srcc))
    untrained = {r.method: r.trained_on for r in paper_rows("koniq") if "not" in r.trained_on}
    assert untrained == {"NIQE": "not on KonIQ-10k", "BRISQUE": "not on KonIQ-10k"}
    own = {(r.method, r.trained_on): (r.srcc, r.plcc) for r in paper_rows("visualquality_eight")}
    assert own["VisualQuality-R1", "KADID-10k, SPAQ"] == (0.791, 0.831)


def test_tables_of_the_papers_agree_with_each_other() -> None:
    """What two tables print of one model is the same, to a digit of rounding."""

    def of(key: str, method: str) -> tuple[float, float]:
        (row,) = [r for r in paper_rows(key) if r.method == method and "PIPAL" in r.trained_on]
        return row.plcc, row.srcc

    # Eight sets are the four in-domain and the four out-of-domain ones (Tables A.3 and 3).
    both = np.mean([of("in_domain", "RACT"), of("out_of_domain", "RACT")], axis=0)
    assert of("eight_sets", "RACT, scores from KonIQ-10k") == pytest.approx(both, abs=1e-3)
    (eight,) = [a for a in paper_averages() if a.key == "eight_sets"]
    parts = {a.key: a.sets for a in paper_averages()}
    assert set(eight.sets) == {*parts["in_domain"], *parts["out_of_domain"]}
    assert of("agiqa", "RACT, SFT of all parts on texts") == of("agiqa", "RACT")  # Tables 5 and 3
    # Table A.1: fine-tuned, rewarded without reasoning, with it; the last is Table 2's average.
    means = {r.method: (r.plcc, r.srcc) for r in paper_rows("average")}
    order = ["Qwen2.5-VL-7B, SFT on scores", "Q-Insight without reasoning", "Q-Insight"]
    assert [means[m] for m in order] == [(0.732, 0.709), (0.768, 0.744), (0.806, 0.783)]
    assert means["Q-Insight on Qwen2.5-VL-3B"] == (0.776, 0.753)
    own = {r.method: (r.srcc, r.plcc) for r in paper_rows("visualquality_eight")}
    assert own["VisualQuality-R1, fixed variance"] == (0.77, 0.799)


def test_all_averages_are_printed_over_all_eight_sets(labelled: MetaSpec) -> None:
    names = (*SEVEN, "tid2013")
    sets = [load_set(replace(labelled, dataset=name, mos_range=(0.0, 5.0))) for name in names]
    results = library.evaluate([_model("one", 0.3)], sets, resamples=5)
    titles = [title for title, _, _ in accuracy.average_tables(results)]
    assert titles == [
        "average of the seven sets",
        "in-domain average",
        "out-of-domain average",
        "average of the eight sets",
    ]


def test_an_average_is_printed_where_a_model_has_all_its_sets(labelled: MetaSpec) -> None:
    sets = [load_set(replace(labelled, dataset=name, mos_range=(0.0, 5.0))) for name in SEVEN]
    results = library.evaluate([_model("one", 0.3)], sets, resamples=5)
    tables = {title: (header, rows) for title, header, rows in accuracy.average_tables(results)}
    assert list(tables) == ["average of the seven sets", "in-domain average"]
    header, rows = tables["average of the seven sets"]
    assert header[2:4] == ["PLCC (raw)", "SRCC"]
    assert rows[-1][0] == "one"
    assert float(rows[-1][3]) == pytest.approx(
        np.mean([r.agreement.srcc.value for r in results]), abs=5e-4
    )
    assert accuracy.average_tables(results[:3]) == []
    page = accuracy.markdown(results, command="x", resamples=5, seed=0)
    assert "## Average of the seven sets" in page


def test_the_command_prints_writes_and_records(
    labelled: MetaSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "open_model", lambda name, threads, teacher: _model(name, 0.3))
    out, log = tmp_path / "out", tmp_path / "log.jsonl"
    words = ["eval", "one", "two", "--meta", str(labelled.path), "--root", str(labelled.root)]
    words += ["--mos-range", "0,5", "--resamples", "20"]
    told = CliRunner().invoke(app, [*words, "--out", str(out), "--records", str(log)])
    assert told.exit_code == 0, told.output
    for text in ("24", "PLCC (raw)", "PLCC (4-parameter logistic)", "Q-Insight", "a tie"):
        assert text in told.stdout
    page = (out / "eval.md").read_text()
    assert "| RALI | KonIQ-10k | 0.779 | 0.715 |" in page
    assert "measured here, 24 photos" in page
    with Image.open(out / "agiqa3k_one.png") as plot:
        assert plot.size == (600, 600)
    assert (out / "agiqa3k_one.csv").read_text().startswith("image,score,mos\n0.png,1.0")
    written = read([log])
    assert {r.runtime.unit for r in written} == {"gpu"}  # what the model says, not a guess
    figures = [r.figures for r in written]
    assert [f["model"] for f in figures] == ["one", "two"]
    assert figures[1]["srcc_difference"]["tie"] is True
    assert {"plcc_raw", "plcc_logistic"} <= set(figures[0])
    again = CliRunner().invoke(app, [*words, "--out", str(out)])
    assert isinstance(again.exception, UsageError)
    printed = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert printed[0]["photos"] == COUNT


def test_options_that_do_not_pair_up(labelled: MetaSpec) -> None:
    words = ["eval", "m", "--meta", "a.csv", "--meta", "b.csv", "--meta", "c.csv", "--root", "r"]
    told = CliRunner().invoke(app, [*words, "--mos-range", "0,1", "--mos-range", "0,5"])
    assert str(told.exception) == "--mos-range must be given once or once a label file, not 2x"
    told = CliRunner().invoke(app, [*words, "--mos-range", "5"])
    assert "--mos-range takes LOW,HIGH" in str(told.exception)


def test_a_set_keeps_its_mos_on_the_scale() -> None:
    sample = Sample(image=Path("a"), name="a", score=4.0, raw=0.75)
    assert EvalSet(name="x", split=None, samples=(sample,)).mos.tolist() == [4.0]

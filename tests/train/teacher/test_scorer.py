"""A teacher as a scorer: the same score every time, a mean over seeds, never a made-up one."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.errors import DataError, PhotoError, UsageError
from ralikit.train.teacher import scorer
from ralikit.train.teacher.answer_file import AnswerFile
from ralikit.train.teacher.engines import Asking, Question
from ralikit.train.teacher.prompts import Prompt
from ralikit.train.teacher.scorer import TeacherScorer, open_teacher


class Rater:
    """Rates by seed."""

    name = "rater"
    unit = "gpu"

    def __init__(self, ratings: dict[int, str]) -> None:
        self.ratings = ratings
        self.asked: list[int] = []

    def answer(self, questions: Sequence[Question], prompt: Prompt) -> list[str]:
        self.asked += [r.seed for r in questions]
        return [f'<answer>{{"rating": {self.ratings[r.seed]}}}</answer>' for r in questions]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    Image.new("RGB", (9, 9)).save(tmp_path / "a.png")
    return tmp_path / "a.png"


def test_mean_over_seeds(photo: Path) -> None:
    rater = Rater({0: "2", 1: "3.5", 2: "4"})
    assert TeacherScorer(rater, seeds=(0, 1, 2)).score(photo) == pytest.approx(9.5 / 3)
    assert rater.asked == [0, 1, 2]


def test_unreadable_answer_is_asked_again_with_a_new_seed(photo: Path) -> None:
    rater = Rater({0: "2", 1: "7", 3: "NaN", 5: "4"})
    assert TeacherScorer(rater, seeds=(0, 1)).score(photo) == 3.0
    assert rater.asked == [0, 1, 3, 5]


def test_no_rating_is_no_score(photo: Path) -> None:
    with pytest.raises(PhotoError, match=r"gave .*a\.png no rating between 1 and 5 in 1 attempts"):
        TeacherScorer(Rater({0: "7"})).score(photo)


def test_prompt_must_ask_for_a_rating() -> None:
    with pytest.raises(UsageError, match="asks for no rating"):
        TeacherScorer(Rater({}), prompt="description")
    with pytest.raises(UsageError, match="not all different"):
        TeacherScorer(Rater({}), seeds=(1, 1))


def test_real_teacher_scores_the_same_twice(warm_vlm: Path, labelled: Path) -> None:
    from support_teacher import PIXELS

    asking = Asking(max_tokens=14, max_pixels=PIXELS)
    scorer = open_teacher(warm_vlm, seeds=range(4), asking=asking, device="cpu", retries=20)
    photos = [labelled / "images" / f"p{i}.png" for i in range(2)]
    scores = scorer.scores(photos)
    assert all(1.0 <= s <= 5.0 for s in scores)
    assert [scorer.score(p) for p in reversed(photos)] == scores[::-1]


class Namer:
    """Rates by the photo's name, and counts what it is asked."""

    name = "namer"
    unit = "cpu"

    def __init__(self, ratings: dict[str, str]) -> None:
        self.ratings = ratings
        self.calls: list[list[str]] = []

    def answer(self, questions: Sequence[Question], prompt: Prompt) -> list[str]:
        self.calls.append([q.name for q in questions])
        return [f'<answer>{{"rating": {self.ratings[q.name]}}}</answer>' for q in questions]


@pytest.fixture
def five(tmp_path: Path) -> list[Path]:
    photos = [tmp_path / f"{name}.png" for name in "abcde"]
    for photo in photos:
        Image.new("RGB", (9, 9)).save(photo)
    return photos


FIVE = {"a.png": "1", "b.png": "2", "c.png": "9", "d.png": "4", "e.png": "5"}


def test_photos_are_asked_about_in_batches_and_one_failure_is_one_photo(five: list[Path]) -> None:
    engine = Namer(FIVE)
    ratings = list(TeacherScorer(engine, batch=2).ratings(five))
    assert [r.value for r in ratings] == [1.0, 2.0, None, 4.0, 5.0]
    assert "gave" in ratings[2].problem
    assert "c.png no rating between 1 and 5 in 1 attempts" in ratings[2].problem
    assert engine.calls == [["a.png", "b.png"], ["c.png", "d.png"], ["e.png"]]
    assert [len(call) for call in _calls(FIVE, five, seeds=(0, 1), batch=4)] == [4, 4, 2, 2, 2, 2]


def _calls(
    ratings: dict[str, str], photos: list[Path], *, seeds: Sequence[int], batch: int
) -> list[list[str]]:
    engine = Namer(ratings)
    list(TeacherScorer(engine, seeds=seeds, batch=batch).ratings(photos))
    return engine.calls


def test_answers_are_kept_and_not_asked_for_again(five: list[Path], tmp_path: Path) -> None:
    log = tmp_path / "answers.jsonl"
    scorer = TeacherScorer(Namer(FIVE), batch=2)
    with AnswerFile(log, scorer.settings()) as kept:
        first = scorer.ratings(five, answers=kept)
        assert [next(first).value for _ in range(3)] == [1.0, 2.0, None]  # and then it is killed
    with log.open("ab") as file:
        file.write(b'{"photo": "torn')
    engine = Namer(FIVE)
    scorer = TeacherScorer(engine, batch=2)
    with AnswerFile(log, scorer.settings()) as kept:
        values = [r.value for r in scorer.ratings(five, answers=kept)]
    assert values == [1.0, 2.0, None, 4.0, 5.0]
    assert engine.calls == [["d.png"], ["e.png"]]
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["rating"] for line in lines] == [1.0, 2.0, None, 4.0, 5.0]
    assert lines[2]["answers"] == [
        {"seed": 0, "rating": None, "text": '<answer>{"rating": 9}</answer>'}
    ]


def test_answers_of_other_settings_are_not_continued(five: list[Path], tmp_path: Path) -> None:
    log = tmp_path / "answers.jsonl"
    scorer = TeacherScorer(Namer(FIVE))
    with AnswerFile(log, scorer.settings()) as kept:
        list(scorer.ratings(five[:1], answers=kept))
    other = TeacherScorer(Namer(FIVE), seeds=(0, 1))
    with pytest.raises(UsageError, match="was begun with another retries, seeds"):
        AnswerFile(log, other.settings())
    (tmp_path / "answers.jsonl.settings.json").unlink()
    with pytest.raises(UsageError, match="something else wrote"):
        AnswerFile(log, scorer.settings())
    log.write_text('{"photo": 1}\n')
    with pytest.raises(DataError, match="line 1 is not a rating"):
        AnswerFile(log, scorer.settings())


def test_eval_leaves_unrated_photos_out_and_says_so(
    labelled: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    teacher = tmp_path / "teacher"
    teacher.mkdir()
    (teacher / "config.json").write_text("{}")
    (teacher / "ralikit-teacher.json").write_text('{"prompt": "score", "max_pixels": 40000}')
    names = sorted(path.name for path in (labelled / "images").iterdir())
    ratings = {name: str(1 + i % 4) for i, name in enumerate(names)} | {names[1]: "none"}
    seen: list[tuple[str, Asking]] = []

    def opened(name: str, asking: Asking, **_: object) -> Namer:
        seen.append((name, asking))
        return Namer(ratings)

    monkeypatch.setattr(scorer, "open_engine", opened)
    log = tmp_path / "answers.jsonl"
    words = ["--meta", str(labelled / "labels.csv"), "--root", str(labelled / "images")]
    words += ["--mos-range", "1,5", "--resamples", "20"]
    asked = [*words, "--answers", str(log), "--batch", "3", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, ["eval", str(teacher), *asked])
    assert result.exit_code == 0, result.output
    assert seen == [
        (str(teacher), Asking(temperature=0.0, max_tokens=512, max_pixels=40000, batch=3))
    ]
    assert f"gave 1 of {len(names)} photos no rating, the first is {names[1]}" in result.output
    assert "the rating in its likeliest answer" in result.output
    assert len(log.read_text().splitlines()) == len(names)
    figures = json.loads((tmp_path / "out" / "eval.json").read_text())["results"][0]
    assert figures["photos"] == len(names) - 1
    assert figures["unrated"] == [names[1]]
    beside = CliRunner().invoke(app, ["eval", "mini", str(teacher), *words])
    assert beside.exit_code == 0, beside.output
    drawn = CliRunner().invoke(app, ["eval", str(teacher), *words, "--seeds", "3,4"])
    assert drawn.exit_code == 0, drawn.output
    assert seen[-1][1].temperature == 1.0
    assert "the mean rating of 2 answers" in drawn.output
    other = CliRunner().invoke(app, ["eval", "mini", *words, "--seeds", "3,4"])
    assert "mini is no teacher" in str(other.exception)


def test_published_teachers_are_fetched_by_name(
    labelled: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from ralikit import evaluate
    from ralikit.train.teacher import vlm

    (tmp_path / "config.json").write_text("{}")
    wanted: list[str] = []

    def fetched(name: str) -> Path:
        wanted.append(name)
        return tmp_path

    monkeypatch.setattr(vlm, "local_folder", fetched)
    monkeypatch.setattr(scorer, "open_engine", lambda name, asking, **_: Namer({}))
    model = evaluate.open_model("ByteDance/Q-Insight/score_degradation")
    assert (model.name, model.unit) == ("ByteDance/Q-Insight/score_degradation", "cpu")
    assert "12845056 pixels" in model.note
    evaluate.open_model("hub:someone/teacher")
    assert wanted == ["ByteDance/Q-Insight/score_degradation", "someone/teacher"]
    with pytest.raises(UsageError, match="there is no model someone/teacher"):
        evaluate.open_model("someone/teacher")  # a mistyped path is not looked up anywhere

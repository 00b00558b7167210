"""A teacher as a scorer: the same score every time, a mean over seeds, never a made-up one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.errors import PhotoError, UsageError
from ralikit.train.teacher import scorer
from ralikit.train.teacher.engines import Question
from ralikit.train.teacher.prompts import Prompt
from ralikit.train.teacher.scorer import TeacherScorer


class Rater:
    """Rates by seed."""

    name = "rater"

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

    from ralikit.train.teacher.engines import Asking

    asking = Asking(max_tokens=14, max_pixels=PIXELS)
    scorer = TeacherScorer(warm_vlm, seeds=range(4), asking=asking, device="cpu", retries=20)
    photos = [labelled / "images" / f"p{i}.png" for i in range(2)]
    scores = scorer.scores(photos)
    assert all(1.0 <= s <= 5.0 for s in scores)
    assert [scorer.score(p) for p in reversed(photos)] == scores[::-1]


def test_eval_command_averages_seeds_of_teachers_alone(
    labelled: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:

    teacher = tmp_path / "teacher"
    teacher.mkdir()
    (teacher / "config.json").write_text("{}")
    seen: list[tuple[int, ...]] = []

    class Brightness(TeacherScorer):
        def __init__(self, model: Path, *, seeds: Sequence[int] = ()) -> None:
            seen.append(tuple(seeds))

        def score(self, photo: Path) -> float:
            with Image.open(photo) as image:
                return 1.0 + image.size[0] / 100

    monkeypatch.setattr(scorer, "TeacherScorer", Brightness)
    words = ["--meta", str(labelled / "labels.csv"), "--root", str(labelled / "images")]
    words += ["--mos-range", "1,5", "--seeds", "3,4", "--resamples", "20"]
    result = CliRunner().invoke(app, ["eval", str(teacher), *words])
    assert result.exit_code == 0, result.output
    assert seen == [(3, 4)]
    assert "the mean rating of 2 answers" in result.output
    other = CliRunner().invoke(app, ["eval", "mini", *words])
    assert "mini is no teacher" in str(other.exception)

"""The teacher bench on tiny models: exact token counts, both systems at the same batches."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from ralikit.bench.teacher import TOKENS, TeacherPlan, bench_teacher
from ralikit.errors import UsageError


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 256, (56, 84, 3), dtype=np.uint8)).save(path)
    return path


@pytest.mark.slow
def test_both_systems_are_measured_at_the_same_batches(photo: Path) -> None:
    plan = TeacherPlan(photo=photo, size="tiny", batches=(1, 2), repeats=2, threads=1)
    records = list(bench_teacher(plan, command="test"))
    assert len(records) == 2 * 3
    for batch in (1, 2):
        mine = [r for r in records if r.runtime.batch == batch]
        assert [r.figures["role"] for r in mine] == ["teacher", "rali", "rali"]
        assert [r.model.precision for r in mine] == ["bf16", "fp32", "fp16"]
        assert all(len(r.samples["photo_s"]) == 2 and min(r.samples["photo_s"]) > 0 for r in mine)
        assert all(r.model.weights == "random" for r in mine)
    teacher = records[0]
    assert teacher.figures["tokens"] == TOKENS
    assert teacher.figures["vision_tokens"] == 2 * 3  # 56 x 84 pixels, 28 x 28 of them a token
    assert teacher.memory is not None
    assert teacher.memory.peak_bytes > 0


@pytest.mark.parametrize(
    "change",
    [
        {"size": "9b"},
        {"batches": ()},
        {"batches": (0,)},
        {"repeats": 0},
        {"folder": Path("absent")},
    ],
)
def test_a_plan_that_makes_no_sense_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        TeacherPlan(**{"photo": Path("p"), **change})  # type: ignore[arg-type]

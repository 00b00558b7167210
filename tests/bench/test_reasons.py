"""The check of reasons: figures worked out by hand, and a model whose answers are known."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support_scorer import brightness_bundle, reasoned_file

from ralikit.bench.reasons import STRENGTHS, Looked, ReasonsPlan, bench_reasons, figures
from ralikit.bench.records import append, read
from ralikit.errors import UsageError
from ralikit.model.reasons import BANK
from ralikit.photo.faults import RENDERINGS
from ralikit.report.bench import describe, sections

IDS = tuple(entry.info.id for entry in BANK)


def looked(first: list[tuple[int, str | None, float, str | None]]) -> Looked:
    """Cases (photo, rendering, strength, named first); what is not named has 0.1."""
    names = [r.name for r in RENDERINGS]
    values = np.full((len(first), len(IDS)), 0.1)
    for row, (_, _, _, named) in enumerate(first):
        if named is not None:
            values[row, IDS.index(named)] = 0.8
    return Looked(
        photo=np.array([c[0] for c in first]),
        rendering=np.array([-1 if c[1] is None else names.index(c[1]) for c in first]),
        strength=np.array([c[2] for c in first]),
        values=values,
        ids=IDS,
    )


STRONG, MEDIUM = STRENGTHS["strong"], STRENGTHS["medium"]
CASES = [
    (0, None, 0.0, None),
    (1, None, 0.0, "noise"),
    (0, "white", STRONG, "noise"),
    (0, "shot", STRONG, "noise"),
    (0, "hexagon", STRONG, "motion-blur"),
    (1, "disc", STRONG, "out-of-focus"),
    (1, "jpeg", MEDIUM, None),
]


def test_figures_by_hand() -> None:
    found = figures(looked(CASES))
    strong = found["right"]["strong"]
    assert strong["value"] == pytest.approx(3 / 4)
    assert strong["fitted"] == 1.0  # white and disc
    assert strong["held_out"] == 0.5  # shot, not hexagon
    assert found["right"]["medium"]["value"] == 0.0
    assert found["none"]["value"] == 0.5
    assert found["photos"] == found["clean_photos"] == 2
    assert found["by_reason"]["out-of-focus"]["strong"] == 0.5
    assert found["by_rendering"]["hexagon"]["strong"] == 0.0
    # noise: both its copies 0.8; without it one 0.8 (level) and four 0.1.
    assert found["auc"]["noise"] == pytest.approx((4 + 0.5) / 5)
    assert found["auc"]["too-dark"] is None
    assert "same_first" not in found


def test_agreement_counts_every_case() -> None:
    other = [*CASES[:-1], (1, "jpeg", MEDIUM, "compression")]
    found = figures(looked(other), looked(CASES))
    assert found["same_first"] == pytest.approx(6 / 7)
    assert found["max_drift"] == pytest.approx(0.7)


def test_intervals_hold_the_value() -> None:
    strong = figures(looked(CASES))["right"]["strong"]
    assert strong["low"] <= strong["value"] <= strong["high"]
    assert strong["low"] < strong["high"]


@pytest.fixture
def brightness(tmp_path: Path) -> Path:
    """A file whose reasons are a photo's darkness and brightness."""
    return reasoned_file(tmp_path / "brightness.onnx")


def test_a_whole_run_on_a_model_that_knows_brightness_alone(
    brightness: Path, tmp_path: Path
) -> None:
    gradient = np.tile(np.linspace(60, 195, 48).astype(np.uint8)[:, None, None], (1, 48, 3))
    photo = tmp_path / "grey.png"
    Image.fromarray(gradient).save(photo)
    plan = ReasonsPlan(files=(brightness, brightness), plant=(photo,), clean=(photo,))
    records = bench_reasons(plan, command="by hand")
    out = tmp_path / "records.jsonl"
    append(out, records)
    first, second = read([out])
    assert len(first.samples["first"]) == 2 + 3 * len(RENDERINGS)
    found = first.figures
    assert found["by_reason"] == {
        "too-dark": pytest.approx({"weak": 1.0, "medium": 1.0, "strong": 1.0}),
        "too-bright": pytest.approx({"weak": 1.0, "medium": 1.0, "strong": 1.0}),
    }
    assert found["auc"]["too-dark"] > 0.9
    assert found["right"]["strong"]["value"] == pytest.approx(8 / 32)  # the model knows no other
    assert "same_first" not in found
    assert second.figures["same_first"] == 1.0
    assert "named first" in describe(first)
    titles = [s.title for s in sections(read([out]))]
    assert "Reasons" in titles


def test_a_model_without_a_bank_is_refused(tmp_path: Path, bundle_without_bank: Path) -> None:
    plan = ReasonsPlan(files=(bundle_without_bank,), plant=(tmp_path / "x.png",))
    with pytest.raises(UsageError, match="no bank of reasons"):
        bench_reasons(plan, command="")


@pytest.fixture
def bundle_without_bank(tmp_path: Path) -> Path:
    scorer = brightness_bundle(tmp_path / "plain").scorer
    assert scorer is not None
    return scorer

"""The fit of a bank: what counts as noticed, signs, order, calibration, and a bundle at the end."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from support_align import Letters, photo_files
from support_export import tiny_bundle
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.data.metas import Sample
from ralikit.errors import DataError, UsageError
from ralikit.export.bundle_scorer import with_scorer
from ralikit.model.bundle import Bundle, read_bundle, write_bundle
from ralikit.model.head import unit
from ralikit.model.reasons import BANK
from ralikit.scorer import load
from ralikit.train.rali import reasons as fitting
from ralikit.train.rali import text_encoders
from ralikit.train.rali.planted import CAP, RENDERINGS, Planted, noticed_at, targets
from ralikit.train.rali.reasons import IDS, OWNERS, GoodPhoto, fit_bank, good_photos
from ralikit.train.rali.reasons_fit import (
    Fitted,
    axes,
    calibrated,
    fit_probe,
    fit_text,
    judged,
)
from ralikit.train.rali.reasons_settings import ReasonsSettings

COUNT, DIM = len(IDS), 12
FEW = ReasonsSettings(photos=6, clean=4, pairs=1, hidden=3, anchors=None)


class Reader(Letters):
    """Letter counts of texts of any length."""

    limit = 100


def made_up(seed: int = 0, photos: int = 60) -> tuple[Planted, NDArray[np.float64]]:
    """Embeddings that move along direction k with the strength of reason k, and the directions."""
    rng = np.random.default_rng(seed)
    directions = np.linalg.qr(rng.normal(size=(DIM, DIM)))[0][:COUNT]
    rows, owner, strengths = [], [], []
    for photo in range(photos):
        base = rng.normal(size=DIM) * 0.1
        for index in (None, *range(len(RENDERINGS))):
            strength = np.full(len(RENDERINGS), np.nan)
            row = base + rng.normal(size=DIM) * 0.02
            if index is not None:
                strength[index] = rng.random()
                row = row + strength[index] * directions[OWNERS[index]]
            rows.append(row)
            owner.append(photo)
            strengths.append(strength)
    return (
        Planted(embeddings=np.array(rows), photo=np.array(owner), strength=np.stack(strengths)),
        directions,
    )


def test_only_renderings_that_the_check_leaves_free_are_fitted_on() -> None:
    assert not any(r.held_out for r in RENDERINGS)
    assert [IDS[k] for k in OWNERS] == [r.reason for r in RENDERINGS]


def test_half_notice_where_the_score_has_fallen_by_a_tie() -> None:
    planted, _ = made_up()
    strength = np.where(np.isnan(planted.strength), 0, planted.strength).max(axis=1)
    half, reached = noticed_at(planted, 4.0 - 2.0 * strength, drop=0.6)
    assert reached.all()
    np.testing.assert_allclose(half, 0.3, atol=0.04)
    half, reached = noticed_at(planted, 4.0 - 0.1 * strength, drop=0.6)
    assert not reached.any()
    np.testing.assert_array_equal(half, CAP)


def test_half_is_each_renderings_own() -> None:
    planted, _ = made_up()
    fall = np.where(np.arange(len(RENDERINGS)) == 3, 4.0, 2.0)
    scores = 4.0 - np.nan_to_num(planted.strength * fall).sum(axis=1)
    half, _ = noticed_at(planted, scores, drop=0.8)
    assert half[3] == pytest.approx(0.2, abs=0.04)
    assert half[4] == pytest.approx(0.4, abs=0.05)


def test_targets_are_one_half_there_and_nothing_where_nothing_was_planted() -> None:
    strength = np.full((3, len(RENDERINGS)), np.nan)
    noise = [i for i, r in enumerate(RENDERINGS) if r.reason == "noise"]
    strength[1, noise[0]] = 0.3
    strength[2, noise[1]] = 0.9
    planted = Planted(embeddings=np.zeros((3, 2)), photo=np.arange(3), strength=strength)
    wanted = targets(planted, np.full(len(RENDERINGS), 0.3), IDS)
    column = IDS.index("noise")
    assert wanted[:, column] == pytest.approx([0.0, 0.5, 1.0], abs=1e-3)
    assert np.delete(wanted, column, axis=1).max() == 0


def test_a_reason_points_from_its_good_texts_to_its_bad_ones() -> None:
    present, absent = np.array([[[0.0, 1.0], [0.2, 0.8]]]), np.array([[[0.0, -1.0], [0.2, -0.6]]])
    np.testing.assert_allclose(axes(present, absent), [[0.0, 1.0]])


@pytest.mark.parametrize("route", ["text", "text, mixed", "probe", "probe, 8 hidden"])
def test_every_route_names_what_was_planted_and_nothing_in_good_photos(route: str) -> None:
    planted, directions = made_up()
    wanted = targets(planted, np.full(len(RENDERINGS), 0.3), IDS)
    if route.startswith("text"):
        head = fit_text(planted, wanted, directions, mixed="mixed" in route)
    else:
        head = fit_probe(planted, wanted, hidden=8 if "8" in route else 0, decay=1e-3, seed=0)
    other, _ = made_up(seed=0, photos=80)
    fitted = judged(route, head, other, targets(other, np.full(16, 0.3), IDS), OWNERS)
    assert fitted.right > 0.95
    assert fitted.clean > 0.95
    assert fitted.auc.min() > 0.98
    assert fitted.route == route.split(",")[0]


def test_swapped_texts_are_not_mended_by_the_fit() -> None:
    planted, directions = made_up()
    wanted = targets(planted, np.full(len(RENDERINGS), 0.3), IDS)
    turned = directions * np.where(np.arange(COUNT) == 2, -1, 1)[:, None]
    head = fit_text(planted, wanted, turned, mixed=False)
    fitted = judged("text", calibrated(head, planted, wanted), planted, wanted, OWNERS)
    assert fitted.auc[2] < 0.2
    assert np.delete(fitted.auc, 2).min() > 0.95


def test_calibration_gives_each_reason_its_own_rate() -> None:
    planted, directions = made_up()
    wanted = targets(planted, np.full(len(RENDERINGS), 0.3), IDS)
    head = fit_text(planted, wanted, directions, mixed=False)
    sure = replace(head, weight=head.weight * 5, bias=head.bias * 5 + 3)
    found = calibrated(sure, planted, wanted).values(planted.embeddings)
    # Where the loss is least, values and targets agree on average, good photos counting four times.
    weights = np.where(planted.clean, 4.0, 1.0)
    np.testing.assert_allclose(
        np.average(found, axis=0, weights=weights),
        np.average(wanted, axis=0, weights=weights),
        atol=2e-3,
    )


def test_texts_are_taken_where_a_probe_is_hardly_better() -> None:
    def fitted(name: str, right: float, clean: float) -> Fitted:
        head = fit_text(*_tiny(), mixed=False)
        return Fitted(name=name, head=head, right=right, clean=clean, auc=np.ones(1), loss=0.1)

    routes = [fitted("text", 0.9, 0.9), fitted("probe", 0.905, 0.9)]
    assert fitting._chosen(routes, ReasonsSettings()).name == "text"
    assert fitting._chosen(routes, ReasonsSettings(route="probe")).name == "probe"
    routes = [fitted("text", 0.9, 0.9), fitted("probe", 0.93, 0.9)]
    assert fitting._chosen(routes, ReasonsSettings()).name == "probe"


def _tiny() -> tuple[Planted, NDArray[np.float64], NDArray[np.float64]]:
    planted, directions = made_up(photos=4)
    return planted, targets(planted, np.full(len(RENDERINGS), 0.3), IDS), directions


def test_good_photos_are_the_best_of_every_set() -> None:
    samples = [
        Sample(image=Path(f"{name}{i}"), name=f"{name}{i}", score=i / 10, raw=i / 10, dataset=name)
        for name in ("a", "b")
        for i in range(10, 20)
    ]
    found = [str(p.path) for p in good_photos(samples, share=0.2)]
    assert found == ["a19", "a18", "b19", "b18"]


@pytest.fixture
def scorer(tmp_path: Path) -> Bundle:
    return tiny_bundle(tmp_path / "bundle", half=True)


@pytest.fixture
def photos(tmp_path: Path) -> list[GoodPhoto]:
    (tmp_path / "photos").mkdir()
    return [GoodPhoto(path=p, group=p.stem) for p in photo_files(tmp_path / "photos", 12)]


def test_a_bundle_gets_a_bank_and_keeps_its_scores(
    scorer: Bundle, photos: list[GoodPhoto], tmp_path: Path
) -> None:
    before = load(with_scorer(scorer).root).score(photos[0].path)
    assert before.reasons == ()
    assert before.reason_values == {}
    fitted = fit_bank(scorer, photos, Reader(), FEW, cache=tmp_path / "cache")
    assert [r.name for r in fitted.routes] == ["text", "text, mixed", "probe", "probe, 3 hidden"]
    bundle = read_bundle(scorer.root)
    assert bundle.hash != scorer.hash
    info = bundle.info.reasons
    assert info is not None
    assert [r.id for r in info.bank] == list(IDS)
    assert info.route == fitted.chosen.route
    assert "Nobody was asked" in info.note
    assert len(info.provenance["routes"]) == 4
    after = load(bundle.root).score(photos[0].path)
    assert after.value == pytest.approx(before.value, abs=1e-4)  # as another graph may give it
    assert list(after.reason_values) == list(IDS)
    assert all(0 <= value <= 1 for value in after.reason_values.values())
    texts = bundle.reasons_tensors()["present"]
    assert texts.shape == (COUNT, len(BANK[0].present), 6)
    # Again, with another route: the bank is replaced, not added to.
    again = fit_bank(bundle, photos, Reader(), replace(FEW, route="text"), cache=tmp_path / "cache")
    assert again.chosen.route == "text"
    assert read_bundle(scorer.root).info.reasons.route == "text"  # type: ignore[union-attr]


def test_the_same_photos_give_the_same_bank(
    scorer: Bundle, photos: list[GoodPhoto], tmp_path: Path
) -> None:
    hashes = {
        fit_bank(scorer, photos, Reader(), FEW, cache=tmp_path / "cache").bundle.hash
        for _ in range(2)
    }
    assert len(hashes) == 1


class Wide(Reader):
    """An encoder of another width than the tower."""

    dim = 9

    def encode(self, texts):  # type: ignore[no-untyped-def]
        found = np.random.default_rng(0).normal(size=(len(texts), 9))
        return unit(found).astype(np.float32)


def test_texts_of_another_width_leave_the_probe_alone(
    scorer: Bundle, photos: list[GoodPhoto], tmp_path: Path
) -> None:
    fitted = fit_bank(scorer, photos, Wide(), FEW, cache=tmp_path / "cache")
    assert [r.route for r in fitted.routes] == ["probe", "probe"]
    with pytest.raises(UsageError, match="6 wide and the texts' 9"):
        fit_bank(scorer, photos, Wide(), replace(FEW, route="text"), cache=tmp_path / "cache")


def test_a_bank_needs_photos_of_several_scenes(
    scorer: Bundle, photos: list[GoodPhoto], tmp_path: Path
) -> None:
    one = [replace(photo, group="one") for photo in photos]
    with pytest.raises(DataError, match="at least 4 scenes"):
        fit_bank(scorer, one, Reader(), FEW, cache=tmp_path / "cache")


def test_the_command_fits_into_a_copy(
    scorer: Bundle, photos: list[GoodPhoto], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_encoders, "open_text_encoder", lambda _name: Reader())
    words = ["train", "reasons", str(scorer.root), "--photos", str(photos[0].path.parent)]
    words += ["--out", str(tmp_path / "new"), "--set", "reasons.photos=5"]
    words += ["--cache", str(tmp_path / "cache")]
    words += ["--set", "reasons.hidden=0", "--set", "reasons.clean=2"]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "<- in the bundle" in done.output
    assert read_bundle(tmp_path / "new").info.reasons is not None
    assert read_bundle(scorer.root).info.reasons is None


def test_the_command_wants_photos_from_one_place(scorer: Bundle) -> None:
    done = CliRunner().invoke(app, ["train", "reasons", str(scorer.root)])
    assert isinstance(done.exception, UsageError)


def test_an_old_bundle_has_the_hash_that_it_had(scorer: Bundle, tmp_path: Path) -> None:
    text = (scorer.root / "ralikit.json").read_text()
    assert "reasons" not in text
    copy = write_bundle(
        tmp_path / "copy", scorer.info, tower=scorer_tower(scorer), head=scorer.head()
    )
    assert copy.hash == scorer.hash


def scorer_tower(bundle: Bundle) -> dict[str, NDArray[np.float32]]:
    from ralikit.model.bundle import read_safetensors

    return {k: v.copy() for k, v in read_safetensors(bundle.root / "tower.safetensors").items()}

"""Alignment on a tiny tower: it learns, resumes exactly, and splits over parts and processes."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from support_align import PREPROCESS, SETTINGS, align_data, make_alignment, photo_files

from ralikit.errors import TrainingError, UsageError
from ralikit.photo.views import Preprocess, make_views
from ralikit.train.rali.align import CHECKPOINT, Alignment
from ralikit.train.rali.align_settings import AlignSettings, align_mapping
from ralikit.train.rali.batches import Batches, shares
from ralikit.train.rali.features import cut
from ralikit.train.rali.initial import ridge
from ralikit.train.rali.metrics_log import METRICS
from ralikit.train.rali.photo_store import open_store
from ralikit.train.world import World


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return photo_files(tmp_path_factory.mktemp("photos"), 24)


def _run(photos: list[Path], out: Path, settings: AlignSettings, **options: bool) -> Alignment:
    out.mkdir(exist_ok=True)
    alignment = make_alignment(photos, out.parent / "cache", settings)
    alignment.run(out, resume=options.get("resume", False))
    return alignment


@pytest.mark.parametrize("objective", ["clip", "readout", "regression"])
def test_the_loss_falls(photos: list[Path], tmp_path: Path, objective: str) -> None:
    settings = replace(SETTINGS, objective=objective, epochs=6, chains=0)  # type: ignore[arg-type]
    _run(photos, tmp_path / "run", settings)
    lines = (tmp_path / "run" / METRICS).read_text().splitlines()
    losses = [json.loads(line)["loss"] for line in lines]
    assert np.mean(losses[-3:]) < 0.8 * np.mean(losses[:3])


def test_a_resumed_run_has_the_same_losses(photos: list[Path], tmp_path: Path) -> None:
    settings = replace(SETTINGS, epochs=3, dropout=0.3, ema=0.9)
    whole = _run(photos, tmp_path / "whole", settings)
    (tmp_path / "killed").mkdir()
    first = make_alignment(photos, tmp_path / "cache", settings)
    with first._log(tmp_path / "killed") as log:  # killed after a checkpoint …
        for step in range(4):
            log({"step": step, **first.train_step(first.batches.make(step))})
    first.save(tmp_path / "killed" / CHECKPOINT)
    with (tmp_path / "killed" / METRICS).open("a") as stream:
        stream.write('{"step": 4, "loss": 99}\n{"step": 5, "lo')  # … with lines beyond it
    second = _run(photos, tmp_path / "killed", settings, resume=True)
    one, two = (
        [json.loads(x)["loss"] for x in (tmp_path / n / METRICS).read_text().splitlines()]
        for n in ("whole", "killed")
    )
    np.testing.assert_allclose(one, two, rtol=1e-6)
    for a, b in zip(whole.average.parameters(), second.average.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_metrics_go_to_tensorboard_too(photos: list[Path], tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _run(photos, tmp_path / "run", replace(SETTINGS, epochs=2, tensorboard=True))
    lines = (tmp_path / "run" / METRICS).read_text().splitlines()
    board = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    for name in ("loss", "learning_rate"):
        written = [json.loads(line)[name] for line in lines]
        assert [event.step for event in board.Scalars(name)] == list(range(len(lines)))
        assert [event.value for event in board.Scalars(name)] == pytest.approx(written, rel=1e-6)


def test_micro_batches_see_the_whole_batch(photos: list[Path], tmp_path: Path) -> None:
    """The contrast is over the batch however it is cut: gradients are those of one pass."""
    whole = make_alignment(photos, tmp_path / "cache", SETTINGS)
    cut = make_alignment(photos, tmp_path / "cache", replace(SETTINGS, micro_batch=3))
    batch = whole.batches.make(0)
    one, two = whole.train_step(batch), cut.train_step(batch)
    assert one["loss"] == pytest.approx(two["loss"], rel=1e-4)
    assert one["gradient_norm"] == pytest.approx(two["gradient_norm"], rel=1e-3)


def test_parts_drop_the_same_features_in_both_passes(photos: list[Path], tmp_path: Path) -> None:
    """With dropout, the gradient of parts is that of all parts in one graph."""
    settings = replace(SETTINGS, micro_batch=3, dropout=0.5, chains=0)
    whole, cut = (make_alignment(photos, tmp_path / "cache", settings) for _ in range(2))
    batch = whole.batches.make(0)
    whole.tower.train()
    parts = [whole._embed(part, 0, i) for i, part in enumerate(whole._parts(batch.pixels))]
    whole.objective(torch.cat(parts), batch)[0].backward()  # type: ignore[no-untyped-call]
    square = sum(
        float(p.grad.square().sum()) for p in whole.tower.parameters() if p.grad is not None
    )
    assert cut.train_step(batch)["gradient_norm"] == pytest.approx(math.sqrt(square), rel=1e-4)


def test_the_projection_has_a_rate_of_its_own(photos: list[Path], tmp_path: Path) -> None:
    settings = replace(SETTINGS, projection_rate=4.0, weight_decay=0.0)
    alignment = make_alignment(photos, tmp_path / "cache", settings)
    before = {n: p.detach().clone() for n, p in alignment.tower.named_parameters()}
    alignment.train_step(alignment.batches.make(0))
    moved = {"projection": 0.0, "rest": 0.0}
    for name, parameter in alignment.tower.named_parameters():
        part = "projection" if name.startswith("projection") else "rest"
        moved[part] = max(moved[part], float((parameter.detach() - before[name]).abs().max()))
    # Adam's first step has the length of its rate.
    assert moved["rest"] == pytest.approx(alignment.rate(0), rel=1e-2)
    assert moved["projection"] == pytest.approx(4 * alignment.rate(0), rel=1e-2)


def test_long_gradients_are_cut(photos: list[Path], tmp_path: Path) -> None:
    alignment = make_alignment(photos, tmp_path / "cache", replace(SETTINGS, clip_norm=1e-3))
    figures = alignment.train_step(alignment.batches.make(0))
    assert figures["gradient_norm"] > 1e-2  # told as it was
    firsts = [s["exp_avg"] for s in alignment._optimizer.state.values()]  # a tenth of the gradient
    norm = math.sqrt(sum(float(m.square().sum()) for m in firsts))
    assert norm == pytest.approx(1e-4, rel=1e-2)


@pytest.mark.parametrize("objective", ["clip", "readout"])
def test_two_processes_equal_one(photos: list[Path], tmp_path: Path, objective: str) -> None:
    settings = replace(SETTINGS, objective=objective, chains=2 if objective == "readout" else 0)  # type: ignore[arg-type]
    alone = make_alignment(photos, tmp_path / "cache", settings)
    expected = [alone.train_step(alone.batches.make(step)) for step in range(2)]
    script = Path(__file__).with_name("align_two_processes.py")
    # Before what is there: the children must test this code, not one that is installed.
    paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2"]
    done = subprocess.run(
        [
            *command,
            "--master_port",
            "0",
            "--rdzv-backend",
            "c10d",
            "--rdzv-endpoint",
            "127.0.0.1:0",
            str(script),
            objective,
            str(tmp_path),
            *map(str, photos),
        ],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    got = json.loads((tmp_path / "two.json").read_text())
    assert got["world"] == 2
    for one, two in zip(expected, got["figures"], strict=True):
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-4)
        assert two["gradient_norm"] == pytest.approx(one["gradient_norm"], rel=1e-3)


def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(
    photos: list[Path], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    alignment = _run(photos, out, replace(SETTINGS, epochs=1))
    kept = (out / CHECKPOINT).read_bytes()
    alignment.steps += 3
    with torch.no_grad():
        next(alignment.tower.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"loss became nan at step 3"):
        alignment.run(out, resume=False)
    assert (out / CHECKPOINT).read_bytes() == kept


def test_a_checkpoint_of_other_settings_is_refused(photos: list[Path], tmp_path: Path) -> None:
    out = tmp_path / "run"
    _run(photos, out, replace(SETTINGS, epochs=1))
    other = make_alignment(photos, tmp_path / "cache", replace(SETTINGS, epochs=1, sigma=0.9))
    with pytest.raises(TrainingError, match="other settings"):
        other.load(out / CHECKPOINT)
    (out / CHECKPOINT).write_bytes(b"junk")
    with pytest.raises(TrainingError, match="no checkpoint that can be read"):
        other.load(out / CHECKPOINT)


def test_an_epoch_shows_each_photo_once_and_batches_repeat(
    photos: list[Path], tmp_path: Path
) -> None:
    store = open_store(photos, tmp_path, preprocess=PREPROCESS)
    batches = Batches(store, np.arange(24), SETTINGS, 32, World())
    seen = np.concatenate([batches.photos_of(s) for s in range(batches.per_epoch)])
    assert sorted(seen) == list(range(24))
    a, b = batches.make(5), batches.make(5)
    np.testing.assert_array_equal(a.pixels, b.pixels)
    assert a.pixels.shape == (8 + 2 * 2, 32, 32, 3)
    halves = [
        Batches(store, np.arange(24), SETTINGS, 32, World(rank, 2)).make(5) for rank in range(2)
    ]
    np.testing.assert_array_equal(
        np.concatenate([h.pixels[: 8 // 2] for h in halves]), a.pixels[:8]
    )


def test_a_balanced_batch_has_its_share_of_every_set(photos: list[Path], tmp_path: Path) -> None:
    store = open_store(photos, tmp_path, preprocess=PREPROCESS)
    sets = np.array([0] * 18 + [1] * 6)
    settings = replace(SETTINGS, balance=0.0)
    batches = Batches(store, np.arange(24), settings, 32, World(), sets=sets)
    seen = [batches.photos_of(s) for s in range(9)]
    assert all(np.bincount(sets[batch]).tolist() == [4, 4] for batch in seen)
    assert all(len(set(batch.tolist())) == 8 for batch in seen[:1])
    # the first set is gone through in 18 / 4 steps, the second in 6 / 4, each photo as often
    for number, photos_of, rounds in ((0, range(18), 2), (1, range(18, 24), 6)):
        shown = np.concatenate([batch[sets[batch] == number] for batch in seen])
        assert np.bincount(shown, minlength=24)[list(photos_of)].tolist() == [rounds] * len(
            photos_of
        )
    np.testing.assert_array_equal(batches.photos_of(4), batches.photos_of(4))
    assert shares(np.array([2940, 812, 1975]), 32, 1.0) == [16, 5, 11]
    assert shares(np.array([2940, 812, 1975]), 32, 0.5) == [14, 7, 11]
    assert shares(np.array([2940, 812, 1975]), 32, 0.0) == [11, 11, 10]
    assert shares(np.array([1000, 1]), 8, 1.0) == [6, 2]  # one photo has nothing to compare with
    with pytest.raises(TrainingError, match="no place for two photos of 3 sets"):
        shares(np.array([9, 9, 9]), 5, 0.5)


def test_frozen_names_must_exist(photos: list[Path], tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="no parameter of the tower is called 'stemm'"):
        make_alignment(photos, tmp_path, replace(SETTINGS, frozen=("stemm",)))
    alignment = make_alignment(photos, tmp_path, replace(SETTINGS, frozen=("stem",)))
    before = alignment.tower.state_dict()["stem.weight"].clone()
    alignment.train_step(alignment.batches.make(0))
    assert torch.equal(before, alignment.tower.state_dict()["stem.weight"])


def test_a_photo_is_never_replaced(photos: list[Path], tmp_path: Path) -> None:
    from ralikit.errors import PhotoError

    with pytest.raises(PhotoError, match=r"absent\.png"):
        open_store([photos[0], tmp_path / "absent.png"], tmp_path / "c", preprocess=PREPROCESS)
    assert not list((tmp_path / "c").glob("photos-*"))


@pytest.mark.parametrize(
    "preprocess",
    [
        Preprocess(size=16, shortest_edge=24, anchors=((0.0, 0.0), (0.5, 0.5), (1.0, 1.0))),
        Preprocess(size=16, shortest_edge=None, resample="bilinear"),  # squashed, as SigLIP does
    ],
)
def test_training_sees_what_scoring_sees(preprocess: Preprocess, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shapes = [(50, 101), (101, 37), (16, 16), (9, 40)]
    photos = [rng.integers(0, 256, (*shape, 3), dtype=np.uint8) for shape in shapes]
    paths = [tmp_path / f"{k}.png" for k in range(len(photos))]
    for path, pixels in zip(paths, photos, strict=True):
        Image.fromarray(pixels).save(path)
    store = open_store(paths, tmp_path / "c", preprocess=preprocess)
    for k, pixels in enumerate(photos):
        views = cut(store[k], preprocess.size, preprocess.anchors)
        np.testing.assert_array_equal(views, make_views(pixels, preprocess))


def test_ridge_recovers_a_linear_map() -> None:
    rng = np.random.default_rng(0)
    x, w = rng.normal(size=(200, 4)), rng.normal(size=(3, 4))
    weights, bias = ridge(x, x @ w.T + 2.0, strength=1e-6)
    np.testing.assert_allclose(weights, w, atol=1e-4)
    np.testing.assert_allclose(bias, 2.0, atol=1e-3)


@pytest.mark.parametrize(
    "change",
    [
        {"batch": 1},
        {"epochs": 0},
        {"temperature": 0.0},
        {"ema": 1.0},
        {"chains": 99},
        {"objective": "clip", "chains": 2},
    ],
)
def test_settings_that_make_no_sense_are_refused(change: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        replace(SETTINGS, **change)  # type: ignore[arg-type]


def test_too_few_photos_for_a_batch(photos: list[Path], tmp_path: Path) -> None:
    data = replace(align_data(photos, tmp_path, SETTINGS), train=np.arange(4))
    with pytest.raises(TrainingError, match="4 photos are fewer than a batch of 8"):
        Alignment(torch.nn.Module(), data, SETTINGS, PREPROCESS)  # type: ignore[arg-type]


def test_the_rate_warms_up_and_falls_along_a_cosine() -> None:
    settings = replace(
        SETTINGS, learning_rate=2.0, warmup_steps=4, final_rate=0.1, schedule="cosine"
    )
    schedule = SimpleNamespace(settings=settings, steps=8)
    given = [Alignment.rate(schedule, step) for step in range(9)]  # type: ignore[arg-type]
    warm = [0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 1]
    fall = [(1 + math.cos(math.pi * step / 8)) / 2 for step in range(9)]
    expected = [2.0 * w * (0.9 * f + 0.1) for w, f in zip(warm, fall, strict=True)]
    assert given == pytest.approx(expected)
    assert given[8] == pytest.approx(0.2)
    constant = SimpleNamespace(settings=replace(settings, schedule="constant"), steps=8)
    assert [Alignment.rate(constant, step) for step in (0, 3, 8)] == [0.5, 2.0, 2.0]  # type: ignore[arg-type]


def test_a_learnt_temperature_goes_where_the_loss_falls_is_bounded_and_resumes(
    photos: list[Path], tmp_path: Path
) -> None:
    settings = replace(
        SETTINGS, objective="clip", learn_temperature=True, temperature=0.5, chains=0, epochs=4
    )
    whole = _run(photos, tmp_path / "whole", settings)
    lines = (tmp_path / "whole" / METRICS).read_text().splitlines()
    told = [json.loads(line)["temperature"] for line in lines]
    assert told[0] == pytest.approx(0.5)
    # Adam's first step is the rate's, on the logarithm, towards the lower loss.
    assert abs(math.log(told[1] / told[0])) == pytest.approx(whole.rate(0), rel=1e-2)

    def loss_at(temperature: float) -> float:
        fixed = replace(settings, learn_temperature=False, temperature=temperature)
        alignment = make_alignment(photos, tmp_path / "cache", fixed)
        return alignment.train_step(alignment.batches.make(0))["loss"]

    assert (loss_at(0.51) < loss_at(0.49)) == (told[1] > told[0])
    assert json.loads(lines[0])["loss"] == pytest.approx(loss_at(0.5), rel=1e-5)
    (tmp_path / "killed").mkdir()
    first = make_alignment(photos, tmp_path / "cache", settings)
    with first._log(tmp_path / "killed") as log:
        for step in range(4):
            log({"step": step, **first.train_step(first.batches.make(step))})
    first.save(tmp_path / "killed" / CHECKPOINT)
    second = _run(photos, tmp_path / "killed", settings, resume=True)
    assert second.temperature == pytest.approx(whole.temperature, rel=1e-6)
    # CLIP's bound: cosines are multiplied by 100 at most.
    sharp = make_alignment(photos, tmp_path / "cache", replace(settings, temperature=0.008))
    sharp.train_step(sharp.batches.make(0))
    assert sharp.temperature == pytest.approx(0.01, rel=1e-5)
    fixed = make_alignment(photos, tmp_path / "cache", replace(settings, learn_temperature=False))
    assert "temperature" not in fixed.train_step(fixed.batches.make(0))
    assert fixed.temperature == 0.5


def test_hashes_of_settings_from_before_a_setting_came_stay() -> None:
    assert "learn_temperature" not in align_mapping(SETTINGS)
    clip = replace(SETTINGS, objective="clip", chains=0, learn_temperature=True)
    assert align_mapping(clip)["learn_temperature"] is True


def test_the_bank_is_drawn_anew_every_so_many_steps(photos: list[Path], tmp_path: Path) -> None:
    store = open_store(photos[:12], tmp_path / "cache", preprocess=PREPROCESS)
    settings = replace(SETTINGS, bank_redraw=5)
    batches = Batches(store, np.arange(12), settings, 32, World())
    draws = [batches.bank_of(step, 12, 4).tolist() for step in range(15)]
    assert draws[0] == draws[4]
    assert draws[5] == draws[9]
    assert len({tuple(draws[step]) for step in (0, 5, 10)}) == 3
    assert {text for draw in draws for text in draw} == {0, 1, 2, 3}

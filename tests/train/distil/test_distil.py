"""A small tower that says what a big one says: losses by hand, and a whole run in seconds."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from support import lively_tower
from support_align import photo_files
from typer.testing import CliRunner

import ralikit
from ralikit.cli import app
from ralikit.errors import RalikitError, TrainingError, UsageError
from ralikit.model.bundle import BundleInfo, TowerSpec, read_bundle, write_bundle, write_safetensors
from ralikit.model.head import Head
from ralikit.photo.views import Preprocess
from ralikit.train.distil.copies import Copies, looks_closer
from ralikit.train.distil.judge import judge
from ralikit.train.distil.losses import missed_variance, order_loss
from ralikit.train.distil.teacher import Said
from ralikit.train.rali.photo_store import open_store
from ralikit.typed import typed

runner = CliRunner()
DIM = 6


def test_missed_variance_is_one_minus_r_squared() -> None:
    target = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 2.0], [0.0, -2.0]])
    variance = 2.5  # (1 + 1 + 4 + 4) / 4
    assert missed_variance(target, target, variance) == 0
    assert missed_variance(torch.zeros(4, 2), target, variance) == pytest.approx(1.0)
    # Half of every vector is missed: a quarter of the squares.
    assert missed_variance(target / 2, target, variance) == pytest.approx(0.25)
    # A common mean, which would lift every cosine, is no help.
    assert missed_variance(torch.full((4, 2), 3.0), target, variance) > 1


def test_order_asks_for_the_teachers_gaps() -> None:
    teacher = torch.tensor([[2.0, 1.0, 0.0]])
    assert order_loss(teacher, teacher) == 0
    assert order_loss(teacher * 2, teacher) == 0  # further apart is fine
    # All alike: the gaps 1, 1 and 2 are missing.
    assert order_loss(torch.zeros(1, 3), teacher) == pytest.approx(4 / 3)
    assert order_loss(-teacher, teacher) == pytest.approx(8 / 3)
    # What the teacher says counts, also where a fault lifts its score.
    assert order_loss(torch.zeros(1, 3), -teacher) == pytest.approx(4 / 3)
    assert order_loss(torch.tensor([[0.0, 1.0, 2.0]]), -teacher) == 0


def _said(scores: list[float] | NDArray[np.float64], embeddings: object = None) -> Said:
    own = np.asarray(scores, dtype=np.float32)
    given = np.stack([own, np.ones_like(own)], axis=-1) if embeddings is None else embeddings
    return Said(embeddings=np.asarray(given, dtype=np.float32), scores=own)


def test_agreement_counts_pairs_that_the_teacher_tells_apart() -> None:
    teacher = _said([4.0, 3.0, 2.0, 1.0])
    copies = _said(np.array([[3.0, 2.0], [2.95, 1.0], [1.0, 0.5], [0.5, 0.0]]))
    student = _said([4.0, 3.0, 2.0, 1.0])
    wrong = _said(np.array([[3.0, 3.5], [3.2, 1.0], [1.0, 0.5], [0.5, 0.0]]))
    found = judge(teacher, student, copies, wrong, apart=0.3)
    # 12 pairs, of which (3.0, 2.95) is none; (3.0, 2.0) -> (3.0, 3.5) alone is turned round.
    assert found.told_apart == 11
    assert found.order is not None
    assert found.order.value == pytest.approx(10 / 11)
    assert found.order.low < found.order.value < found.order.high <= 1
    assert found.srcc.value == found.plcc.value == pytest.approx(1.0)
    assert found.error.value == 0


def test_cosine_with_the_mean_off_sees_what_the_plain_one_hides() -> None:
    angles = np.arange(8) * np.pi / 4
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    scores = angles.tolist()
    teacher = _said(scores, np.concatenate([circle, np.full((8, 1), 10.0)], axis=1))
    turned = np.concatenate([circle[:, ::-1] * [1, -1], np.full((8, 1), 10.0)], axis=1)
    copies = _said(np.zeros((8, 2)))
    found = judge(teacher, _said(scores, turned), copies, copies, apart=0.3)
    assert found.cosine.value == pytest.approx(100 / 101)
    assert found.centred_cosine.value == pytest.approx(0.0, abs=1e-6)
    assert found.order is not None  # each photo against its copies


def test_copies_are_one_fault_at_both_sizes(tmp_path: Path) -> None:
    photos = photo_files(tmp_path, 2)
    big, small = Preprocess(size=32, shortest_edge=40), Preprocess(size=16, shortest_edge=20)
    assert looks_closer(big, small)
    assert not looks_closer(small, big)
    store = open_store(photos, tmp_path / "cache", preprocess=big)
    copies = Copies(source=store, seed=3)
    weak, strong = copies.of(1, big)
    assert weak.shape == np.asarray(store[1]).shape
    assert not np.array_equal(weak, strong)
    again = copies.of(1, big)
    assert np.array_equal(weak, again[0])
    assert np.array_equal(strong, again[1])
    shrunk = copies.of(1, small)[1]
    assert min(shrunk.shape[:2]) == 20
    halved = strong[:40].reshape(20, 2, -1, 2, 3).mean(axis=(1, 3))
    assert np.abs(halved - shrunk[:, : halved.shape[1]]).mean() < 12  # the same picture, smaller


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a teacher's bundle, photos, start weights and a recipe."""
    root = tmp_path_factory.mktemp("distil")
    (root / "photos").mkdir()
    photo_files(root / "photos", 40)
    rng = np.random.default_rng(4)
    head = Head(
        pca_mean=np.zeros(DIM),
        pca_components=np.linalg.qr(rng.normal(size=(DIM, 4)))[0].T,
        pca_scale=np.ones(DIM),
        centroids=rng.normal(size=(6, 4)),
        scores=np.linspace(1.5, 4.5, 6),
        temperature=0.3,
        normalize=True,
    )
    info = BundleInfo(
        name="big",
        tower=TowerSpec(kind="mobilenet_v2", config=lively_tower(DIM).config()),
        preprocess=Preprocess(size=32, shortest_edge=40, anchors=((0.0, 0.0), (1.0, 1.0))),
        temperature=0.3,
        normalize=True,
        tie_width=0.01,
        licence="for the big one",
        notice="Say where it comes from.",
    )
    tower = {k: v.numpy() for k, v in lively_tower(DIM, seed=7).state_dict().items()}
    licence = {"LICENSE-WEIGHTS.md": b"keep me"}
    write_bundle(root / "big", info, tower=tower, head=head, extra=licence)
    start = {k: v.numpy() for k, v in lively_tower().state_dict().items() if "projection" not in k}
    write_safetensors(root / "start.safetensors", start)
    config = json.dumps(lively_tower(DIM).config()).replace(":", " =")  # as TOML has it
    (root / "small.toml").write_text(f"""
data_root = {str(root)!r}
tower = {{ kind = "mobilenet_v2", weights = "start.safetensors", config = {config} }}
preprocess = {{ shortest_edge = 36, size = 32 }}
bundle = {{ name = "small", notice = "Made here." }}
[distil]
epochs = 3
batch = 8
learning_rate = 1e-3
warmup_steps = 2
chains = 2
save_every = 4
autocast = "off"
""")
    return root


def _run(made: Path, out: Path, *words: str, teacher: str = "big") -> str:
    torch.set_num_threads(1)
    command = ["train", "distil", str(made / teacher), "--photos", str(made / "photos")]
    command += ["--recipe", str(made / "small.toml"), "--out", str(out), *words]
    done = runner.invoke(app, command)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


@pytest.fixture(scope="module")
def whole(made: Path) -> tuple[Path, str]:
    """A run to the end, and what it printed."""
    out = made / "runs" / "whole"
    return out, _run(made, out)


def test_a_run_ends_in_an_ordinary_bundle(made: Path, whole: tuple[Path, str]) -> None:
    out, said = whole
    small, big = read_bundle(out / "bundle"), read_bundle(made / "big")
    assert "SRCC of scores" in said
    assert f"next: {typed('ralikit')} export" in said
    assert np.array_equal(small.head().centroids, big.head().centroids)
    assert small.info.preprocess.size == 32
    assert small.info.preprocess.views == 1
    assert small.info.tie_width is None
    assert small.info.licence == "for the big one"
    assert small.info.notice.startswith(f"Distilled from big ({big.hash[:8]})")
    assert small.info.notice.endswith("Say where it comes from. Made here.")
    assert (small.root / "LICENSE-WEIGHTS.md").read_bytes() == b"keep me"
    assert small.info.provenance["teacher"]["hash"] == big.hash
    figures = json.loads((out / "agreement.json").read_text())
    assert figures["photos"] >= 3
    photo = made / "photos" / "07.png"
    assert 1.5 <= ralikit.load(small.root).score(photo).value <= 4.5


def test_training_brings_the_tower_nearer_to_its_teacher(whole: tuple[Path, str]) -> None:
    lines = [json.loads(x) for x in (whole[0] / "metrics.jsonl").read_text().splitlines()]
    missed = [line["missed_variance"] for line in lines]
    assert np.mean(missed[-3:]) < 0.8 * np.mean(missed[:3])
    assert all(np.isfinite(line["order"]) for line in lines)


def test_a_resumed_run_is_the_uninterrupted_one(made: Path, whole: tuple[Path, str]) -> None:
    out = made / "runs" / "resumed"
    with pytest.MonkeyPatch.context() as patch:
        from ralikit.train.distil.training import Distillation

        step = Distillation.train_step

        def stop(self: Distillation, batch: object) -> dict[str, float]:
            if self.step == 6:
                raise KeyboardInterrupt
            return step(self, batch)  # type: ignore[arg-type]

        patch.setattr(Distillation, "train_step", stop)
        with pytest.raises((KeyboardInterrupt, AssertionError)):
            _run(made, out)
    assert not (out / "bundle").exists()
    _run(made, out)
    assert read_bundle(out / "bundle").hash == read_bundle(whole[0] / "bundle").hash


@pytest.mark.slow
def test_the_small_bundle_exports_and_its_file_scores_alike(
    made: Path, whole: tuple[Path, str], tmp_path: Path
) -> None:
    pytest.importorskip("onnxscript")
    out = tmp_path / "scorer"
    shutil.copytree(whole[0] / "bundle", out)
    from ralikit.export.bundle_scorer import finish

    finish(read_bundle(out))  # converts, runs the file in ONNX Runtime and compares
    photo = made / "photos" / "21.png"
    exported, plain = (ralikit.load(p).score(photo).value for p in (out, whole[0] / "bundle"))
    assert exported == pytest.approx(plain, abs=1e-3)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--set", "distil.batch=60"], "fewer than a batch of 60"),
        (["--set", "tower.config.dim=5"], "set tower.config.dim to 6"),
        (["--set", "distil.frozen=['roof']"], "roof"),
        (["--set", "distil.chains=9"], "chains must lie in 1..batch"),
        (["--set", "distil.degraded=2"], "degraded is a share"),
        (["--set", "distil.epoch=2"], "epochs"),
        (["--set", "held_out.share=0"], "share kept out"),
    ],
)
def test_what_cannot_work_is_refused_before_a_photo_is_decoded(
    made: Path, tmp_path: Path, words: list[str], says: str
) -> None:
    with pytest.raises(RalikitError, match=says):
        _run(made, tmp_path / "runs" / "one", *words)
    assert not (tmp_path / "runs" / "cache").exists()


def test_teachers_and_folders_that_are_none(made: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no model"):
        _run(made, tmp_path / "one", teacher="nothing")
    (made / "file.onnx").write_bytes(b"")
    with pytest.raises(UsageError, match="is no bundle: a teacher is one"):
        _run(made, tmp_path / "one", teacher="file.onnx")
    (tmp_path / "empty").mkdir()
    command = ["train", "distil", str(made / "big"), "--photos", str(tmp_path / "empty")]
    done = runner.invoke(app, [*command, "--recipe", str(made / "small.toml")])
    assert isinstance(done.exception, RalikitError)
    assert "empty" in str(done.exception)


def test_a_folder_of_another_run_is_left_alone(made: Path, whole: tuple[Path, str]) -> None:
    with pytest.raises(TrainingError, match="another recipe"):
        _run(made, whole[0], "--set", "distil.learning_rate=2e-3")

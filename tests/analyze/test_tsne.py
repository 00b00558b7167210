"""The numbers beside the pictures say what is there; the pictures are drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support import lively_tower, make_head
from typer.testing import CliRunner

from ralikit.analyze import tsne
from ralikit.cli import app
from ralikit.data.triplets import Text, Triplet, write_triplets
from ralikit.errors import DataError, UsageError
from ralikit.model.bundle import BundleInfo, TowerSpec, write_bundle
from ralikit.photo.views import Preprocess


def _cloud(name: str, seed: int, *, shift: float = 0.0, count: int = 60) -> tsne.Cloud:
    rng = np.random.default_rng(seed)
    scores = rng.uniform(1, 5, count)
    features = rng.normal(0, 0.05, (count, 8))
    features[:, 0] += np.cos(scores / 2)
    features[:, 1] += np.sin(scores / 2)
    features[:, 2] += shift
    return tsne.Cloud(name=name, features=features, scores=scores)


def test_scores_that_follow_the_features_are_told_from_those_that_do_not() -> None:
    cloud = _cloud("a", 0, count=200)
    shuffled = np.random.default_rng(1).permutation(cloud.scores)
    blind = tsne.Cloud(name="b", features=cloud.features, scores=shuffled)
    assert tsne.score_agreement(cloud) > 0.9
    assert abs(tsne.score_agreement(blind)) < 0.3


def test_mixing_is_one_for_one_set_and_zero_for_sets_apart() -> None:
    first, same = _cloud("a", 0), _cloud("b", 1)
    assert tsne.mixing(first, same) > 0.85
    assert tsne.mixing(first, _cloud("c", 2, shift=3.0)) == 0.0
    # Chance is taken by the sets' sizes: a small set mixed in is mixed.
    assert tsne.mixing(_cloud("a", 3, count=200), _cloud("b", 4, count=20)) > 0.7


def test_the_plane_is_the_same_for_the_same_seed() -> None:
    cloud = _cloud("a", 0, count=30)
    points = tsne.flatten(cloud.features)
    assert points.shape == (30, 2)
    assert np.array_equal(points, tsne.flatten(cloud.features))
    with pytest.raises(DataError, match="at least 8 points"):
        tsne.flatten(cloud.features[:5])


def _triplets(root: Path, name: str, count: int, level: int) -> Path:
    (root / name).mkdir()
    rows = []
    rng = np.random.default_rng(level)
    for k in range(count):
        picture = rng.integers(0, 256, (5, 5, 3), dtype=np.uint8)
        Image.fromarray(picture).resize((48, 40)).save(root / name / f"{k}.png")
        text = Text(text=f"{name} picture {k}", seed=0, source="rules")
        rows.append(Triplet(image=f"{k}.png", score=1 + k % 5, texts=(text,), dataset=name))
    path = root / f"{name}.jsonl"
    write_triplets(path, rows)
    return path


class _Encoder:
    """Letters as features."""

    name, dim, limit = "letters", 26, 99

    def count(self, text: str) -> int:
        return len(text.split())

    def encode(self, texts: list[str]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        rows = [[1e-3 + t.count(chr(97 + k)) + len(t) % (k + 2) for k in range(26)] for t in texts]
        return np.array(rows, dtype=np.float32)


def test_the_command_draws_both_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "ralikit.train.rali.text_encoders.open_text_encoder", lambda _name: _Encoder()
    )
    first, second = (_triplets(tmp_path, name, 12, k) for k, name in enumerate(("one", "two")))
    tower = lively_tower()
    info = BundleInfo(
        name="tiny",
        tower=TowerSpec(kind=tower.kind, config=tower.config()),
        preprocess=Preprocess(size=32, shortest_edge=32),
        temperature=0.1,
    )
    tensors = {k: v.numpy() for k, v in tower.state_dict().items()}
    bundle = write_bundle(tmp_path / "tiny", info, tower=tensors, head=make_head())
    words = ["analyze", "tsne", str(first), "--out", str(tmp_path / "scores.png")]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.output
    assert "12 texts; SRCC of a score with its neighbours'" in told.stdout
    words = ["analyze", "tsne", str(first), str(second), "--out", str(tmp_path / "sets.png")]
    told = CliRunner().invoke(app, words)
    assert isinstance(told.exception, UsageError)
    words += ["--model", str(bundle.root)]
    words += ["--root", str(tmp_path / "one"), "--root", str(tmp_path / "two")]
    told = CliRunner().invoke(app, words)
    assert told.exit_code == 0, told.output
    assert "mixing of the two sets" in told.stdout
    for name, size in (("scores", (744, 624)), ("sets", (1248, 600))):
        with Image.open(tmp_path / f"{name}.png") as picture:
            assert picture.size == size
            assert len(np.unique(np.asarray(picture.convert("L")))) > 20
    (tmp_path / "one" / "3.png").unlink()
    told = CliRunner().invoke(app, words)
    assert "1 of 12 images are missing" in str(told.exception)

"""The score fit that moves the tower: its loss and gradient by hand, its rates, resume, the run."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support_align import DIM, PREPROCESS, SETTINGS, align_data, photo_files

from ralikit.errors import TrainingError, UsageError
from ralikit.model.head import Head
from ralikit.model.towers.base import Tower
from ralikit.train.rali.align import CHECKPOINT
from ralikit.train.rali.batches import Batch
from ralikit.train.rali.end_to_end import EndToEnd
from ralikit.train.rali.fit_settings import FitSettings
from ralikit.train.rali.metrics_log import METRICS
from ralikit.train.world import World

FIT = FitSettings(
    pca=3, buckets=4, clusters=5, temperature=0.3, steps=6, batch=8, tower_rate=1e-3, keep=0.5
)


class _Linear(Tower):
    """Mean colours of a view's quarters, and one layer: a tower that can be written out by hand."""

    kind = "linear"

    def __init__(self) -> None:
        super().__init__()
        self.dim = DIM
        self.layer = torch.nn.Linear(12, DIM)
        with torch.no_grad():
            self.layer.weight.copy_(torch.randn(DIM, 12, generator=torch.manual_seed(5)))
            self.layer.bias.zero_()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        quarters = torch.nn.functional.adaptive_avg_pool2d(pixels, 2)
        embedding: torch.Tensor = self.layer(quarters.flatten(1))
        return embedding


def _start(normalize: bool) -> Head:
    rng = np.random.default_rng(2)
    basis = rng.normal(size=(5, 3))
    return Head(
        pca_mean=rng.normal(size=DIM) * 0.1,
        pca_components=np.linalg.qr(rng.normal(size=(DIM, DIM)))[0][:3],
        pca_scale=np.ones(DIM),
        centroids=basis / np.linalg.norm(basis, axis=1, keepdims=True),
        scores=np.array([1.5, 2.0, 3.0, 4.0, 4.5]),
        temperature=0.3,
        normalize=normalize,
    )


@pytest.fixture(scope="module")
def make(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., EndToEnd]:
    folder = tmp_path_factory.mktemp("photos")
    data = align_data(photo_files(folder, 16), folder / "cache", SETTINGS)

    def build(fit: FitSettings = FIT, world: World | None = None) -> EndToEnd:
        torch.set_num_threads(1)
        start = replace(_start(fit.normalize), temperature=fit.temperature)
        return EndToEnd(_Linear(), start, data, fit, SETTINGS, PREPROCESS, world=world)

    return build


@pytest.mark.parametrize("normalize", [False, True])
def test_the_loss_and_its_gradients_are_those_written_out(
    make: Callable[..., EndToEnd], normalize: bool
) -> None:
    training = make(replace(FIT, normalize=normalize))
    start, batch = _start(normalize), training.batches.make(0)
    with torch.no_grad():  # away from where clustering put it, so that the pull counts
        training._centroids.mul_(1.3)
        training._values.add_(0.2)
    rows = torch.randn(8, DIM, generator=torch.manual_seed(1)).requires_grad_()
    loss, figures = training.objective(rows, batch)
    loss.backward()  # type: ignore[no-untyped-call]
    x = rows.detach().double().requires_grad_()
    centroids = (torch.tensor(start.centroids) * 1.3).requires_grad_()
    values = (torch.tensor(start.scores) + 0.2).requires_grad_()
    seen = x / x.norm(dim=1, keepdim=True) if normalize else x
    z = (seen - torch.tensor(start.pca_mean)) @ torch.tensor(start.pca_components).T
    cosines = (z / z.norm(dim=1, keepdim=True)) @ (
        centroids / centroids.norm(dim=1, keepdim=True)
    ).T
    given = torch.softmax(cosines / 0.3, dim=1) @ values
    mos = training.data.scores
    y = torch.tensor(mos[batch.photos]).double()
    a, b = given - given.mean(), y - y.mean()
    wanted = 1 - (a * b).sum() / (a.norm() * b.norm())
    wanted = wanted + ((given - y) / float(mos.std())).square().mean()
    pull = (centroids - torch.tensor(start.centroids)).square().sum(dim=1).mean()
    pull = pull + (values - torch.tensor(start.scores)).square().mean()
    wanted = wanted + 0.5 * pull
    wanted.backward()
    assert figures["loss"] == pytest.approx(wanted.item(), rel=1e-4)
    assert figures["pull"] == pytest.approx(pull.item(), rel=1e-4)
    for mine, by_hand in (
        (rows.grad, x.grad),
        (training._centroids.grad, centroids.grad),
        (training._values.grad, values.grad),
    ):
        assert mine is not None
        torch.testing.assert_close(mine.double(), by_hand, rtol=1e-3, atol=1e-5)


def test_two_processes_parts_add_up_to_the_whole_gradient(
    make: Callable[..., EndToEnd], monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, batch = make(), make().batches.make(0)
    rows = torch.randn(8, DIM, generator=torch.manual_seed(1))
    (loss, _), parts = whole.objective(rows, batch), []
    with torch.no_grad():
        every = whole._read(rows) / whole.std
    loss.backward()  # type: ignore[no-untyped-call]
    for rank in range(2):
        own = slice(4 * rank, 4 * rank + 4)
        world = World(rank, 2)

        def gather(x: torch.Tensor, own: slice = own) -> torch.Tensor:
            return torch.cat([every[: own.start], x, every[own.stop :]])

        monkeypatch.setattr(World, "gather", lambda _self, x, take=gather: take(x))
        monkeypatch.setattr(World, "total", lambda _self, x: x)
        part = make(world=world)
        loss, _ = part.objective(rows[own], batch)
        loss.backward()  # type: ignore[no-untyped-call]
        parts.append(part)
    for name in ("_centroids", "_values"):
        summed = sum(getattr(p, name).grad for p in parts)
        torch.testing.assert_close(summed, getattr(whole, name).grad, rtol=1e-4, atol=1e-6)


def test_tower_and_basis_move_at_their_rates_and_the_projection_where_asked(
    make: Callable[..., EndToEnd],
) -> None:
    for projected in (False, True):
        training = make(replace(FIT, fit_projection=projected, learning_rate=3e-2, keep=0.0))
        before, start = training.tower.layer.weight.detach().clone(), training.head()
        training.train_step(training.batches.make(0))
        moved = (training.tower.layer.weight - before).abs().detach()
        # Adam's first step is the rate's; the tower also decays by rate x 1e-4.
        assert float(moved.median()) == pytest.approx(1e-3, rel=0.02)
        head = training.head()
        assert np.median(np.abs(head.scores - start.scores)) == pytest.approx(3e-2, rel=0.02)
        assert bool((head.pca_components != start.pca_components).all()) is projected
        np.testing.assert_allclose(np.linalg.norm(head.centroids, axis=1), 1.0)
    falls = [training.rate(k) for k in range(6)]
    np.testing.assert_allclose(falls, [1e-3 * (1 + np.cos(np.pi * k / 6)) / 2 for k in range(6)])


def test_scores_stay_on_the_scale_and_degraded_copies_in_order(
    make: Callable[..., EndToEnd],
) -> None:
    training = make(replace(FIT, learning_rate=2.0, keep=0.0))
    training.train_step(training.batches.make(0))
    assert 1.0 <= training.head().scores.min() <= training.head().scores.max() <= 5.0
    ranked = make(replace(FIT, chains=1, keep=0.0))
    batch: Batch = ranked.batches.make(0)
    assert len(batch.chain) == 4  # of a batch of 8
    rows = torch.randn(16, DIM, generator=torch.manual_seed(1))
    _, figures = ranked.objective(rows, batch)
    scores = ranked._read(rows).detach() / ranked.std
    trio = torch.cat([scores[batch.chain][:, None], scores[8:].reshape(-1, 2)], dim=1)
    first = batch.severities[:, 0] * 0.5 + 0.1
    gaps = np.stack([first, batch.severities[:, 1] - batch.severities[:, 0]], axis=1) * 0.8
    gaps *= batch.weights[:, None]
    hinge = np.maximum(0, gaps - (trio[:, :2] - trio[:, 1:]).numpy()).mean()
    assert figures["ranking"] == pytest.approx(hinge, rel=1e-4)


def test_a_killed_fit_goes_on_with_the_losses_it_would_have_had(
    make: Callable[..., EndToEnd], tmp_path: Path
) -> None:
    fit = replace(FIT, fit_projection=True)
    (tmp_path / "whole").mkdir()
    whole, first = make(fit), make(fit)
    whole.run(tmp_path / "whole", resume=False)
    (tmp_path / "killed").mkdir()
    with first._log(tmp_path / "killed") as log:
        for step in range(3):
            log({"step": step, **first.train_step(first.batches.make(step))})
    first.save(tmp_path / "killed" / CHECKPOINT)
    second = make(fit)
    second.run(tmp_path / "killed", resume=True)
    one, two = (
        [json.loads(x)["loss"] for x in (tmp_path / n / METRICS).read_text().splitlines()]
        for n in ("whole", "killed")
    )
    assert len(one) == 6
    np.testing.assert_allclose(one, two, rtol=1e-6)
    for name in ("scores", "centroids", "pca_components"):
        np.testing.assert_array_equal(getattr(whole.head(), name), getattr(second.head(), name))
    with pytest.raises(TrainingError, match="belongs to other settings"):
        make(replace(fit, keep=0.1)).load(tmp_path / "killed" / CHECKPOINT)


def test_a_rate_without_steps_is_refused() -> None:
    with pytest.raises(UsageError, match="steps must be above 0"):
        replace(FIT, steps=0)
    with pytest.raises(UsageError, match="must not be negative"):
        replace(FIT, tower_rate=-1.0)

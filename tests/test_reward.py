"""The reward equals the scorer within its stated tolerance, and its gradient is the score's."""

from __future__ import annotations

import multiprocessing
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from support import lively_tower, make_head

from ralikit.errors import UsageError
from ralikit.model.bundle import Bundle, BundleInfo, TowerSpec, write_bundle
from ralikit.photo.views import Filter, Preprocess, make_views
from ralikit.reward import Reward, TrlReward, hacking_signs, score_pictures, torch_views
from ralikit.scorer import load

ANCHORS = ((0.0, 0.0), (1.0, 1.0), (0.5, 0.5))


def _bundle(root: Path, *, pool: str = "embedding", resample: Filter = "bicubic") -> Bundle:
    tower = lively_tower()
    info = BundleInfo(
        name="tiny",
        tower=TowerSpec(kind=tower.kind, config=tower.config()),
        preprocess=Preprocess(size=32, shortest_edge=40, anchors=ANCHORS, resample=resample),
        temperature=0.1,
        view_pool=pool,  # type: ignore[arg-type]
    )
    tensors = {k: v.numpy() for k, v in tower.state_dict().items()}
    return write_bundle(root, info, tower=tensors, head=make_head())


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    torch.set_num_threads(1)
    return _bundle(tmp_path_factory.mktemp("reward") / "tiny")


def _photo(seed: int, size: tuple[int, int] = (97, 61)) -> Image.Image:
    rng = np.random.default_rng(seed)
    coarse = Image.fromarray(rng.integers(0, 256, (7, 9, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), dtype=np.float64)
    return Image.fromarray(np.clip(smooth + rng.normal(0, 12, smooth.shape), 0, 255).astype("u1"))


def _tensor(*photos: Image.Image) -> torch.Tensor:
    return torch.stack(
        [torch.from_numpy(np.array(p)).permute(2, 0, 1).float() / 255 for p in photos]
    )


@pytest.mark.parametrize("resample", ["bicubic", "bilinear"])
@pytest.mark.parametrize("size", [(97, 61), (23, 31), (40, 40), (40, 300)])
def test_the_resize_is_pillows_but_for_rounding(resample: Filter, size: tuple[int, int]) -> None:
    preprocess = Preprocess(size=32, shortest_edge=40, anchors=ANCHORS, resample=resample)
    photo = _photo(0, size)
    exact = make_views(np.array(photo), preprocess).astype(np.float64)
    ours = torch_views(_tensor(photo), preprocess)[0].permute(0, 2, 3, 1).double().numpy() * 255
    assert np.abs(ours - exact).max() <= 1.001  # a level, where two roundings fall apart
    assert (np.abs(ours - exact) > 0.5).mean() < 0.02


@pytest.mark.parametrize("pool", ["embedding", "score"])
def test_the_reward_is_the_score(tmp_path: Path, pool: str) -> None:
    made = _bundle(tmp_path / "b", pool=pool)
    photos = [_photo(seed) for seed in range(5)]
    exact = [load(made.root).score(photo).value for photo in photos]
    with torch.no_grad():
        reward = Reward(made)(_tensor(*photos)).tolist()
    assert np.ptp(exact) > 0.05
    np.testing.assert_allclose(reward, exact, atol=1e-3)


def test_a_batch_equals_its_single_images(bundle: Bundle) -> None:
    images = _tensor(*(_photo(seed) for seed in range(5)))
    with torch.no_grad():
        together = Reward(bundle, batch=5)(images)
        apart = Reward(bundle, batch=2)(images)
    torch.testing.assert_close(together, apart, atol=1e-5, rtol=0)


def test_rounding_passes_the_gradient_straight_through(bundle: Bundle) -> None:
    bytes_ = torch.randint(1, 255, (1, 3, 40, 50)).float() / 255  # no rounding to do at 40 pixels
    gradients = []
    for rounded in (True, False):
        images = bytes_.clone().requires_grad_()
        Reward(bundle, rounded=rounded)(images).sum().backward()
        gradients.append(images.grad)
    torch.testing.assert_close(*gradients)


def test_the_gradient_is_that_of_the_score(bundle: Bundle) -> None:
    images = _tensor(_photo(3)).clamp(0.1, 0.9).requires_grad_()
    plain = Reward(bundle, rounded=False)
    plain(images).sum().backward()
    assert images.grad is not None
    step = images.grad / images.grad.norm()
    with torch.no_grad():
        rise = plain(images + 2e-3 * step) - plain(images - 2e-3 * step)
    slope = float((images.grad * step).sum())
    assert slope > 0
    assert float(rise) / 4e-3 == pytest.approx(slope, rel=0.1)


def test_recomputing_changes_no_gradient_and_the_model_stays_frozen(bundle: Bundle) -> None:
    gradients = []
    for recompute in (False, True):
        reward = Reward(bundle, recompute=recompute).train()
        assert not reward.training
        assert not any(p.requires_grad for p in reward.parameters())
        images = _tensor(_photo(1), _photo(2)).requires_grad_()
        reward(images).sum().backward()
        assert images.grad is not None
        gradients.append(images.grad)
    torch.testing.assert_close(*gradients)


def test_bfloat16_stays_near(bundle: Bundle) -> None:
    images = _tensor(*(_photo(seed) for seed in range(4)))
    with torch.no_grad():
        full, low = Reward(bundle)(images), Reward(bundle, precision="bfloat16")(images)
    assert low.dtype == torch.float32
    assert float((full - low).abs().max()) < 0.25  # a deep random tower, far worse than a real one


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(3, 8, 8), "float of shape"),
        (torch.zeros(1, 4, 8, 8), "float of shape"),
        (torch.zeros(1, 3, 8, 8, dtype=torch.uint8), "torch.uint8"),
        (torch.zeros(1, 3, 0, 8), "at least one pixel"),
    ],
)
def test_other_tensors_are_refused(bundle: Bundle, images: torch.Tensor, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Reward(bundle)(images)


def test_no_pictures_no_scores(bundle: Bundle, tmp_path: Path) -> None:
    assert Reward(bundle)(torch.zeros(0, 3, 8, 8)).shape == (0,)
    with pytest.raises(UsageError, match="lanczos resize has no differentiable form"):
        Reward(_bundle(tmp_path / "b", resample="lanczos"))
    with pytest.raises(UsageError, match="batch must be at least 1"):
        Reward(bundle, batch=0)


def test_a_trl_reward_finds_the_picture_of_every_completion(bundle: Bundle) -> None:
    reward = Reward(bundle)
    photo, other = _photo(4), _photo(5)
    expected = [float(reward(_tensor(p))[0].detach()) for p in (photo, other)]
    function = TrlReward(reward)
    message = [{"role": "assistant", "content": [{"type": "image", "image": photo}]}]
    found = function(
        ["p"] * 4,
        [message, [{"role": "assistant", "content": "words"}], _tensor(other)[0], "words"],
        image=[other, None, None, other],
    )
    assert found[1] is None
    assert found[0] == pytest.approx(expected[0], abs=1e-5)
    assert found[2] == found[3] == pytest.approx(expected[1], abs=1e-5)
    assert function.__name__ == "rali_tiny"
    (share,) = TrlReward(reward, normalize=True)(["p"], [photo])
    assert share == pytest.approx((expected[0] - 1) / 4)
    with pytest.raises(UsageError, match="a picture must be"):
        function(["p"], [3.5])


def test_pictures_of_one_size_share_a_batch(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    reward = Reward(bundle, batch=2)
    photos = [_photo(seed, size) for seed, size in enumerate([(97, 61), (40, 50)] * 3)]
    alone = [float(reward(_tensor(photo))[0]) for photo in photos]
    sizes: list[int] = []
    whole = reward._score

    def counted(images: torch.Tensor) -> torch.Tensor:
        sizes.append(len(images))
        return whole(images)

    monkeypatch.setattr(reward, "_score", counted)
    assert score_pictures(reward, photos) == pytest.approx(alone, abs=1e-5)
    assert sizes == [2, 1, 2, 1]
    assert score_pictures(reward, []) == []


def _in_another_process(packed: bytes, photo: Image.Image) -> float:
    torch.set_num_threads(1)
    (value,) = pickle.loads(packed)(["p"], [photo])
    return float(value)


def test_a_reward_travels_to_another_process(bundle: Bundle) -> None:
    function, photo = TrlReward(Reward(bundle), normalize=True), _photo(6)
    packed = pickle.dumps(function)
    again = pickle.loads(packed)
    assert again.__name__ == function.__name__
    assert again(["p"], [photo]) == function(["p"], [photo])
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        there = pool.apply(_in_another_process, (packed, photo))
    assert there == pytest.approx(function(["p"], [photo])[0], abs=1e-6)


def test_signs_of_pictures_worked_out_by_hand() -> None:
    gray = torch.full((1, 3, 64, 64), 0.5)
    red = torch.zeros(1, 3, 64, 64)
    red[:, 0] = 1.0
    board = (torch.arange(64)[:, None] + torch.arange(64)[None]) % 2
    noise = gray + 0.1 * (board * 2 - 1)
    signs = hacking_signs(torch.cat([gray, red, noise]))
    assert signs.saturation.tolist() == pytest.approx([0, 1, 0], abs=1e-6)
    assert signs.clipped.tolist() == [0, 1, 0]
    # A board's 3 x 3 mean is a ninth of the pixel: 8/9 of 0.1 is left, more at the edges.
    assert signs.high_frequency[:2].tolist() == pytest.approx([0, 0], abs=1e-6)
    assert float(signs.high_frequency[2]) == pytest.approx(0.1 * 8 / 9, rel=0.03)


def test_a_bundled_model_is_loaded_by_its_name() -> None:
    scale = Reward("mini").scale
    assert (scale.minimum, scale.maximum) == (1.0, 5.0)

"""Losses by hand, and what must not change them."""

from __future__ import annotations

import math
from functools import partial

import pytest
import torch

from ralikit.train.rali.losses import (
    agreement_loss,
    chain_gaps,
    clip_loss,
    plcc_loss,
    ranking_loss,
    read_out,
    reason_loss,
    soft_contrastive_loss,
)


def test_plcc_loss_by_hand() -> None:
    y = torch.tensor([1.0, 2.0, 3.0])
    assert plcc_loss(2 * y + 1, y).item() == pytest.approx(0.0, abs=1e-5)
    assert plcc_loss(-y, y).item() == pytest.approx(2.0, abs=1e-5)
    # (1, 2, 4) against (1, 2, 3): covariance 3, norms sqrt(14/3) and sqrt(2)
    expected = 1 - 3 / (math.sqrt(14 / 3) * math.sqrt(2))
    assert plcc_loss(torch.tensor([1.0, 2.0, 4.0]), y).item() == pytest.approx(expected, abs=1e-5)
    assert plcc_loss(torch.ones(3), y).item() == pytest.approx(1.0)


def test_clip_loss_by_hand() -> None:
    eye = torch.eye(2)
    # logits 1 on the diagonal and 0 off it, both directions alike
    expected = -math.log(math.e / (math.e + 1))
    assert clip_loss(3 * eye, eye, temperature=1.0).item() == pytest.approx(expected, abs=1e-6)
    swapped = clip_loss(eye, eye.flip(0), temperature=0.1).item()
    assert swapped == pytest.approx(10.0, abs=1e-3)


def test_clip_loss_goes_both_ways() -> None:
    # Images at 0 and 60 degrees, texts at 0 and 90: cosines (1, 0) and (1/2, sqrt(3)/2).
    image = torch.tensor([[2.0, 0.0], [0.5, math.sqrt(3) / 2]])
    logits = ((1.0, 0.0), (0.5, math.sqrt(3) / 2))

    def missed(own: float, other: float) -> float:
        return -math.log(math.exp(own) / (math.exp(own) + math.exp(other)))

    to_texts = (missed(logits[0][0], logits[0][1]) + missed(logits[1][1], logits[1][0])) / 2
    to_images = (missed(logits[0][0], logits[1][0]) + missed(logits[1][1], logits[0][1])) / 2
    assert abs(to_texts - to_images) > 0.005
    given = clip_loss(image, torch.eye(2), temperature=1.0).item()
    assert given == pytest.approx((to_texts + to_images) / 2, abs=1e-6)


def test_reading_out_is_ralis_scoring() -> None:
    bank = torch.eye(2)
    _, scores = read_out(
        torch.tensor([[1.0, 1.0]]), bank, torch.tensor([2.0, 4.0]), temperature=0.1
    )
    assert scores.item() == pytest.approx(3.0)
    _, scores = read_out(
        torch.tensor([[5.0, 0.0]]), bank, torch.tensor([2.0, 4.0]), temperature=0.1
    )
    assert scores.item() == pytest.approx(2.0, abs=1e-3)


def test_soft_contrast_is_zero_where_images_agree_with_their_targets() -> None:
    torch.manual_seed(0)
    bank = torch.nn.functional.normalize(torch.randn(5, 4), dim=-1)
    scores = torch.randn(5)
    own, own_scores = bank[:3], scores[:3]
    target = own @ bank.T / 0.1 - (own_scores[:, None] - scores[None]).square() / (2 * 0.4**2)
    options = {"temperature": 0.1, "sigma": 0.4}
    exact = soft_contrastive_loss(target, own, bank, own_scores, scores, **options)
    off = soft_contrastive_loss(target.flip(0), own, bank, own_scores, scores, **options)
    assert exact.item() == pytest.approx(0.0, abs=1e-5)
    assert off.item() > 0.1


def test_the_hinge_asks_for_larger_gaps_from_stronger_degradations() -> None:
    gaps = chain_gaps(torch.tensor([[0.2, 0.8]]), margin=1.0)
    assert gaps.tolist() == [[pytest.approx(0.2), pytest.approx(0.6)]]
    assert ranking_loss(torch.tensor([[3.0, 2.5, 1.0]]), gaps).item() == 0.0
    # clean to weak falls 0.1 short, weak to strong rises by 1: 0.6 + 1
    short = ranking_loss(torch.tensor([[3.0, 2.9, 3.9]]), gaps).item()
    assert short == pytest.approx((0.1 + 1.6) / 2)


def test_agreement_is_taken_within_a_set() -> None:
    # Two sets in perfect order, one far above the other's scale: together they do not agree.
    predicted = torch.tensor([1.0, 2.0, 3.0, 1.0, 2.0, 3.0])
    target = torch.tensor([1.0, 2.0, 3.0, 11.0, 12.0, 13.0])
    sets = torch.tensor([0, 0, 0, 1, 1, 1])
    assert agreement_loss(predicted, target, sets, mse_weight=0.0).item() < 1e-5
    assert agreement_loss(predicted, target, None, mse_weight=0.0).item() > 0.5
    # 0 in the first set, (10^2) in the second: their mean
    given = agreement_loss(predicted, target, sets, mse_weight=0.5).item()
    assert given == pytest.approx(0.5 * 50.0, abs=1e-3)
    # a set with one photo in the batch has no correlation: it is left out
    alone = agreement_loss(predicted[:4], target[:4], sets[:4], mse_weight=0.0)
    assert alone.item() < 1e-5


def test_a_set_may_count_by_its_photos() -> None:
    # Four photos without an error beside two that are 3 off: (4 x 0 + 2 x 9) / 6, or (0 + 9) / 2.
    predicted = torch.tensor([1.0, 2.0, 3.0, 4.0, 1.0, 2.0])
    target = torch.tensor([1.0, 2.0, 3.0, 4.0, 4.0, 5.0])
    sets = torch.tensor([0, 0, 0, 0, 1, 1])
    loss = partial(agreement_loss, predicted, target, sets, mse_weight=1.0)
    assert loss().item() == pytest.approx(4.5, abs=1e-4)
    assert loss(by_photos=True).item() == pytest.approx(3.0, abs=1e-4)


def test_the_reason_loss_by_hand() -> None:
    axes = torch.eye(2, 4)
    copy = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    none = torch.zeros(0, 4)
    strong, weak = torch.tensor([1.0]), torch.tensor([0.1])
    first, second, unknown = torch.tensor([0]), torch.tensor([1]), torch.tensor([-1])

    def given(
        copies: torch.Tensor, severities: torch.Tensor, reasons: torch.Tensor, good: torch.Tensor
    ) -> float:
        return reason_loss(copies, severities, reasons, good, axes).item()

    # logits 16 (1 - .25) = 12 of its own (weight 4) and 16 (0 - .25) = -4 of the other (weight .5)
    expected = (4 * math.log1p(math.exp(-12)) + 0.5 * math.log1p(math.exp(-4))) / 4.5
    assert given(copy, strong, first, none) == pytest.approx(expected, rel=1e-5)
    assert given(copy, strong, second, none) > 1.0
    # a fault that can hardly be seen is not asked for, and an unknown one says nothing at all
    assert given(copy, weak, second, none) == pytest.approx(0.5 * 12.0, rel=1e-4)
    assert given(copy, strong, unknown, none) == 0.0
    # a good photo lies on no reason's side
    assert given(copy[:0], strong[:0], first[:0], copy) > given(
        copy[:0], strong[:0], first[:0], -copy
    )

"""Graded degradations of training photos: a stronger one leads farther away."""

from __future__ import annotations

import numpy as np
from support_photo import textured

from ralikit.model.reasons import BANK
from ralikit.photo.degrade import Pixels
from ralikit.photo.faults import plant, renderings
from ralikit.train.rali.augment import _planted, draw_chain, worsen


def test_degradation_grows_with_severity() -> None:
    photo = textured()
    for kind in ("blur", "noise", "jpeg", "dark"):
        away = [
            np.abs(worsen(photo, kind, s, np.random.default_rng(0)).astype(int) - photo).mean()
            for s in (0.0, 0.5, 1.0)
        ]
        assert away[0] < away[1] < away[2]


def test_chains_of_faults_know_their_reason_and_grow() -> None:
    photo = textured()
    rng = np.random.default_rng(0)
    chains = [draw_chain(photo, rng, faults=True, edge=512) for _ in range(60)]
    assert {c.reason for c in chains} == set(range(len(BANK)))
    grown = 0
    for chain in chains:
        away = [np.abs(copy.astype(int) - photo).mean() for copy in chain.copies]
        grown += away[0] < away[1]
        assert chain.copies.shape == (2, *photo.shape)
        assert 0 < chain.weight <= 1
    assert grown >= 55  # directions and tints are drawn anew for the stronger copy
    assert draw_chain(photo, rng).reason == -1


def test_a_view_is_blurred_as_its_photo_would_be() -> None:
    # A view of 64 pixels of a photo of 128: planted in the view, or in the photo and cut then.
    squares = np.random.default_rng(1).integers(0, 255, (16, 16, 3))
    photo: Pixels = np.kron(squares, np.ones((8, 8, 1))).astype(np.uint8)
    gaussian = next(r for r in renderings(held_out=False) if r.reason == "out-of-focus")
    cut = slice(32, 96)
    whole = plant(photo, gaussian, 0.6, rng=np.random.default_rng(0))[cut, cut]
    view = _planted(photo[cut, cut], gaussian, 0.6, np.random.default_rng(0), edge=128)
    inner = slice(16, 48)  # away from the view's own border
    np.testing.assert_allclose(
        view[inner, inner].astype(int), whole[inner, inner].astype(int), atol=2
    )

"""Second moments of what layers read: about the mean, whatever the layout."""

from __future__ import annotations

import pytest
import torch

from ralikit.export.quantise.moments import rows, second_moments


@pytest.mark.parametrize("shape", [(5, 7, 6), (5, 6, 3, 4)])
def test_rows_lie_about_their_mean(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(shape) + 30.0  # the bias takes a mean; the codes must not be chosen by it
    found = rows(inputs)
    assert found.shape[1] == 6
    torch.testing.assert_close(found.mean(0), torch.zeros(6), atol=1e-4, rtol=0.0)
    torch.testing.assert_close(second_moments(found), found.T @ found)

"""EfficientNet-Lite: sizes of the published variants, and quick gradients that are true ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ralikit.errors import BundleError
from ralikit.model.towers import build_tower
from ralikit.model.towers.depthwise import Depthwise5
from ralikit.model.towers.efficientnet_lite import EfficientNetLite
from ralikit.model.towers.inverted_residual import SameConv


@pytest.mark.parametrize(
    ("variant", "blocks", "millions"), [(0, 16, 3.371), (1, 21, 4.130), (2, 21, 4.803)]
)
def test_variants_have_the_published_sizes(variant: int, blocks: int, millions: float) -> None:
    with torch.device("meta"):
        tower = EfficientNetLite(variant=variant, dim=1000)
    assert len(tower.blocks) == blocks
    features = sum(p.numel() for n, p in tower.named_parameters() if "projection" not in n)
    # batch norms are folded: a bias a channel is left of their two parameters
    assert features / 1e6 == pytest.approx(millions, abs=0.05)
    assert tower(torch.zeros(1, 3, 64, 64, device="meta")).shape == (1, 1000)


def test_config_builds_the_same_architecture_and_an_unknown_variant_is_refused() -> None:
    tower = EfficientNetLite(variant=0, dim=8)
    again = build_tower(tower.kind, tower.config())
    assert {k: v.shape for k, v in tower.state_dict().items()} == {
        k: v.shape for k, v in again.state_dict().items()
    }
    with pytest.raises(BundleError, match=r"no EfficientNet-Lite4 here: variant is 0, 1 or 2"):
        build_tower("efficientnet_lite", {"variant": 4})


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (5, 1), (5, 2)])
@pytest.mark.parametrize("extent", [9, 10])
def test_padding_is_tensorflows_same(kernel: int, stride: int, extent: int) -> None:
    conv = SameConv(1, 1, kernel, stride=stride, bias=False)
    with torch.no_grad():
        conv.weight.fill_(1.0)
        got = conv(torch.ones(1, 1, extent, extent))[0, 0]
    out = -(-extent // stride)
    total = max((out - 1) * stride + kernel - extent, 0)
    # a row's sum is the number of its taps that lie in the picture
    begins = np.arange(out) * stride - total // 2
    taps = np.minimum(begins + kernel, extent) - np.maximum(begins, 0)
    np.testing.assert_array_equal(got.numpy(), np.outer(taps, taps))


@pytest.mark.parametrize("stride", [1, 2])
def test_the_quick_five_by_five_has_autograds_gradients(stride: int) -> None:
    torch.manual_seed(0)
    x = torch.randn(2, 6, 12, 16, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(6, 1, 5, 5, dtype=torch.float64, requires_grad=True)
    bias = torch.randn(6, dtype=torch.float64, requires_grad=True)
    pads = (2, 2, 2, 2) if stride == 1 else (1, 2, 1, 2)
    plain = F.conv2d(F.pad(x, pads), weight, bias, stride=stride, groups=6)
    quick = Depthwise5.apply(x, weight, bias, stride)  # type: ignore[no-untyped-call]
    torch.testing.assert_close(quick, plain)
    along = torch.randn_like(plain)
    wanted = torch.autograd.grad(plain, (x, weight, bias), along)
    for got, expected in zip(
        torch.autograd.grad(quick, (x, weight, bias), along), wanted, strict=True
    ):
        torch.testing.assert_close(got, expected)


def test_training_takes_the_quick_way_where_it_pays_and_only_there() -> None:
    conv = SameConv(4, 4, 5, groups=4)
    x = torch.zeros(1, 4, 8, 8)
    assert conv._quick_backward(x.bfloat16())
    assert not conv._quick_backward(x)  # torch's own is as quick in float32
    assert not SameConv(4, 8, 5)._quick_backward(x.bfloat16())  # not depthwise
    strided = SameConv(4, 4, 5, stride=2, groups=4)
    assert not strided._quick_backward(torch.zeros(1, 4, 7, 8, dtype=torch.bfloat16))  # odd extent
    with torch.no_grad():
        assert not conv._quick_backward(x.bfloat16())


def test_a_step_trains_every_layer_in_bfloat16() -> None:
    torch.manual_seed(0)
    tower = EfficientNetLite(variant=0, dim=4).train()
    for module in tower.modules():
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            nn.init.constant_(module.bias, 0.5)  # off ReLU6's flat parts
    with torch.autocast("cpu", torch.bfloat16):
        found = tower.features(torch.randn(1, 3, 32, 32))
    tower.project(found.float()).square().sum().backward()  # type: ignore[no-untyped-call]
    assert all(
        p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in tower.parameters()
    )

"""MobileNetV2 with batch normalisation folded away and a linear projection to the text width."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ralikit.model.towers.base import Tower
from ralikit.model.towers.depthwise import StridedDepthwise

# (expansion, channels, repeats, first stride): table 2 of MobileNetV2 (Sandler et al., 2018).
_STAGES = (
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
)
_FEATURES = 1280


class _SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: at stride 2, what is odd goes below and right."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if kernel == 1:
            return F.conv2d(x, self.weight, self.bias, groups=self.groups)
        if self.training and self._quick_backward(x):
            weight, bias = self.weight.to(x.dtype), self.bias
            return StridedDepthwise.apply(x, weight, None if bias is None else bias.to(x.dtype))  # type: ignore[no-any-return, no-untyped-call]
        pads = []
        for extent in (x.shape[3], x.shape[2]):
            total = max((-(-extent // stride) - 1) * stride + kernel - extent, 0)
            pads += [total // 2, total - total // 2]
        return F.conv2d(
            F.pad(x, pads), self.weight, self.bias, stride=self.stride, groups=self.groups
        )

    def _quick_backward(self, x: Tensor) -> bool:
        depthwise = self.groups == self.in_channels > 1 and self.stride[0] == 2
        even = x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0
        wanted = torch.is_grad_enabled() and self.weight.requires_grad
        return depthwise and even and wanted and x.device.type == "cpu"


class _Block(nn.Module):
    """An inverted residual: expand, depthwise, project."""

    def __init__(self, inp: int, out: int, *, expansion: int, stride: int) -> None:
        super().__init__()
        hidden = inp * expansion
        self.expand = nn.Conv2d(inp, hidden, 1) if expansion != 1 else None
        self.depthwise = _SameConv(hidden, hidden, 3, stride=stride, groups=hidden)
        self.project = nn.Conv2d(hidden, out, 1)
        self.residual = stride == 1 and inp == out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.residual else y


class MobileNetV2(Tower):
    """MobileNetV2 1.0: (B, 3, S, S) in [-1, 1] -> (B, dim).

    Args:
        dim: Width of the embedding, D.
    """

    kind: ClassVar[str] = "mobilenet_v2"

    def __init__(self, dim: int = 384) -> None:
        super().__init__()
        self.dim = dim
        self.stem = _SameConv(3, 32, 3, stride=2)
        blocks, channels = [], 32
        for expansion, out, repeats, first in _STAGES:
            for index in range(repeats):
                stride = first if index == 0 else 1
                blocks.append(_Block(channels, out, expansion=expansion, stride=stride))
                channels = out
        self.blocks = nn.ModuleList(blocks)
        self.head = nn.Conv2d(channels, _FEATURES, 1)
        self.projection = nn.Linear(_FEATURES, dim)

    def config(self) -> dict[str, Any]:
        """Plain values from which the same architecture is built."""
        return {"dim": self.dim}

    def features(self, pixels: Tensor) -> Tensor:
        """Pooled features before the projection, (B, 3, S, S) -> (B, 1280)."""
        x = F.relu6(self.stem(pixels))
        for block in self.blocks:
            if self.recompute and self.training:
                x = checkpoint(block, x, use_reentrant=False)
            else:
                x = block(x)
        pooled: Tensor = F.relu6(self.head(x)).mean(dim=(2, 3))
        return pooled

    def project(self, features: Tensor) -> Tensor:
        """Pooled features to the embedding, (B, 1280) -> (B, dim)."""
        embedding: Tensor = self.projection(F.dropout(features, self.dropout, self.training))
        return embedding

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed views, (B, 3, S, S) -> (B, dim)."""
        return self.project(self.features(pixels))

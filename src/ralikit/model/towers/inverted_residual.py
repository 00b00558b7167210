"""What small convolutional towers are made of: TensorFlow's padding and the inverted residual."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ralikit.model.towers.base import Tower
from ralikit.model.towers.depthwise import Depthwise5, StridedDepthwise


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME: what is odd goes below and right."""

    def forward(self, x: Tensor) -> Tensor:
        kernel, stride = self.kernel_size[0], self.stride[0]
        if kernel == 1:
            return F.conv2d(x, self.weight, self.bias, groups=self.groups)
        if self.training and self._quick_backward(x):
            weight, bias = self.weight.to(x.dtype), self.bias
            bias = None if bias is None else bias.to(x.dtype)
            if kernel == 5:
                return Depthwise5.apply(x, weight, bias, stride)  # type: ignore[no-any-return, no-untyped-call]
            return StridedDepthwise.apply(x, weight, bias)  # type: ignore[no-any-return, no-untyped-call]
        pads = []
        for extent in (x.shape[3], x.shape[2]):
            total = max((-(-extent // stride) - 1) * stride + kernel - extent, 0)
            pads += [total // 2, total - total // 2]
        return F.conv2d(
            F.pad(x, pads), self.weight, self.bias, stride=self.stride, groups=self.groups
        )

    def _quick_backward(self, x: Tensor) -> bool:
        """Whether a backward pass of its own is quicker here than torch's, and fits."""
        form = (self.kernel_size[0], self.stride[0])
        depthwise = self.groups == self.in_channels > 1 and form in {(3, 2), (5, 1), (5, 2)}
        even = form[1] == 1 or (x.shape[2] % 2 == 0 and x.shape[3] % 2 == 0)
        # 5 x 5 in float32: torch's own is as quick.
        gains = form[0] == 3 or x.dtype == torch.bfloat16
        wanted = torch.is_grad_enabled() and (x.requires_grad or self.weight.requires_grad)
        return depthwise and even and gains and wanted and x.device.type == "cpu"


class InvertedResidual(nn.Module):
    """Expand, depthwise, project; what came in is added where shapes allow.

    Args:
        inp: Channels in.
        out: Channels out.
        expansion: Factor on `inp` inside; 1: no expansion.
        stride: Of the depthwise convolution.
        kernel: Its edge.
    """

    def __init__(self, inp: int, out: int, *, expansion: int, stride: int, kernel: int = 3) -> None:
        super().__init__()
        hidden = inp * expansion
        self.expand = nn.Conv2d(inp, hidden, 1) if expansion != 1 else None
        self.depthwise = SameConv(hidden, hidden, kernel, stride=stride, groups=hidden)
        self.project = nn.Conv2d(hidden, out, 1)
        self.residual = stride == 1 and inp == out

    def forward(self, x: Tensor) -> Tensor:
        """Transform a picture, (B, C, H, W) -> (B, C', H / stride, W / stride)."""
        y: Tensor = x if self.expand is None else F.relu6(self.expand(x))
        y = self.project(F.relu6(self.depthwise(y)))
        return x + y if self.residual else y


class InvertedResidualTower(Tower):
    """Stem, blocks, head, pooling and a linear projection, with ReLU6 between.

    A tower of this kind sets these parts and says how many channels they have.

    Attributes:
        stem: The first convolution.
        blocks: `InvertedResidual`s.
        head: 1 x 1 convolution to the features.
        projection: Features to the embedding.
    """

    stem: SameConv
    blocks: nn.ModuleList
    head: nn.Conv2d
    projection: nn.Linear

    def features(self, pixels: Tensor) -> Tensor:
        """Pooled features before the projection, (B, 3, S, S) -> (B, 1280)."""
        x = F.relu6(self.stem(pixels))
        recompute = self.recompute and self.training
        for block in self.blocks:
            # Forget activations and compute them anew in the backward pass.
            x = checkpoint(block, x, use_reentrant=False) if recompute else block(x)
        pooled: Tensor = F.relu6(self.head(x)).mean(dim=(2, 3))
        return pooled

    def project(self, features: Tensor) -> Tensor:
        """Pooled features to the embedding, (B, 1280) -> (B, dim)."""
        embedding: Tensor = self.projection(F.dropout(features, self.dropout, self.training))
        return embedding

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed views, (B, 3, S, S) -> (B, dim)."""
        return self.project(self.features(pixels))

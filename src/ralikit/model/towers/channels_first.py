"""Vision transformers with tokens along the last axis; embeddings do not change.

After "Deploying Transformers on the Apple Neural Engine" (Apple, 2022): tokens lie along the last
axis of (V, C, 1, N), linear layers are 1 x 1 convolutions, norms run over the channels, and
attention is computed head by head, each a product of small tensors. Layers keep their names.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ralikit.model.towers.base import Tower
from ralikit.model.towers.block import Attention, Block, Mlp, activate, blocks_of
from ralikit.model.towers.vit import Vit


class ChannelsFirst(Tower):
    """What towers have in common in this layout: patches, positions and blocks."""

    def __init__(self, source: Vit) -> None:
        super().__init__()
        self.dim = source.dim
        self.patches = source.patches
        self.positions = nn.Parameter(source.positions.t()[None, :, None, :])  # (1, C, 1, N)
        self.blocks = nn.ModuleList(BlockFirst(block) for block in blocks_of(source.blocks))
        self.norm_out = Norm(source.norm_out)

    def tokens(self, pixels: Tensor) -> Tensor:
        """A token a patch, (V, 3, size, size) -> (V, C, 1, N)."""
        patches: Tensor = self.patches(pixels)
        return patches.flatten(2).unsqueeze(2)


class BlockFirst(nn.Module):
    """`Block`, with the layers of one."""

    def __init__(self, source: Block) -> None:
        super().__init__()
        self.norm1, self.norm2 = Norm(source.norm1), Norm(source.norm2)
        self.attention, self.mlp = AttentionFirst(source.attention), MlpFirst(source.mlp)

    def forward(self, x: Tensor) -> Tensor:
        """Transform all tokens, (V, C, 1, N) -> (V, C, 1, N)."""
        y = self.norm1(x)
        return self._rest(x, y, y)

    def first(self, x: Tensor) -> Tensor:
        """The first token alone, (V, C, 1, N) -> (V, C, 1, 1)."""
        y = self.norm1(x)
        return self._rest(x[..., :1], y[..., :1], y)

    def _rest(self, x: Tensor, asking: Tensor, tokens: Tensor) -> Tensor:
        x = x + self.attention(asking, tokens)
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class Norm(nn.Module):
    """Layer norm over the channels of (V, C, 1, N), in the form coremltools makes one operation."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.eps, self.weight, self.bias = norm.eps, norm.weight, norm.bias

    def forward(self, x: Tensor) -> Tensor:
        """Normalise every token, (V, C, 1, N) -> (V, C, 1, N)."""
        centred = x - x.mean(dim=1, keepdim=True)
        variance = (centred * centred).mean(dim=1, keepdim=True)
        y: Tensor = centred * torch.rsqrt(variance + self.eps)
        if self.weight is not None:
            y = y * self.weight.view(1, -1, 1, 1)
        return y if self.bias is None else y + self.bias.view(1, -1, 1, 1)


class AttentionFirst(nn.Module):
    """`Attention`, with the layers of one, head by head."""

    def __init__(self, source: Attention) -> None:
        super().__init__()
        self.heads, self.size, self.scaled = source.heads, source.size, source.scaled
        self.query = pointwise(source.query)
        self.key, self.value = pointwise(source.key), pointwise(source.value)
        self.out = pointwise(source.out)

    def forward(self, asking: Tensor, tokens: Tensor) -> Tensor:
        """(V, C, 1, Q) over (V, C, 1, N) -> (V, C, 1, Q)."""
        queries = self.query(asking).split(self.size, dim=1)  # (V, d, 1, Q) a head
        keys = self.key(tokens).transpose(1, 3).split(self.size, dim=3)  # (V, N, 1, d)
        values = self.value(tokens).split(self.size, dim=1)  # (V, d, 1, N)
        mixed = []
        for q, k, v in zip(queries, keys, values, strict=True):
            logits = torch.einsum("bchq,bkhc->bkhq", q, k)  # (V, N, 1, Q)
            if not self.scaled:
                logits = logits * self.size**-0.5
            mixed.append(torch.einsum("bkhq,bchk->bchq", torch.softmax(logits, dim=1), v))
        joined: Tensor = self.out(torch.cat(mixed, dim=1))
        return joined


class MlpFirst(nn.Module):
    """`Mlp`, with the layers of one."""

    def __init__(self, source: Mlp) -> None:
        super().__init__()
        self.activation, self.gain = source.activation, source.gain
        self.up, self.down = pointwise(source.up), pointwise(source.down)

    def forward(self, x: Tensor) -> Tensor:
        """Transform the channels, (V, C, 1, N) -> (V, C, 1, N)."""
        h = activate(self.up(x), self.activation)
        y: Tensor = self.down(h if self.gain is None else h * self.gain.view(1, -1, 1, 1))
        return y


def pointwise(layer: nn.Module) -> nn.Module:
    """A linear layer as a 1 x 1 convolution with its own weights; anything else as it is."""
    # SigLIP's pooling has no query layer once it is rewritten.
    if not isinstance(layer, nn.Linear):
        return layer
    with torch.device("meta"):
        conv = nn.Conv2d(layer.in_features, layer.out_features, 1, bias=layer.bias is not None)
    conv.weight = nn.Parameter(layer.weight[:, :, None, None])
    conv.bias = layer.bias
    return conv

"""A vision transformer laid out as Apple recommends for the neural engine; scores do not change.

After "Deploying Transformers on the Apple Neural Engine" (Apple, 2022): tokens lie along the last
axis of (V, C, 1, N), linear layers are 1 x 1 convolutions, norms run over the channels, and
attention is computed head by head, each a product of small tensors. Weights are rounded before they
are laid out, and layers keep their names, so both layouts store the same numbers.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ralikit.model.folded import FoldedScorer
from ralikit.model.towers.base import Tower
from ralikit.model.towers.clip import Clip
from ralikit.model.towers.siglip import Siglip
from ralikit.model.towers.vit import Attention, Block, Mlp, Vit, activate


def neural_engine(graph: FoldedScorer) -> FoldedScorer:
    """A copy in this layout, with the original's own weights.

    Args:
        graph: A folded scorer with a transformer, lean or not (see `ralikit.model.rewrite`); it is
            not changed.

    Raises:
        TypeError: If its tower is no transformer.
    """
    other = copy.copy(graph)
    other._modules = dict(graph._modules)  # a shallow copy shares the table itself
    if isinstance(graph.tower, Clip):
        other.tower = _Clip(graph.tower)
    elif isinstance(graph.tower, Siglip):
        other.tower = _Siglip(graph.tower)
    else:
        raise TypeError(f"a {graph.tower.kind} tower has no tokens to lay out")
    return other.eval().requires_grad_(False)


class _Tower(Tower):
    """What both towers have in common: patches, positions and blocks; for conversion alone."""

    def __init__(self, source: Vit) -> None:
        super().__init__()
        self.dim = source.dim
        self.patches = source.patches
        self.positions = nn.Parameter(source.positions.t()[None, :, None, :])  # (1, C, 1, N)
        self.blocks = nn.ModuleList(
            _Block(block) for block in source.blocks if isinstance(block, Block)
        )
        self.norm_out = _Norm(source.norm_out)

    def tokens(self, pixels: Tensor) -> Tensor:
        """A token a patch, (V, 3, size, size) -> (V, C, 1, N)."""
        patches: Tensor = self.patches(pixels)
        return patches.flatten(2).unsqueeze(2)


class _Clip(_Tower):
    def __init__(self, source: Clip) -> None:
        super().__init__(source)
        self.class_token = source.class_token
        self.norm_in = _Norm(source.norm_in)
        self.projection = _pointwise(source.projection)

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed views, (V, 3, size, size) -> (V, dim)."""
        first = self.class_token.view(1, -1, 1, 1).expand(len(pixels), -1, 1, 1)
        x = torch.cat([first, self.tokens(pixels)], dim=3) + self.positions
        x = self.norm_in(x)
        for block in self.blocks[:-1]:
            x = block(x)
        x = self.blocks[-1].first(x)  # type: ignore[operator]
        embedding: Tensor = self.projection(self.norm_out(x)).flatten(1)
        return embedding


class _Siglip(_Tower):
    def __init__(self, source: Siglip) -> None:
        super().__init__(source)
        self.probe = source.probe
        self.pool = _Attention(source.pool)
        self.pool_norm = _Norm(source.pool_norm)
        self.pool_mlp = _Mlp(source.pool_mlp)

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed views, (V, 3, size, size) -> (V, dim)."""
        x = self.tokens(pixels) + self.positions
        for block in self.blocks:
            x = block(x)
        probe = self.probe.view(1, -1, 1, 1).expand(len(pixels), -1, 1, 1)
        pooled = self.pool(probe, self.norm_out(x))
        embedding: Tensor = (pooled + self.pool_mlp(self.pool_norm(pooled))).flatten(1)
        return embedding


class _Block(nn.Module):
    def __init__(self, source: Block) -> None:
        super().__init__()
        self.norm1, self.norm2 = _Norm(source.norm1), _Norm(source.norm2)
        self.attention, self.mlp = _Attention(source.attention), _Mlp(source.mlp)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm1(x)
        return self._rest(x, y, y)

    def first(self, x: Tensor) -> Tensor:
        """The first token alone, (V, C, 1, N) -> (V, C, 1, 1)."""
        y = self.norm1(x)
        return self._rest(x[..., :1], y[..., :1], y)

    def _rest(self, x: Tensor, asking: Tensor, tokens: Tensor) -> Tensor:
        x = x + self.attention(asking, tokens)
        return x + self.mlp(self.norm2(x))  # type: ignore[no-any-return]


class _Norm(nn.Module):
    """Layer norm over the channels of (V, C, 1, N), in the form coremltools makes one operation."""

    def __init__(self, norm: nn.LayerNorm) -> None:
        super().__init__()
        self.eps, self.weight, self.bias = norm.eps, norm.weight, norm.bias

    def forward(self, x: Tensor) -> Tensor:
        centred = x - x.mean(dim=1, keepdim=True)
        variance = (centred * centred).mean(dim=1, keepdim=True)
        y: Tensor = centred * torch.rsqrt(variance + self.eps)
        if self.weight is not None:
            y = y * self.weight.view(1, -1, 1, 1)
        return y if self.bias is None else y + self.bias.view(1, -1, 1, 1)


class _Attention(nn.Module):
    """`Attention`, with the layers of one, head by head."""

    def __init__(self, source: Attention) -> None:
        super().__init__()
        self.heads, self.size, self.scaled = source.heads, source.size, source.scaled
        self.query = _pointwise(source.query)
        self.key, self.value = _pointwise(source.key), _pointwise(source.value)
        self.out = _pointwise(source.out)

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


class _Mlp(nn.Module):
    def __init__(self, source: Mlp) -> None:
        super().__init__()
        self.activation, self.gain = source.activation, source.gain
        self.up, self.down = _pointwise(source.up), _pointwise(source.down)

    def forward(self, x: Tensor) -> Tensor:
        h = activate(self.up(x), self.activation)
        y: Tensor = self.down(h if self.gain is None else h * self.gain.view(1, -1, 1, 1))
        return y


def _pointwise(layer: nn.Module) -> nn.Module:
    # SigLIP's pooling has no query layer once it is lean.
    if not isinstance(layer, nn.Linear):
        return layer
    with torch.device("meta"):
        conv = nn.Conv2d(layer.in_features, layer.out_features, 1, bias=layer.bias is not None)
    conv.weight = nn.Parameter(layer.weight[:, :, None, None])
    conv.bias = layer.bias
    return conv

"""Exact rewrites of a vision transformer's scorer: fewer operations, the same score.

Nothing here rounds a weight or drops a term; what a linear layer can absorb, it absorbs:

- the pixels' normalisation goes into the patch convolution, its constant part and the convolution's
  bias into the position embedding (exact: patches have no padding);
- a layer norm's gain and bias go into the layers that read it;
- the attention's 1 / sqrt(d) goes into the query; the key's bias goes away, because it adds the
  same number to every logit of a query; the value's bias goes into the output's, because attention
  weights sum to one;
- the query of SigLIP's pooling, the same for every picture, is computed once;
- quick-GELU's 1.702 goes into the layers on both sides, x sigmoid(1.702 x) becomes u sigmoid(u).

The last block of CLIP computes the class token alone already (`Block.first`), and `BasisHead` has
the PCA's mean in its bias and the temperature in its basis. Layers keep their names.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from ralikit.model.folded import FoldedScorer
from ralikit.model.towers.base import Tower
from ralikit.model.towers.clip import Clip
from ralikit.model.towers.siglip import Siglip
from ralikit.model.towers.vit import Attention, Block, Mlp

TRANSFORMERS = (Clip.kind, Siglip.kind)
"""Kinds of towers that are vision transformers."""

_QUICK = 1.702


def is_transformer(tower: Tower) -> bool:
    """Whether a tower is one of the vision transformers."""
    return isinstance(tower, Clip | Siglip)


def lean(graph: FoldedScorer) -> FoldedScorer:
    """The rewritten scorer; one with a convolutional tower is returned as it is.

    Sums are taken in float64 and stored as float32, so scores move by float32 rounding alone.

    Args:
        graph: A folded scorer, not rewritten yet; it is not changed.
    """
    if not is_transformer(graph.tower):
        return graph
    graph = copy.deepcopy(graph)
    with torch.no_grad():
        _read_pixels(graph)
        if isinstance(graph.tower, Clip):
            _rewrite_clip(graph.tower)
        elif isinstance(graph.tower, Siglip):
            _rewrite_siglip(graph.tower)
    return graph.eval().requires_grad_(False)


def _rewrite_clip(tower: Clip) -> None:
    _rewrite_blocks(tower.blocks)
    tower.norm_out = _absorbed(tower.norm_out, tower.projection)


def _rewrite_siglip(tower: Siglip) -> None:
    _rewrite_blocks(tower.blocks)
    pool = tower.pool
    tower.norm_out = _absorbed(tower.norm_out, pool.key, pool.value)
    _rewrite_attention(pool)
    tower.probe.copy_(pool.query(tower.probe))
    pool.set_submodule("query", nn.Identity())
    tower.pool_norm = _absorbed(tower.pool_norm, tower.pool_mlp.up)
    _rewrite_mlp(tower.pool_mlp)


def _rewrite_blocks(blocks: nn.ModuleList) -> None:
    for block in blocks:
        assert isinstance(block, Block)  # noqa: S101
        attention, mlp = block.attention, block.mlp
        block.norm1 = _absorbed(block.norm1, attention.query, attention.key, attention.value)
        _rewrite_attention(attention)
        block.norm2 = _absorbed(block.norm2, mlp.up)
        _rewrite_mlp(mlp)


def _read_pixels(graph: FoldedScorer) -> None:
    tower = graph.tower
    assert isinstance(tower, Clip | Siglip)  # noqa: S101 (`lean` asked)
    conv = tower.patches
    weight = conv.weight.double()
    constant = (weight * graph.offset.double()).sum(dim=(1, 2, 3))  # (C,)
    if conv.bias is not None:
        constant += conv.bias.double()
        conv.bias = None
    conv.weight.copy_(weight * graph.gain.double())
    positions = tower.positions.double()
    first = len(positions) - (tower.config()["size"] // tower.config()["patch"]) ** 2
    positions[first:] += constant
    tower.positions.copy_(positions)
    graph.gain.fill_(1.0)
    graph.offset.zero_()
    graph.normalises = False


def _absorbed(norm: nn.LayerNorm, *readers: nn.Linear) -> nn.LayerNorm:
    # W (g x + b) + c = (W g) x + (W b + c)
    for reader in readers:
        weight = reader.weight.double()
        _add_bias(reader, weight @ norm.bias.double())
        reader.weight.copy_(weight * norm.weight.double())
    return nn.LayerNorm(norm.normalized_shape, eps=norm.eps, elementwise_affine=False)


def _rewrite_attention(attention: Attention) -> None:
    scale = attention.size**-0.5
    attention.query.weight.copy_(attention.query.weight.double() * scale)
    attention.query.bias.copy_(attention.query.bias.double() * scale)
    attention.key.register_parameter("bias", None)
    _add_bias(attention.out, attention.out.weight.double() @ attention.value.bias.double())
    attention.value.register_parameter("bias", None)
    attention.scaled = True


def _rewrite_mlp(mlp: Mlp) -> None:
    if mlp.activation != "quick_gelu":
        return
    mlp.up.weight.copy_(mlp.up.weight.double() * _QUICK)
    mlp.up.bias.copy_(mlp.up.bias.double() * _QUICK)
    mlp.down.weight.copy_(mlp.down.weight.double() / _QUICK)
    mlp.activation = "silu"


def _add_bias(layer: nn.Linear, amount: Tensor) -> None:
    bias = amount if layer.bias is None else layer.bias.double() + amount
    layer.bias = nn.Parameter(bias.to(layer.weight.dtype), requires_grad=False)

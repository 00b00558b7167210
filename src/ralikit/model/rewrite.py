"""Exact rewrites of a scorer: fewer operations, the same score.

Nothing here rounds a weight or drops a term; what a layer can absorb, it absorbs. How, the tower
says (`Tower.rewritten`, `Tower.absorb_pixels`). Of a vision transformer:

- the pixels' normalisation goes into the patch convolution, its constant part and the convolution's
  bias into the position embedding;
- a layer norm's gain and bias go into the layers that read it;
- the attention's 1 / sqrt(d) goes into the query, the value's bias into the output's, the key's
  away;
- the query of SigLIP's pooling, the same for every picture, is computed once;
- quick-GELU's 1.702 goes into the layers on both sides.

The last block of CLIP computes the class token alone already (`Block.first`), and `BasisHead` has
the PCA's mean in its bias and the temperature in its basis. Layers keep their names.
"""

from __future__ import annotations

import copy

from ralikit.model.folded import Folded


def rewrite(folded: Folded) -> Folded:
    """The rewritten scorer; one whose tower has nothing to rewrite is returned as it is.

    Scores move by float32 rounding alone.

    Args:
        folded: A folded scorer, not rewritten yet; it is not changed.
    """
    tower = folded.tower.rewritten()
    if tower is folded.tower:
        return folded
    # Whatever the scorer holds is copied, but for its tower, which is one already.
    folded = copy.deepcopy(folded, {id(folded.tower): tower})
    if tower.absorb_pixels(folded.gain, folded.offset):
        folded.gain.fill_(1.0)
        folded.offset.zero_()
        folded.normalises = False
    return folded.eval().requires_grad_(False)

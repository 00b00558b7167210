"""A vision transformer laid out as Apple recommends for the neural engine; scores do not change.

See `ralikit.model.towers.channels_first`. Weights are rounded before they are laid out, and layers
keep their names, so both layouts store the same numbers.
"""

from __future__ import annotations

import copy

from ralikit.model.folded import Folded


def neural_engine(folded: Folded) -> Folded:
    """A copy in this layout, with the original's own weights.

    Args:
        folded: A folded scorer with a transformer, lean or not (see `ralikit.model.rewrite`); it is
            not changed.

    Raises:
        TypeError: If its tower is no transformer.
    """
    other = copy.copy(folded)
    other._modules = dict(folded._modules)  # a shallow copy shares the table itself
    other.tower = folded.tower.channels_first()
    return other.eval().requires_grad_(False)

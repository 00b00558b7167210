"""What autograd keeps of a forward pass until the backward one, in bytes, by formula.

After Korthikanti et al. 2022 ("Reducing Activation Recomputation in Large Transformer Models",
section 4.1: count what each operation saves), for the operations of the code that runs here
instead of theirs: `ralikit.model.towers.block`, transformers' Qwen2.5-VL with scaled dot product
attention. `tests/train/plan` counts the saved tensors of small models and holds the formulas to
them.

Under autocast products are taken in 2 bytes, and every linear layer keeps a 2-byte copy of its
input; norms and sums stay in 4. Without it all is 4 bytes and layers that read one tensor share it.
"""

from __future__ import annotations

from dataclasses import dataclass

from ralikit.train.plan.shapes import VisionShape, VlmShape

FULL, HALF = 4, 2


@dataclass(frozen=True, kw_only=True)
class Kept:
    """Bytes kept by a stack of equal blocks.

    Attributes:
        block: By one block, all that its backward pass needs.
        entry: By one block whose activations are computed anew in the backward pass: its input.
        depth: Number of blocks.
    """

    block: int
    entry: int
    depth: int

    def bytes(self, *, recompute: bool) -> int:
        """In all; with recomputation every block's input, and one block as it is computed anew."""
        if recompute:
            return self.depth * self.entry + self.block
        return self.depth * self.block


def _inputs(width: int, readers: int, half: bool) -> int:
    """What linear layers keep of the tensor that they read, bytes a token."""
    return readers * HALF * width if half else FULL * width


def vit_block(
    tokens: int, *, width: int, hidden: int, heads: int, quick: bool, half: bool, depth: int
) -> Kept:
    """A block of `ralikit.model.towers.block`.

    Args:
        tokens: Of all views together.
        width: Of the residual stream.
        hidden: Inside the MLP.
        heads: Of attention.
        quick: Quick-GELU or SiLU, which keep two tensors; GELU keeps one.
        half: Whether under autocast.
        depth: Number of blocks.
    """
    work = HALF if half else FULL
    norms = 2 * (FULL * width + 2 * FULL)
    read = _inputs(width, 3, half) + _inputs(width, 1, half)
    attention = 4 * work * width + FULL * heads  # query, key, value, what comes out; log-sums
    mlp = (3 if quick else 2) * work * hidden
    kept = tokens * (norms + read + attention + mlp)
    return Kept(block=kept, entry=tokens * FULL * width, depth=depth)


def vision_blocks(shape: VisionShape, patches: int, *, half: bool) -> Kept:
    """Qwen2.5-VL's vision encoder; `patches` of all photos together.

    Its stream is in 2 bytes under autocast, and its norms keep a 4-byte copy of it.
    """
    work = HALF if half else FULL
    w, h = shape.width, shape.hidden
    norms = 2 * (FULL * w + work * w + FULL)
    read = _inputs(w, 1, half) + _inputs(w, 2, half)
    # Rotated query and key, the tensor that all three came in (the value is a part of it), the
    # windows' results one by one and joined.
    attention = (2 + 3 + 1 + 1) * work * w + FULL * shape.heads
    kept = patches * (norms + read + attention + 4 * work * h)
    return Kept(block=kept, entry=patches * work * w, depth=shape.depth)


def language_layers(shape: VlmShape, sequences: int, length: int, *, half: bool) -> Kept:
    """Qwen2.5-VL's language model over padded sequences, so many of so many tokens."""
    work = HALF if half else FULL
    w, h = shape.width, shape.hidden
    norms = 2 * (2 * FULL * w + FULL)
    read = _inputs(w, 3, half) + _inputs(w, 2, half)
    # Query, keys and values repeated for every head, what comes out, the mask's row.
    attention = 4 * work * w + FULL * shape.heads + work * length
    kept = sequences * length * (norms + read + attention + 4 * work * h)
    return Kept(block=kept, entry=sequences * length * FULL * w, depth=shape.depth)


def cache_bytes(shape: VlmShape, sequences: int, length: int, *, full: bool) -> int:
    """Keys and values of sequences that are written by transformers.

    Args:
        shape: The model's.
        sequences: Written together.
        length: Tokens of each, photo, question and answer.
        full: Whether the weights are float32: a float32 rotation then makes the keys that, and the
            cache takes the values in the keys' type.
    """
    return sequences * length * shape.depth * 2 * shape.kv * (FULL if full else HALF)


def image_tokens(width: int, height: int, *, max_pixels: int, shape: VisionShape) -> int:
    """Tokens of a photo: its edges rounded to whole tokens, made smaller to `max_pixels`.

    The rule of Qwen2-VL's published processor (`smart_resize`).
    """
    edge = shape.patch * shape.merge
    down, across = max(1, round(height / edge)), max(1, round(width / edge))
    if down * across * edge**2 > max_pixels:
        shrink = (width * height / max_pixels) ** 0.5
        down = max(1, int(height / shrink / edge))
        across = max(1, int(width / shrink / edge))
    return down * across

"""Where a teacher looks when it says the score: at its own reasoning, or at the picture?

RALI's Figure 3: at the score token of a Q-Insight, 95 % of the attention goes to the reasoning
text and 5 % to the visual tokens, the fixed prompt left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import DataError, PhotoError
from ralikit.extras import require
from ralikit.photo.decode import open_photo
from ralikit.train.teacher.answers import read_answer
from ralikit.train.teacher.engines import Asking, Question, TransformersEngine
from ralikit.train.teacher.prompts import Prompt
from ralikit.train.teacher.vlm import Vlm

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = ["AttentionShare", "attention_share", "attention_shares", "plot_shares"]

FloatArray = NDArray[np.float64]

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)")


@dataclass(frozen=True, kw_only=True)
class AttentionShare:
    """How the score token's attention is divided.

    Attributes:
        photo: Name of the photo.
        rating: What the answer says, 1..5.
        text: Share that goes to the reasoning, 0..1, mean over layers and heads.
        visual: Share that goes to the photo's tokens; text + visual = 1.
        other: What of all attention goes elsewhere (the fixed prompt, the tags), 0..1: it is left
            out of the two shares.
        layers: The text's share in each layer.
    """

    photo: str
    rating: float
    text: float
    visual: float
    other: float
    layers: tuple[float, ...]


def attention_shares(
    vlm: Vlm,
    photos: Sequence[Path],
    prompt: Prompt,
    *,
    max_tokens: int = 512,
    progress: Callable[[int], None] | None = None,
) -> list[AttentionShare]:
    """Let a teacher answer (its likeliest answer) and measure where its score looks.

    Args:
        vlm: Loaded with ``attention="eager"``: other kernels never form the attention weights.
        photos: Their paths.
        prompt: A thinking prompt that asks for a rating.
        max_tokens: Bound on the answer.
        progress: Told how many photos are done.

    Raises:
        PhotoError: If a photo cannot be read or its answer has no reasoning and rating.
    """
    engine = TransformersEngine(vlm, Asking(temperature=0.0, max_tokens=max_tokens, batch=1))
    shares = []
    for done, photo in enumerate(photos, start=1):
        image = open_photo(photo)
        completion = engine.answer([Question(image, photo.name, 0)], prompt)[0]
        shares.append(attention_share(vlm, image, completion, prompt, name=photo.name))
        if progress is not None:
            progress(done)
    return shares


def attention_share(
    vlm: Vlm, image: Image, completion: str, prompt: Prompt, *, name: str = "the photo"
) -> AttentionShare:
    """Measure one answer.

    The query is the score's first token, fed as input, as in the paper's figure; the keys are the
    tokens of the reasoning (between the think tags) and of the photo.

    Args:
        vlm: See `attention_shares`.
        image: The photo, RGB.
        completion: The teacher's whole answer.
        prompt: What it was asked.
        name: Of the photo, for messages.

    Raises:
        PhotoError: If the answer has no reasoning and rating.
        DataError: If the model was not loaded with eager attention.
    """
    import torch

    reading = read_answer(completion, prompt)
    if reading.problem is not None or reading.rating is None:
        raise PhotoError(f"{name}: the answer cannot be looked into: {reading.problem}")
    if vlm.model.config._attn_implementation != "eager":
        raise DataError("attention weights exist with eager attention alone; load the model so")
    processor = vlm.processor
    inputs = processor.apply_chat_template(
        [prompt.messages_with(image)],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    answer = processor.tokenizer(
        completion, return_tensors="pt", return_offsets_mapping=True, add_special_tokens=False
    )
    spans = answer["offset_mapping"][0].tolist()
    reasoning, score = _places(completion, spans)
    start = inputs["input_ids"].shape[1]
    ids = torch.cat([inputs["input_ids"], answer["input_ids"][:, : score + 1]], dim=1)
    more = ids.shape[1] - start
    inputs["input_ids"] = ids
    for key in ("attention_mask", "mm_token_type_ids"):
        fill = 1 if key == "attention_mask" else 0
        inputs[key] = torch.cat([inputs[key], torch.full((1, more), fill)], dim=1)
    rows = _last_rows(vlm, inputs.to(vlm.device))  # (layers, tokens)

    visual = (ids[0] == processor.image_token_id).nonzero()[:, 0].numpy()
    text = np.array([start + i for i in reasoning])
    to_text, to_visual = rows[:, text].sum(axis=1), rows[:, visual].sum(axis=1)
    both = to_text.mean() + to_visual.mean()
    return AttentionShare(
        photo=name,
        rating=reading.rating,
        text=float(to_text.mean() / both),
        visual=float(to_visual.mean() / both),
        other=float(1.0 - both),
        layers=tuple(float(v) for v in to_text / (to_text + to_visual)),
    )


def plot_shares(shares: Sequence[AttentionShare], target: Path) -> None:
    """Draw the mean division and the text's share by layer, as a PNG.

    Args:
        shares: At least one.
        target: The PNG; replaced if it exists.
    """
    require("matplotlib", extra="train", job="Drawing the attention shares")
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    from ralikit.files import publish

    figure = Figure(figsize=(8, 3.2), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1, 2))
    text = float(np.mean([s.text for s in shares]))
    left.bar(["reasoning", "photo"], [100 * text, 100 * (1 - text)], color=["#3b6ea5", "#c98b2b"])
    left.bar_label(left.containers[0], fmt="%.1f %%")
    left.set(ylabel="attention of the score token, %", ylim=(0, 110))
    for share in shares:
        right.plot(range(1, len(share.layers) + 1), share.layers, color="#3b6ea5", alpha=0.3)
    mean = np.mean([s.layers for s in shares], axis=0)
    right.plot(range(1, len(mean) + 1), mean, color="black", label=f"mean of {len(shares)} photos")
    right.set(xlabel="layer", ylabel="reasoning's share", ylim=(0, 1))
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    right.legend()
    with publish(target, overwrite=True) as draft:
        figure.savefig(draft, dpi=150, format="png")


def _places(completion: str, spans: list[list[int]]) -> tuple[list[int], int]:
    """Token numbers of the reasoning, and of the score's first digit."""
    think = completion.index("<think>") + len("<think>")
    closing = completion.index("</think>")
    answer = completion.index("<answer>") + len("<answer>")
    key = completion.find('"rating"', answer)
    number = _NUMBER.search(completion, key + len('"rating"') if key >= 0 else answer)
    if number is None:  # read_answer has seen to it
        raise DataError("the answer has no number")
    # A token that reaches over a tag's edge belongs to the tag.
    reasoning = [i for i, (a, b) in enumerate(spans) if think <= a and b <= closing and a < b]
    if not reasoning:
        reasoning = [i for i, (a, b) in enumerate(spans) if a < closing and b > think]
    score = next(i for i, (a, b) in enumerate(spans) if a <= number.start() < b)
    return reasoning, score


def _last_rows(vlm: Vlm, inputs: Any) -> FloatArray:
    """Attention of the last token to every token, mean over heads, (layers, tokens).

    Rows are taken out layer by layer: all weights of a 7B at once would fill the memory.
    """
    import torch

    rows: list[FloatArray] = []

    def keep(_: Any, __: Any, output: Any) -> Any:
        weights = output[1]  # (1, heads, tokens, tokens)
        rows.append(weights[0, :, -1].float().mean(dim=0).cpu().numpy().astype(np.float64))
        return (output[0], None, *output[2:])

    layers = vlm.model.model.language_model.layers
    hooks = [layer.self_attn.register_forward_hook(keep) for layer in layers]
    try:
        with torch.inference_mode():
            vlm.model(**inputs, use_cache=False)
    finally:
        for hook in hooks:
            hook.remove()
    return np.stack(rows)

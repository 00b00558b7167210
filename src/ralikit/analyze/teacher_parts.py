"""A teacher's two parts: one exchanged for another's, and what the first gives the second.

RALI's Table 1 asks which part of an RL-trained teacher carries what it has learnt, by putting the
vision encoder of one model before the language model of another. Its Figure 4 looks at the tokens
that pass between them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import DataError, UsageError
from ralikit.files import publish
from ralikit.photo.decode import open_photo
from ralikit.train.teacher.vlm import (
    Vlm,
    load_model,
    load_processor,
    taught_pixels,
    taught_prompt,
    write_card,
)


def swap_parts(visual: str, language: str, out: Path) -> Path:
    """Write a teacher with one model's vision encoder and another's language model.

    The encoder is all that is called ``model.visual``, its merger to the language model's width
    among it. Prompt, tokenizer and bound on photos are the language model's, which answers.

    Args:
        visual: Folder or hub name of the model whose encoder is taken.
        language: Folder or hub name of the model whose rest is taken.
        out: The folder to write, float32.

    Raises:
        UsageError: If `out` is there already.
        DataError: If a model cannot be loaded, or the encoder does not fit.
    """
    if out.exists():
        raise UsageError(f"{out} is there already; name another folder")
    model = load_model(language)
    encoder = load_model(visual).model.visual.state_dict()
    try:
        model.model.visual.load_state_dict(encoder)
    except RuntimeError as error:
        raise DataError(
            f"the vision encoder of {visual} does not fit {language}: are both of one base?"
        ) from error
    processor = load_processor(language, max_pixels=taught_pixels(language))
    with publish(out) as draft:
        model.save_pretrained(draft)
        processor.save_pretrained(draft)
        write_card(
            draft,
            prompt=taught_prompt(language) or "score",
            base=f"vision encoder of {visual}, language model of {language}",
            method="swap",
            max_pixels=taught_pixels(language),
        )
    return out


def visual_tokens(
    vlm: Vlm, photos: Sequence[Path], *, progress: Callable[[int], object] | None = None
) -> NDArray[np.float32]:
    """A photo's visual tokens as the language model gets them, averaged, (n, D).

    Args:
        vlm: The teacher.
        photos: Their paths.
        progress: Told how many photos are done.

    Raises:
        PhotoError: If a photo cannot be read.
    """
    import torch

    rows = []
    with torch.inference_mode():
        for done, photo in enumerate(photos, start=1):
            pixels = vlm.processor.image_processor(images=[open_photo(photo)], return_tensors="pt")
            found = vlm.model.model.get_image_features(
                pixels["pixel_values"].to(vlm.device), pixels["image_grid_thw"].to(vlm.device)
            )
            tokens = found.pooler_output[0]  # (tokens, D)
            rows.append(tokens.float().mean(dim=0).cpu().numpy())
            if progress is not None:
                progress(done)
    return np.stack(rows)

"""Load a Qwen2.5-VL from a folder or the hub, saying in a sentence what is missing."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ralikit import __version__
from ralikit.errors import DataError, UsageError
from ralikit.extras import require
from ralikit.files import read_json, to_json
from ralikit.printable import error_says
from ralikit.train.teacher.prompts import PROMPTS, released_prompt

if TYPE_CHECKING:
    import torch

__all__ = [
    "Dtype",
    "Vlm",
    "is_hub_name",
    "load_model",
    "load_processor",
    "load_vlm",
    "local_folder",
    "resolve_model",
    "taught_pixels",
    "taught_prompt",
    "teacher_label",
    "write_card",
]

Dtype = Literal["float32", "bfloat16", "float16"]

MAX_PIXELS = 512 * 28 * 28
"""Default bound on a photo's pixels: 512 image tokens."""

MIN_PIXELS = 4 * 28 * 28

RELEASED_PIXELS = 12_845_056
"""What Q-Insight's and VisualQuality-R1's training code sets: 16,384 image tokens, so that a photo
of KonIQ, 1024 x 768, keeps its own 1,003."""

CARD = "ralikit-teacher.json"
"""In a trained teacher's folder: base, method, prompt, max_pixels, version."""

_JOB = "Training or asking a teacher"


@dataclass(frozen=True)
class Vlm:
    """A model with its processor.

    Attributes:
        name: As the user named it.
        model: A ``Qwen2_5_VLForConditionalGeneration``.
        processor: A `QwenVlProcessor`.
    """

    name: str
    model: Any
    processor: Any

    @property
    def device(self) -> torch.device:
        """Where the model lies."""
        device: torch.device = self.model.device
        return device


def resolve_model(name: str) -> str:
    """Turn what the user wrote into something `from_pretrained` takes: a folder or a hub name.

    Args:
        name: A folder, ``owner/repo``, or ``owner/repo/subfolder`` (fetched whole from the hub, as
            in ``ByteDance/Q-Insight/score_degradation``).

    Raises:
        UsageError: If it is neither an existing folder nor shaped like a hub name.
        DataError: If a subfolder of the hub cannot be fetched.
    """
    folder = Path(name)
    if name.strip() and folder.is_dir():
        return str(folder)
    parts = name.split("/")
    looks_local = folder.is_absolute() or name.startswith((".", "~")) or os.sep * 2 in name
    if looks_local or len(parts) < 2 or not all(parts):
        raise UsageError(
            f"there is no model folder {name}; give a folder, or a hub name like "
            "Qwen/Qwen2.5-VL-7B-Instruct"
        )
    if len(parts) == 2:
        return name
    hub = require("huggingface_hub", extra="hub", job="Fetching a model from the hub")
    repo, subfolder = "/".join(parts[:2]), "/".join(parts[2:])
    try:
        root = hub.snapshot_download(repo, allow_patterns=[f"{subfolder}/*"])
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot fetch {name} from the hub: {error_says(error, first_line=True)}"
        ) from error
    if not (Path(root) / subfolder).is_dir():
        raise DataError(f"{repo} has no folder {subfolder} on the hub")
    return str(Path(root) / subfolder)


def is_hub_name(name: str) -> bool:
    """Whether a name that is no folder is ``owner/repo``, which the loader asks the hub for."""
    return name.count("/") == 1 and not Path(name).is_absolute() and not Path(name).is_dir()


def local_folder(name: str) -> Path:
    """The folder of a model, fetched whole from the hub where `name` is a hub name.

    Raises:
        UsageError: If it is neither an existing folder nor shaped like a hub name.
        DataError: If it cannot be fetched.
    """
    place = resolve_model(name)
    if Path(place).is_dir():
        return Path(place)
    hub = require("huggingface_hub", extra="hub", job="Fetching a model from the hub")
    try:
        return Path(hub.snapshot_download(place))
    except (OSError, ValueError) as error:
        raise DataError(
            f"cannot fetch {name} from the hub: {error_says(error, first_line=True)}"
        ) from error


def load_processor(name: str, *, max_pixels: int = MAX_PIXELS) -> Any:
    """Load image processor, tokenizer and chat template.

    `AutoProcessor` would silently give the tokenizer alone where the image processor is missing.

    Args:
        name: See `resolve_model`.
        max_pixels: Larger photos are reduced to this many pixels; a token is 28 x 28 of them.

    Raises:
        DataError: If the folder lacks a part; the message names it.
        MissingExtraError: If transformers is not installed.
    """
    require("transformers", extra="teacher", job=_JOB)
    from transformers import AutoTokenizer, Qwen2VLImageProcessorPil

    from ralikit.train.teacher.qwen_processor import IMAGE_TOKEN, QwenVlProcessor

    place = resolve_model(name)
    if max_pixels < MIN_PIXELS:
        raise UsageError(f"max_pixels must be at least {MIN_PIXELS}, not {max_pixels}")
    _need(place, "preprocessor_config.json", "the settings of its image processor")
    _need(place, "tokenizer_config.json", "its tokenizer")
    try:
        images = Qwen2VLImageProcessorPil.from_pretrained(place)
        tokenizer = AutoTokenizer.from_pretrained(place, padding_side="left")
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"cannot load the processor of {name}: {error_says(error, first_line=True)}"
        ) from error
    images.size = {**dict(images.size), "shortest_edge": MIN_PIXELS, "longest_edge": max_pixels}
    if IMAGE_TOKEN not in tokenizer.get_vocab():
        raise DataError(f"the tokenizer of {name} has no {IMAGE_TOKEN}; is it a Qwen2.5-VL?")
    if tokenizer.chat_template is None:
        raise DataError(f"{name} has no chat template (chat_template.jinja)")
    return QwenVlProcessor(images, tokenizer, chat_template=tokenizer.chat_template)


def load_model(name: str, *, dtype: Dtype = "float32", attention: str | None = None) -> Any:
    """Load the weights on the CPU.

    Args:
        name: See `resolve_model`.
        dtype: float32 for training (bfloat16 master weights swallow updates of 1e-6), bfloat16
            for asking on a GPU.
        attention: ``"sdpa"``, ``"eager"``, ``"flash_attention_2"``; None takes the default.

    Raises:
        DataError: If there is no such model, or it is of another kind.
    """
    transformers = require("transformers", extra="teacher", job=_JOB)
    import torch
    from transformers import AutoConfig, Qwen2_5_VLForConditionalGeneration

    if not sys.stderr.isatty():
        transformers.utils.logging.disable_progress_bar()
    place = resolve_model(name)
    _need(place, "config.json", "what kind of model it is")
    options = {} if attention is None else {"attn_implementation": attention}
    try:
        config = AutoConfig.from_pretrained(place)
        if config.model_type != "qwen2_5_vl":
            raise DataError(f"{name} is a {config.model_type}; a Qwen2.5-VL is expected")
        return Qwen2_5_VLForConditionalGeneration.from_pretrained(
            place, dtype=getattr(torch, dtype), **options
        )
    except (OSError, ValueError, KeyError) as error:
        raise DataError(
            f"cannot load the model {name}: {error_says(error, first_line=True)}"
        ) from error


def load_vlm(
    name: str,
    *,
    device: str | None = None,
    dtype: Dtype | None = None,
    max_pixels: int = MAX_PIXELS,
    attention: str | None = None,
) -> Vlm:
    """Load a model for asking it: in evaluation mode, on its device.

    Args:
        name: See `resolve_model`.
        device: ``"cuda"``, ``"cuda:1"``, ``"cpu"``; None takes a GPU where there is one.
        dtype: None takes bfloat16 on a GPU, float32 elsewhere.
        max_pixels: Larger photos are reduced to this many pixels.
        attention: See `load_model`.
    """
    processor = load_processor(name, max_pixels=max_pixels)
    import torch

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    if device.startswith("cuda") and not torch.cuda.is_available():
        raise UsageError("--device cuda: there is no GPU that torch can use here; use cpu")
    dtype = dtype or ("bfloat16" if device.startswith("cuda") else "float32")
    model = load_model(name, dtype=dtype, attention=attention)
    return Vlm(name, model.to(device).eval(), processor)


def write_card(folder: Path, *, prompt: str, base: str, method: str, max_pixels: int) -> None:
    """Write beside a trained model what it was trained to answer, and how large it saw photos."""
    card = {
        "base": base,
        "method": method,
        "prompt": prompt,
        "max_pixels": max_pixels,
        "ralikit": __version__,
    }
    (folder / CARD).write_text(to_json(card), encoding="utf-8")


def taught_prompt(name: str) -> str | None:
    """The prompt a teacher was trained with; None where nobody says.

    Its folder's `CARD` says so; published weights are known by their hub name.

    Raises:
        DataError: If the card names a prompt that is not one of ours.
    """
    prompt = _card(name).get("prompt")
    if prompt is None:
        return released_prompt(name)
    if prompt not in PROMPTS:
        raise DataError(f"{Path(name) / CARD} names the prompt {prompt!r}, which is not ours")
    return str(prompt)


def taught_pixels(name: str) -> int:
    """The bound on a photo's pixels that a teacher was trained with; `MAX_PIXELS` where none says.

    Raises:
        DataError: If the card's bound is no number of pixels.
    """
    pixels = _card(name).get("max_pixels")
    if pixels is None:
        return MAX_PIXELS if released_prompt(name) is None else RELEASED_PIXELS
    if isinstance(pixels, bool) or not isinstance(pixels, int) or pixels < MIN_PIXELS:
        raise DataError(
            f"{Path(name) / CARD}: max_pixels is a number of at least {MIN_PIXELS}, not {pixels!r}"
        )
    return pixels


def teacher_label(name: str) -> str:
    """What a teacher is called in the texts it writes: its method, or its folder or hub name."""
    method = _card(name).get("method")
    folder = Path(name)
    return str(method) if method else (folder.resolve().name if folder.is_dir() else name)


def _card(name: str) -> dict[str, Any]:
    card = Path(name) / CARD
    stated = read_json(card) if card.is_file() else {}
    return stated if isinstance(stated, dict) else {}


def _need(place: str, file: str, what: str) -> None:
    folder = Path(place)
    if folder.is_dir() and not (folder / file).is_file():
        raise DataError(f"the model folder {folder} has no {file} ({what}); copy it from the base")

"""The sizes of models that recipes name, and how many parameters follow from them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ralikit.errors import BundleError, UsageError
from ralikit.importers.hf_files import CONFIG, read_config


@dataclass(frozen=True, kw_only=True)
class VisionShape:
    """Qwen2.5-VL's vision encoder.

    Attributes:
        width: Of the residual stream.
        hidden: Inside the gated MLPs.
        depth: Number of blocks.
        heads: Of attention.
        patch: Edge of a patch, pixels.
        merge: Edge of the square of patches that become one token of the language model.
        frames: Pictures of a patch; a photo is doubled.
        out: Width of the language model.
    """

    width: int
    hidden: int
    depth: int
    heads: int
    patch: int = 14
    merge: int = 2
    frames: int = 2
    out: int

    @property
    def block(self) -> int:
        """Parameters of a block."""
        w, h = self.width, self.hidden
        return 2 * w + (3 * w * w + 3 * w) + (w * w + w) + 2 * (w * h + h) + (h * w + w)

    @property
    def parameters(self) -> int:
        """All of them, patch convolution and merger included."""
        merged = self.width * self.merge**2
        patches = self.width * 3 * self.frames * self.patch**2
        merger = self.width + (merged * merged + merged) + (merged * self.out + self.out)
        return patches + self.depth * self.block + merger


@dataclass(frozen=True, kw_only=True)
class VlmShape:
    """Qwen2.5-VL: its vision encoder and its language model.

    Attributes:
        width: Of the residual stream.
        hidden: Inside the gated MLPs.
        depth: Number of layers.
        heads: Of attention.
        kv: Width of keys, and of values: heads that have their own times a head's width.
        vocabulary: Tokens.
        tied: Whether the output layer is the embedding.
        vision: The encoder.
    """

    width: int
    hidden: int
    depth: int
    heads: int
    kv: int
    vocabulary: int
    tied: bool
    vision: VisionShape

    @property
    def layer(self) -> int:
        """Parameters of a layer."""
        w = self.width
        attention = (w * w + w) + 2 * (w * self.kv + self.kv) + w * w
        return attention + 3 * w * self.hidden + 2 * w

    @property
    def head(self) -> int:
        """Parameters of the output layer, which may be the embedding's."""
        return self.vocabulary * self.width

    @property
    def parameters(self) -> int:
        """All of them."""
        ends = self.head * (1 if self.tied else 2) + self.width
        return self.vision.parameters + self.depth * self.layer + ends

    def adapters(self, rank: int, parts: str) -> int:
        """Parameters of low-rank adapters: ``rank * (in + out)`` of every adapted linear layer.

        Hu et al. 2022 (LoRA), section 4.1.

        Args:
            rank: Of the adapters.
            parts: ``language``, ``vision`` or ``all``.
        """
        w, h, v = self.width, self.hidden, self.vision
        layer = 2 * (w + w) + 2 * (w + self.kv) + 3 * (w + h)
        block = (v.width + 3 * v.width) + 2 * v.width + 3 * (v.width + v.hidden)
        language, vision = self.depth * layer, v.depth * block
        return rank * {"language": language, "vision": vision, "all": language + vision}[parts]


_SEEN = {"width": 1280, "hidden": 3420, "depth": 32, "heads": 16}
_VLMS = {
    "Qwen/Qwen2.5-VL-7B-Instruct": VlmShape(
        width=3584,
        hidden=18_944,
        depth=28,
        heads=28,
        kv=512,
        vocabulary=152_064,
        tied=False,
        vision=VisionShape(**_SEEN, out=3584),
    ),
    "Qwen/Qwen2.5-VL-3B-Instruct": VlmShape(
        width=2048,
        hidden=11_008,
        depth=36,
        heads=16,
        kv=256,
        vocabulary=151_936,
        tied=True,
        vision=VisionShape(**_SEEN, out=2048),
    ),
}
"""As their `config.json` has them; the counts that follow are those published."""

TOWERS: dict[str, tuple[str, dict[str, Any]]] = {
    "openai/clip-vit-large-patch14-336": ("clip", {}),  # what `Clip` takes without a config
    "google/siglip2-so400m-patch14-384": (
        "siglip",
        {"size": 384, "patch": 14, "width": 1152, "depth": 27, "heads": 16, "hidden": 4304},
    ),
}
"""Kind and config of image towers, by the hub's name."""


def vlm_shape(model: str) -> VlmShape:
    """The sizes of a Qwen2.5-VL: of its folder's `config.json`, or of a model that is known here.

    Raises:
        UsageError: If it is neither.
    """
    if not (Path(model) / CONFIG).is_file():
        if model in _VLMS:
            return _VLMS[model]
        raise UsageError(
            f"{model} is no folder with a {CONFIG}, and its sizes are not known here; known are "
            f"{' and '.join(_VLMS)}"
        )
    try:
        return _read(read_config(Path(model) / CONFIG))
    except (BundleError, KeyError, TypeError) as error:
        raise UsageError(f"{model}/{CONFIG} describes no Qwen2.5-VL: {error}") from error


def _read(config: dict[str, Any]) -> VlmShape:
    text, vision = config.get("text_config", config), config["vision_config"]
    head = text["hidden_size"] // text["num_attention_heads"]
    return VlmShape(
        width=text["hidden_size"],
        hidden=text["intermediate_size"],
        depth=text["num_hidden_layers"],
        heads=text["num_attention_heads"],
        kv=text["num_key_value_heads"] * head,
        vocabulary=text["vocab_size"],
        tied=bool(config.get("tie_word_embeddings", False)),
        vision=VisionShape(
            width=vision["hidden_size"],
            hidden=vision["intermediate_size"],
            depth=vision["depth"],
            heads=vision["num_heads"],
            patch=vision.get("patch_size", 14),
            merge=vision.get("spatial_merge_size", 2),
            frames=vision.get("temporal_patch_size", 2),
            out=vision["out_hidden_size"],
        ),
    )

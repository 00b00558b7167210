"""Asking a teacher: through transformers anywhere, through vLLM where it is installed.

An answer depends on the photo, the prompt and the seed; not on what else was in the batch, nor on
whether the run was interrupted. transformers draws from one generator for a whole batch, so the
sampling is done here, with a generator for every answer. (On a GPU the logits themselves may
differ in their last bits with the batch; a rare answer may then differ too.)
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol

from ralikit.errors import UsageError
from ralikit.extras import require
from ralikit.train.teacher.prompts import Prompt
from ralikit.train.teacher.vlm import (
    MAX_PIXELS,
    MIN_PIXELS,
    Vlm,
    load_processor,
    load_vlm,
    resolve_model,
)

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "BARRED",
    "Asking",
    "Engine",
    "EngineKind",
    "Question",
    "TransformersEngine",
    "barred_tokens",
    "context_length",
    "open_engine",
]

EngineKind = Literal["transformers", "vllm"]

_PICTURE_TOKENS = ("<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>")

BARRED = -100.0
"""vLLM's bias, in logits, of a token that must not be sampled; the lowest it takes."""

_PROMPT_TOKENS = 1024
"""What a prompt's words take at most."""


def barred_tokens(tokenizer: Any) -> list[int]:
    """Ids of the tokens that stand for pictures: a sampled one would have no features behind it."""
    vocabulary = tokenizer.get_vocab()
    return [vocabulary[token] for token in _PICTURE_TOKENS if token in vocabulary]


def context_length(max_pixels: int, max_tokens: int) -> int:
    """Tokens of one photo, its question and the answer; a photo's token is 28 x 28 pixels."""
    return max_pixels // (28 * 28) + _PROMPT_TOKENS + max_tokens


@dataclass(frozen=True, kw_only=True)
class Asking:
    """How answers are drawn.

    Attributes:
        temperature: Of sampling; 0 takes the likeliest token each time.
        top_p: Keep the likeliest tokens that together have this probability.
        max_tokens: Longer answers are cut.
        max_pixels: Larger photos are reduced to this many pixels.
        batch: Answers drawn at a time (transformers), or handed to vLLM at a time.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    max_tokens: int = 512
    max_pixels: int = MAX_PIXELS
    batch: int = 16

    def __post_init__(self) -> None:
        if self.temperature < 0.0 or not 0.0 < self.top_p <= 1.0:
            raise UsageError("temperature must not be negative, top_p lies above 0 and up to 1")
        if self.max_tokens < 1 or self.batch < 1:
            raise UsageError("max_tokens and batch are at least 1")


@dataclass(frozen=True)
class Question:
    """One question about one photo.

    Attributes:
        image: RGB.
        name: Of the photo; with the seed it decides the draw.
        seed: Of the draw.
    """

    image: Image
    name: str
    seed: int

    @property
    def draw(self) -> int:
        """The generator's seed, 0 .. 2^63 - 1: another for each photo and seed."""
        digest = hashlib.sha256(f"{self.seed}\0{self.name}".encode()).digest()
        return int.from_bytes(digest[:8], "big") >> 1


class Engine(Protocol):
    """Something that answers questions about photos."""

    @property
    def name(self) -> str:
        """The model, as the user named it."""

    @property
    def unit(self) -> str:
        """What computes, as records name it: ``"cpu"``, ``"gpu"``, or who chooses and not says."""

    def answer(self, questions: Sequence[Question], prompt: Prompt) -> list[str]:
        """The completions, in the questions' order, without special tokens."""


def open_engine(
    model: str, asking: Asking, *, kind: EngineKind = "transformers", device: str | None = None
) -> Engine:
    """Load a teacher for asking.

    Args:
        model: Folder or hub name.
        asking: How answers are drawn.
        kind: Which library runs it.
        device: For transformers: ``"cpu"``, ``"cuda"``, …; None takes a GPU where there is one.

    Raises:
        DataError: If the model cannot be loaded.
        MissingExtraError: If the library is not installed.
    """
    if kind == "vllm":
        return _open_vllm(model, asking)
    return TransformersEngine(load_vlm(model, device=device, max_pixels=asking.max_pixels), asking)


def _open_vllm(model: str, asking: Asking) -> _VllmEngine:
    vllm = require("vllm", extra="vllm", job="Describing with --engine vllm")
    processor = load_processor(model, max_pixels=asking.max_pixels)
    llm = vllm.LLM(
        model=resolve_model(model),
        limit_mm_per_prompt={"image": 1, "video": 0},  # or memory is kept for a film
        mm_processor_kwargs={"min_pixels": MIN_PIXELS, "max_pixels": asking.max_pixels},
        max_model_len=context_length(asking.max_pixels, asking.max_tokens),
        seed=0,
    )
    return _VllmEngine(model, asking, vllm=vllm, processor=processor, llm=llm)


class TransformersEngine:
    """A teacher in this process, on one device."""

    def __init__(self, vlm: Vlm, asking: Asking) -> None:
        """Take a loaded model; its own sampling settings are replaced by `asking`."""
        from transformers import GenerationConfig

        self._vlm = vlm
        self._asking = asking
        own = vlm.model.generation_config
        # Replaced, not only overridden: the published ones penalise repetition and sample top-k.
        vlm.model.generation_config = GenerationConfig(
            do_sample=False,  # the draw is in `_Draw`
            eos_token_id=own.eos_token_id or vlm.processor.tokenizer.eos_token_id,
            pad_token_id=vlm.processor.tokenizer.pad_token_id,
            max_new_tokens=asking.max_tokens,
            suppress_tokens=barred_tokens(vlm.processor.tokenizer),
        )

    @property
    def name(self) -> str:
        """The model, as the user named it."""
        return self._vlm.name

    @property
    def unit(self) -> str:
        """See `Engine`."""
        return "cpu" if self._vlm.device.type == "cpu" else "gpu"

    def answer(self, questions: Sequence[Question], prompt: Prompt) -> list[str]:
        """See `Engine`."""
        size = self._asking.batch
        answers: list[str] = []
        for start in range(0, len(questions), size):
            answers += self._batch(questions[start : start + size], prompt)
        return answers

    def _batch(self, questions: Sequence[Question], prompt: Prompt) -> list[str]:
        import torch

        processor = self._vlm.processor
        inputs = processor.apply_chat_template(
            [prompt.messages_with(q.image) for q in questions],
            add_generation_prompt=True,
            tokenize=True,
            return_dict=True,
            return_tensors="pt",
            processor_kwargs={"padding": True},
        ).to(self._vlm.device)
        with torch.inference_mode():
            tokens = self._vlm.model.generate(
                **inputs, logits_processor=[_Draw(questions, self._asking, self._vlm.device)]
            )
        new = tokens[:, inputs["input_ids"].shape[1] :]
        words: list[str] = processor.tokenizer.batch_decode(new, skip_special_tokens=True)
        return words


class _Draw:
    """Turn "take the largest logit" into a draw: add Gumbel noise, each row from its own seed.

    The argmax of log p + Gumbel noise has the distribution p (the Gumbel-max trick).
    """

    def __init__(self, questions: Sequence[Question], asking: Asking, device: Any) -> None:
        import torch

        self._asking = asking
        self._rows = [torch.Generator(device=device).manual_seed(q.draw) for q in questions]

    def __call__(self, input_ids: Any, scores: Any) -> Any:
        import torch

        if self._asking.temperature == 0.0:
            return scores
        scores = scores.float() / self._asking.temperature
        if self._asking.top_p < 1.0:
            ordered, places = scores.sort(dim=-1, descending=True)
            mass = ordered.softmax(dim=-1)
            beyond = mass.cumsum(dim=-1) - mass >= self._asking.top_p
            scores = scores.masked_fill(beyond.gather(-1, places.argsort(dim=-1)), -torch.inf)
        noise = torch.empty_like(scores)
        for row, generator in zip(noise, self._rows, strict=True):
            row.exponential_(generator=generator)
        # A zero would make a barred token, at minus infinity, not a number.
        return scores - noise.clamp_min(torch.finfo(noise.dtype).tiny).log()


class _VllmEngine:
    """A teacher in vLLM, for millions of photos. Not run here: vLLM needs a GPU."""

    unit = "gpu or cpu: vLLM was built for one and does not say"

    def __init__(
        self, name: str, asking: Asking, *, vllm: ModuleType, processor: Any, llm: Any
    ) -> None:
        """Take the library and what it loaded: the processor and the model."""
        self.name = name
        self._asking = asking
        self._vllm, self._processor, self._llm = vllm, processor, llm

    def answer(self, questions: Sequence[Question], prompt: Prompt) -> list[str]:
        """See `Engine`."""
        barred = dict.fromkeys(barred_tokens(self._processor.tokenizer), BARRED)
        text = [
            self._processor.apply_chat_template(
                prompt.messages_with(q.image), add_generation_prompt=True, tokenize=False
            )
            for q in questions
        ]
        outputs = self._llm.generate(
            [
                {"prompt": t, "multi_modal_data": {"image": q.image}}
                for t, q in zip(text, questions, strict=True)
            ],
            [
                self._vllm.SamplingParams(
                    temperature=self._asking.temperature,
                    top_p=self._asking.top_p,
                    max_tokens=self._asking.max_tokens,
                    seed=q.draw,
                    logit_bias=barred,
                )
                for q in questions
            ],
            use_tqdm=False,
        )
        return [output.outputs[0].text for output in outputs]

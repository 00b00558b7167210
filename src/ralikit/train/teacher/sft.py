"""Supervised fine-tuning on photos with texts: RACT's third stage, and warm-ups before GRPO."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from ralikit.config import to_mapping
from ralikit.data.metas import MetaSpec, require_images, require_one_score
from ralikit.data.triplets import Triplet, read_triplets
from ralikit.errors import DataError, UsageError
from ralikit.extras import require
from ralikit.photo.decode import open_photo
from ralikit.train.teacher.prompts import get_prompt
from ralikit.train.teacher.recipe import LoraSettings, Machine
from ralikit.train.teacher.vlm import MAX_PIXELS, is_hub_name, resolve_model

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "VISION_PREFIX",
    "SftRecipe",
    "SftSettings",
    "TextSource",
    "run_sft",
    "sft_rows",
    "train_sft",
]

_DIRECT = "score-direct"

VISION_PREFIX = "model.visual."
"""Names of the vision encoder's parameters begin so."""


@dataclass(frozen=True, kw_only=True)
class SftSettings:
    """How a model is fine-tuned on texts.

    The papers state neither rate nor length of RACT's SFT; these defaults are ours.

    Attributes:
        labels: ``text`` asks for an assessment and trains on the text; ``text+score`` also asks
            for a rating and trains on the text as reasoning and the MOS as answer; ``score`` is
            that second half alone; ``rating`` trains on the MOS without any text, asked as the
            prompt ``score-direct`` asks (RALI, Table A.1).
        part: Train the vision encoder alone (as good in RACT, Table 5, and slower to converge), or
            everything.
        images_per_step: Texts in an optimiser step, over all devices.
        learning_rate: Of AdamW, at the start; it falls linearly to 0.
        epochs: Passes over the texts.
        max_steps: Stop after so many optimiser steps instead; None runs the epochs.
        weight_decay: Of AdamW.
        max_pixels: Larger photos are reduced to this many pixels.
        seed: Of the order.
        lora: Adapters instead of full training; their `parts` then take the place of `part`.
        runtime: This machine.
    """

    labels: Literal["text", "text+score", "score", "rating"] = "text"
    part: Literal["vision", "all"] = "all"
    images_per_step: int = 128
    learning_rate: float = 1e-5
    epochs: int = 1
    max_steps: int | None = None
    weight_decay: float = 0.0
    max_pixels: int = MAX_PIXELS
    seed: int = 42
    lora: LoraSettings | None = None
    runtime: Machine = field(default_factory=Machine)

    def __post_init__(self) -> None:
        if self.images_per_step < 1 or self.epochs < 1 or self.learning_rate <= 0.0:
            raise UsageError("images_per_step and epochs are at least 1, learning_rate above 0")
        if self.lora is not None and self.part == "vision" and self.lora.parts != "vision":
            raise UsageError("part is 'vision': set lora.parts to 'vision' too, or part to 'all'")


@dataclass(frozen=True, kw_only=True)
class TextSource:
    """Triplets of photos: `path` (`ralikit describe`), and the folder below which photos lie."""

    path: Path
    root: Path


@dataclass(frozen=True, kw_only=True)
class SftRecipe:
    """Everything about one supervised fine-tuning.

    Attributes:
        model: Folder or hub name of the Qwen2.5-VL to start from.
        data: Labelled sets, where labels are ``rating``.
        texts: Triplets, for all other labels.
        sft: How.
        expected: Free text: what the paper reports, and on what.
    """

    model: str
    data: tuple[MetaSpec, ...] = ()
    texts: tuple[TextSource, ...] = ()
    sft: SftSettings
    expected: str = ""

    def __post_init__(self) -> None:
        rating = self.sft.labels == "rating"
        if rating and (self.texts or not self.data):
            raise UsageError("labels 'rating' are those of [[data]]; no [[texts]] are read")
        if not rating and (self.data or not self.texts):
            raise UsageError(
                f"labels {self.sft.labels!r} are those of [[texts]], which hold the scores too; "
                "no [[data]] is read"
            )

    def rows(self) -> list[dict[str, Any]]:
        """What to train on, every photo looked for.

        Raises:
            DataError: If labels or texts cannot be read, or a photo is missing.
        """
        if self.texts:
            return sft_rows([(read_triplets(t.path), t.root) for t in self.texts], self.sft)
        return [row for spec in self.data for row in _rating_rows(spec)]


def _rating_rows(spec: MetaSpec) -> list[dict[str, Any]]:
    samples = spec.read()
    require_images(samples)
    require_one_score(samples)
    ask = get_prompt(_DIRECT).messages()
    return [
        _row(ask, f"<answer>{json.dumps({'rating': round(s.score, 2)})}</answer>", s.image)
        for s in samples
    ]


def run_sft(recipe: SftRecipe, out: Path, *, resume: bool = False) -> Path:
    """Fine-tune as a recipe says; what it names is looked at before anything is written.

    Returns:
        The model folder.

    Raises:
        DataError: If labels, texts or photos are missing or cannot be read.
        UsageError: If there is no such model, or `out` holds another run.
    """
    rows = recipe.rows()
    if not is_hub_name(recipe.model):
        resolve_model(recipe.model)
    prompt = _DIRECT if recipe.sft.labels == "rating" else "score"
    return train_sft(recipe.model, rows, out, recipe.sft, resume=resume, prompt=prompt)


def sft_rows(
    sources: Sequence[tuple[Sequence[Triplet], Path]], settings: SftSettings
) -> list[dict[str, Any]]:
    """One row a text (and one a rating, where the labels ask for it).

    Args:
        sources: Triplets, each with the folder below which their photos lie.
        settings: Which labels.

    Raises:
        DataError: If a photo is missing, or there is no text at all.
    """
    describe, rate = get_prompt("description").messages(), get_prompt("score").messages()
    rows: list[dict[str, Any]] = []
    for triplets, root in sources:
        for triplet in triplets:
            photo = root / triplet.image
            if not photo.is_file():
                raise DataError(f"the photo {photo} of the triplets is missing; is the root right?")
            for text in triplet.texts:
                if settings.labels != "score":
                    rows.append(_row(describe, text.text, photo))
                if settings.labels != "text":
                    answer = json.dumps({"rating": round(triplet.score, 2)})
                    reasoned = f"<think>{text.text}</think><answer>{answer}</answer>"
                    rows.append(_row(rate, reasoned, photo))
    if not rows:
        raise DataError("the triplets hold no texts to train on")
    return rows


def train_sft(
    model: str,
    rows: list[dict[str, Any]],
    out: Path,
    settings: SftSettings,
    *,
    resume: bool = False,
    method: str = "sft",
    prompt: str = "score",
) -> Path:
    """Fine-tune a model on rows of `sft_rows`; see `ralikit.train.teacher.train.train_teacher`.

    Args:
        model: Folder or hub name to start from.
        rows: What to train on.
        out: Gets ``recipe.json``, ``metrics.jsonl``, ``checkpoints/`` and ``model/``.
        settings: How.
        resume: Go on with a run of the same settings.
        method: Kept in the model's card.
        prompt: Kept there too: how it is to be asked for a rating.

    Returns:
        The model folder.
    """
    for module in ("torch", "trl", "datasets", "peft"):
        require(module, extra="teacher", job="Fine-tuning a teacher")
    from ralikit.train.teacher import checkpoints, trainer_tools
    from ralikit.train.teacher.train import begin_run

    begin_run(out, {"model": model, "texts": len(rows), **to_mapping(settings)}, resume=resume)
    target = out / "model"
    if target.is_dir():
        return target
    with checkpoints.clear_errors(out), checkpoints.old_names_allowed():
        trainer = build_sft_trainer(model, rows, out, settings)
        trainer.train(resume_from_checkpoint=checkpoints.resume_point(out))
        trainer_tools.publish_model(
            trainer,
            target,
            base=model,
            lora=settings.lora is not None,
            prompt=prompt,
            method=method,
            max_pixels=settings.max_pixels,
        )
    return target


def sft_arguments(settings: SftSettings, folder: Path, *, passes: int) -> dict[str, Any]:
    """What TRL's `SFTConfig` is told; everything else keeps its default.

    Args:
        settings: How.
        folder: Checkpoints go to ``folder/checkpoints``.
        passes: Of one device in an optimiser step.
    """
    from trl import SFTConfig

    from ralikit.train.teacher import trainer_tools
    from ralikit.train.teacher.samples import reporters

    runtime = settings.runtime
    return {
        "output_dir": str(folder / "checkpoints"),
        "max_length": None,  # cutting a prompt would cut image tokens
        "completion_only_loss": True,
        "per_device_train_batch_size": runtime.per_device,
        "gradient_accumulation_steps": passes,
        "learning_rate": settings.learning_rate,
        "lr_scheduler_type": "linear",
        "num_train_epochs": settings.epochs,
        "max_steps": settings.max_steps or -1,
        "weight_decay": settings.weight_decay,
        **trainer_tools.checkpointing(SFTConfig, runtime.gradient_checkpointing),
        "seed": settings.seed,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,
        "save_steps": runtime.save_steps,
        "save_total_limit": runtime.keep,
        "report_to": reporters(runtime),
        "remove_unused_columns": False,
        "disable_tqdm": True,
        **trainer_tools.precision(),
    }


def build_sft_trainer(
    model: str, rows: list[dict[str, Any]], folder: Path, settings: SftSettings
) -> Any:
    """Load the model, freeze what shall not train, and put TRL's trainer together."""
    from trl import SFTConfig, SFTTrainer

    from ralikit.train.teacher import checkpoints, trainer_tools
    from ralikit.train.teacher.samples import check_reporters
    from ralikit.train.teacher.vlm import load_model, load_processor

    runtime, lora = settings.runtime, settings.lora
    check_reporters(runtime)
    passes = trainer_tools.steps_per_device(settings.images_per_step, runtime)
    processor = load_processor(model, max_pixels=settings.max_pixels)
    args = SFTConfig(**sft_arguments(settings, folder, passes=passes))
    network = load_model(
        model,
        dtype="float32" if lora is None else lora.base_dtype,
        attention=runtime.attention,
    )
    if lora is None:
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(settings.part == "all" or name.startswith(VISION_PREFIX))

    class TextTrainer(checkpoints.WholeResume, SFTTrainer):  # type: ignore[misc]
        """TRL's trainer, resuming whole."""

    trainer = TextTrainer(
        model=network,
        args=args,
        train_dataset=_as_dataset(rows),
        processing_class=processor,
        peft_config=trainer_tools.lora_config(lora),
    )
    return checkpoints.attach(trainer, folder)


def _row(prompt: list[dict[str, str]], completion: str, photo: Path) -> dict[str, Any]:
    answer = [{"role": "assistant", "content": completion}]
    return {"prompt": prompt, "completion": answer, "photo": str(photo)}


def _as_dataset(rows: list[dict[str, Any]]) -> Any:
    from datasets import Dataset

    @functools.lru_cache(maxsize=4)
    def picture(photo: str) -> Image:
        return open_photo(Path(photo))

    def with_images(batch: dict[str, list[Any]]) -> dict[str, list[Any]]:
        batch["images"] = [[picture(photo)] for photo in batch["photo"]]
        return batch

    return Dataset.from_list(rows).with_transform(with_images)

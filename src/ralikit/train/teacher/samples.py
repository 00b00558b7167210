"""What a teacher in training says: a few completions beside their photos, every so often.

Rewards are numbers; whether a policy has learnt to look, or to please its rewards, is seen in what
it writes. Samples go to ``samples.jsonl``, and to TensorBoard and Weights & Biases where the run
logs to them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from transformers import TrainerCallback

from ralikit.extras import require
from ralikit.files import to_json
from ralikit.train.teacher.recipe import Machine

SHOWN = 4
"""Completions of a step that are kept."""

_EDGE = 512
"""Longest edge of a photo as it is shown, in pixels."""

_JOB = "Logging a teacher's training"


@dataclass(frozen=True)
class Sample:
    """One completion.

    Attributes:
        question: What was asked, photos left out.
        completion: The answer.
        rewards: By the reward's name; those that do not apply are left out.
        advantage: What it weighed in the step.
        photo: The photo, small; None where the prompt has none.
    """

    question: str
    completion: str
    rewards: dict[str, float]
    advantage: float
    photo: Image.Image | None


def reporters(runtime: Machine) -> list[str]:
    """What TRL's trainer reports its figures to."""
    return [name for name in ("tensorboard", "wandb") if getattr(runtime, name)]


def check_reporters(runtime: Machine) -> None:
    """Look for the libraries that a run logs with, before any work.

    Raises:
        MissingExtraError: If TensorBoard or wandb is asked for and not installed.
    """
    for name in reporters(runtime):
        require(name, extra=name, job=_JOB)


def pick(logs: Mapping[str, Any], count: int = SHOWN) -> list[Sample]:
    """Samples out of what a GRPO trainer notes of its last generation, spread over its prompts."""
    completions = list(logs["completion"])
    step = max(1, len(completions) // count)
    found = []
    for place in range(0, len(completions), step)[:count]:
        prompt = logs["prompt"][place]
        rewards = {name: values[place] for name, values in logs["rewards"].items()}
        found.append(
            Sample(
                question=_words(prompt),
                completion=_words(completions[place]),
                rewards={n: float(v) for n, v in rewards.items() if v is not None and v == v},
                advantage=float(logs["advantages"][place]),
                photo=_photo(prompt),
            )
        )
    return found


class Samples(TrainerCallback):  # type: ignore[misc]
    """Write samples of the first step and of every `runtime.samples_every`-th."""

    def __init__(
        self, folder: Path, runtime: Machine, logs: Callable[[], Mapping[str, Any]]
    ) -> None:
        """Write below `folder` what `logs`, a trainer's notes of its last generation, has."""
        self._folder, self._runtime, self._logs = folder, runtime, logs
        self._last = -1

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **_: Any) -> None:
        """Take samples where they are due; the first process alone."""
        step = state.global_step
        due = step == 1 or step % self._runtime.samples_every == 0
        if not state.is_world_process_zero or not due or step == self._last:
            return
        samples = pick(self._logs())
        if not samples:
            return
        self._last = step
        with (self._folder / "samples.jsonl").open("a", encoding="utf-8") as stream:
            for sample in samples:
                words = {k: v for k, v in vars(sample).items() if k != "photo"}
                stream.write(to_json({"step": step, **words}, indent=None) + "\n")
        if self._runtime.tensorboard:
            _to_tensorboard(self._folder / "tensorboard", samples, step)
        if self._runtime.wandb:
            _to_wandb(samples, step)


def _to_tensorboard(folder: Path, samples: Sequence[Sample], step: int) -> None:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(folder)) as board:
        for number, sample in enumerate(samples):
            told = ", ".join(f"{name} {value:.2f}" for name, value in sample.rewards.items())
            # Four spaces are a code block in TensorBoard's Markdown: tags stay to be seen.
            answer = sample.completion.replace("\n", "\n    ")
            board.add_text(f"samples/{number}", f"{told}\n\n    {answer}", step)
            if sample.photo is not None:
                board.add_image(
                    f"samples/{number}", np.asarray(sample.photo), step, dataformats="HWC"
                )


def _to_wandb(samples: Sequence[Sample], step: int) -> None:
    wandb = require("wandb", extra="wandb", job=_JOB)
    names = sorted({name for sample in samples for name in sample.rewards})
    table = wandb.Table(columns=["step", "photo", "question", "completion", "advantage", *names])
    for s in samples:
        photo = None if s.photo is None else wandb.Image(s.photo)
        rewards = [s.rewards.get(name) for name in names]
        table.add_data(step, photo, s.question, s.completion, s.advantage, *rewards)
    # Without a step of its own: the trainer's own figures count theirs.
    wandb.log({"samples": table, "train/global_step": step})


def _words(messages: Any) -> str:
    """The text of a message list, or a text as it is."""
    if isinstance(messages, str):
        return messages
    parts = []
    for message in messages:
        content = message["content"]
        if isinstance(content, str):
            parts.append(content)
        else:
            parts += [part["text"] for part in content if part.get("text")]
    return "\n".join(parts)


def _photo(messages: Any) -> Image.Image | None:
    if isinstance(messages, str):
        return None
    for message in messages:
        content = message["content"]
        for part in content if not isinstance(content, str) else ():
            if isinstance(part.get("image"), Image.Image):
                small: Image.Image = part["image"].convert("RGB")
                small.thumbnail((_EDGE, _EDGE))
                return small
    return None

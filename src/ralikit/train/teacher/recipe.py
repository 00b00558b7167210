"""What a teacher's recipe can say: frozen settings with their units, ranges and sources."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from ralikit.data.metas import MetaSpec
from ralikit.errors import UsageError
from ralikit.train.teacher.prompts import get_prompt
from ralikit.train.teacher.rewards import GAMMA, Rl2rVariant
from ralikit.train.teacher.vlm import MAX_PIXELS

__all__ = [
    "DegradationSpec",
    "GrpoSettings",
    "LoraSettings",
    "Machine",
    "RewardSettings",
    "TeacherRecipe",
]


@dataclass(frozen=True, kw_only=True)
class LoraSettings:
    """Low-rank adapters in place of full training: a 7B then fits one GPU.

    Attributes:
        rank: Of the adapters.
        alpha: Their scale, alpha / rank.
        dropout: Inside them, 0..1.
        parts: ``language`` adapts the language model alone, ``all`` the vision encoder too,
            ``vision`` the encoder alone.
        base_dtype: Of the frozen weights; the adapters train in float32 whatever it is.
    """

    rank: int = 64
    alpha: int = 128
    dropout: float = 0.0
    parts: Literal["language", "vision", "all"] = "language"
    base_dtype: Literal["bfloat16", "float32"] = "bfloat16"

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha < 1 or not 0.0 <= self.dropout < 1.0:
            raise UsageError("lora: rank and alpha are at least 1, dropout lies in 0..1")


@dataclass(frozen=True, kw_only=True)
class Machine:
    """How the training runs on this machine; none of it changes what is learnt.

    Attributes:
        per_device: Sequences in one forward and backward pass on one device.
        processes: Refuse to run with another number of processes; None takes what there is.
            (`accelerate launch --cpu --num_processes 2` starts one without a word.)
        gradient_checkpointing: Trade a third more time for most of the activations' memory.
        attention: Of transformers, e.g. ``flash_attention_2``; None takes the default.
        vllm: Let vLLM write the completions: on the training GPUs (``colocate``) or on a server
            that `trl vllm-serve` started. Needs the extra ``vllm``.
        vllm_memory: Share of each GPU's memory that vLLM takes beside the training (colocate).
        vllm_tensor_parallel: GPUs that hold one copy of vLLM's model together (colocate).
        vllm_server: Address of the server, e.g. ``http://10.0.0.2:8000``.
        save_steps: Optimiser steps between checkpoints.
        keep: Checkpoints kept.
        tensorboard: Also log for TensorBoard (extra ``tensorboard``).
        wandb: Also log to Weights & Biases (extra ``wandb``), which sends figures, completions and
            small photos to where its own settings say.
        samples_every: Steps between samples of what a teacher in GRPO says (``samples.jsonl``, and
            where it logs to); the first step's are kept as well.
    """

    per_device: int = 8
    processes: int | None = None
    gradient_checkpointing: bool = True
    attention: str | None = None
    vllm: Literal["off", "colocate", "server"] = "off"
    vllm_memory: float = 0.3
    vllm_tensor_parallel: int = 1
    vllm_server: str = ""
    save_steps: int = 100
    keep: int = 2
    tensorboard: bool = False
    wandb: bool = False
    samples_every: int = 50

    def __post_init__(self) -> None:
        if min(self.per_device, self.save_steps, self.keep, self.samples_every) < 1:
            raise UsageError("per_device, save_steps, keep and samples_every are at least 1")
        if not 0.0 < self.vllm_memory <= 1.0 or self.vllm_tensor_parallel < 1:
            raise UsageError(
                "vllm_memory is a share above 0 and up to 1, vllm_tensor_parallel at least 1"
            )
        if (self.vllm == "server") != bool(self.vllm_server):
            raise UsageError('vllm_server is the address that goes with vllm = "server"')


@dataclass(frozen=True, kw_only=True)
class GrpoSettings:
    """Group relative policy optimisation, in TRL.

    Attributes:
        generations: Completions of each prompt, the group (N in Q-Insight, K in VisualQuality-R1).
        images_per_step: Different prompts in an optimiser step, over all devices.
        compare: VisualQuality-R1: images that are compared with each other, of one dataset each; a
            divisor of `images_per_step`. The authors' code compares the 8 of one GPU. None
            compares all of a step, which is then of one dataset.
        beta: Weight of the KL divergence from the starting model.
        learning_rate: Of AdamW, at the start.
        lr_end: It falls linearly to this.
        epochs: Passes over the data.
        max_steps: Stop after so many optimiser steps instead; None runs the epochs.
        max_completion_tokens: Longer answers are cut and so lose their reward.
        temperature: Of sampling.
        max_pixels: Larger photos are reduced to this many pixels (28 x 28 of them are a token).
        seed: Of sampling, order and adapters.
    """

    generations: int
    images_per_step: int
    compare: int | None = None
    beta: float
    learning_rate: float = 1e-6
    lr_end: float = 1e-9
    epochs: int = 10
    max_steps: int | None = None
    max_completion_tokens: int = 512
    temperature: float = 1.0
    max_pixels: int = MAX_PIXELS
    seed: int = 42

    def __post_init__(self) -> None:
        if self.generations < 2:
            raise UsageError("generations must be at least 2: a group of one has no advantage")
        if self.images_per_step < 1 or self.epochs < 1:
            raise UsageError("images_per_step and epochs are at least 1")
        if self.compare is not None and (self.compare < 2 or self.images_per_step % self.compare):
            raise UsageError(
                f"compare = {self.compare} must be at least 2 and divide images_per_step = "
                f"{self.images_per_step}"
            )
        if not 0.0 <= self.lr_end <= self.learning_rate:
            raise UsageError("learning_rate falls to lr_end, which must not be above it")
        if self.beta < 0.0 or self.temperature <= 0.0:
            raise UsageError("beta must not be negative, temperature must be positive")


@dataclass(frozen=True, kw_only=True)
class RewardSettings:
    """What an answer earns; the parts are summed.

    Attributes:
        format: Weight of a well-formed answer.
        tolerance: Q-Insight: how far, in MOS points, a rating may miss.
        class_weight: Q-Insight: the right degradation.
        severity_weight: Q-Insight: its right severity, given the right class.
        variant: VisualQuality-R1: the form of its fidelity reward.
        gamma: VisualQuality-R1: added to the variances.
    """

    format: float = 1.0
    tolerance: float = 0.35
    class_weight: float = 0.25
    severity_weight: float = 0.75
    variant: Rl2rVariant = "mean"
    gamma: float = GAMMA

    def __post_init__(self) -> None:
        if self.tolerance <= 0.0 or self.gamma <= 0.0:
            raise UsageError("reward: tolerance and gamma must be positive")


@dataclass(frozen=True, kw_only=True)
class DegradationSpec:
    """Clean photos for Q-Insight's second task.

    Attributes:
        photos: Folder of clean photos; with `labels`, the folder that their names start from.
        labels: Photos that are degraded already, as Q-Insight's ``train_dist.json`` lists them:
            ``image``, ``distortion_class`` and ``severity`` (``"null"`` for a clean one). None
            degrades the clean photos here.
        count: How many degraded photos; more than there are photos uses some again, degraded
            otherwise. None takes each once.
        clean_share: Share left clean.
        seed: Of the draw.
    """

    photos: Path
    labels: Path | None = None
    count: int | None = None
    clean_share: float = 1 / 21
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class TeacherRecipe:
    """Everything about training one teacher.

    Attributes:
        method: ``q-insight`` or ``visualquality-r1``.
        model: Folder or hub name of the Qwen2.5-VL to start from.
        data: Labelled sets.
        grpo: The optimisation.
        reward: The rewards.
        prompt: Of the score task; None takes the method's own, as its paper prints it. The
            ``released`` ones are those of the published code and weights, the ``direct`` ones ask
            for no reasoning (RALI, Table A.1); the degradation task's goes with it.
        degradation: The second task of Q-Insight; None trains the score alone.
        lora: Adapters instead of full training.
        runtime: This machine.
        expected: Free text: what the paper reports, and on what.
    """

    method: Literal["q-insight", "visualquality-r1"]
    model: str
    data: tuple[MetaSpec, ...]
    grpo: GrpoSettings
    reward: RewardSettings = field(default_factory=RewardSettings)
    prompt: (
        Literal[
            "score",
            "score-released",
            "score-direct",
            "visualquality",
            "visualquality-direct",
            "visualquality-released",
            "visualquality-released-direct",
        ]
        | None
    ) = None
    degradation: DegradationSpec | None = None
    lora: LoraSettings | None = None
    runtime: Machine = field(default_factory=Machine)
    expected: str = ""

    def __post_init__(self) -> None:
        if not self.data:
            raise UsageError("data must name at least one labelled set")
        if self.method == "visualquality-r1":
            if self.grpo.images_per_step < 2:
                raise UsageError(
                    "visualquality-r1 ranks the images of a batch against each other, so "
                    "images_per_step must be at least 2, not 1"
                )
            if self.degradation is not None:
                raise UsageError("visualquality-r1 has no degradation task; remove [degradation]")
        elif self.grpo.compare is not None:
            raise UsageError("q-insight compares no images; remove grpo.compare")
        elif get_prompt(self.score_prompt).kind != "rating_json":
            raise UsageError(
                "q-insight asks for its rating in JSON; prompt must be 'score', 'score-released' "
                "or 'score-direct' (without reasoning)"
            )

    @property
    def score_prompt(self) -> str:
        """The prompt of the score task."""
        own = "score" if self.method == "q-insight" else "visualquality"
        return self.prompt or own

    @property
    def degradation_prompt(self) -> str:
        """The prompt of the degradation task."""
        return (self.prompt or "score").replace("score", "degradation")

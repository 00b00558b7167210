"""Plans of GRPO and SFT of a teacher, for what `ralikit.train.teacher` and TRL do."""

from __future__ import annotations

from dataclasses import dataclass

from ralikit.train.plan.activations import (
    FULL,
    HALF,
    cache_bytes,
    image_tokens,
    language_layers,
    vision_blocks,
)
from ralikit.train.plan.memory import GIB, Machine, Part, Stage, training_state
from ralikit.train.plan.shapes import VlmShape, vlm_shape
from ralikit.train.teacher.recipe import LoraSettings, TeacherRecipe
from ralikit.train.teacher.recipe import Machine as Runtime
from ralikit.train.teacher.sft import SftRecipe, SftSettings

_QUESTION = 256
"""Tokens of system prompt and question; the longest have some 800 characters."""
_TEXT = 512
"""Tokens of a text that SFT trains on; describing stops there by default."""
_RATING = 16


@dataclass(frozen=True, kw_only=True)
class Photo:
    """The photos that a plan counts with: all of this size, pixels."""

    width: int = 1024
    height: int = 768


@dataclass(frozen=True, kw_only=True)
class _Pass:
    """Sequences that go through the model together."""

    shape: VlmShape
    sequences: int
    tokens: int
    answer: int

    @property
    def length(self) -> int:
        return self.tokens + _QUESTION + self.answer


def grpo_stages(recipe: TeacherRecipe, machine: Machine, photo: Photo) -> list[Stage]:
    """What lies in memory while answers are written, and while a pass is trained.

    Raises:
        UsageError: If the model's sizes are not known.
    """
    shape, grpo, runtime = vlm_shape(recipe.model), recipe.grpo, recipe.runtime
    trained = _trained(shape, recipe.lora)
    state = _state(shape, trained, recipe.lora, machine)
    if grpo.beta and recipe.lora is None:
        state += (
            Part(
                name="reference model",
                bytes=4 * shape.parameters // machine.parts,
                how="beta above 0 compares with the start, float32",
            ),
        )
    tokens = _tokens(shape, photo, grpo.max_pixels)
    training = _Pass(
        shape=shape,
        sequences=runtime.per_device,
        tokens=tokens,
        answer=grpo.max_completion_tokens,
    )
    found = [_training("training pass", state, training, runtime, recipe.lora, machine)]
    each = -(-grpo.images_per_step * grpo.generations // machine.gpus)
    if runtime.vllm == "off":
        size = cache_bytes(shape, each, training.length, full=recipe.lora is None)
        cache = Part(
            name="keys and values",
            bytes=size,
            how=f"{each} answers at once, {training.length:,} tokens each",
        )
        resting = tuple(p for p in state if p.name != "gradients")
        gathered = _gathered(shape, machine)
        found.insert(0, Stage(name="writing answers", parts=(*resting, *gathered, cache)))
    elif runtime.vllm == "colocate":
        found = [_beside_vllm(stage, shape, runtime, machine, training) for stage in found]
    return found


def sft_stages(recipe: SftRecipe, machine: Machine, photo: Photo) -> list[Stage]:
    """What lies in memory while a pass is trained."""
    return sft_settings_stages(vlm_shape(recipe.model), recipe.sft, machine, photo)


def sft_settings_stages(
    shape: VlmShape, sft: SftSettings, machine: Machine, photo: Photo
) -> list[Stage]:
    """The same for a model of this shape."""
    trained = _trained(shape, sft.lora)
    if sft.part == "vision" and sft.lora is None:
        trained = shape.vision.parameters
    training = _Pass(
        shape=shape,
        sequences=sft.runtime.per_device,
        tokens=_tokens(shape, photo, sft.max_pixels),
        answer=_RATING if sft.labels == "rating" else _TEXT,
    )
    state = _state(shape, trained, sft.lora, machine)
    return [_training("training pass", state, training, sft.runtime, sft.lora, machine)]


def _trained(shape: VlmShape, lora: LoraSettings | None) -> int:
    return shape.parameters if lora is None else shape.adapters(lora.rank, lora.parts)


def _state(
    shape: VlmShape, trained: int, lora: LoraSettings | None, machine: Machine
) -> tuple[Part, ...]:
    if lora is None:
        return training_state(shape.parameters, trained, machine)
    weight = HALF if lora.base_dtype == "bfloat16" else FULL
    return training_state(shape.parameters + trained, trained, machine, weight=weight)


def _tokens(shape: VlmShape, photo: Photo, max_pixels: int) -> int:
    return image_tokens(photo.width, photo.height, max_pixels=max_pixels, shape=shape.vision)


def _training(
    name: str,
    state: tuple[Part, ...],
    once: _Pass,
    runtime: Runtime,
    lora: LoraSettings | None,
    machine: Machine,
) -> Stage:
    shape, again = once.shape, runtime.gradient_checkpointing
    patches = once.sequences * once.tokens * shape.vision.merge**2
    vision = vision_blocks(shape.vision, patches, half=True)
    language = language_layers(shape, once.sequences, once.length, half=True)
    how = "each block's input, one block computed anew" if again else "all kept"
    parts = [
        *state,
        Part(
            name="activations, vision",
            bytes=vision.bytes(recompute=again),
            how=f"{patches:,} patches of {once.sequences} photos; {how}",
        ),
        Part(
            name="activations, language",
            bytes=language.bytes(recompute=again),
            how=f"{once.sequences} sequences of {once.length:,} tokens; {how}",
        ),
        *_gathered(shape, machine),
    ]
    if machine.parts == 1 and (lora is None or lora.base_dtype == "float32"):
        copies = HALF * (shape.parameters - shape.head)
        parts.append(
            Part(name="2-byte copies of weights", bytes=copies, how="autocast keeps them in a pass")
        )
    if lora is None:
        parts.append(
            Part(
                name="output layer's gradient",
                bytes=FULL * shape.head,
                how="whole and float32, beside the one it is added to (TRL)",
            )
        )
    return Stage(name=name, parts=tuple(parts))


def _gathered(shape: VlmShape, machine: Machine) -> tuple[Part, ...]:
    """What sharded processes hold whole for a while."""
    if machine.parts == 1:
        return ()
    size = 2 * HALF * shape.layer + (2 * HALF + FULL) * shape.head
    how = "two layers, embedding and output layer in 2 bytes, the last in 4 too"
    return (Part(name="gathered from all GPUs", bytes=size, how=how),)


def _beside_vllm(
    stage: Stage, shape: VlmShape, runtime: Runtime, machine: Machine, once: _Pass
) -> Stage:
    """The stage with vLLM's share of the card, which must hold its weights and one sequence."""
    share = int(runtime.vllm_memory * machine.card * GIB)
    weights = HALF * shape.parameters // runtime.vllm_tensor_parallel
    kept = cache_bytes(shape, 1, once.length, full=False) // runtime.vllm_tensor_parallel
    problem = ""
    if share < weights + kept:
        least = (weights + kept) / (machine.card * GIB)
        problem = (
            f"vLLM's share, {share / GIB:.1f} GiB, does not hold its weights and one answer, "
            f"{(weights + kept) / GIB:.1f} GiB: set runtime.vllm_memory to {least:.2f} or more, "
            "raise runtime.vllm_tensor_parallel, or use a server"
        )
    part = Part(
        name="vLLM",
        bytes=share,
        how=f"{runtime.vllm_memory:g} of the card: its weights {weights / GIB:.1f} GiB, the rest "
        "keys and values",
    )
    return Stage(name=stage.name, parts=(*stage.parts, part), problem=problem)

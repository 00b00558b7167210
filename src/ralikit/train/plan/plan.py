"""From a recipe's values to its plan on a card, and what to change where it does not fit."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ralikit.config import from_mapping
from ralikit.errors import UsageError
from ralikit.train.plan.memory import LABEL, Machine, Stage
from ralikit.train.plan.shapes import vlm_shape
from ralikit.train.plan.teacher import Photo, grpo_stages, sft_settings_stages, sft_stages
from ralikit.train.ract import RactRecipe
from ralikit.train.teacher.recipe import LoraSettings, TeacherRecipe
from ralikit.train.teacher.recipe import Machine as Runtime
from ralikit.train.teacher.sft import SftRecipe
from ralikit.train.teacher.vlm import MAX_PIXELS

Stages = Callable[[Any, Machine], list[Stage]]
State = tuple[Any, Machine]
_GPUS = (2, 4, 8)
_OTHERWISE = " (trains otherwise than the recipe)"


@dataclass(frozen=True, kw_only=True)
class Change:
    """Something that saves memory.

    Attributes:
        words: What to write on the command line.
        apply: Makes it.
    """

    words: str
    apply: Callable[[State], State]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a recipe's training takes on one card.

    Attributes:
        machine: What it was planned for.
        stages: In order.
        ways: What makes it fit: one or several ways, each of changes made together. Empty where it
            fits, and where nothing that was tried helps.
    """

    machine: Machine
    stages: tuple[Stage, ...]
    ways: tuple[tuple[str, ...], ...]

    @property
    def fits(self) -> bool:
        """Whether it fits as it is."""
        return all(stage.fits(self.machine) for stage in self.stages)

    def plain(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "label": LABEL,
            "card_gib": self.machine.card,
            "gpus": self.machine.gpus,
            "spread": self.machine.spread,
            "fits": self.fits,
            "stages": [stage.plain() for stage in self.stages],
            "ways": [list(way) for way in self.ways],
        }


def plan(values: dict[str, Any], machine: Machine, *, photo: Photo, where: str) -> Plan:
    """Plan a recipe.

    Args:
        values: The recipe's plain values.
        machine: What it would run on.
        photo: The photos' size, for teachers; RALI's views have their own.
        where: The recipe's name in errors.

    Raises:
        UsageError: If it is no recipe of a training that is planned here, or sizes are not known.
    """
    recipe, stages_of, tried = _kind(values, photo, where)
    found = tuple(stages_of(recipe, machine))
    if all(stage.fits(machine) for stage in found):
        return Plan(machine=machine, stages=found, ways=())
    ways = [_enough((recipe, machine), stages_of, changes) for changes in tried(recipe)]
    fitting = tuple(dict.fromkeys(way for way in ways if way is not None))
    return Plan(machine=machine, stages=found, ways=fitting)


def _kind(
    values: dict[str, Any], photo: Photo, where: str
) -> tuple[Any, Stages, Callable[[Any], list[list[Change]]]]:
    if "rows" in values or "distil" in values:
        raise UsageError(
            f"{where}: plans are for teachers and for RALI's alignment; a grid's rows take what "
            "its recipe takes, and a small tower fits any card"
        )
    if "tower" in values:
        from ralikit.train.plan.rali import align_stages
        from ralikit.train.rali.recipe import RaliRecipe

        return from_mapping(RaliRecipe, values, where=where), align_stages, _of_alignment
    if "sft_from" in values:
        ract = from_mapping(RactRecipe, values, where=where)
        return ract, partial(_ract_stages, photo=photo), _of_ract
    if "method" in values:
        teacher = from_mapping(TeacherRecipe, values, where=where)
        return teacher, partial(grpo_stages, photo=photo), _of_teacher
    sft = from_mapping(SftRecipe, values, where=where)
    return sft, partial(sft_stages, photo=photo), _of_sft


def _ract_stages(recipe: RactRecipe, machine: Machine, photo: Photo) -> list[Stage]:
    rl = grpo_stages(recipe.teacher(recipe.datasets[0]), machine, photo)
    sft = sft_settings_stages(vlm_shape(recipe.model), recipe.sft, machine, photo)
    named = [("stage 1", rl), ("stage 3", sft)]
    return [replace(s, name=f"{name}, {s.name}") for name, found in named for s in found]


def _enough(start: State, stages_of: Stages, changes: list[Change]) -> tuple[str, ...] | None:
    """The first changes, in their order, with which it fits, without those that are not needed."""

    def fits(taken: Sequence[Change]) -> bool:
        state = start
        try:
            for change in taken:
                state = change.apply(state)
            return all(stage.fits(state[1]) for stage in stages_of(*state))
        except UsageError:  # a batch that does not divide over so many GPUs, or by `compare`
            return False

    for count in range(1, len(changes) + 1):
        taken = changes[:count]
        if not fits(taken):
            continue
        for change in reversed(changes[:count]):
            rest = [c for c in taken if c is not change]
            taken = rest if fits(rest) else taken
        return tuple(change.words for change in taken)
    return None


def _setting(path: str, value: Any, note: str = "") -> Change:
    """``--set path=value``, as frozen settings take it."""

    def put(settings: Any, names: list[str]) -> Any:
        name, *rest = names
        return replace(settings, **{name: put(getattr(settings, name), rest) if rest else value})

    def apply(state: State) -> State:
        return put(state[0], path.split(".")), state[1]

    word = str(value).lower() if isinstance(value, bool) else str(value)
    return Change(words=f"--set {path}={word}{note}", apply=apply)


def _halves(path: str, value: int, note: str = "") -> Iterator[Change]:
    while value > 1:
        value //= 2
        yield _setting(path, value, note)


def _of_runtime(runtime: Runtime, path: str) -> Iterator[Change]:
    if not runtime.gradient_checkpointing:
        yield _setting(f"{path}.gradient_checkpointing", value=True)
    yield from _halves(f"{path}.per_device", runtime.per_device)


def _sharded() -> Iterator[Change]:
    for gpus in _GPUS:

        def apply(state: State, gpus: int = gpus) -> State:
            return state[0], replace(state[1], gpus=gpus, spread="sharded")

        words = f"--gpus {gpus} --spread sharded (train/launch/fsdp.yaml, num_processes: {gpus})"
        yield Change(words=words, apply=apply)


def _adapters(path: str) -> Change:
    def apply(state: State) -> State:
        recipe = state[0]
        if path == "lora":
            return replace(recipe, lora=LoraSettings()), state[1]
        return replace(recipe, sft=replace(recipe.sft, lora=LoraSettings())), state[1]

    return Change(words=f"a table [{path}]: adapters instead of all weights", apply=apply)


def _of_teacher(recipe: TeacherRecipe) -> list[list[Change]]:
    small = list(_of_runtime(recipe.runtime, "runtime"))
    if recipe.runtime.vllm == "colocate":
        small.append(_setting("runtime.vllm", "off"))
    if recipe.grpo.max_pixels > MAX_PIXELS:
        small.append(_setting("grpo.max_pixels", MAX_PIXELS, _OTHERWISE))
    fewer = _halves("grpo.images_per_step", recipe.grpo.images_per_step, _OTHERWISE)
    if recipe.lora is not None:
        return [[*small, *fewer]]
    return [[*small, *_sharded()], [_adapters("lora"), *small, *fewer]]


def _of_sft(recipe: SftRecipe) -> list[list[Change]]:
    small = list(_of_runtime(recipe.sft.runtime, "sft.runtime"))
    if recipe.sft.lora is not None:
        return [small]
    return [[*small, *_sharded()], [_adapters("sft.lora"), *small]]


def _of_ract(recipe: RactRecipe) -> list[list[Change]]:
    small = [*_of_runtime(recipe.runtime, "runtime")]
    small += _of_runtime(recipe.sft.runtime, "sft.runtime")
    whole = {"lora": recipe.lora, "sft.lora": recipe.sft.lora}
    adapters = [_adapters(path) for path, settings in whole.items() if settings is None]
    return [[*small, *_sharded()], [*adapters, *small]] if adapters else [small]


def _of_alignment(recipe: Any) -> list[list[Change]]:
    settings, found = recipe.align, []
    if settings.autocast == "off":
        found.append(_setting("align.autocast", "bfloat16"))
    if recipe.tower.whole and not settings.gradient_checkpointing:
        found.append(_setting("align.gradient_checkpointing", value=True))
    return [[*found, *_halves("align.micro_batch", settings.micro_batch or settings.batch)]]

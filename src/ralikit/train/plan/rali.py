"""Plans of RALI's alignment, for what `ralikit.train.rali.align` does."""

from __future__ import annotations

import functools
import json
from typing import Any

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from ralikit.errors import UsageError
from ralikit.importers.hf_files import CONFIG
from ralikit.importers.hf_tower import described_tower
from ralikit.model.towers import build_tower
from ralikit.model.towers.base import Tower
from ralikit.model.towers.vit import Vit
from ralikit.train.plan.activations import FULL, HALF, Kept, vit_block
from ralikit.train.plan.memory import Machine, Part, Stage, training_state
from ralikit.train.plan.shapes import TOWERS
from ralikit.train.rali.align_settings import AlignSettings
from ralikit.train.rali.initial import freeze_parameters
from ralikit.train.rali.recipe import RaliRecipe
from ralikit.train.rali.run import started_bundle


def align_stages(recipe: RaliRecipe, machine: Machine) -> list[Stage]:
    """What lies in memory while a pass of the alignment is trained.

    The text encoder runs before it and is gone by then; PCA, basis and score fit run on the
    processor.

    Raises:
        UsageError: If the tower's sizes are not known, or it is to be sharded.
    """
    if machine.spread == "sharded":
        raise UsageError("an alignment has a whole tower on each GPU: plan it with spread copies")
    settings = recipe.align
    tower, size = tower_of(recipe)
    freeze_parameters(tower, settings.frozen)
    every = sum(p.numel() for p in tower.parameters())
    trained = sum(p.numel() for p in tower.parameters() if p.requires_grad)
    views = views_of(settings, machine)
    half = settings.autocast == "bfloat16"
    parts = [
        *training_state(every, trained, machine),
        Part(name="averaged weights", bytes=FULL * every, how="kept beside, averaged or not"),
        _activations(tower, views, settings.crops.size or size, settings),
    ]
    if half:
        matrices = sum(p.numel() for p in tower.parameters() if p.ndim > 1)
        copies = Part(
            name="2-byte copies of weights",
            bytes=HALF * matrices,
            how="autocast keeps them in a pass",
        )
        parts.append(copies)
    return [Stage(name="training pass", parts=tuple(parts))]


def views_of(settings: AlignSettings, machine: Machine) -> int:
    """Views in one pass of one GPU, degraded copies included.

    Raises:
        UsageError: If the batch does not divide over the GPUs.
    """
    if settings.batch % machine.gpus:
        raise UsageError(f"a batch of {settings.batch} does not divide over {machine.gpus} GPUs")
    # Chains are drawn from the whole batch: one GPU may have more than its share of them.
    own = settings.batch // machine.gpus
    share = own + 2 * min(own, settings.chains)
    return min(settings.micro_batch or share, share)


def tower_of(recipe: RaliRecipe) -> tuple[Tower, int]:
    """A recipe's tower without its numbers (on torch's meta device), and the size of its views.

    Raises:
        UsageError: If its sizes are neither in a folder nor known.
    """
    start, preprocess = recipe.tower, recipe.preprocess
    kind: str = start.kind
    config: dict[str, Any] = dict(start.config)
    if start.kind == "bundle":
        info = started_bundle(start, recipe.below(start.weights)).info
        kind, config, preprocess = info.tower.kind, info.tower.config, preprocess or info.preprocess
    elif start.kind == "hugging_face":
        folder, name = recipe.below(start.weights), start.weights.as_posix()
        if (folder / CONFIG).is_file():
            kind, config = described_tower(folder)
        elif name in TOWERS:
            kind, config = TOWERS[name][0], dict(TOWERS[name][1])
        else:
            raise UsageError(
                f"{folder} has no {CONFIG}, and the sizes of {name} are not known here; known are "
                f"{' and '.join(TOWERS)}"
            )
    tower = _empty(kind, json.dumps(config))
    size = preprocess.size if preprocess is not None else int(tower.config()["size"])
    return tower, size


@functools.cache
def _empty(kind: str, config: str) -> Tower:
    with torch.device("meta"):
        return build_tower(kind, json.loads(config))


@functools.cache
def _saved(kind: str, config: str, frozen: tuple[str, ...], size: int) -> int:
    tower = _empty(kind, config)
    freeze_parameters(tower, frozen)
    return saved_bytes(tower, size)


def _activations(tower: Tower, views: int, size: int, settings: AlignSettings) -> Part:
    half, again = settings.autocast == "bfloat16", settings.gradient_checkpointing
    if isinstance(tower, Vit):
        kept = _vit(tower, views, half=half)
        how = "each block's input, one block computed anew" if again else "all kept"
        bytes_ = kept.bytes(recompute=again)
        how = f"{views} views of {tower.patch_count} patches; {how}"
        return Part(name="activations", bytes=bytes_, how=how)
    one = _saved(tower.kind, json.dumps(tower.config()), settings.frozen, size)
    how = f"{views} views; counted from what the tower's operations save of one, in 4 bytes"
    return Part(name="activations", bytes=views * one, how=how)


def _vit(tower: Vit, views: int, *, half: bool) -> Kept:
    made: dict[str, Any] = tower.config()
    return vit_block(
        views * (tower.patch_count + 1),
        width=made["width"],
        hidden=made["hidden"],
        heads=made["heads"],
        quick=made["activation"] in ("quick_gelu", "silu"),
        half=half,
        depth=made["depth"],
    )


def saved_bytes(tower: Tower, size: int) -> int:
    """Bytes that autograd saves of one view's forward pass, each storage once, parameters aside.

    Args:
        tower: On torch's meta device or another; put into training mode.
        size: Edge of the view, pixels.
    """
    own = {p.untyped_storage()._cdata for p in tower.parameters()}
    found: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage()._cdata
        if place not in own:
            found[place] = tensor
        return tensor

    device = next(tower.parameters()).device
    with saved_tensors_hooks(pack, lambda tensor: tensor):
        tower.train()(torch.zeros(1, 3, size, size, device=device))
        return sum(t.untyped_storage().nbytes() for t in found.values())

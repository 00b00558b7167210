"""The formulas against the tensors that autograd really keeps, of small models on the CPU."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.checkpoint import checkpoint

from ralikit.model.towers import build_tower
from ralikit.train.plan.activations import (
    cache_bytes,
    image_tokens,
    language_layers,
    vision_blocks,
    vit_block,
)
from ralikit.train.plan.shapes import vlm_shape


@contextmanager
def _kept(modules: nn.Module) -> Iterator[Callable[[], int]]:
    """Bytes of what is saved inside, each storage once, parameters and small tensors aside."""
    own = {p.untyped_storage().data_ptr() for p in modules.parameters()}
    found: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        place = tensor.untyped_storage().data_ptr()
        if place not in own and tensor.requires_grad | tensor.is_floating_point():
            found[place] = tensor
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        yield lambda: sum(t.untyped_storage().nbytes() for t in found.values())


def _autocast(half: bool) -> Any:
    return torch.autocast("cpu", torch.bfloat16, enabled=half)


def _copies(module: nn.Module, half: bool) -> int:
    """Bytes of autocast's 2-byte copies of linear weights; a plan counts them apart."""
    layers = [m for m in module.modules() if isinstance(m, nn.Linear)]
    return sum(2 * m.weight.numel() for m in layers) if half else 0


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("activation", ["quick_gelu", "gelu_tanh"])
def test_a_vits_blocks_keep_what_the_formula_says(activation: str, half: bool) -> None:
    config = {"size": 112, "patch": 14, "width": 128, "depth": 5, "heads": 2, "hidden": 512}
    views = 4
    quick = activation == "quick_gelu"
    said = vit_block(views * 65, width=128, hidden=512, heads=2, quick=quick, half=half, depth=2)

    def measured(depth: int) -> int:
        tower = build_tower("clip", {**config, "depth": depth, "dim": 32, "activation": activation})
        with _kept(tower) as count, _autocast(half):
            tower(torch.zeros(views, 3, 112, 112))
            return count() - _copies(tower, half)

    # Two blocks more: what stands before and after them cancels.
    assert said.bytes(recompute=False) == pytest.approx(measured(5) - measured(3), rel=0.05)


def _vlm(folder: Path, **changes: Any) -> Any:
    from ralikit.train.teacher.vlm import load_model

    return load_model(str(folder), **changes)


@pytest.mark.parametrize("half", [False, True])
def test_a_language_models_layers_keep_what_the_formula_says(tiny_vlm: Path, half: bool) -> None:
    model = _vlm(tiny_vlm).model.language_model
    shape = vlm_shape(str(tiny_vlm))
    states = torch.zeros(3, 64, shape.width).requires_grad_()
    mask = torch.ones(3, 64, dtype=torch.long)
    mask[0, :9] = 0  # padded on the left, as completions are

    def measured(depth: int) -> int:
        model.layers, model.config.num_hidden_layers = model.layers[:depth], depth
        with _kept(model) as count, _autocast(half):
            model(inputs_embeds=states, attention_mask=mask, use_cache=False)
            return count() - _copies(model, half)

    said = language_layers(shape, 3, 64, half=half).block
    assert said == pytest.approx(measured(2) - measured(1), rel=0.1)


@pytest.mark.parametrize("half", [False, True])
def test_the_vision_encoders_blocks_keep_what_the_formula_says(tiny_vlm: Path, half: bool) -> None:
    model = _vlm(tiny_vlm).model.visual
    shape = vlm_shape(str(tiny_vlm)).vision
    patches = torch.zeros(8 * 12, 3 * 2 * 14 * 14)

    def measured(depth: int) -> int:
        model.blocks = model.blocks[:depth]
        with _kept(model) as count, _autocast(half):
            model(patches, grid_thw=torch.tensor([[1, 8, 12]]))
            return count() - _copies(model, half)

    said = vision_blocks(shape, len(patches), half=half).block
    assert said == pytest.approx(measured(2) - measured(1), rel=0.1)


@pytest.mark.parametrize("half", [False, True])
def test_recomputed_blocks_keep_their_inputs(tiny_vlm: Path, half: bool) -> None:
    model = _vlm(tiny_vlm).model.language_model.train()
    for layer in model.layers:
        layer.gradient_checkpointing = True
        layer._gradient_checkpointing_func = functools.partial(checkpoint, use_reentrant=False)
    shape = vlm_shape(str(tiny_vlm))
    states = torch.zeros(3, 64, shape.width).requires_grad_()

    def measured(depth: int) -> int:
        model.layers, model.config.num_hidden_layers = model.layers[:depth], depth
        with _kept(model) as count, _autocast(half):
            model(inputs_embeds=states, use_cache=False)
            return count()

    said = language_layers(shape, 3, 64, half=half)
    assert said.entry == pytest.approx(measured(2) - measured(1), rel=0.05)
    assert said.bytes(recompute=True) == 2 * said.entry + said.block


def test_the_cache_is_what_transformers_holds(tiny_vlm: Path) -> None:
    model, shape = _vlm(tiny_vlm).model.language_model, vlm_shape(str(tiny_vlm))
    with torch.inference_mode(), _autocast(half=True):
        cache = model(inputs_embeds=torch.zeros(3, 64, shape.width), use_cache=True).past_key_values
    held = [t for layer in cache.layers for t in (layer.keys, layer.values)]
    assert cache_bytes(shape, 3, 64, full=True) == sum(t.nbytes for t in held)


@pytest.mark.parametrize(
    ("size", "most"), [((1024, 768), 10**8), ((4000, 3000), 512 * 28 * 28), ((90, 61), 10**8)]
)
def test_a_photos_tokens_are_the_processors(
    tiny_vlm: Path, size: tuple[int, int], most: int
) -> None:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    shape = vlm_shape(str(tiny_vlm)).vision
    height, width = smart_resize(size[1], size[0], factor=28, min_pixels=1, max_pixels=most)
    found = image_tokens(*size, max_pixels=most, shape=shape)
    assert found == (height // 28) * (width // 28)

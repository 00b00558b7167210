"""Channels are evened out exactly; weights land on the grids their types name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support_vit import CONFIGS, tiny_photos, tiny_scorer

from ralikit.errors import ExportError
from ralikit.export.quantise import layer_types, smoothing, typed_layers, workbench
from ralikit.export.quantise.equalising import pixels_of
from ralikit.export.quantise.int8 import weight_steps
from ralikit.export.quantise.smoothing import Activations, smooth, watch
from ralikit.export.quantise.workbench import Workbench
from ralikit.model.folded import Folded
from ralikit.model.rewrite import rewrite


def _embeddings(folded: Folded, kind: str) -> torch.Tensor:
    with torch.inference_mode():
        return torch.cat([folded.tower(pixels_of(folded, v)) for v in tiny_photos(kind, 8, seed=9)])


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("activations", ["tensor", "token"])
def test_evening_out_changes_no_embedding(kind: str, activations: Activations) -> None:
    folded, photos = rewrite(tiny_scorer(kind, outliers="inner")), tiny_photos(kind, 8)
    wanted = _embeddings(folded, kind)
    even, errors = layer_types.evened(Workbench(folded, photos), activations)
    torch.testing.assert_close(_embeddings(even, kind), wanted, atol=2e-5, rtol=2e-5)
    assert set(errors) == set(typed_layers.small_layers(folded))


@pytest.mark.parametrize("outliers", ["norm", "inner"])
def test_evening_out_saves_what_outlier_channels_spoil(outliers: str) -> None:
    folded, photos = rewrite(tiny_scorer("clip", outliers=outliers)), tiny_photos("clip", 8)
    # `rewrite` folds the norm's gain into its readers; put it back to have the outliers there.
    if outliers == "norm":
        for block in folded.tower.blocks:  # type: ignore[union-attr]
            for norm, readers in (
                (block.norm1, (block.attention.query, block.attention.key, block.attention.value)),
                (block.norm2, (block.mlp.up,)),
            ):
                gain = torch.ones(norm.normalized_shape)
                gain[:3] = 60.0
                setattr(block, "norm1" if norm is block.norm1 else "norm2", _scaled(norm, gain))
                for reader in readers:
                    reader.weight.div_(gain)
    seen = watch(folded, photos)
    from ralikit.export.quantise.smoothing import rounding_error

    def worst(places: list[object]) -> float:
        errors = []
        for place in seen:
            for name in place.channels.readers:
                weight = folded.tower.get_submodule(name).weight
                assert isinstance(weight, torch.Tensor)
                errors.append(rounding_error(place, weight, place.rows @ weight.T, "tensor"))
        return max(errors)

    before = worst(list(seen))
    after = max(smooth(folded, seen, activations="tensor").errors.values())
    assert before > 0.15
    assert after < 0.5 * before


def _scaled(norm: torch.nn.LayerNorm, gain: torch.Tensor) -> torch.nn.LayerNorm:
    scaled = torch.nn.LayerNorm(norm.normalized_shape, eps=norm.eps, bias=False)
    with torch.no_grad():
        scaled.weight.copy_(gain)
    return scaled.requires_grad_(False)


def test_int8_weights_are_whole_steps_and_int4_too() -> None:
    folded, photos = rewrite(tiny_scorer("clip")), tiny_photos("clip", 8)
    types = typed_layers.uniform_types(folded, "int8") | {
        "tower.blocks.0.mlp.up": "int4",
        "tower.blocks.1.attention.out": "float16",
    }
    plan = layer_types.prepare_mixed(Workbench(folded, photos), types)
    even, _ = layer_types.evened(Workbench(folded, photos), "tensor")
    for name, kind in types.items():
        weight = plan.folded.get_submodule(name).weight
        assert isinstance(weight, torch.Tensor)
        if kind == "int8":
            whole = weight / weight_steps(weight)[:, None]
        elif kind == "int4":
            steps = plan.steps[name]
            whole = weight / steps.repeat_interleave(weight.shape[1] // steps.shape[1], 1)
            assert float(whole.abs().max()) <= 7.001
        else:
            assert torch.equal(weight, even.get_submodule(name).weight)  # type: ignore[arg-type]
            continue
        np.testing.assert_allclose(whole, whole.round(), atol=2e-3)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_int8_weights_beside_float_arithmetic_make_up_for_each_other(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folded, photos = rewrite(tiny_scorer(kind)), tiny_photos(kind, 32, seed=1)
    unseen = torch.cat([folded.pixels(torch.from_numpy(v)) for v in tiny_photos(kind, 8, seed=2)])
    types = typed_layers.uniform_types(folded, "int8")

    def error(plan: typed_layers.Mixed) -> float:
        with torch.inference_mode():
            return float((plan.folded.tower(unseen) - folded.tower(unseen)).norm())

    plan = layer_types.prepare_mixed(Workbench(folded, photos), types, activations=None)
    for name in typed_layers.small_layers(folded):
        weight = plan.folded.get_submodule(name).weight
        assert isinstance(weight, torch.Tensor)
        whole = weight / weight_steps(weight)[:, None]  # what a target finds again
        np.testing.assert_allclose(whole, whole.round(), atol=2e-3)
    monkeypatch.setattr(layer_types, "is_matrix", lambda module: False)
    nearest = layer_types.prepare_mixed(Workbench(folded, photos), types, activations=None)
    assert error(plan) < 0.7 * error(nearest)


def test_what_rounding_adds_on_the_mean_is_in_the_biases() -> None:
    folded, photos = rewrite(tiny_scorer("clip")), tiny_photos("clip", 8)
    types = typed_layers.uniform_types(folded, "int4")
    plan = layer_types.prepare_mixed(Workbench(folded, photos), types, activations=None)
    pixels = torch.cat([pixels_of(folded, v) for v in photos])

    def mean_of(scorer: Folded, name: str) -> torch.Tensor:
        seen: list[torch.Tensor] = []
        layer = scorer.get_submodule(name)
        handle = layer.register_forward_hook(lambda m, i, o: seen.append(o.mean(0)))
        with torch.inference_mode():
            scorer.tower(pixels)
        handle.remove()
        return seen[0]

    for name in ("tower.blocks.0.mlp.down", "tower.blocks.1.attention.out"):
        wanted = mean_of(folded, name)
        torch.testing.assert_close(mean_of(plan.folded, name), wanted, atol=1e-4, rtol=1e-4)
        plan.folded.get_submodule(name).bias.add_(0.01)  # type: ignore[operator]
        assert float((mean_of(plan.folded, name) - wanted).abs().max()) > 5e-3


def test_layers_that_int8_spoils_stay_in_float(monkeypatch: pytest.MonkeyPatch) -> None:
    folded, photos = rewrite(tiny_scorer("clip")), tiny_photos("clip", 8)
    errors = layer_types.evened(Workbench(folded, photos), "tensor")[1]
    limit = float(np.median(list(errors.values())))
    monkeypatch.setattr(layer_types, "SPOILT", limit)
    types = layer_types.int8_types(Workbench(folded, photos))
    assert {n for n, kind in types.items() if kind == "float16"} == {
        n for n, error in errors.items() if error > limit
    }
    monkeypatch.setattr(layer_types, "SPOILT", 0.0)
    with pytest.raises(ExportError, match="spoil every layer"):
        layer_types.int8_types(Workbench(folded, photos))


def test_types_that_do_not_exist_are_refused() -> None:
    folded, photos = rewrite(tiny_scorer("clip")), tiny_photos("clip", 2)
    with pytest.raises(ExportError, match=r"head\.basis cannot be stored as int8"):
        layer_types.prepare_mixed(Workbench(folded, photos), {"head.basis": "int8"})
    with pytest.raises(ExportError, match="blocks of 48 do not divide"):
        layer_types.prepare_mixed(
            Workbench(folded, photos),
            typed_layers.uniform_types(folded, "int4"),
            int4_block=48,
            activations=None,
        )
    with pytest.raises(ExportError, match="there are none"):
        layer_types.int8_types(Workbench(folded))


def test_an_interrupted_export_goes_on_from_what_was_worked_out(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(workbench, "LARGE", 0)
    photos = tiny_photos("clip", 8)

    def even(scorer: Folded) -> tuple[Folded, dict[str, float]]:
        return layer_types.evened(Workbench(rewrite(scorer), photos), "tensor")

    first = even(tiny_scorer("clip", outliers="inner"))
    monkeypatch.setattr(smoothing, "watch", lambda *_: pytest.fail("worked out twice"))
    again = even(tiny_scorer("clip", outliers="inner"))
    for name, value in first[0].state_dict().items():
        torch.testing.assert_close(again[0].state_dict()[name], value)
    assert again[1] == pytest.approx(first[1])
    with pytest.raises(BaseException, match="worked out twice"):  # other weights, other file
        even(tiny_scorer("clip", seed=1))
    (kept,) = (tmp_path / "ralikit" / "export").iterdir()
    kept.write_bytes(b"broken")
    with pytest.raises(BaseException, match="worked out twice"):
        even(tiny_scorer("clip", outliers="inner"))

"""A tower is one module and one line: a made-up one goes from bundle to file with no other edit."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import pytest
import torch
from support import make_head
from support_export import SIZE
from support_wholes import tiny_clip
from torch import Tensor, nn

from ralikit.errors import BundleError, UsageError
from ralikit.export.gate.gate import open_gate
from ralikit.export.options import ExportOptions
from ralikit.export.order import order, precisions_of
from ralikit.export.pipeline import export
from ralikit.export.quantise import typed_layers
from ralikit.export.targets import named
from ralikit.export.targets.coreml.layout import neural_engine
from ralikit.export.targets.tflite.layout import laid_out
from ralikit.model import towers
from ralikit.model.bundle import Bundle, BundleInfo, TowerSpec, write_bundle
from ralikit.model.folded import Folded, fold
from ralikit.model.rewrite import rewrite
from ralikit.model.towers.base import Tower
from ralikit.model.towers.channels import divide_channels
from ralikit.photo.views import Preprocess
from ralikit.scorer import load


class Tiles(Tower):
    """Averages tiles of a picture and turns them into an embedding: (B, 3, S, S) -> (B, dim).

    Args:
        tile: Edge of a tile, pixels.
        width: Numbers a tile is turned into.
        dim: Width of the embedding.
    """

    kind: ClassVar[str] = "tiles"

    def __init__(self, *, tile: int = 16, width: int = 12, dim: int = 6) -> None:
        super().__init__()
        self.dim = dim
        self._config = {"tile": tile, "width": width, "dim": dim}
        self.tiles = nn.Conv2d(3, width, tile, stride=tile)
        self.gate = nn.Parameter(torch.ones(width))
        self.last = nn.Linear(width, dim)

    def config(self) -> dict[str, Any]:
        return dict(self._config)

    def forward(self, pixels: Tensor) -> Tensor:
        pooled = torch.relu(self.tiles(pixels)).mean(dim=(2, 3))
        embedding: Tensor = self.last(pooled * self.gate)
        return embedding

    def rewritten(self) -> Self:
        other = copy.deepcopy(self)
        with torch.no_grad():
            other.last.weight.mul_(other.gate)
            other.gate.fill_(1.0)
        return other

    def absorb_pixels(self, gain: Tensor, offset: Tensor) -> bool:
        with torch.no_grad():
            weight = self.tiles.weight.double()
            assert self.tiles.bias is not None
            self.tiles.bias.add_((weight * offset.double()).sum(dim=(1, 2, 3)))
            self.tiles.weight.copy_(weight * gain.double())
        return True


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Bundle:
    """A bundle of the made-up tower, which one line makes known."""
    monkeypatch.setitem(towers.TOWERS, "tiles", f"{__name__}.Tiles")
    torch.manual_seed(0)
    tower = Tiles()
    with torch.no_grad():
        tower.gate.uniform_(0.5, 2.0)
        noise = torch.rand(32, 3, SIZE, SIZE) * torch.linspace(0.05, 2, 32).view(-1, 1, 1, 1) - 1
        seen = tower(noise).numpy()
    head = replace(make_head(), pca_mean=seen.mean(0), pca_scale=np.full(6, seen.std()))
    info = BundleInfo(
        name="tiles",
        tower=TowerSpec(kind="tiles", config=tower.config(), weights="random"),
        preprocess=Preprocess(size=SIZE, shortest_edge=80, anchors=((0.0, 0.0), (1.0, 1.0))),
        temperature=0.5,
    )
    state = {name: value.numpy() for name, value in tower.state_dict().items()}
    return write_bundle(tmp_path / "bundle", info, tower=state, head=head)


def _photo(seed: int) -> Tensor:
    return torch.from_numpy(np.random.default_rng(seed).integers(0, 256, (2, SIZE, SIZE, 3)))


def test_a_made_up_tower_folds_and_is_rewritten(made_up: Bundle) -> None:
    plain = fold(made_up)
    rewritten = rewrite(plain)
    assert isinstance(rewritten.tower, Tiles)
    assert plain.normalises
    assert not rewritten.normalises
    assert isinstance(plain.tower, Tiles)
    assert float((plain.tower.gate - 1).abs().max()) > 0.1
    assert float((rewritten.tower.gate - 1).abs().max()) == 0
    scores = [float(plain(_photo(seed))) for seed in range(3)]
    assert np.ptp(scores) > 1e-4
    for seed, score in enumerate(scores):
        assert float(rewritten(_photo(seed))) == pytest.approx(score, abs=1e-5)


def test_a_made_up_tower_exports(made_up: Bundle, tmp_path: Path) -> None:
    gate = open_gate(made_up, count=4, calibration_count=4)
    done = export(made_up, target="onnx", precision="fp32", out=tmp_path, gate=gate)
    assert done.facts["model"]["tower"] == "tiles"
    assert done.facts["layers"]["tower.tiles"] == "float32"
    assert 1 <= load(done.path).score(np.full((90, 120, 3), 128, np.uint8)).value <= 5


def test_what_it_says_of_itself_is_believed(
    made_up: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    onnx, graph = named("onnx"), fold(made_up)
    assert "int4" not in precisions_of(onnx, made_up)
    assert set(typed_layers.small_layers(graph)) == {"tower.tiles", "tower.last"}
    with pytest.raises(UsageError, match="a tiles tower lies that way already"):
        order(
            made_up,
            target="coreml",
            precision="fp16",
            out=Path(),
            options=ExportOptions(layout="neural-engine"),
        )
    monkeypatch.setattr(Tiles, "small_types", ("int4",))
    monkeypatch.setattr(Tiles, "small_parts", ("last",))
    assert "int4" in precisions_of(onnx, made_up)
    assert set(typed_layers.small_layers(graph)) == {"tower.last"}
    assert typed_layers.known_types(graph) == ("float32", "int4")


def test_layouts_that_do_not_know_it_leave_it_as_it_is(made_up: Bundle) -> None:
    folded = fold(made_up)
    assert torch.equal(laid_out(folded)(_photo(0)), folded(_photo(0)))
    with pytest.raises(TypeError, match="a tiles tower has no tokens"):
        neural_engine(folded)


@pytest.mark.parametrize("kind", towers.TOWERS)
def test_every_line_names_the_tower_of_its_kind(kind: str) -> None:
    assert towers.tower_class(kind).kind == kind


def test_an_unknown_tower_is_refused() -> None:
    with pytest.raises(BundleError, match="unknown tower 'tiles'; this version knows mobilenet_v2"):
        towers.tower_class("tiles")


def test_views_of_another_size_than_the_towers_are_refused(tmp_path: Path) -> None:
    bundle = tiny_clip(tmp_path / "bundle")
    smaller = replace(bundle.info.preprocess, size=8)  # one patch instead of four
    other = Bundle(bundle.root, replace(bundle.info, preprocess=smaller), bundle.files)
    with pytest.raises(BundleError, match="views are 8 pixels wide, its tower takes 16"):
        towers.load_tower(other)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_every_channel_a_tower_names_can_be_evened_out(kind: str) -> None:
    # Dividing each of them by other numbers leaves the embedding, and no small layer is left out.
    from support_vit import tiny_photos, tiny_scorer

    folded: Folded = rewrite(tiny_scorer(kind))
    pixels = folded.pixels(torch.from_numpy(tiny_photos(kind, 2)[1]))
    wanted = folded.tower(pixels)
    named = folded.tower.channels_to_even()
    read = {f"tower.{name}" for channels in named for name in channels.readers}
    assert read == set(typed_layers.small_layers(folded))
    assert {channels.by for channels in named} == {"norm", "linear", "gain"}
    generator = torch.Generator().manual_seed(0)
    for channels in named:
        width = folded.tower.get_parameter(f"{channels.readers[0]}.weight").shape[1]
        divide_channels(folded.tower, channels, 0.5 + torch.rand(width, generator=generator))
    torch.testing.assert_close(folded.tower(pixels), wanted, atol=2e-5, rtol=2e-5)

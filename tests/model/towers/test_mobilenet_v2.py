"""The small tower: TensorFlow's padding, its own config, and strict loading."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from ralikit.errors import BundleError
from ralikit.model.bundle import read_safetensors
from ralikit.model.towers import build_tower, load_weights
from ralikit.model.towers.inverted_residual import SameConv
from ralikit.model.towers.mobilenet_v2 import MobileNetV2


@pytest.mark.parametrize("extent", [7, 8])
def test_stride_two_pads_below_and_right_like_tensorflow(extent: int) -> None:
    conv = SameConv(1, 1, 3, stride=2, bias=False)
    with torch.no_grad():
        conv.weight.fill_(1.0)
        got = conv(torch.ones(1, 1, extent, extent))
    assert got.shape[-1] == -(-extent // 2)
    # an even extent has no padding at the top left, so its first window is full; an odd one has
    assert got[0, 0, 0, 0].item() == (9.0 if extent % 2 == 0 else 4.0)
    assert got[0, 0, -1, -1].item() == 4.0


def test_config_builds_the_same_architecture() -> None:
    tower = MobileNetV2(dim=8)
    again = build_tower(tower.kind, tower.config())
    assert {k: v.shape for k, v in tower.state_dict().items()} == {
        k: v.shape for k, v in again.state_dict().items()
    }
    assert tower(torch.zeros(2, 3, 32, 32)).shape == (2, 8)


def test_other_stages_are_built_and_stand_in_the_config() -> None:
    assert MobileNetV2(dim=8).config() == {"dim": 8}  # that of every bundle there is
    stages = ((1, 8, 1, 1), (4, 12, 2, 2))
    tower = MobileNetV2(dim=8, stages=stages, features=20)
    assert tower.config() == {"dim": 8, "stages": [[1, 8, 1, 1], [4, 12, 2, 2]], "features": 20}
    again = build_tower(tower.kind, tower.config())
    assert [b.residual for b in again.blocks] == [False, False, True]  # type: ignore[union-attr]
    assert again.features(torch.zeros(2, 3, 32, 32)).shape == (2, 20)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"stages": []}, "1..64 blocks"),
        ({"stages": [[1, 8, 65, 1]]}, "1..64 blocks"),
        ({"stages": [[1, 8, 10**12, 1]]}, "1..64 blocks"),
        ({"stages": [[512, 16, 1, 1]]}, "4096 channels"),
        ({"stages": [[6, 8, 1]]}, "a stage is"),
        ({"stages": [[6, 8, 1, 0]]}, "a stage is"),
        ({"stages": [[6, 8.0, 1, 1]]}, "a stage is"),
        ({"features": 0}, "features must lie in 1..4096"),
    ],
)
def test_stages_of_a_strangers_config_are_bounded(config: dict[str, object], words: str) -> None:
    with pytest.raises(BundleError, match=words):
        build_tower("mobilenet_v2", config)


def test_loading_is_strict() -> None:
    tower = MobileNetV2(dim=4)
    state = {k: v.numpy() for k, v in tower.state_dict().items()}
    load_weights(tower, state, where="here")
    for change, words in (
        ({**state, "extra": np.zeros(1, np.float32)}, "does not fit"),
        ({k: v for k, v in state.items() if k != "stem.bias"}, "does not fit"),
        ({**state, "stem.bias": np.full(32, np.nan, np.float32)}, "stem.bias holds NaN"),
    ):
        with pytest.raises(BundleError, match=words):
            load_weights(tower, change, where="here")
    with pytest.raises(BundleError, match="unknown tower"):
        build_tower("resnet", {})
    with pytest.raises(BundleError, match="does not fit"):
        build_tower("mobilenet_v2", {"width": 2})


def test_the_imagenet_weights_still_classify(shared_data: Path) -> None:
    """The reader and the architecture agree with the published weights on a known photo."""
    sk = pytest.importorskip("skimage.data")
    from PIL import Image

    tensors = read_safetensors(shared_data / "weights" / "mobilenet_v2_float.safetensors")
    tower = MobileNetV2(dim=1001)
    renamed = {k.replace("classifier", "projection"): v for k, v in tensors.items()}
    load_weights(tower.eval(), renamed, where="weights")
    cat = Image.fromarray(sk.cat()).resize((224, 224))
    pixels = torch.from_numpy(np.asarray(cat, np.float32).copy()).permute(2, 0, 1)[None]
    with torch.no_grad():
        top = tower(pixels / 127.5 - 1.0).topk(5).indices[0].tolist()
    # classes 282..286 are the domestic cats of ImageNet's list (0 is the background)
    assert set(top) & {282, 283, 284, 285, 286}

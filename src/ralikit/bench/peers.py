"""What a CLIP scorer is compared with: the Hugging Face module with the same weights and read-out.

The tower is transformers' own, run as a user of transformers would run it: in torch, or exported to
ONNX in float32. Pixels, head and scores are those of the bundle, so that both do the same work.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from ralikit.errors import UsageError
from ralikit.export.gate.gate import open_gate
from ralikit.export.gate.parity import FOLD
from ralikit.export.gate.reference import folded_scores
from ralikit.export.targets.onnx import target as onnx
from ralikit.extras import hush_imports, require
from ralikit.files import publish
from ralikit.importers.hf_tower import clip_names
from ralikit.model.bundle import Bundle
from ralikit.model.facts import facts_of
from ralikit.model.folded import Folded, fold
from ralikit.model.towers import load_tower
from ralikit.model.towers.base import Tower
from ralikit.model.towers.clip import Clip
from ralikit.progress import Tell
from ralikit.runtimes.torch import TorchRuntime

NAME = "transformers"


class TransformersTower(Tower):
    """`transformers.CLIPVisionModelWithProjection` with a CLIP tower's weights.

    Args:
        tower: The tower it must equal.
    """

    kind: ClassVar[str] = "transformers-clip"

    def __init__(self, tower: Tower) -> None:
        super().__init__()
        hush_imports()
        transformers = require("transformers", extra="train", job="A peer from transformers")
        ours = tower.config()
        self.dim = tower.dim
        config = transformers.CLIPVisionConfig(
            hidden_size=ours["width"],
            intermediate_size=ours["hidden"],
            num_hidden_layers=ours["depth"],
            num_attention_heads=ours["heads"],
            image_size=ours["size"],
            patch_size=ours["patch"],
            projection_dim=ours["dim"],
            hidden_act=ours["activation"],
            layer_norm_eps=ours["eps"],
        )
        self.model = transformers.CLIPVisionModelWithProjection(config)
        theirs = self.model.state_dict()
        weights = tower.state_dict()
        names = clip_names({name: name for name in theirs})
        self.model.load_state_dict(
            {names[name]: value for name, value in weights.items() if name in names}, strict=False
        )

    def config(self) -> dict[str, Any]:
        """Nothing: it is never written."""
        return {}

    def forward(self, pixels: Tensor) -> Tensor:
        """Embed views, (B, 3, S, S) float, normalised -> (B, D)."""
        embedding: Tensor = self.model(pixel_values=pixels).image_embeds
        return embedding


_PEERS: dict[str, Callable[[Tower], Tower]] = {Clip.kind: TransformersTower}
"""What equals a kind of tower in transformers."""


def peer_scorer(bundle: Bundle) -> Folded:
    """A bundle's scorer around the Hugging Face module.

    Raises:
        UsageError: If the bundle's tower is not CLIP's.
        MissingExtraError: If transformers is not installed.
    """
    tower = load_tower(bundle)
    if tower.kind not in _PEERS:
        raise UsageError(f"there is a peer for {', '.join(_PEERS)} towers, not for {tower.kind}")
    return fold(bundle, tower=_PEERS[tower.kind](tower))


def write_peer(bundle: Bundle, path: Path, *, tell: Tell | None = None) -> None:
    """Export the peer to ONNX, float32, as torch's exporter makes it.

    Raises:
        UsageError: If the bundle's tower is not CLIP's, or the file exists.
        RalikitError: If its scores are not the bundle's: a weight went to the wrong place.
    """
    from ralikit.errors import ParityError

    preprocess = bundle.info.preprocess
    with publish(path) as draft:
        peer = peer_scorer(bundle)
        gate = open_gate(bundle, count=4, tell=tell)
        drift = abs(folded_scores(peer, gate.photos.views) - gate.reference).max()
        if not drift <= FOLD:
            raise ParityError(f"the module of transformers gives scores {drift:.5f} off")
        if tell is not None:
            tell("converting", 0.0)
        model = onnx.to_model(peer, (preprocess.views, preprocess.size, preprocess.size, 3))
        draft.write_bytes(model.SerializeToString())
        facts = facts_of(bundle)
        facts["model"]["name"] = f"{bundle.info.name} (module of transformers)"
        onnx.write_facts(draft, {**facts, "target": "onnx", "precision": "fp32"})


class TransformersRuntime(TorchRuntime):
    """The peer in torch, eager, float32: what a user of transformers has without exporting.

    Args:
        bundle: The bundle.
    """

    def __init__(self, bundle: Bundle) -> None:
        hush_imports()
        transformers = require("transformers", extra="train", job="A peer from transformers")
        super().__init__(bundle, peer_scorer(bundle))
        self.name = f"transformers {transformers.__version__}"
        self.note = f"torch {torch.__version__}, eager, float32"

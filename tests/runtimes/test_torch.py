"""A bundle in torch gives what its file would: the score, and the embedding beside it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support import lively_tower, make_head

from ralikit.errors import UsageError
from ralikit.model.bundle import BundleInfo, TowerSpec, write_bundle
from ralikit.photo.views import Preprocess
from ralikit.runtimes.torch import TorchRuntime


def test_its_outputs_are_those_of_its_facts(tmp_path: Path) -> None:
    tower = lively_tower()
    info = BundleInfo(
        name="small",
        tower=TowerSpec(kind=tower.kind, config=tower.config()),
        preprocess=Preprocess(size=32, shortest_edge=48, anchors=((0.0, 0.0), (1.0, 1.0))),
        temperature=0.1,
        tie_width=0.2,
    )
    tensors = {name: tensor.numpy() for name, tensor in tower.state_dict().items()}
    runtime = TorchRuntime(write_bundle(tmp_path / "b", info, tower=tensors, head=make_head()))
    assert runtime.facts.model.tie_width == 0.2
    views = np.random.default_rng(0).integers(0, 256, runtime.facts.shape, dtype=np.uint8)
    found = runtime.outputs(views)
    assert tuple(found) == runtime.facts.outputs == ("score", "embedding")
    assert found["score"].shape == (1,)
    assert found["embedding"].shape == (1, tower.dim)
    assert found["score"][0] == runtime.run(views)
    assert make_head().score(found["embedding"])[0] == pytest.approx(runtime.run(views), abs=1e-5)
    assert runtime.many([views, views]) == pytest.approx([runtime.run(views)] * 2, abs=1e-5)
    with pytest.raises(UsageError, match="takes uint8 views"):
        runtime.outputs(views[:1])

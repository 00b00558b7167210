"""A long export says where it is: stages in order, each from its beginning to its end."""

from __future__ import annotations

from itertools import groupby

from support_vit import tiny_photos, tiny_scorer

from ralikit.export.quantise import layer_types
from ralikit.export.quantise.workbench import Workbench
from ralikit.export.targets.coreml.compress import compress
from ralikit.export.targets.coreml.schemes import plan
from ralikit.model.rewrite import rewrite
from ralikit.progress import named, tell, telling

Heard = list[tuple[str, float]]


def _stages(heard: Heard) -> list[tuple[str, list[float]]]:
    return [(stage, [d for _, d in told]) for stage, told in groupby(heard, key=lambda t: t[0])]


def test_planning_int8_tells_every_stage() -> None:
    folded, photos = rewrite(tiny_scorer("clip")), tiny_photos("clip", 4)
    heard: Heard = []
    with telling(lambda *told: heard.append(told)):
        bench = Workbench(folded, photos)
        layer_types.prepare_mixed(bench, layer_types.int8_types(bench))
    stages = _stages(heard)
    assert [stage for stage, _ in stages] == [
        "what the layers read",
        "evening out channels",
        "rounding layers",
    ]
    for _, shares in stages:
        assert shares == sorted(shares)
        assert 0.0 <= shares[0] < 0.2
        assert 0.7 < shares[-1] <= 1.0
    assert stages[-1][1][-1] == 1.0


def test_compressing_for_core_ml_tells_layers() -> None:
    folded = rewrite(tiny_scorer("clip"))
    heard: Heard = []
    with telling(named(lambda *told: heard.append(told), "coreml, 1 of 3")):
        compress(folded, plan(folded, "int8"), tiny_photos("clip", 4))
    ((stage, shares),) = _stages(heard)
    assert stage == "coreml, 1 of 3: rounding layers"
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_nobody_hears_outside() -> None:
    heard: Heard = []
    with telling(lambda *told: heard.append(told)):
        tell("inside", 0.5)
    tell("outside", 0.5)
    with telling(named(None, "silent")):
        tell("nowhere", 0.5)
    assert heard == [("inside", 0.5)]

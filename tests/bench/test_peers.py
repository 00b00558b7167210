"""The Hugging Face module beside ours: same weights, same scores, timed in the same run."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_vit import tiny_standin

from ralikit.bench.subjects import open_subject, split_backend
from ralikit.errors import UsageError
from ralikit.model.bundle import Bundle

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def standin(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    with pytest.MonkeyPatch.context() as patch:
        return tiny_standin(tmp_path_factory.mktemp("peer") / "b", "clip", patch)


def test_the_peer_scores_as_the_bundle_does(standin: Bundle, tmp_path: Path) -> None:
    from ralikit.bench.peers import TransformersTower, write_peer
    from ralikit.export.gate.calibration_photos import built_in

    views = built_in("gate", standin.info.preprocess, 1).views[0]
    ours = open_subject(standin.root, backend="auto", threads=1)
    peer = open_subject(standin.root, backend="transformers", threads=1)
    path = tmp_path / "peer.onnx"
    write_peer(standin, path)
    exported = open_subject(path, backend="auto", threads=1)
    wanted = ours.runtime.run(views)
    assert peer.runtime.run(views) == pytest.approx(wanted, abs=1e-5)
    assert exported.runtime.run(views) == pytest.approx(wanted, abs=1e-4)
    assert peer.runtime.name.startswith("transformers ")
    assert "module of transformers" in exported.model["name"]
    assert exported.model["weights"] == "random"
    assert TransformersTower.kind != "clip"


def test_other_towers_have_no_peer(tmp_path: Path) -> None:
    from support_export import tiny_bundle

    bundle = tiny_bundle(tmp_path / "b")
    with pytest.raises(UsageError, match="for clip towers, not for mobilenet_v2"):
        open_subject(bundle.root, backend="transformers", threads=1)
    with pytest.raises(UsageError, match="openvino does not run bundle folders"):
        open_subject(bundle.root, backend="openvino", threads=1)


def test_a_backend_stands_before_the_file() -> None:
    assert split_backend("openvino:a/b.onnx") == ("openvino", Path("a/b.onnx"))
    assert split_backend("a/b.onnx") == ("auto", Path("a/b.onnx"))
    assert split_backend("c:x.onnx") == ("auto", Path("c:x.onnx"))

"""The preprocessing as a graph: the bytes of `make_views`, whatever the photo's shape."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.config import from_mapping, to_mapping
from ralikit.errors import BundleError, ParityError, UsageError
from ralikit.export.targets.onnx import preprocess as onnx_preprocess
from ralikit.export.targets.onnx.preprocess import differences, export_preprocess, to_model
from ralikit.files import read_json
from ralikit.model.bundle import Bundle
from ralikit.photo.decode import decode
from ralikit.photo.views import Preprocess, load_views, make_views
from ralikit.runtimes import open_runtime
from ralikit.runtimes.onnx import ERRORS, read_facts
from ralikit.runtimes.onnxruntime_import import ort

GOLDEN = Path(__file__).parents[4] / "runtimes" / "golden"
FIVE = ((0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5))
SETTINGS = {
    name: from_mapping(Preprocess, values)
    for name, values in read_json(GOLDEN / "golden.json")["settings"].items()
} | {
    "mini": Preprocess(size=256, shortest_edge=512, anchors=FIVE),
    "clip-336": Preprocess(size=336, shortest_edge=336),
    "siglip-224": Preprocess(size=224, shortest_edge=None),
}
SHAPES = ["photo", "portrait", "turned", "long", "tall", "wide", "pixel", "tiny", "palette"]
SHAPES += ["large", "one_high", "one_wide"]
PHOTOS = [*(f"{name}.png" for name in SHAPES), "j_420.jpg"]


def _session(preprocess: Preprocess) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 4
    return ort.InferenceSession(
        to_model(preprocess).SerializeToString(), options, providers=["CPUExecutionProvider"]
    )


def _views(session: ort.InferenceSession, photo: NDArray[np.uint8]) -> NDArray[np.uint8]:
    found: NDArray[np.uint8] = session.run(["image"], {"photo": photo})[0]
    return found


@pytest.mark.parametrize("setting", SETTINGS)
def test_golden_photos_give_the_views_byte_for_byte(setting: str) -> None:
    preprocess = SETTINGS[setting]
    session = _session(preprocess)
    for name in PHOTOS:
        pixels = decode(GOLDEN / "images" / name).pixels
        wanted = make_views(pixels, preprocess)
        found = _views(session, pixels)
        assert found.dtype == np.uint8
        assert found.shape == wanted.shape
        off = np.abs(found.astype(int) - wanted)
        # Another libm may round a weight's last bit: one level then, on a pixel in a thousand.
        assert off.max() <= 1, name
        assert (off > 0).mean() <= 1e-3, name


def test_a_photo_as_long_as_it_likes_needs_no_more_than_its_views() -> None:
    # Resized whole, this one would have 512 x 17,000,000 pixels.
    preprocess = SETTINGS["mini"]
    photo = np.random.default_rng(0).integers(0, 256, (3, 100_000, 3), dtype=np.uint8)
    assert np.array_equal(_views(_session(preprocess), photo), make_views(photo, preprocess))


def test_standard_operators_alone_and_the_same_bytes_twice() -> None:
    preprocess = SETTINGS["mini"]
    model = to_model(preprocess)
    assert [(o.domain, o.version) for o in model.opset_import] == [("", 20)]
    assert {node.domain for node in model.graph.node} == {""}
    # ONNX Runtime's own resize is not Pillow's to the last level.
    assert "Resize" not in {node.op_type for node in model.graph.node}
    assert model.SerializeToString() == to_model(preprocess).SerializeToString()


@pytest.mark.parametrize(
    ("photo", "reason"),
    [
        (np.zeros((8, 9, 3), np.float32), r"expected: \(tensor\(uint8\)\)"),
        (np.zeros((8, 9, 4), np.uint8), "photo"),
        (np.zeros((1, 8, 9, 3), np.uint8), "photo"),
    ],
)
def test_a_wrong_input_is_named(photo: NDArray[np.generic], reason: str) -> None:
    with pytest.raises(ERRORS, match=reason):
        _session(SETTINGS["clip"]).run(None, {"photo": photo})
    with pytest.raises(ValueError, match="photo"):
        _session(SETTINGS["clip"]).run(None, {"image": photo})


def test_the_file_says_what_it_is_and_feeds_the_scorer(bundle: Bundle, tmp_path: Path) -> None:
    done = export_preprocess(bundle, tmp_path / "new")
    assert done.path == tmp_path / "new" / "tiny-preprocess.onnx"
    assert done.size == done.path.stat().st_size
    assert done.photos > 12
    assert done.max_levels <= onnx_preprocess.LIMIT
    facts = read_facts(done.path)
    assert facts.kind == "preprocess"
    assert facts.written["model"] == {"name": "tiny", "bundle": bundle.hash}
    assert facts.written["preprocess"] == to_mapping(bundle.info.preprocess)
    assert facts.written["parity"]["max_levels"] == done.max_levels
    session = ort.InferenceSession(str(done.path), providers=["CPUExecutionProvider"])
    path = GOLDEN / "images" / "photo.png"
    views = _views(session, decode(path).pixels)
    assert np.array_equal(views, load_views(path, bundle.info.preprocess))


def test_it_is_no_scorer_and_never_replaces_a_file_unasked(bundle: Bundle, tmp_path: Path) -> None:
    done = export_preprocess(bundle, tmp_path)
    before = done.path.read_bytes()
    with pytest.raises(BundleError, match="gives no score; pass the scorer's own file"):
        open_runtime(done.path)
    with pytest.raises(UsageError, match="exists already"):
        export_preprocess(bundle, tmp_path)
    assert export_preprocess(bundle, tmp_path, overwrite=True).path.read_bytes() == before


def test_a_graph_that_is_off_is_refused_and_leaves_nothing(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = to_model(SETTINGS["bilinear"])
    with pytest.raises(ParityError, match=r"levels off on a photo of \d+ x \d+"):
        differences(other, Preprocess(size=31, shortest_edge=31, resample="bicubic"))

    def wrong(_preprocess: Preprocess) -> onnx.ModelProto:
        # The right filter in the wrong order of anchors.
        preprocess = bundle.info.preprocess
        return to_model(
            Preprocess(
                size=preprocess.size,
                shortest_edge=preprocess.shortest_edge,
                anchors=preprocess.anchors[::-1],
            )
        )

    monkeypatch.setattr(onnx_preprocess, "to_model", wrong)
    with pytest.raises(ParityError):
        export_preprocess(bundle, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_command(bundle: Bundle, tmp_path: Path) -> None:
    words = ["export-preprocess", str(bundle.root), "--out", str(tmp_path)]
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["path"] == str(tmp_path / "tiny-preprocess.onnx")
    again = CliRunner().invoke(app, words)
    assert isinstance(again.exception, UsageError)
    assert "levels of 255" in CliRunner().invoke(app, [*words, "--overwrite"]).stdout

"""The chain publishes what passed, and nothing else, at any moment."""

from __future__ import annotations

import copy
import json
import signal
import subprocess
import sys
import textwrap
import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ralikit.errors import ExportError, ParityError, RalikitError, UsageError
from ralikit.export.gate import gate as gate_module
from ralikit.export.gate.gate import Gate, open_gate
from ralikit.export.gate.reference import unfolded_scores
from ralikit.export.manifest import manifest_path, manifest_text, publish_pair, read_manifest
from ralikit.export.options import ExportOptions
from ralikit.export.pipeline import Exported, check_layers, export
from ralikit.export.quantise import layer_types
from ralikit.export.targets import names
from ralikit.export.targets.onnx import target as onnx_target
from ralikit.files import sha256_path
from ralikit.model.bundle import Bundle
from ralikit.model.folded import Folded, fold
from ralikit.photo.views import make_views
from ralikit.runtimes.onnx import read_facts
from ralikit.runtimes.onnxruntime_import import ort
from ralikit.scorer import load

export_fp32 = partial(export, target="onnx", precision="fp32")


@pytest.fixture(scope="module")
def exported(bundle: Bundle, gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return export_fp32(bundle, out=tmp_path_factory.mktemp("chain") / "new", gate=gate)


def test_the_file_gives_the_references_scores_outside_ralikit(
    exported: Exported, gate: Gate
) -> None:
    session = ort.InferenceSession(str(exported.path), providers=["CPUExecutionProvider"])
    scores = [session.run(["score"], {"image": v})[0].item() for v in gate.photos.views]
    assert np.std(gate.reference) > 0.2
    np.testing.assert_allclose(scores, gate.reference, atol=1e-4)


def test_the_reference_is_the_plain_pipeline(bundle: Bundle, gate: Gate) -> None:
    # Written out once more by hand: mean and std, tower, mean over views, PCA, softmax.
    import torch

    from ralikit.model.towers import load_tower

    views, head = gate.photos.views[0], bundle.head()
    pixels = torch.from_numpy(views.copy()).permute(0, 3, 1, 2).double() / 255
    with torch.no_grad():
        embedding = load_tower(bundle).double()((pixels - 0.5) / 0.5).numpy().mean(axis=0)
    z = (embedding - head.pca_mean) / head.pca_scale @ head.pca_components.T
    z /= np.linalg.norm(z)
    centroids = head.centroids / np.linalg.norm(head.centroids, axis=1, keepdims=True)
    weights = np.exp(centroids @ z / head.temperature)
    assert gate.reference[0] == pytest.approx(weights @ head.scores / weights.sum(), abs=1e-4)


def test_the_manifest_and_the_file_say_the_same(exported: Exported, bundle: Bundle) -> None:
    manifest = read_manifest(exported.path)
    assert manifest is not None
    assert exported.manifest == exported.path.with_name("tiny-fp32.onnx.ralikit.json")
    assert manifest["sha256"] == sha256_path(exported.path)
    assert manifest["bytes"] == exported.path.stat().st_size
    inside = read_facts(exported.path).written
    assert {k: manifest[k] for k in inside} == inside
    assert inside["model"]["bundle"] == bundle.hash
    assert inside["parity"]["photos"] == 12
    assert inside["layers"]["tower.stem"] == "float32"
    assert len(inside["golden"]) == 12


def test_the_scorer_takes_the_file(exported: Exported, gate: Gate) -> None:
    scorer = load(exported.path)
    score = scorer.score(gate.golden[0].pixels)
    assert score.value == pytest.approx(gate.golden_reference[0], abs=1e-4)


def test_views_averaged_by_score_export_too(tmp_path: Path) -> None:
    from support_export import tiny_bundle

    bundle = tiny_bundle(tmp_path / "bundle", view_pool="score")
    done = export_fp32(bundle, out=tmp_path, gate=open_gate(bundle, count=3))
    assert done.parity.max_drift < 1e-4


def test_an_existing_file_is_kept_unless_told(
    exported: Exported, bundle: Bundle, gate: Gate
) -> None:
    before = exported.path.read_bytes()
    with pytest.raises(UsageError, match="exists already; pass --overwrite"):
        export_fp32(bundle, out=exported.path.parent, gate=gate)
    assert exported.path.read_bytes() == before
    again = export_fp32(
        bundle, out=exported.path.parent, gate=gate, options=ExportOptions(overwrite=True)
    )
    assert again.path.read_bytes() == before  # the same inputs, the same bytes
    assert read_manifest(again.path)
    assert sorted(p.name for p in again.path.parent.iterdir()) == [
        "tiny-fp32.onnx",
        "tiny-fp32.onnx.ralikit.json",
    ]


def test_an_unknown_word_names_the_known_ones(bundle: Bundle, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there are onnx, tflite, coreml, coreai, and all"):
        export(bundle, target="onyx", precision="fp32", out=tmp_path)
    with pytest.raises(UsageError, match="it has fp32, fp16, int8-weights, int8"):
        export(bundle, target="onnx", precision="int4", out=tmp_path)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({}, "tower.stem is not in"),
        ({"tower.stem": "float32"}, "tower.stem is stored as float32 where int8 was promised"),
    ],
)
def test_a_layer_left_in_float_is_an_error(gate: Gate, found: dict[str, str], words: str) -> None:
    with pytest.raises(ExportError, match=words):
        check_layers(
            layer_types.types_of(gate.bench, "int8", activations="tensor"), found, what="tiny"
        )


# What goes wrong on purpose. Nothing may be published, and the reason must be said.


def _refuses(bundle: Bundle, out: Path, gate: Gate | None, words: str) -> None:
    with pytest.raises(ParityError, match=words):
        export_fp32(bundle, out=out, gate=gate)
    assert list(out.iterdir()) == []


def test_a_wrong_fold_is_refused(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(bundle: Bundle) -> Folded:
        scorer = fold(bundle)
        scorer.head.project.bias.data *= 1.01
        return scorer

    monkeypatch.setattr(gate_module, "fold", wrong)
    with pytest.raises(ParityError, match=r"folding changed the score of .* by"):
        open_gate(bundle, count=2)


@pytest.mark.parametrize("fault", ["channels", "mean", "nan"])
def test_a_converter_that_changes_the_model_is_refused(
    fault: str, bundle: Bundle, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = onnx_target.to_model

    def wrong(graph: Any, shape: tuple[int, int, int, int], **more: Any) -> Any:
        graph = copy.deepcopy(graph)
        if fault == "channels":
            graph.tower.stem.weight.data = graph.tower.stem.weight.data.flip(1)
        elif fault == "mean":
            graph.offset += 0.02
        else:
            graph.tower.stem.weight.data[0, 0, 0, 0] = float("nan")
        return right(graph, shape, **more)

    monkeypatch.setattr(onnx_target, "to_model", wrong)
    words = "does not score" if fault == "nan" else r"tiny as onnx, fp32: off by [\d.]+ on gate 0"
    _refuses(bundle, tmp_path, gate, words)


def test_a_file_that_loses_its_model_while_facts_are_written_is_refused(
    bundle: Bundle, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right, calls = onnx_target.write_facts, []

    def wrong(path: Path, facts: dict[str, Any]) -> None:
        right(path, facts)
        calls.append(path)
        if len(calls) == 2:  # after the comparison has passed
            facts = {**facts, "golden": [{**g, "reference": 9.0} for g in facts["golden"]]}
            right(path, facts)

    monkeypatch.setattr(onnx_target, "write_facts", wrong)
    _refuses(bundle, tmp_path, gate, "golden photos")


# Publishing: the moment of a kill must not matter.


def _kill_while(body: str, out: Path) -> None:
    """Run code in a process that kills itself where it says `die()`."""
    code = textwrap.dedent(
        """
        import os, pathlib, signal, sys
        from ralikit.export.manifest import manifest_path, publish_pair
        def die(): os.kill(os.getpid(), signal.SIGKILL)
        file = pathlib.Path(sys.argv[1]) / "m.onnx"
        renames = []
        def after(number, plain=os.replace):
            # Count the renames of pathlib and kill after so many.
            def counted(*args, **kwargs):
                if len(renames) == number: die()
                renames.append(args); result = plain(*args, **kwargs)
                return result
            os.replace = os.rename = counted
        """
    ) + textwrap.dedent(body)
    done = subprocess.run([sys.executable, "-c", code, str(out)], check=False)
    assert done.returncode == -signal.SIGKILL


_WRITE = """
with publish_pair(file, overwrite=True) as (draft, manifest):
    draft.write_text("new"); manifest.write_text("{}")
"""


def _visible(out: Path) -> list[str]:
    return sorted(p.name for p in out.iterdir() if not p.name.startswith("."))


def test_a_kill_while_drafting_leaves_nothing(tmp_path: Path) -> None:
    _kill_while(_WRITE.replace("manifest.write", "die(); manifest.write"), tmp_path)
    assert _visible(tmp_path) == []


@pytest.mark.parametrize("number", [0, 1])
def test_a_kill_between_the_renames_leaves_no_file_without_its_manifest(
    tmp_path: Path, number: int
) -> None:
    _kill_while(f"after({number})\n{_WRITE}", tmp_path)
    assert "m.onnx" not in _visible(tmp_path)
    with publish_pair(tmp_path / "m.onnx") as (draft, manifest):  # and the next run succeeds
        draft.write_text("new")
        manifest.write_text("{}")
    assert _visible(tmp_path) == ["m.onnx", "m.onnx.ralikit.json"]


def _old_pair(folder: Path) -> Path:
    file = folder / "m.onnx"
    file.write_text("old")
    manifest_path(file).write_text(manifest_text(file, {}, name=file.name))
    return file


_REPLACE = """
from ralikit.export.manifest import manifest_text
with publish_pair(file, overwrite=True) as (draft, manifest):
    draft.write_text("new"); manifest.write_text(manifest_text(draft, {}, name=file.name))
"""


@pytest.mark.parametrize("number", range(3))
def test_a_kill_while_replacing_leaves_the_old_pair_or_the_new_one(
    tmp_path: Path, number: int
) -> None:
    """Three renames: a manifest of both files, the file, its manifest alone."""
    file = _old_pair(tmp_path)
    _kill_while(f"after({number})\n{_REPLACE}", tmp_path)
    assert _visible(tmp_path) == ["m.onnx", "m.onnx.ralikit.json"]
    assert file.read_text() == ("new" if number == 2 else "old")
    manifest = read_manifest(file)
    assert manifest is not None
    assert manifest["sha256"] == sha256_path(file)
    with publish_pair(file, overwrite=True) as (draft, text):  # and the next run ends it
        draft.write_text("third")
        text.write_text(manifest_text(draft, {}, name=file.name))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m.onnx", "m.onnx.ralikit.json"]
    assert json.loads(manifest_path(file).read_text()).keys() == manifest.keys()


def test_a_file_without_a_manifest_never_gets_anothers(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_text("old")
    _kill_while(f"after(1)\n{_REPLACE}", tmp_path)
    assert (tmp_path / "m.onnx").read_text() == "old"
    assert read_manifest(tmp_path / "m.onnx") is None


def test_two_exports_of_one_file_at_once_are_one_and_a_sentence(tmp_path: Path) -> None:
    with publish_pair(tmp_path / "m.onnx") as (draft, manifest):
        draft.write_text("first")
        manifest.write_text("{}")
        with pytest.raises(RalikitError, match="being written by another ralikit"):
            publish_pair(tmp_path / "m.onnx", overwrite=True).__enter__()
        with publish_pair(tmp_path / "n.onnx") as (other, its):  # another file is no matter
            other.write_text("other")
            its.write_text("{}")
    assert len(list(tmp_path.iterdir())) == 4


def test_an_error_while_replacing_keeps_the_old_pair(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_text("old")
    manifest_path(tmp_path / "m.onnx").write_text('"old"')
    with pytest.raises(ZeroDivisionError), publish_pair(tmp_path / "m.onnx", overwrite=True):
        raise ZeroDivisionError
    assert (tmp_path / "m.onnx").read_text() == "old"
    assert manifest_path(tmp_path / "m.onnx").read_text() == '"old"'
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.slow
def test_a_real_export_killed_anywhere_leaves_no_file(bundle: Bundle, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "ralikit", "export", str(bundle.root)]
    command += ["--target", "onnx", "--precision", "fp32", "--out", str(tmp_path)]
    for seconds in (2.0, 6.0, 12.0):
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(seconds)
        if process.poll() is None:
            process.kill()
            process.wait()
            assert not (tmp_path / "tiny-fp32.onnx").exists()
        else:  # faster than the clock: then it is whole
            assert json.loads((tmp_path / "tiny-fp32.onnx.ralikit.json").read_text())
            (tmp_path / "tiny-fp32.onnx").unlink()


def test_the_exact_reference_is_not_shared_with_the_folded_graph(
    bundle: Bundle, gate: Gate
) -> None:
    views = [make_views(g.pixels, bundle.info.preprocess) for g in gate.golden[:2]]
    weight = gate.folded.get_parameter("tower.stem.weight")
    weight.data += 1.0
    try:
        again = unfolded_scores(bundle, views)
    finally:
        weight.data -= 1.0
    np.testing.assert_allclose(again, gate.golden_reference[:2])


def test_the_chains_targets_are_those_of_the_command_line() -> None:
    assert names() == ("onnx", "tflite", "coreml", "coreai")

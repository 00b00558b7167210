"""`ralikit verify` believes nothing: it hashes, opens and scores again."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import onnx
import pytest
from onnx import numpy_helper
from PIL import Image
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.errors import BundleError, UsageError
from ralikit.export.gate.gate import Gate
from ralikit.export.manifest import manifest_path
from ralikit.export.pipeline import export
from ralikit.export.targets.onnx import target as onnx_target
from ralikit.export.targets.onnx.facts import with_facts
from ralikit.export.verify import verify
from ralikit.model.bundle import Bundle
from ralikit.probes import probe_photos
from ralikit.runtimes.onnx import read_facts


@pytest.fixture(scope="module")
def made(bundle: Bundle, gate: Gate, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("verify")
    return export(bundle, target="onnx", precision="fp32", out=out, gate=gate).path


@pytest.fixture
def file(made: Path, tmp_path: Path) -> Path:
    shutil.copy(manifest_path(made), tmp_path)
    return Path(shutil.copy(made, tmp_path))


def test_a_good_file_passes_alone_and_with_its_manifest(file: Path) -> None:
    result = verify(file)
    assert result.passed, result.reason
    assert result.max_drift < 1e-4
    assert len(result.golden) == 12
    manifest_path(file).unlink()
    alone = verify(file)
    assert alone.passed
    assert alone.checks[0].passed is None  # nothing to compare the hash with, and it says so


def test_a_changed_byte_is_seen_by_the_hash(file: Path) -> None:
    manifest = json.loads(manifest_path(file).read_text())
    manifest["sha256"] = "0" * 64
    manifest_path(file).write_text(json.dumps(manifest))
    result = verify(file)
    assert not result.passed
    assert "altered" in result.reason


def test_a_changed_weight_is_seen_by_the_golden_photos(file: Path) -> None:
    model = onnx.load_model(file)
    for weight in model.graph.initializer:
        if weight.name == "tower.stem.weight":
            weight.CopyFrom(
                numpy_helper.from_array(numpy_helper.to_array(weight) * 1.1, weight.name)
            )
    onnx.save(model, file)
    manifest_path(file).unlink()
    with pytest.raises(BundleError, match="differs from what ralikit export wrote"):
        verify(file)
    file.write_bytes(with_facts(model, json.loads(model.metadata_props[0].value)))
    result = verify(file)
    assert not result.passed
    assert result.reason.startswith("golden photos: 12 scored; largest difference")


def test_rewritten_reference_scores_disagree_with_the_manifest(file: Path) -> None:
    facts = dict(read_facts(file).written)
    facts["precision"] = "int8"
    onnx_target.write_facts(file, facts)
    result = verify(file)
    assert not result.passed
    assert any("precision" in c.detail for c in result.checks if c.name == "facts")


def test_facts_that_are_not_all_there(file: Path) -> None:
    facts = dict(read_facts(file).written)
    del facts["golden"], facts["parity"]
    onnx_target.write_facts(file, facts)
    manifest_path(file).unlink()
    assert "lacks golden, parity" in verify(file).reason


def test_golden_photos_of_another_version_do_not_count_as_checked(file: Path) -> None:
    facts = dict(read_facts(file).written)
    facts["golden"][0]["sha256"] = "0" * 64
    onnx_target.write_facts(file, facts)
    manifest_path(file).unlink()
    assert "not this version's" in verify(file).reason


def test_a_file_ralikit_did_not_write(tmp_path: Path) -> None:
    (tmp_path / "x.onnx").write_bytes(b"nothing")
    with pytest.raises(BundleError):
        verify(tmp_path / "x.onnx")
    with pytest.raises(UsageError, match="there is no file"):
        verify(tmp_path / "y.onnx")


def test_a_comparison_with_the_bundle_on_photos(file: Path, bundle: Bundle, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    for index, photo in enumerate(probe_photos()[:4]):
        Image.fromarray(photo.pixels).save(folder / f"{index}.png")
    words = ["verify", str(file), "--bundle", str(bundle.root), "--photos", str(folder)]
    result = CliRunner().invoke(app, [*words, "--json"])
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    assert told["passed"] is True
    assert told["parity"]["photos"] == 4
    assert told["parity"]["max_drift"] < 1e-4


def test_the_command_says_what_it_checked_and_fails_with_1(file: Path) -> None:
    good = CliRunner().invoke(app, ["verify", str(file)])
    assert good.exit_code == 0
    assert "verified" in good.stdout
    assert "rocket, dark 40" in good.stdout
    facts = dict(read_facts(file).written)
    facts["golden"][0]["reference"] += 0.01
    onnx_target.write_facts(file, facts)
    bad = CliRunner().invoke(app, ["verify", str(file)])
    assert bad.exit_code == 1
    assert "NOT verified" in bad.stdout


def test_golden_photos_are_the_same_pixels_for_ever() -> None:
    # Files already shipped carry these hashes: a change here orphans them.
    photos = probe_photos()
    assert len({p.sha256 for p in photos}) == len(photos) == 12
    assert {p.pixels.shape for p in photos} == {(512, 512, 3)}
    import hashlib

    digest = hashlib.sha256("".join(p.sha256 for p in photos).encode()).hexdigest()
    assert digest == "6f4432578318fbe98a8be1d585dbf2c46c9f143e9355808870c3734370619a74"


def test_verifying_needs_none_of_the_heavy_libraries() -> None:
    import subprocess
    import sys

    code = "import sys, ralikit.export.verify; print('torch' in sys.modules, 'onnx' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]

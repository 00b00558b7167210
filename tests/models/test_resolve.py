"""A model's name, folder or file: one place tells which is meant."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from support_scorer import brightness_bundle

import ralikit
from ralikit.bench.subjects import open_subject
from ralikit.demo import model_file
from ralikit.errors import BundleError, UsageError
from ralikit.evaluate import open_model
from ralikit.files import size_bytes
from ralikit.model.bundle import read_bundle
from ralikit.models import (
    bundled,
    bundled_names,
    bundled_path,
    locate,
    open_bundle,
    resolve,
)

MINI = "838169c310e0a29ae0e89a771b9ab4548c7e790e26569563b50f41b69fa8603e"


def test_a_bundled_model_is_meant_by_its_name_wherever_a_model_is_taken() -> None:
    pytest.importorskip("torch")
    from ralikit.reward import Reward

    assert bundled_names() == ("mini", "mini-free")
    assert resolve("mini").path == resolve(None).path == locate(Path("mini")) == bundled_path()
    assert resolve("mini").kind == "bundle"
    assert ralikit.load("mini").name == "mini"
    assert open_bundle("mini").hash == open_bundle(None).hash == bundled().hash
    assert open_model("mini").model["format"] == "bundle"
    assert model_file(Path("mini")) == bundled_path() / "scorer.onnx"
    assert Reward("mini").name == "mini"
    subject = open_subject(Path("mini"), backend="auto", threads=1)
    assert subject.model["hash"] == bundled().hash


@pytest.mark.parametrize("name", ["mini", "mini-free"])
def test_every_bundled_model_names_its_licence_wherever_it_scores(name: str) -> None:
    bundle = bundled(name)
    assert bundle.info.name == name
    assert bundle.info.licence
    scorer = ralikit.load(name)
    score = scorer.score(np.full((64, 64, 3), 90, np.uint8))
    assert score.licence == scorer.licence == bundle.info.licence
    assert "LICENSE-WEIGHTS.md" in bundle.files
    assert "MODEL_CARD.md" in bundle.files


def test_the_free_models_notices_go_with_it() -> None:
    notices = (bundled("mini-free").root / "LICENSE-WEIGHTS.md").read_text(encoding="utf-8")
    assert "Copyright (c) 2015 The University of Texas at Austin" in notices
    assert "Copyright (c) 2023 lcysyzxdxc" in notices
    assert "Apache License, Version 2.0" in notices
    assert bundled("mini-free").info.licence.startswith("weights: Apache-2.0")


@pytest.mark.parametrize("name", ["mini", "mini-free"])
def test_one_copy_of_a_bundled_models_weights_serves_torch_too(name: str) -> None:
    pytest.importorskip("torch")
    from ralikit.runtimes.torch import TorchRuntime

    bundle = bundled(name)
    assert bundle.tower_file.name == "scorer.onnx"
    views = np.random.default_rng(0).integers(
        0, 256, (bundle.info.preprocess.views, 256, 256, 3), dtype=np.uint8
    )
    assert TorchRuntime(bundle).run(views) == pytest.approx(
        ralikit.load(name).runtime.run(views), abs=1e-4
    )


def test_both_bundled_models_fit_a_wheel_of_twenty_megabytes() -> None:
    assert sum(size_bytes(bundled_path(name)) for name in bundled_names()) < 17e6


def test_a_path_of_that_name_goes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    mine = brightness_bundle(tmp_path / "mini")
    assert resolve("mini").path == Path("mini")
    assert ralikit.load("mini").name == "brightness"
    assert open_bundle("mini").hash == mine.hash


def test_each_kind_is_told_by_what_is_there(tmp_path: Path) -> None:
    bundle = brightness_bundle(tmp_path / "model")
    assert resolve(bundle.root).kind == "bundle"
    assert resolve(str(bundle.root / "scorer.onnx")).kind == "file"
    package = tmp_path / "x.mlpackage"
    package.mkdir()
    assert resolve(package).kind == "file"
    teacher = tmp_path / "teacher"
    teacher.mkdir()
    (teacher / "config.json").write_text("{}")
    assert resolve(teacher).kind == "teacher"
    with pytest.raises(UsageError, match=r"teacher is no bundle: it has no ralikit\.json"):
        ralikit.load(teacher)


def test_what_is_not_there_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match=r"there is no model maxi: expected .* or mini, or mini-free"
    ):
        resolve("maxi")
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match="empty is no bundle"):
        resolve(tmp_path / "empty")
    with pytest.raises(BundleError, match="maxi is not a bundle"):
        open_bundle("maxi")


def test_the_default_model_can_be_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ralikit.models.bundled_path", lambda _name="mini": tmp_path / "none")
    with pytest.raises(BundleError, match="this installation has no bundled model"):
        resolve(None)


def test_the_bundled_models_hash_is_the_one_in_files_already_written() -> None:
    assert bundled().hash == MINI
    assert ralikit.load().runtime.facts.model.bundle == MINI


def test_a_bundles_hash_knows_its_description_by_the_first_names(tmp_path: Path) -> None:
    bundle = brightness_bundle(tmp_path / "model")
    manifest = bundle.root / "ralikit.json"
    raw = json.loads(manifest.read_text(encoding="utf-8"))
    assert raw["model"]["tie_width"] == 0.25
    assert "resolution" not in raw["model"]
    raw["model"]["resolution"] = raw["model"].pop("tie_width")
    raw["model"]["resolution_note"] = raw["model"].pop("tie_width_note")
    manifest.write_text(json.dumps(raw), encoding="utf-8")
    old = read_bundle(bundle.root)
    assert old.info == bundle.info
    assert old.hash == bundle.hash
    raw["model"]["tie_width"] = 0.5
    manifest.write_text(json.dumps(raw), encoding="utf-8")
    with pytest.raises(BundleError, match="'resolution' is the former name of 'tie_width'"):
        read_bundle(bundle.root)

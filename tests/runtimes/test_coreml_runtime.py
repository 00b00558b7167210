"""Running an .mlpackage off a Mac, and every way in which one can be broken or foreign."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from support_tflite import made_photos, tiny_facts, tiny_request, torch_scores

from ralikit.errors import BundleError, MissingExtraError
from ralikit.export.targets.coreml import target as coreml
from ralikit.runtimes import open_runtime
from ralikit.runtimes.coreml import OFF_DEVICE, CoreMlRuntime
from ralikit.runtimes.digest import DIGEST_KEY
from ralikit.runtimes.mil import open_package
from ralikit.runtimes.mil.package import seal, write_spec


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    path = tmp_path_factory.mktemp("runtime") / "tiny.mlpackage"
    coreml.convert(tiny_request("fp16"), path)
    coreml.write_facts(path, tiny_facts())
    return path


@pytest.fixture
def path(made: Path, tmp_path: Path) -> Path:
    """A copy to break."""
    copy = tmp_path / "tiny.mlpackage"
    shutil.copytree(made, copy)
    return copy


def test_it_scores_like_the_reference_and_says_how(made: Path) -> None:
    runtime = open_runtime(made)
    photos = made_photos(5)
    expected = torch_scores(tiny_request("fp16").folded, photos)
    assert np.abs(np.subtract([runtime.run(v) for v in photos], expected)).max() < 0.02
    assert runtime.note == OFF_DEVICE
    assert "evaluated off-device" in runtime.note
    assert runtime.facts.written == json.loads(json.dumps(tiny_facts()))


def test_the_same_photo_scores_the_same(made: Path) -> None:
    runtime, (views,) = CoreMlRuntime(made), made_photos(1)
    assert runtime.run(views) == runtime.run(views)


@pytest.mark.parametrize(
    "views",
    [
        np.zeros((1, 32, 32, 3), np.uint8),
        np.zeros((2, 3, 32, 32), np.uint8),
        np.zeros((2, 32, 32, 3), np.float32),
    ],
)
def test_views_of_another_shape_or_type_are_refused(made: Path, views: np.ndarray) -> None:
    with pytest.raises(ValueError, match="takes uint8 views of shape"):
        CoreMlRuntime(made).run(views)


def test_a_package_without_facts_is_foreign(path: Path) -> None:
    package = open_package(path)
    package.spec.description.metadata.userDefined.clear()
    write_spec(package)
    with pytest.raises(BundleError, match="not made by ralikit export"):
        CoreMlRuntime(path)


def test_facts_that_contradict_the_program_are_refused(path: Path) -> None:
    facts = tiny_facts()
    facts["preprocess"]["size"] = facts["preprocess"]["shortest_edge"] = 48
    coreml.write_facts(path, facts)
    with pytest.raises(BundleError, match=r"its facts speak of views of shape \(2, 48, 48, 3\)"):
        CoreMlRuntime(path)


def damage_manifest(path: Path) -> None:
    (path / "Manifest.json").write_text("{")


def no_manifest(path: Path) -> None:
    (path / "Manifest.json").unlink()


def cut_model(path: Path) -> None:
    model = open_package(path).model
    model.write_bytes(model.read_bytes()[:-1000])


def empty_model(path: Path) -> None:
    open_package(path).model.write_bytes(b"")


def noise_model(path: Path) -> None:
    open_package(path).model.write_bytes(bytes(range(256)) * 40)


def no_model(path: Path) -> None:
    open_package(path).model.unlink()


def cut_weights(path: Path) -> None:
    weights = open_package(path).weights / "weight.bin"
    weights.write_bytes(weights.read_bytes()[:500])


def no_weights(path: Path) -> None:
    (open_package(path).weights / "weight.bin").unlink()


def linked_weights(path: Path) -> None:
    weights = open_package(path).weights / "weight.bin"
    outside = path.parent / "outside.bin"
    weights.rename(outside)
    weights.symlink_to(outside)


def other_kind(path: Path) -> None:
    package = open_package(path)
    package.spec.neuralNetwork.Clear()
    package.spec.neuralNetwork.SetInParent()
    write_spec(package)


def unknown_operation(path: Path) -> None:
    package = open_package(path)
    function = package.spec.mlProgram.functions["main"]
    for block in function.block_specializations.values():
        for op in block.operations:
            if op.type == "softmax":
                op.type = "sorcery"
    write_spec(package)


def renamed_output(path: Path) -> None:
    package = open_package(path)
    function = package.spec.mlProgram.functions["main"]
    for block in function.block_specializations.values():
        block.outputs[0] = block.operations[-1].outputs[0].name = "sum"
    write_spec(package)


def giant(path: Path) -> None:
    package = open_package(path)
    function = package.spec.mlProgram.functions["main"]
    for block in function.block_specializations.values():
        sizes = block.operations[-1].outputs[0].type.tensorType.dimensions
        sizes[0].constant.size = 2**40
    write_spec(package)


def sealed(damage: Callable[[Path], None]) -> Callable[[Path], None]:
    """The same, written by somebody who renews the digest."""

    def damage_and_seal(path: Path) -> None:
        damage(path)
        seal(open_package(path))

    damage_and_seal.__name__ = f"sealed_{damage.__name__}"
    return damage_and_seal


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (damage_manifest, "its Manifest.json is unusable"),
        (no_manifest, "its Manifest.json is unusable"),
        (cut_model, "damaged"),
        (empty_model, "holds no ML program"),
        (noise_model, "damaged|holds no ML program"),
        (no_model, "has no model file"),
        (cut_weights, "differs from what ralikit export wrote"),
        (no_weights, "differs from what ralikit export wrote"),
        (sealed(cut_weights), "program cannot be read"),
        (sealed(no_weights), "program cannot be read"),
        (linked_weights, "a link to outside"),
        (other_kind, "holds no ML program"),
        (sealed(unknown_operation), "cannot be read.*sorcery"),
        (sealed(renamed_output), "gives sum; expected image and score"),
        (sealed(giant), "has 1099511627776 elements"),
    ],
)
def test_a_broken_package_is_one_sentence(path: Path, damage: object, words: str) -> None:
    damage(path)  # type: ignore[operator]
    with pytest.raises(BundleError, match=words) as caught:
        CoreMlRuntime(path)
    assert "\n" not in str(caught.value)
    assert str(path.name) in str(caught.value)


@pytest.mark.parametrize("entry", ["../../secret.mlmodel", "/etc/passwd"])
def test_the_manifest_cannot_point_outside(path: Path, entry: str) -> None:
    manifest = json.loads((path / "Manifest.json").read_text())
    root = manifest["rootModelIdentifier"]
    manifest["itemInfoEntries"][root]["path"] = entry
    (path / "Manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(BundleError, match="points outside the package"):
        CoreMlRuntime(path)


def test_what_is_no_package_is_said(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="it is no folder"):
        CoreMlRuntime(tmp_path / "absent.mlpackage")


def test_a_score_that_is_no_number_is_refused(path: Path) -> None:
    package = open_package(path)
    function = package.spec.mlProgram.functions["main"]
    for block in function.block_specializations.values():
        for op in block.operations:
            for value in op.attributes.values():
                floats = value.immediateValue.tensor.floats.values
                if op.type == "const" and len(floats) == 5:  # the scores of the basis
                    floats[0] = float("nan")
    seal(package)
    with pytest.raises(BundleError, match="gave nan instead of a score"):
        CoreMlRuntime(path).run(made_photos(1)[0])


def test_without_coremltools_the_extra_is_named(
    made: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import importlib

    real = importlib.import_module

    def without(name: str, package: str | None = None) -> object:
        if name.partition(".")[0] in ("coremltools", "tqdm"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(MissingExtraError, match=r"pip install 'ralikit\[coreml\]'"):
        open_runtime(made)


def test_flipped_weights_and_programs_do_not_score(path: Path) -> None:
    package = open_package(path)
    for file in (package.weights / "weight.bin", package.model):
        whole = file.read_bytes()
        for at in range(0, len(whole), len(whole) // 8 + 1):
            file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])
            with pytest.raises(BundleError):
                CoreMlRuntime(path)
        file.write_bytes(whole)
    assert CoreMlRuntime(path).facts.digested


def test_a_package_without_a_digest_opens_and_a_doubled_entry_does_not(path: Path) -> None:
    package = open_package(path)
    del package.spec.description.metadata.userDefined[DIGEST_KEY]
    write_spec(package)
    assert not CoreMlRuntime(path).facts.digested
    more = type(package.spec)()
    more.description.metadata.userDefined["ralikit"] = package.metadata["ralikit"]
    package.model.write_bytes(package.model.read_bytes() + more.SerializeToString())
    with pytest.raises(BundleError, match="fields twice"):
        CoreMlRuntime(path)

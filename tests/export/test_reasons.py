"""Reasons come out of every target's file as the fitted bank gives them, or there is no file."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support_coreai import needs_coreai
from support_export import tiny_bundle

from ralikit.errors import BundleError, ParityError, UsageError
from ralikit.export.gate.gate import Gate, open_gate
from ralikit.export.gate.limits import Limits
from ralikit.export.gate.parity import first_named, reasons_parity
from ralikit.export.gate.reference import reasons_of
from ralikit.export.options import ExportOptions
from ralikit.export.order import order
from ralikit.export.pipeline import convert, export, prove
from ralikit.export.targets import names
from ralikit.export.verify import verify
from ralikit.model.bundle import Bundle
from ralikit.model.folded import with_outputs
from ralikit.runtimes import open_runtime
from ralikit.runtimes.torch import TorchRuntime
from ralikit.scorer import load

SLOW = ("fp16", "int8-weights")
TARGETS = [pytest.param(name, marks=needs_coreai if name == "coreai" else ()) for name in names()]


@pytest.fixture(scope="module")
def banked(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return tiny_bundle(tmp_path_factory.mktemp("banked") / "bundle", reasons=True, hidden=16)


@pytest.fixture(scope="module")
def banked_gate(banked: Bundle) -> Gate:
    return open_gate(banked, count=12, calibration_count=12)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(
    "precision", ["fp32", "int8", *(pytest.param(p, marks=pytest.mark.slow) for p in SLOW)]
)
def test_every_target_and_precision_gives_the_banks_reasons(
    banked: Bundle, banked_gate: Gate, tmp_path: Path, target: str, precision: str
) -> None:
    # Without the stand-in's limits: what random layers lose in Core ML's float16 is not asked here.
    asked = order(banked, target=target, precision=precision, out=tmp_path)
    draft = convert(asked, banked_gate, tmp_path / f"draft{asked.target.suffix}")
    made = prove(draft, banked_gate, limits=Limits(golden=100))
    runtime = open_runtime(draft.path)
    assert runtime.facts.outputs == ("score", "embedding", "reasons")
    assert runtime.facts.reasons == banked.info.reasons.bank  # type: ignore[union-attr]
    wanted = reasons_of(banked, banked_gate.embeddings)
    given = [runtime.outputs(v) for v in banked_gate.photos.views]
    found = np.stack([outputs["reasons"] for outputs in given])
    assert found.shape == wanted.shape == (12, 3)
    assert wanted.std(axis=0).min() > 0.01  # every reason differs from photo to photo
    # Integers ruin the embedding of random layers: what is held is how the file reads its own.
    own = reasons_of(banked, np.stack([outputs["embedding"].reshape(-1) for outputs in given]))
    np.testing.assert_allclose(found, own, atol=2e-3)
    if precision in {"fp32", "fp16"}:
        np.testing.assert_allclose(found, wanted, atol=1e-3 if precision == "fp32" else 0.05)
    assert made.parity.reasons is not None
    assert made.parity.reasons.max_drift == pytest.approx(np.abs(found - wanted).max(), abs=1e-6)
    # The read-out reads the embedding and stays float32, whatever the tower becomes.
    kinds = {k: v for k, v in made.facts["layers"].items() if k.startswith("reasons.")}
    assert set(kinds.values()) == {"float32"}
    golden = made.facts["golden"][0]["reasons"]
    assert golden == [round(v, 7) for v in reasons_of(banked, banked_gate.golden_embeddings)[0]]


def test_a_linear_bank_is_folded_too(tmp_path: Path) -> None:
    linear = tiny_bundle(tmp_path / "bundle", reasons=True)
    gate = open_gate(linear, count=4, calibration_count=4)
    made = export(linear, target="onnx", precision="fp32", out=tmp_path, gate=gate)
    assert made.parity.reasons is not None
    assert made.parity.reasons.max_drift < 1e-4
    assert [n for n in made.facts["layers"] if n.startswith("reasons.")] == ["reasons.weigh"]


@pytest.mark.parametrize("target", TARGETS)
def test_a_file_asked_for_scores_alone_holds_no_bank(
    banked: Bundle, banked_gate: Gate, tmp_path: Path, target: str
) -> None:
    # Trained weights are judged by scores; the stand-in's limits need the embedding.
    trained = replace(banked, info=replace(banked.info, tower=_trained(banked)))
    options = ExportOptions(outputs=("score",))
    asked = order(trained, target=target, precision="fp32", out=tmp_path, options=options)
    gate = replace(banked_gate, bundle=trained)
    draft = convert(asked, gate, tmp_path / f"draft{asked.target.suffix}")
    made = prove(draft, gate, limits=Limits(golden=100))
    facts = open_runtime(draft.path).facts
    assert facts.outputs == ("score",)
    assert facts.reasons == ()
    assert not any(name.startswith("reasons") for name in made.facts["layers"])
    assert "reasons" not in made.facts["golden"][0]
    assert load(draft.path).reasons == ()


def test_reasons_are_given_by_default_where_there_is_a_bank(
    banked: Bundle, banked_gate: Gate, bundle: Bundle, tmp_path: Path
) -> None:
    trained = replace(banked, info=replace(banked.info, tower=_trained(banked)))
    gate = replace(banked_gate, bundle=trained)
    made = export(trained, target="onnx", precision="fp32", out=tmp_path, gate=gate)
    assert open_runtime(made.path).facts.outputs == ("score", "reasons")
    assert verify(made.path).passed
    options = ExportOptions(outputs=("score", "reasons"))
    with pytest.raises(UsageError, match=r"no bank of reasons.*ralikit train reasons"):
        export(bundle, target="onnx", precision="fp32", out=tmp_path, options=options)


def test_a_bank_read_with_the_wrong_sign_is_refused(
    banked: Bundle, banked_gate: Gate, tmp_path: Path
) -> None:
    trained = replace(banked, info=replace(banked.info, tower=_trained(banked)))
    turned = with_outputs(banked_gate.folded, ("score", "reasons"))
    weigh = turned.reasons.weigh  # type: ignore[union-attr]
    weigh.weight.mul_(-1)
    weigh.bias.mul_(-1)
    try:
        with pytest.raises(ParityError, match="reasons' drift"):
            export(
                trained,
                target="onnx",
                precision="fp32",
                out=tmp_path,
                gate=replace(banked_gate, bundle=trained),
            )
        assert list(tmp_path.iterdir()) == []
    finally:
        weigh.weight.mul_(-1)
        weigh.bias.mul_(-1)


def test_folding_that_changes_reasons_is_refused(
    banked: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    monkeypatch.setattr(torch, "sigmoid", torch.tanh)
    with pytest.raises(ParityError, match="folding changed a reason"):
        open_gate(banked, count=12, calibration_count=12)


def test_first_reason_and_drift_by_hand() -> None:
    reference = np.array([[0.9, 0.6, 0.0], [0.2, 0.4, 0.3], [0.5, 0.1, 0.0], [0.1, 0.7, 0.6]])
    found = np.array([[0.8, 0.7, 0.0], [0.2, 0.51, 0.3], [0.5, 0.1, 0.0], [0.1, 0.6, 0.65]])
    assert first_named(reference).tolist() == [0, -1, 0, 1]
    parity = reasons_parity(list("abcd"), found, reference)
    assert parity.first == 0.5  # b names one where none is, d another
    assert parity.max_drift == pytest.approx(0.11)
    assert parity.worst == "b"
    assert parity.problem(Limits(golden=1, first_reason=0.5)) is None
    assert "50.0%" in str(parity.problem(Limits(golden=1, first_reason=0.97)))
    assert "drift" in str(parity.problem(Limits(golden=1, reasons=0.1)))


@pytest.mark.parametrize("value", [np.nan, 1.2, -0.1])
def test_what_is_no_reason_is_refused(value: float) -> None:
    with pytest.raises(ParityError, match="0 to 1"):
        reasons_parity(["a"], np.array([[0.5, value]]), np.array([[0.5, 0.5]]))
    with pytest.raises(ParityError, match="gives 1 reasons, not 2"):
        reasons_parity(["a"], np.array([[0.5]]), np.array([[0.5, 0.5]]))


def test_verify_finds_reasons_that_are_not_the_golden_photos(
    banked: Bundle, banked_gate: Gate, tmp_path: Path
) -> None:
    from ralikit.export.targets.onnx import target as onnx

    made = export(banked, target="onnx", precision="fp32", out=tmp_path, gate=banked_gate)
    facts = json.loads(json.dumps(made.facts))
    facts["limits"]["golden_reasons"] = 1e-3
    facts["golden"][0]["reasons"][1] += 0.01
    onnx.write_facts(made.path, facts)
    found = {check.name: check for check in verify(made.path).checks}
    assert found["golden reasons"].passed is False
    assert "motion-blur" in found["golden reasons"].detail
    del facts["golden"][0]["reasons"]
    onnx.write_facts(made.path, facts)
    found = {check.name: check for check in verify(made.path).checks}
    assert found["golden reasons"].passed is False


def test_facts_must_say_what_reasons_mean(
    banked: Bundle, banked_gate: Gate, tmp_path: Path
) -> None:
    from ralikit.export.targets.onnx import target as onnx

    made = export(banked, target="onnx", precision="fp32", out=tmp_path, gate=banked_gate)
    own = made.facts["reasons"]
    wrong: tuple[list[Any] | None, ...] = (None, [], own[:2], own[:1] * 3)
    for reasons in wrong:
        facts = {k: v for k, v in made.facts.items() if k != "reasons"}
        onnx.write_facts(made.path, facts | ({} if reasons is None else {"reasons": reasons}))
        with pytest.raises(BundleError):
            open_runtime(made.path)


def test_the_bundle_itself_gives_them_too(banked: Bundle, banked_gate: Gate) -> None:
    runtime = TorchRuntime(banked)
    wanted = reasons_of(banked, banked_gate.embeddings)
    for views, reasons in zip(banked_gate.photos.views[:3], wanted, strict=False):
        np.testing.assert_allclose(runtime.outputs(views)["reasons"], reasons, atol=1e-5)
        score = runtime.outputs(views)["score"].item()
        assert runtime.run(views) == pytest.approx(score, abs=1e-6)


def _trained(bundle: Bundle):  # type: ignore[no-untyped-def]
    return replace(bundle.info.tower, weights="trained")

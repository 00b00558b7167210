"""A target is one folder and one line: everything that asks which there are reads the registry."""

from __future__ import annotations

from pathlib import Path

import made_up_target
import made_up_target.checks
import made_up_target.target
import pytest
from typer.testing import CliRunner

from ralikit import runtimes
from ralikit.cli import app
from ralikit.errors import ExportError, UsageError
from ralikit.export import targets
from ralikit.export.gate.gate import Gate
from ralikit.export.options import ExportOptions
from ralikit.export.order import order
from ralikit.export.pipeline import export
from ralikit.export.targets.target import Checker, Converter
from ralikit.export.verify import verify
from ralikit.model.bundle import Bundle
from ralikit.scorer import load

runner = CliRunner()
CONVERTER: Converter = made_up_target.target
CHECKER: Checker = made_up_target.checks


@pytest.fixture
def boxed(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line for the format, one for what runs it."""
    monkeypatch.setattr(targets, "TARGETS", (*targets.TARGETS, made_up_target.BOXED))
    monkeypatch.setattr(runtimes, "BACKENDS", (*runtimes.BACKENDS, made_up_target.BACKEND))


@pytest.mark.usefixtures("boxed")
def test_a_made_up_target_exports_verifies_and_scores(
    bundle: Bundle, gate: Gate, tmp_path: Path
) -> None:
    done = export(bundle, target="boxed", precision="fp32", out=tmp_path, gate=gate)
    assert done.path.name == "tiny-fp32.boxed"
    assert done.facts["box"]["layers"] == len(done.facts["layers"])
    assert {"name": "lid", "passed": True, "detail": ".boxed of tiny is shut"} in done.facts[
        "checks"
    ]
    verified = verify(done.path)
    assert verified.passed
    assert "lid" in [check.name for check in verified.checks]
    photo = bundle.root.parent / "photo.png"
    from PIL import Image

    Image.effect_noise((90, 120), 60).convert("RGB").save(photo)
    assert load(done.path).score(photo).value == pytest.approx(
        load(bundle.root).score(photo).value, abs=1e-4
    )


@pytest.mark.usefixtures("boxed")
def test_its_values_alone_say_what_it_has(bundle: Bundle, tmp_path: Path) -> None:
    def asked(**options: object) -> None:
        order(
            bundle,
            target="boxed",
            precision=str(options.pop("precision", "fp32")),
            out=tmp_path,
            options=ExportOptions(**options),  # type: ignore[arg-type]
        )

    asked()
    with pytest.raises(UsageError, match=r"boxed has no precision 'int8'.*it has fp32, auto"):
        asked(precision="int8")
    with pytest.raises(UsageError, match="boxed files give score, not 'embedding'"):
        asked(outputs=("score", "embedding"))
    with pytest.raises(UsageError, match="--gpu is for tflite: boxed has no rules"):
        asked(gpu=True)
    with pytest.raises(UsageError, match="--layout neural-engine is for coreml: boxed lays"):
        asked(layout="neural-engine")
    with pytest.raises(UsageError, match="there are onnx, tflite, coreml, coreai, boxed, and all"):
        order(bundle, target="crate", precision="fp32", out=tmp_path)
    with pytest.raises(ExportError, match="boxed has no precision 'fp16'; it has fp32, auto"):
        made_up_target.BOXED.precision("fp16")


@pytest.mark.usefixtures("boxed")
def test_the_command_line_exports_it(bundle: Bundle, tmp_path: Path) -> None:
    words = ["export", str(bundle.root), "--target", "boxed", "--precision", "int8"]
    done = runner.invoke(app, [*words, "--out", str(tmp_path)])
    assert isinstance(done.exception, UsageError)
    assert "boxed has no precision 'int8'" in str(done.exception)


def test_every_target_is_declared_whole() -> None:
    for target in targets.TARGETS:
        names = [precision.name for precision in target.precisions]
        assert names[0] == "fp32"
        assert names[-1] == "auto"
        assert len(set(names)) == len(names)
        usual = runtimes.usual_backend(Path(f"x{target.suffix}"))
        assert usual is not None
        assert usual.format == target.name

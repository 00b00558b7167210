"""What goes wrong on real computers: one sentence, and nothing half-written."""

from __future__ import annotations

import errno
import os
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.errors import BundleError, MissingExtraError, RalikitError, UsageError
from ralikit.export.gate.gate import Gate, open_gate
from ralikit.export.options import ExportOptions
from ralikit.export.pipeline import export, export_all
from ralikit.model.bundle import TOWER, Bundle, read_safetensors, write_bundle

export_fp32 = partial(export, target="onnx", precision="fp32")


def test_a_full_disk(
    bundle: Bundle, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as stream:
            stream.write(data[: len(data) // 2])  # what fits
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(RalikitError, match=r"cannot write .*tiny-fp32.onnx: No space left"):
        export_fp32(bundle, out=tmp_path, gate=gate)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_while_the_manifest_is_written(
    bundle: Bundle, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, *_args: object, **_kwargs: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(RalikitError, match="No space left"):
        export_fp32(bundle, out=tmp_path, gate=gate)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be(bundle: Bundle, gate: Gate, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RalikitError, match="cannot write"):
        export_fp32(bundle, out=tmp_path / "file" / "out", gate=gate)


def test_a_read_only_folder(
    bundle: Bundle, gate: Gate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    def refuse(*_args: object, **_kwargs: object) -> str:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(tempfile, "mkdtemp", refuse)
    with pytest.raises(RalikitError, match="Permission denied"):
        export_fp32(bundle, out=tmp_path, gate=gate)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("target", "module", "extra"),
    [
        ("onnx", "onnxscript", "export"),
        ("tflite", "litert_torch", "tflite"),
        ("coreml", "coremltools", "coreml"),
    ],
)
def test_a_missing_extra(
    target: str,
    module: str,
    extra: str,
    bundle: Bundle,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=rf"pip install 'ralikit\[{extra}\]'"):
        export(bundle, target=target, precision="fp32", out=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_all_targets_are_looked_up_before_any_work(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "coremltools", None)
    with pytest.raises(MissingExtraError, match="coremltools"):
        list(export_all(bundle, targets=("onnx", "coreml"), precision="fp32", out=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_nan_weight(bundle: Bundle, tmp_path: Path) -> None:
    tower = dict(read_safetensors(bundle.root / TOWER))
    tower["stem.weight"] = tower["stem.weight"].copy()
    tower["stem.weight"][0, 0, 0, 0] = np.nan
    broken = write_bundle(tmp_path / "bundle", bundle.info, tower=tower, head=bundle.head())
    with pytest.raises(BundleError, match=r"stem\.weight holds NaN"):
        open_gate(broken, count=1)


def test_a_calibration_folder_that_cannot_be_read(
    bundle: Bundle, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="does not exist or is no folder"):
        export_fp32(
            bundle, out=tmp_path / "out", options=ExportOptions(calibration=tmp_path / "nowhere")
        )
    from ralikit.export.gate import calibration_photos

    def refuse(*_args: object) -> str:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "a.png").write_bytes(b"x")
    monkeypatch.setattr(calibration_photos, "sha256_path", refuse)
    with pytest.raises(UsageError, match=r"cannot read the calibration folder .* Permission"):
        export_fp32(bundle, out=tmp_path / "out", options=ExportOptions(calibration=folder))


@pytest.mark.parametrize(
    ("words", "code", "sentence"),
    [
        (["export", "--target", "onyx"], 2, "there is no target 'onyx'"),
        (["export", "--precision", "int3"], 2, "has no precision 'int3'"),
        (["export", "--calibration", "nowhere"], 2, "does not exist"),
        (["verify", "nothing.onnx"], 2, "there is no file nothing.onnx"),
        (["verify", "nothing.onnx", "--photos", "x"], 2, "--bundle and --photos go together"),
    ],
)
def test_wrong_words_on_the_command_line(
    words: list[str], code: int, sentence: str, bundle: Bundle, tmp_path: Path
) -> None:
    if words[0] == "export":
        words = [*words, str(bundle.root), "--out", str(tmp_path)]
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, RalikitError)
    assert result.exception.exit_code == code
    assert sentence in str(result.exception)

"""Words of `ralikit score` that go together, and those that do not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.cli.corpus import settings_of
from ralikit.errors import UsageError


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "o"], "--out is for a corpus; say --from"),
        (["--processes", "2"], "--processes is for a corpus"),
        (["--format", "parquet"], "--format is for a corpus"),
        (["--device", "cuda"], "--device is for a corpus"),
        (
            ["--from", "folder", "--out", "o", "--device", "tpu"],
            "on cpu, cuda, tensorrt, not 'tpu'",
        ),
        (["--from", "http://host/x", "--out", "o"], "http:// is none of s3://"),
        (["--from", "s3://bucket/x?token=t", "--out", "o"], "credentials belong"),
        (["--from", "folder", "--out", "http://host/x"], "http:// is none of s3://"),
        (["--from", "folder"], "name their folder with --out DIR"),
        (["--from", "zip", "--out", "o"], "read from webdataset, parquet, folder, not 'zip'"),
        (["--from", "folder", "--out", "o", "--format", "csv"], "written as parquet, not csv"),
        (["--from", "folder", "--out", "o", "--csv"], "--csv does not go with --from"),
        (["--from", "folder", "--out", "o", "--threads", "2"], "set --processes"),
        (["--from", "folder", "--out", "o", "--key", "k"], "columns are named for parquet alone"),
    ],
)
def test_words_that_do_not_fit(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["score", "x", *words])
    assert isinstance(result.exception, UsageError)
    assert message in str(result.exception)
    assert list(tmp_path.iterdir()) == []


def test_no_photos_at_all_is_a_sentence() -> None:
    result = CliRunner().invoke(app, ["score"])
    assert isinstance(result.exception, UsageError)
    assert "no photo found; name photos" in str(result.exception)


def test_an_address_says_by_its_objects_what_it_is() -> None:
    memory = pytest.importorskip("fsspec").filesystem("memory")
    memory.pipe_file("/words/in/a.tar", b"")
    others = dict.fromkeys(("model", "processes", "image", "key", "ray", "csv", "threads"))
    try:
        settings = settings_of(
            "memory://words/in", "memory://words/out", None, paths=(), device="cuda", **others
        )
    finally:
        memory.rm("/words", recursive=True)
    assert settings is not None
    assert settings.source == "webdataset"
    assert settings.paths == ("memory://words/in",)
    assert settings.out == "memory://words/out"
    assert settings.processor == "cuda"


def test_without_pyarrow_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["score", "--from", "folder", "x", "--out", str(out)])
    assert "pip install 'ralikit[corpus]'" in str(result.exception)
    assert not out.exists()

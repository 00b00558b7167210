"""Words of `ralikit score` that go together, and those that do not."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.errors import UsageError


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--out", "o"], "--out is for a corpus; say --from"),
        (["--processes", "2"], "--processes is for a corpus"),
        (["--format", "parquet"], "--format is for a corpus"),
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


def test_without_pyarrow_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    out = tmp_path / "out"
    result = CliRunner().invoke(app, ["score", "--from", "folder", "x", "--out", str(out)])
    assert "pip install 'ralikit[corpus]'" in str(result.exception)
    assert not out.exists()

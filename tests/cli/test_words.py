"""What the commands say of themselves, and words that would do nothing."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.drafts import refuse_unwritable
from ralikit.errors import RalikitError, UsageError

runner = CliRunner()


@pytest.mark.parametrize("words", [[], ["score"], ["export"], ["bench"], ["bench", "host"]])
def test_flags_show_no_type(words: list[str]) -> None:
    shown = runner.invoke(app, [*words, "--help"])
    assert shown.exit_code == 0
    assert "--help" in shown.output
    assert "<bool>" not in shown.output


@pytest.mark.parametrize("words", [["eval"], ["bench", "host"], ["import", "rali"]])
def test_arguments_stand_in_capitals_as_their_values_do(words: list[str]) -> None:
    shown = runner.invoke(app, [*words, "--help"]).output
    usage = next(line for line in shown.splitlines() if "Usage:" in line)
    assert "[OPTIONS]" in usage
    own = usage.partition("[OPTIONS]")[2]
    assert own.strip()
    assert own == own.upper()


def test_records_that_are_not_there_are_one_sentence(tmp_path: Path) -> None:
    found = runner.invoke(app, ["report", str(tmp_path / "gone.jsonl")])
    assert str(found.exception).endswith("gone.jsonl: No such file or directory")
    assert "Errno" not in str(found.exception)


@pytest.mark.parametrize("budget", [["--budget-mb", "1"], ["--max-drift", "0.1"]])
def test_a_budget_that_nothing_is_held_to_is_refused(budget: list[str], tmp_path: Path) -> None:
    found = runner.invoke(app, ["export", "--precision", "fp16", *budget, "--out", str(tmp_path)])
    assert isinstance(found.exception, UsageError)
    assert f"{budget[0]} is a budget of --precision auto" in str(found.exception)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_known_before_any_work(tmp_path: Path) -> None:
    refuse_unwritable(tmp_path / "not" / "yet")
    assert not list(tmp_path.iterdir())
    (tmp_path / "file").write_text("")
    with pytest.raises(RalikitError, match=r"cannot write in .*file"):
        refuse_unwritable(tmp_path / "file" / "below")
    found = runner.invoke(app, ["export", "--out", str(tmp_path / "file" / "below")])
    assert isinstance(found.exception, RalikitError)
    assert "cannot write in" in str(found.exception)

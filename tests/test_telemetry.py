"""Telemetry's switches are set before anything reads them, and a person's own setting wins."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from support_docs import ROOT

from ralikit.telemetry import SWITCHES, hidden

PLACES = {
    "onnxruntime": "src/ralikit/runtimes/onnxruntime_import.py",
    "openvino": "src/ralikit/runtimes/openvino.py",
}
"""The one file that may import each."""


def imports_of(module: str) -> set[str]:
    """Python and shell files that import `module`, in any of the ways there are."""
    spelt = re.compile(
        rf"^\s*(?:import|from)\s+{module}\b"
        rf"|(?:importorskip|import_module|__import__|require)\(\s*[\"']{module}\b",
        re.MULTILINE,
    )
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if listed.returncode != 0:
        pytest.skip("not a checkout")
    files = [ROOT / name for name in listed.stdout.splitlines()]
    code = [f for f in files if f.is_file() and (f.suffix in {".py", ".sh"} or ".ci" in f.parts)]
    assert len(code) > 100
    return {str(file.relative_to(ROOT)) for file in code if spelt.search(file.read_text("utf-8"))}


@pytest.mark.parametrize("module", PLACES)
def test_one_file_imports(module: str) -> None:
    assert imports_of(module) == {PLACES[module]}


def settings_of(**environment: str) -> dict[str, str]:
    """The switches as native code and a child process see them once ralikit is imported."""
    program = (
        "import ralikit, subprocess, sys; print(subprocess.run(['env', '-0'], "
        "capture_output=True, text=True, check=True).stdout)"
    )
    bare = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**bare, **environment}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    pairs = (line.partition("=") for line in done.stdout.split("\0"))
    return {name: value for name, _, value in pairs if name in SWITCHES}


def test_a_process_and_its_children_say_no() -> None:
    assert settings_of() == SWITCHES


def test_a_persons_own_setting_wins() -> None:
    own = dict.fromkeys(SWITCHES, "0")
    assert settings_of(**own) == own
    assert settings_of(HF_HUB_DISABLE_TELEMETRY="0")["ORT_DISABLE_TELEMETRY"] == "1"


def test_the_hubs_client_understands_its_switch() -> None:
    pytest.importorskip("huggingface_hub", reason="the extra hub is not installed")
    program = "import ralikit, huggingface_hub.constants as c; print(c.HF_HUB_DISABLE_TELEMETRY)"
    bare = {name: value for name, value in os.environ.items() if name not in SWITCHES}
    done = subprocess.run(
        [sys.executable, "-c", program], env=bare, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "True"


def test_security_names_every_switch() -> None:
    text = (ROOT / "SECURITY.md").read_text(encoding="utf-8")
    assert [name for name, value in SWITCHES.items() if f"`{name}={value}`" not in text] == []


def test_a_hidden_module_is_missing_for_the_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "reporter_of_a_test.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    with hidden("reporter_of_a_test"), pytest.raises(ImportError):
        __import__("reporter_of_a_test")
    found = __import__("reporter_of_a_test")
    with hidden("reporter_of_a_test"):  # it has run already: nothing is gained
        assert __import__("reporter_of_a_test") is found
    monkeypatch.delitem(sys.modules, "reporter_of_a_test")

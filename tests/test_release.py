"""A release is held against itself, and its workflow does nothing until it is switched on."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
from support_docs import ROOT, script

release = script(".ci/check_release.py")
VERSION = release.versions(ROOT)["pyproject.toml"]
METADATA = f"""Metadata-Version: 2.4
Name: ralikit
Version: {VERSION}
License-Expression: Apache-2.0
License-File: LICENSE
Description-Content-Type: text/markdown

# ralikit
"""


def workflow() -> Any:
    yaml = pytest.importorskip("yaml")
    return yaml.safe_load((ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8"))


def test_every_job_waits_to_be_switched_on() -> None:
    jobs = workflow()["jobs"]
    assert {name: job["if"] for name, job in jobs.items()} == dict.fromkeys(
        ("build", "publish"), "vars.RELEASES == 'on'"
    )


def test_publishing_is_trusted_approved_and_comes_after_the_checks() -> None:
    read = workflow()
    publish, build = read["jobs"]["publish"], read["jobs"]["build"]
    assert publish["needs"] == "build"
    assert publish["environment"] == "release"
    assert publish["permissions"] == {"id-token": "write"}
    assert read["permissions"] == {"contents": "read"}
    runs = [step.get("run", "") for step in build["steps"]]
    assert any("check_release.py --tag" in run for run in runs)
    text = (ROOT / ".github/workflows/release.yml").read_text(encoding="utf-8")
    assert "secrets." not in text
    assert not re.search(r"https?://|\b\w+\.(org|com|io)\b", text)


def test_this_checkout_names_one_version() -> None:
    assert list(release.source_problems(ROOT, None)) == []
    assert any("the tag is v9.9.9" in p for p in release.source_problems(ROOT, "v9.9.9"))


def test_another_version_in_a_file_and_a_section_without_a_date_are_found(tmp_path: Path) -> None:
    for name in release.versions(ROOT):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "CITATION.cff").write_text("version: 7.0.0\n")
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {VERSION} (unreleased)\n")
    found = list(release.source_problems(tmp_path, f"v{VERSION}"))
    assert len(found) == 2
    assert found[0].startswith("CITATION.cff names version 7.0.0")
    assert "has no date" in found[1]
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {VERSION} (2026-12-01)\n")
    assert len(list(release.source_problems(tmp_path, f"v{VERSION}"))) == 1


def _dist(folder: Path, *, metadata: str = METADATA, more: tuple[str, ...] = ()) -> Path:
    folder.mkdir()
    inside = [*(f"ralikit/{p}" for p in release._SHIPPED), "ralikit/py.typed", *more]
    with zipfile.ZipFile(folder / f"ralikit-{VERSION}-py3-none-any.whl", "w") as archive:
        for name in inside:
            archive.writestr(name, b"")
        archive.writestr(f"ralikit-{VERSION}.dist-info/METADATA", metadata)
    names = {"PKG-INFO": metadata, "LICENSE": "", "README.md": "", "pyproject.toml": ""}
    names["tests/conftest.py"] = ""
    with tarfile.open(folder / f"ralikit-{VERSION}.tar.gz", "w:gz") as archive:
        for name, text in names.items():
            member = tarfile.TarInfo(f"ralikit-{VERSION}/{name}")
            member.size = len(text.encode())
            archive.addfile(member, io.BytesIO(text.encode()))
    return folder


def test_what_was_built_is_held_to_its_metadata(tmp_path: Path) -> None:
    def found(name: str, **changes: Any) -> str:
        return "\n".join(release.built_problems(_dist(tmp_path / name, **changes), ROOT))

    assert found("good") == ""
    assert "holds a photo" in found("photo", more=("ralikit/me.jpg",))
    assert "__pycache__" in found("cache", more=("ralikit/__pycache__/a.pyc",))
    older = METADATA.replace(f"Version: {VERSION}\n", "Version: 0.0.9\n")
    assert "is ralikit 0.0.9, not" in found("older", metadata=older)
    assert "names no licence" in found(
        "licence", metadata=METADATA.replace("License-Expression: Apache-2.0\n", "")
    )
    assert "metadata is refused" in found(
        "name", metadata=METADATA.replace("Name: ralikit", "Name: rali kit!")
    )
    assert "0 wheels and 0 sdists" in "\n".join(release.built_problems(tmp_path, ROOT))


@pytest.mark.slow
def test_the_built_wheel_and_sdist_pass(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "build", "-q", "--outdir", str(tmp_path), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode and ("Could not find" in done.stderr or "connection" in done.stderr.lower()):
        pytest.skip("no package index is reachable to build with")
    assert done.returncode == 0, done.stderr
    assert list(release.built_problems(tmp_path, ROOT)) == []

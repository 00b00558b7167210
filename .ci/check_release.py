"""Hold a release against itself before anybody publishes it: versions, changelog, wheel and sdist.

    python .ci/check_release.py [--tag v0.1.0] [--dist dist]

Every finding is a line; the exit code is 1 if there is one. Without --tag the changelog's section
may still be unreleased; without --dist nothing built is looked at.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Iterator
from email import message_from_bytes
from email.message import Message
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
_SHIPPED = ("models/mini/ralikit.json", "models/mini-free/ralikit.json", "web/demo/index.html")
"""Parts of the wheel whose absence no import would notice."""
_MOST = 20_000_000
_PHOTOS = (".jpg", ".jpeg", ".heic", ".bmp")


def versions(root: Path) -> dict[str, str]:
    """The version as each file that names it says."""

    def found(path: str, pattern: str) -> str:
        match = re.search(pattern, (root / path).read_text(encoding="utf-8"), re.M)
        return match[1] if match else "none"

    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    package = json.loads((root / "runtimes/js/package.json").read_text(encoding="utf-8"))
    return {
        "pyproject.toml": project["version"],
        "src/ralikit/__init__.py": found("src/ralikit/__init__.py", r'^__version__ = "(.+)"$'),
        "CITATION.cff": found("CITATION.cff", r"^version: (.+)$"),
        "runtimes/js/package.json": package["version"],
        "runtimes/kotlin/build.gradle.kts": found(
            "runtimes/kotlin/build.gradle.kts", r'^\s*version = "(.+)"$'
        ),
        "CHANGELOG.md": found("CHANGELOG.md", r"^## ([^ ]+)"),
    }


def source_problems(root: Path, tag: str | None) -> Iterator[str]:
    """What is wrong with the checkout: versions that differ, a tag that names another."""
    named = versions(root)
    version = named["pyproject.toml"]
    for path, said in named.items():
        if said != version:
            yield f"{path} names version {said}, pyproject.toml {version}"
    if not re.fullmatch(r"\d+\.\d+\.\d+((a|b|rc)\d+)?", version):
        yield f"version {version} is none of the form 1.2.3 or 1.2.3rc1"
    if tag is None:
        return
    if tag != f"v{version}":
        yield f"the tag is {tag}, the version's is v{version}"
    heading = re.search(r"^## .*$", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.M)
    if not heading or not re.search(r"\(\d{4}-\d{2}-\d{2}\)$", heading[0]):
        yield "CHANGELOG.md's first section has no date: write ## VERSION (YYYY-MM-DD)"


def built_problems(dist: Path, root: Path) -> Iterator[str]:
    """What is wrong with a wheel and an sdist: metadata, what is missing, what is too much."""
    version = versions(root)["pyproject.toml"]
    wheels, sdists = sorted(dist.glob("*.whl")), sorted(dist.glob("*.tar.gz"))
    if len(wheels) != 1 or len(sdists) != 1:
        yield f"{dist} holds {len(wheels)} wheels and {len(sdists)} sdists; one of each is wanted"
        return
    if wheels[0].stat().st_size > _MOST:
        yield f"{wheels[0].name} is over {_MOST / 1e6:.0f} MB"
    with zipfile.ZipFile(wheels[0]) as archive:
        names = archive.namelist()
        inner = f"ralikit-{version}.dist-info"
        if f"{inner}/METADATA" not in names:
            yield f"{wheels[0].name} has no {inner}/METADATA"
            return
        if broken := archive.testzip():
            yield f"{wheels[0].name}: {broken} is damaged"
        yield from _metadata(wheels[0].name, archive.read(f"{inner}/METADATA"), version)
    for wanted in (*(f"ralikit/{p}" for p in _SHIPPED), "ralikit/py.typed"):
        if wanted not in names:
            yield f"{wheels[0].name} lacks {wanted}"
    yield from _strange(wheels[0].name, names)
    with tarfile.open(sdists[0]) as archive:
        files = [m.name.partition("/")[2] for m in archive.getmembers() if m.isfile()]
        info = archive.extractfile(f"ralikit-{version}/PKG-INFO") if "PKG-INFO" in files else None
        if info is None:
            yield f"{sdists[0].name} has no PKG-INFO"
            return
        yield from _metadata(sdists[0].name, info.read(), version)
    for wanted in ("LICENSE", "README.md", "pyproject.toml", "tests/conftest.py"):
        if wanted not in files:
            yield f"{sdists[0].name} lacks {wanted}"
    yield from _strange(sdists[0].name, [n for n in files if n.startswith("src/")])


def _metadata(where: str, raw: bytes, version: str) -> Iterator[str]:
    from packaging.metadata import Metadata

    try:
        Metadata.from_email(raw, validate=True)
    except ExceptionGroup as errors:
        for error in errors.exceptions:
            yield f"{where}: its metadata is refused: {error}"
        return
    said: Message = message_from_bytes(raw)
    if said["Name"] != "ralikit" or said["Version"] != version:
        yield f"{where} is {said['Name']} {said['Version']}, not ralikit {version}"
    if said["Description-Content-Type"] != "text/markdown" or not said.get_payload():
        yield f"{where}: its description is not the README as Markdown"
    if not said["License-Expression"] or not said.get_all("License-File"):
        yield f"{where} names no licence"


def _strange(where: str, names: list[str]) -> Iterator[str]:
    for name in names:
        path = PurePosixPath(name)
        samples = {"samples", "fixtures"} & set(path.parts)
        if path.suffix.lower() in _PHOTOS and not samples:
            yield f"{where} holds a photo, {name}"
        if "__pycache__" in path.parts or path.is_absolute() or ".." in path.parts:
            yield f"{where} holds {name}, which belongs in no release"


def main(words: list[str] | None = None) -> int:
    """Print every problem; the exit code."""
    parser = argparse.ArgumentParser(description="Check a release before it is published.")
    parser.add_argument("--tag", help="the tag that is to be released")
    parser.add_argument("--dist", type=Path, help="folder with the wheel and the sdist")
    given = parser.parse_args(words)
    problems = list(source_problems(ROOT, given.tag))
    if given.dist is not None:
        problems += built_problems(given.dist, ROOT)
    for problem in problems:
        print(problem)
    print("nothing found" if not problems else f"{len(problems)} found")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())

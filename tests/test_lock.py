"""constraints.txt pins all that the README's commands install, down to what comes along."""

from __future__ import annotations

import importlib.metadata
import re
import tomllib

from packaging.requirements import Requirement
from support_docs import ROOT

LEFT_OUT = {"vllm", "docs", "s3"}  # extras of environments of their own


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def pinned() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pairs = (line.partition("==") for line in lines if line and not line.startswith("#"))
    return {normal(name): version for name, _, version in pairs}


def brought_along(asked: list[Requirement]) -> set[str]:
    """Names of installed packages that `asked` needs, directly or not."""
    found: dict[str, set[str]] = {}
    while asked:
        requirement = asked.pop()
        name, extras = normal(requirement.name), set(requirement.extras)
        if name == "ralikit" or (name in found and extras <= found[name]):
            continue
        try:
            needs = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # an extra that is not installed here
            continue
        found[name] = found.get(name, set()) | extras
        for extra in {"", *found[name]}:
            asked += [
                need
                for need in map(Requirement, needs)
                if need.marker is None or need.marker.evaluate({"extra": extra})
            ]
    return set(found)


def test_everything_that_is_installed_is_pinned() -> None:
    with (ROOT / "pyproject.toml").open("rb") as stream:
        project = tomllib.load(stream)["project"]
    extras = project["optional-dependencies"]
    words = [*project["dependencies"], *(w for e in extras if e not in LEFT_OUT for w in extras[e])]
    assert sorted(brought_along([Requirement(word) for word in words]) - set(pinned())) == []


def test_every_pin_is_one_version() -> None:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", pin) for pin in pins)
    assert len({normal(pin.partition("==")[0]) for pin in pins}) == len(pins)

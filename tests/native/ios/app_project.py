"""The Xcode project file, read by two libraries, and every path and setting in it."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any

PROJECT = Path("RaliDemo.xcodeproj/project.pbxproj")
SCHEMES = Path("RaliDemo.xcodeproj/xcshareddata/xcschemes")
_ID = re.compile(r"\b7A[0-9A-F]{22}\b")
_NODE = """
const project = require(process.argv[1]).project(process.argv[2]).parseSync().hash.project;
const all = Object.entries(project.objects).flatMap(([isa, objects]) =>
  Object.entries(objects).filter(([id]) => !id.endsWith("_comment"))
    .map(([id, value]) => [id, { ...value, isa }]));
console.log(JSON.stringify({ version: project.objectVersion, root: project.rootObject,
  objects: Object.fromEntries(all) }));
"""
TARGETS = {
    "RaliDemo": "com.apple.product-type.application",
    "RaliDemoShare": "com.apple.product-type.app-extension",
    "RaliDemoTests": "com.apple.product-type.bundle.unit-test",
}
PACKAGES = {"Packages/DemoLogic", "../runtimes/swift"}


def by_pbxproj(file: Path) -> dict[str, dict[str, Any]]:
    """Objects by id as PyPI's pbxproj reads them."""
    from pbxproj import XcodeProject  # type: ignore[import-not-found,unused-ignore]

    project = XcodeProject.load(str(file))
    return {key: project.objects[key].__dict__ for key in project.objects.get_keys()}


def by_node(file: Path, modules: Path) -> dict[str, Any]:
    """The same as npm's xcode reads them, with `version` and `root`."""
    command = ["node", "-e", _NODE, str(modules / "xcode"), str(file.resolve())]
    read = subprocess.run(command, capture_output=True, text=True, check=True)
    values: dict[str, Any] = json.loads(read.stdout)
    return values


def check(demo: Path, modules: Path) -> dict[str, list[str]]:
    """Problems by check; an empty list has passed.

    Args:
        demo: The folder ``ios_demo``.
        modules: A ``node_modules`` folder with ``xcode`` in it.
    """
    file = demo / PROJECT
    try:
        python = by_pbxproj(file)
    except Exception as error:  # noqa: BLE001  the library raises many kinds
        return {"project: pbxproj reads it": [str(error) or type(error).__name__]}
    try:
        node = by_node(file, modules)
    except (subprocess.CalledProcessError, json.JSONDecodeError) as error:
        return {"project: npm's xcode reads it": [str(error)]}
    objects: dict[str, dict[str, Any]] = node["objects"]
    return {
        "project: pbxproj reads it": [],
        "project: npm's xcode reads it": [],
        "project: both read the same objects": _differences(set(python), set(objects)),
        "project: no id points nowhere": _dangling(file, objects),
        "project: no object is left over": _unused(file, objects),
        "project: objectVersion 77": [] if str(node["version"]) == "77" else [str(node["version"])],
        "project: every path exists": _paths(demo, objects),
        "project: three targets, synchronised folders": _targets(objects),
        "project: local packages and their products": _packages(demo, objects),
        "project: settings name files that exist": _settings(demo, objects),
        "project: the schemes name their targets": [
            f"{scheme}: {problem}"
            for scheme in ("RaliDemo", "RaliBench")
            for problem in _scheme(demo, scheme, objects)
        ],
    }


def _differences(a: set[str], b: set[str]) -> list[str]:
    return [f"{key} is read by one library alone" for key in sorted(a ^ b)]


def _dangling(file: Path, objects: dict[str, Any]) -> list[str]:
    return sorted(f"{key} is no object" for key in _ids(file.read_text()) - set(objects))


def _unused(file: Path, objects: dict[str, Any]) -> list[str]:
    text = file.read_text()
    return [
        f"{key} ({value['isa']}) is named nowhere"
        for key, value in objects.items()
        if len(re.findall(key, text)) < 2
    ]


def _ids(text: str) -> set[str]:
    return set(_ID.findall(text))


def _bare(value: object) -> str:
    return str(value).strip('"')


def _paths(demo: Path, objects: dict[str, Any]) -> list[str]:
    missing = []
    for value in objects.values():
        if value["isa"] == "PBXFileSystemSynchronizedRootGroup" and not any(
            (demo / _bare(value["path"])).iterdir()
            if (demo / _bare(value["path"])).is_dir()
            else ()
        ):
            missing.append(f"folder {value['path']} is empty or not there")
        if (
            value["isa"] == "PBXFileReference"
            and value["sourceTree"] != "BUILT_PRODUCTS_DIR"
            and not (demo / _bare(value["path"])).exists()
        ):
            missing.append(f"{value['path']} is not there")
    return missing


def _targets(objects: dict[str, Any]) -> list[str]:
    found = {
        _bare(v["name"]): _bare(v["productType"])
        for v in objects.values()
        if v["isa"] == "PBXNativeTarget"
    }
    problems = [] if found == TARGETS else [f"targets are {found}"]
    problems += [
        f"{v['name']} has no synchronised folder"
        for v in objects.values()
        if v["isa"] == "PBXNativeTarget" and not v.get("fileSystemSynchronizedGroups")
    ]
    embedded = [v for v in objects.values() if v["isa"] == "PBXCopyFilesBuildPhase"]
    if [str(v.get("dstSubfolderSpec")) for v in embedded] != ["13"]:
        problems.append("the share extension is not embedded among the app's plug-ins")
    return problems


def _packages(demo: Path, objects: dict[str, Any]) -> list[str]:
    named = {
        _bare(v["relativePath"])
        for v in objects.values()
        if v["isa"] == "XCLocalSwiftPackageReference"
    }
    problems = [] if named == PACKAGES else [f"packages are {sorted(named)}"]
    products: set[str] = set()
    for package in named:
        manifest = demo / package / "Package.swift"
        if not manifest.is_file():
            problems.append(f"{package} has no Package.swift")
            continue
        products |= set(re.findall(r'\.library\(\s*name: "(\w+)"', manifest.read_text()))
    problems += [
        f"{v['productName']} is a product of no package"
        for v in objects.values()
        if v["isa"] == "XCSwiftPackageProductDependency" and _bare(v["productName"]) not in products
    ]
    return problems


def _settings(demo: Path, objects: dict[str, Any]) -> list[str]:
    problems = []
    for value in objects.values():
        if value["isa"] != "XCBuildConfiguration":
            continue
        settings = {k: _bare(v) for k, v in value["buildSettings"].items()}
        problems += [
            f"{name} {settings[name]} is not there"
            for name in ("INFOPLIST_FILE", "CODE_SIGN_ENTITLEMENTS")
            if name in settings and not (demo / settings[name]).is_file()
        ]
        for name in ("APPICON_NAME", "GLOBAL_ACCENT_COLOR_NAME"):
            asset = settings.get(f"ASSETCATALOG_COMPILER_{name}")
            if asset and not list((demo / "Shared/Assets.xcassets").glob(f"{asset}.*set")):
                problems.append(f"asset {asset} is not there")
        if "SDKROOT" in settings and settings.get("SWIFT_VERSION") != "6.0":
            problems.append("SWIFT_VERSION is not 6.0")
        if "SDKROOT" in settings and settings.get("SWIFT_TREAT_WARNINGS_AS_ERRORS") != "YES":
            problems.append("warnings are no errors")
    return problems


def _scheme(demo: Path, name: str, objects: dict[str, Any]) -> list[str]:
    text = (demo / SCHEMES / f"{name}.xcscheme").read_text()
    named = set(re.findall(r'BlueprintIdentifier = "(\w+)"', text))
    targets = {k for k, v in objects.items() if v["isa"] == "PBXNativeTarget"}
    problems = [f"{key} is no target" for key in sorted(named - targets)]
    problems += [
        f"{test} is no test"
        for test in re.findall(r'<Test\s+Identifier = "(\w+)"', text)
        if f"final class {test}: XCTestCase" not in _tests(demo)
    ]
    return problems if "TestableReference" in text else [*problems, "it tests nothing"]


def _tests(demo: Path) -> str:
    return "".join(file.read_text() for file in sorted((demo / "Tests").glob("*.swift")))

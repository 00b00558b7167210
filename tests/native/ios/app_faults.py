"""Faults planted in a copy of the demo: each must be found by the check that is there for it."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

Checks = Callable[[Path], dict[str, list[str]]]
_PROJECT = "RaliDemo.xcodeproj/project.pbxproj"
_TEXTS = "Shared/Localizable.xcstrings"
_WORDS = "Shared/Words.swift"

# What is planted, the check that must find it, the file, what stands there, what is put there.
FAULTS = (
    (
        "a scheme that runs a test that is not there",
        "project: the schemes name their targets",
        "RaliDemo.xcodeproj/xcshareddata/xcschemes/RaliBench.xcscheme",
        'Identifier = "BenchmarkRun"',
        'Identifier = "BenchmarkRan"',
    ),
    (
        "a string missing in German",
        "strings: English and German are whole",
        _TEXTS,
        '"value" : "Bereit"',
        '"value" : ""',
    ),
    (
        "a string left in English",
        "strings: English and German are whole",
        _TEXTS,
        '"value" : "Einstellungen öffnen"',
        '"value" : "Open Settings"',
    ),
    (
        "a number where a name belongs",
        "strings: plain numbers and names in the right places",
        _TEXTS,
        '"value" : "Warum: %@"',
        '"value" : "Warum: %lld"',
    ),
    (
        "a key that no catalog has",
        "strings: every key in the code is in the catalog",
        _WORDS,
        '"tab.rank"',
        '"tab.rang"',
    ),
    (
        "English that is another in the code",
        "strings: English is what the code holds",
        _WORDS,
        'defaultValue: "Camera"',
        'defaultValue: "Kamera"',
    ),
    (
        "a text in a view",
        "strings: no text outside the catalog",
        "App/RankScreen.swift",
        "Text(Words.Rank.empty)",
        'Text("Choose photos")',
    ),
    (
        "a privacy sentence changed in one place",
        "strings: Info.plist's sentences are the catalog's",
        "Config/App-Info.plist",
        "Nothing is stored or sent.",
        "Nothing is sent.",
    ),
    (
        "low contrast in dark mode",
        "assets: contrast of 4.5 in light and dark",
        "Shared/Assets.xcassets/Quiet.colorset/Contents.json",
        '"green" : "0xBD"',
        '"green" : "0x3D"',
    ),
    (
        "a colour that is not there",
        "assets: every name in the code exists",
        "Shared/PhotoCard.swift",
        'Color("Quiet")',
        'Color("Quite")',
    ),
    (
        "a wrong privacy reason",
        "privacy: xcprivacy passes",
        "App/PrivacyInfo.xcprivacy",
        "35F9.1",
        "CA92.1",
    ),
    (
        "a call without its privacy reason",
        "privacy: declared is what is called",
        "App/MoreScreen.swift",
        "@State private var picking",
        '@AppStorage("p") private var picking',
    ),
    (
        "a photo downloaded from iCloud",
        "code: nothing opens a connection",
        "App/PhotoLibrary.swift",
        "isNetworkAccessAllowed = false",
        "isNetworkAccessAllowed = true",
    ),
    (
        "a permission without its sentence",
        "plist: what the code needs is declared",
        "Config/App-Info.plist",
        "NSCameraUsageDescription",
        "NSMicrophoneUsageDescription",
    ),
    (
        "an entitlement for the network",
        "entitlements: none for the network",
        "Config/App.entitlements",
        "<dict/>",
        "<dict><key>com.apple.security.network.client</key><true/></dict>",
    ),
    (
        "an extension whose class was renamed",
        "plist: what the code needs is declared",
        "Share/ShareViewController.swift",
        "final class ShareViewController",
        "final class Sharing",
    ),
    (
        "an id that points nowhere",
        "project: no id points nowhere",
        _PROJECT,
        "mainGroup = 7A",
        "mainGroup = 7A0000000000000000000000; formerGroup = 7A",
    ),
    (
        "a folder that is not there",
        "project: every path exists",
        _PROJECT,
        "path = Shared;",
        "path = Common;",
    ),
    (
        "a product of no package",
        "project: local packages and their products",
        _PROJECT,
        "productName = RaliMini;",
        "productName = RaliMaxi;",
    ),
    (
        "an Info.plist that is not there",
        "project: settings name files that exist",
        _PROJECT,
        'INFOPLIST_FILE = "Config/App-Info.plist"',
        'INFOPLIST_FILE = "Config/Info.plist"',
    ),
    (
        "a project file that is cut off",
        "project: pbxproj reads it",
        _PROJECT,
        "rootObject",
        "{ rootObject",
    ),
)


def check(demo: Path, checks: Checks) -> dict[str, list[str]]:
    """For each fault: empty where its check found it and every check passed before."""
    before = {name for name, wrong in checks(demo).items() if wrong}
    return {
        f"planted: {what}": _found(demo, checks, before, name, file, old, new)
        for what, name, file, old, new in FAULTS
    }


def _found(
    demo: Path, checks: Checks, before: set[str], name: str, file: str, old: str, new: str
) -> list[str]:
    with tempfile.TemporaryDirectory() as folder:
        # Beside a link to the runtimes, as the project reaches for them.
        copy = Path(folder) / "ios_demo"
        shutil.copytree(demo, copy, ignore=shutil.ignore_patterns(".build"))
        (Path(folder) / "runtimes").symlink_to(demo.resolve().parent / "runtimes")
        target = copy / file
        text = target.read_text(encoding="utf-8")
        if old not in text:
            return [f"{file} has no {old!r} to change: write the fault anew"]
        target.write_text(text.replace(old, new, 1), encoding="utf-8")
        found = {check for check, wrong in checks(copy).items() if wrong} - before
    return [] if name in found else [f"{name!r} passed; failed: {sorted(found) or 'none'}"]

"""Info.plist, entitlements, privacy manifests, the asset catalog, contrast of its colours."""

from __future__ import annotations

import json
import plistlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from PIL import Image

CATALOG = Path("Shared/Assets.xcassets")
CONTRAST = 4.5  # WCAG 2.2, 1.4.3
# Text and signs stand on these: the app's own cards and the system's plain and grouped backgrounds.
SYSTEM = {"light": ("#FFFFFF", "#F2F2F7"), "dark": ("#000000", "#1C1C1E")}
ON_BACKGROUND = ("AccentColor", "Good", "Fair", "Poor", "Quiet")
# Calls that Apple wants a reason for, as the code writes them; the category each belongs to.
REASONED = {
    r"\bsystemUptime\b|\bmach_absolute_time\b": "NSPrivacyAccessedAPICategorySystemBootTime",
    r"\bUserDefaults\b|@AppStorage\b": "NSPrivacyAccessedAPICategoryUserDefaults",
    r"\bvolumeAvailableCapacity\w*|\bsystemFreeSize\b": "NSPrivacyAccessedAPICategoryDiskSpace",
    r"\bcontentModificationDate|\battributesOfItem": "NSPrivacyAccessedAPICategoryFileTimestamp",
    r"\bactiveInputModes\b": "NSPrivacyAccessedAPICategoryActiveKeyboards",
}
NETWORK = r"\bURLSession\b|\bNWConnection\b|^import Network\b|\bisNetworkAccessAllowed = true"
USAGE = {  # framework call in the code: the sentence that Info.plist needs for it
    "PHPhotoLibrary": "NSPhotoLibraryUsageDescription",
    "AVCaptureDevice": "NSCameraUsageDescription",
}


def check(demo: Path) -> dict[str, list[str]]:
    """Problems by check; an empty list has passed."""
    return {
        "plist: what the code needs is declared": _plists(demo),
        "entitlements: none for the network": _entitlements(demo),
        "code: nothing opens a connection": _network(demo),
        "privacy: xcprivacy passes": _xcprivacy(demo),
        "privacy: declared is what is called": _reasons(demo),
        "assets: every file and colour is whole": _assets(demo),
        "assets: every name in the code exists": _names(demo),
        "assets: contrast of 4.5 in light and dark": contrast(demo),
    }


def sources(demo: Path) -> dict[str, str]:
    """Swift files of the app and its extension, by path."""
    files = [f for d in ("App", "Share", "Shared") for f in sorted((demo / d).rglob("*.swift"))]
    return {str(f.relative_to(demo)): f.read_text(encoding="utf-8") for f in files}


def _plist(file: Path) -> dict[str, Any]:
    values: dict[str, Any] = plistlib.loads(file.read_bytes())
    return values


def _plists(demo: Path) -> list[str]:
    problems = []
    app = _plist(demo / "Config/App-Info.plist")
    code = "\n".join(sources(demo).values())
    for call, key in USAGE.items():
        if call in code and len(str(app.get(key, ""))) < 20:
            problems.append(f"{key} is missing or says nothing, and the code calls {call}")
    if app.get("UILaunchScreen") is None:
        problems.append("without UILaunchScreen the app runs in a small window")
    types = app.get("UTImportedTypeDeclarations", [])
    suffixes = {s for t in types for s in t["UTTypeTagSpecification"]["public.filename-extension"]}
    problems += [f".{s} is no declared type" for s in sorted({"mlpackage", "aimodel"} - suffixes)]
    share = _plist(demo / "Config/Share-Info.plist").get("NSExtension", {})
    if share.get("NSExtensionPointIdentifier") != "com.apple.share-services":
        problems.append("the extension is no share extension")
    name = str(share.get("NSExtensionPrincipalClass", "")).rpartition(".")[2]
    if not re.search(rf"\bclass {name}: UIViewController\b", code):
        problems.append(f"the extension's class {name} is not in the code")
    rule = share.get("NSExtensionAttributes", {}).get("NSExtensionActivationRule", {})
    if "NSExtensionActivationSupportsImageWithMaxCount" not in rule:
        problems.append("the extension does not ask for images")
    return problems


def _entitlements(demo: Path) -> list[str]:
    found = []
    for file in sorted(demo.glob("Config/*.entitlements")):
        found += [f"{file.name}: {k}" for k in _plist(file) if "network" in k or "multicast" in k]
    return found


def _network(demo: Path) -> list[str]:
    return [
        f"{name}: {match.group()}"
        for name, text in sources(demo).items()
        for match in re.finditer(NETWORK, text, re.MULTILINE)
    ]


def _xcprivacy(demo: Path) -> list[str]:
    # XCP502 takes PHAsset's creationDate for a file's: the check below looks for the real calls.
    tool = Path(sys.executable).with_name("xcprivacy")
    command = [str(tool), "check", "--ignore", "XCP502", "--no-color", str(demo)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return [] if done.returncode == 0 else [done.stdout.strip() or done.stderr.strip()]


def _reasons(demo: Path) -> list[str]:
    logic = demo / "Packages/DemoLogic/Sources"
    shared = "\n".join(f.read_text(encoding="utf-8") for f in sorted(logic.rglob("*.swift")))
    code = sources(demo)
    problems = []
    for folder in ("App", "Share"):
        text = shared + "\n".join(t for n, t in code.items() if n.startswith((folder, "Shared")))
        called = {category for call, category in REASONED.items() if re.search(call, text)}
        manifest = _plist(demo / folder / "PrivacyInfo.xcprivacy")
        declared = {t["NSPrivacyAccessedAPIType"] for t in manifest["NSPrivacyAccessedAPITypes"]}
        problems += [f"{folder}: {c} is called, not declared" for c in sorted(called - declared)]
        problems += [f"{folder}: {c} is declared, not called" for c in sorted(declared - called)]
        if manifest["NSPrivacyTracking"] or manifest["NSPrivacyCollectedDataTypes"]:
            problems.append(f"{folder}: the app tracks nobody and collects nothing")
    return problems


def _assets(demo: Path) -> list[str]:
    problems = []
    catalog = demo / CATALOG
    for folder in sorted(p for p in [catalog, *catalog.rglob("*")] if p.is_dir()):
        file = folder / "Contents.json"
        if not file.is_file():
            problems.append(f"{folder.name} has no Contents.json")
            continue
        contents = json.loads(file.read_text())
        named = {i["filename"] for i in contents.get("images", []) if "filename" in i}
        there = {f.name for f in folder.iterdir() if f.is_file()} - {"Contents.json"}
        problems += [f"{folder.name}: {n} in one place only" for n in sorted(named ^ there)]
        if folder.suffix == ".colorset" and set(_colours(folder)) != {"light", "dark"}:
            problems.append(f"{folder.name} is not both light and dark")
    for image in sorted(catalog.glob("AppIcon.appiconset/*.png")):
        with Image.open(image) as icon:
            if icon.size != (1024, 1024) or icon.mode != "RGB":
                problems.append(
                    f"{image.name} is {icon.size} {icon.mode}: 1024 x 1024 RGB is wanted"
                )
    return problems


def _names(demo: Path) -> list[str]:
    named = {
        (name, asset)
        for name, text in sources(demo).items()
        for asset in re.findall(r'\bColor\("(\w+)"\)', text)
    }
    bands = re.search(r"enum Band.*?\n\n", sources(demo)["Shared/Figures.swift"], re.DOTALL)
    named |= {("Band", a) for a in re.findall(r'= "(\w+)"', bands.group() if bands else "")}
    there = {f.stem for f in (demo / CATALOG).glob("*.colorset")}
    used = {asset for _, asset in named} | {"AccentColor"}
    return [f"{name}: no colour {asset}" for name, asset in sorted(named) if asset not in there] + [
        f"colour {asset} is used nowhere" for asset in sorted(there - used)
    ]


def _colours(folder: Path) -> dict[str, tuple[float, float, float]]:
    colours = {}
    for entry in json.loads((folder / "Contents.json").read_text())["colors"]:
        parts = entry["color"]["components"]
        looks = entry.get("appearances", [{"value": "light"}])
        red, green, blue = (int(parts[c], 16) / 255 for c in ("red", "green", "blue"))
        colours[str(looks[0]["value"])] = (red, green, blue)
    return colours


def contrast(demo: Path) -> list[str]:
    """Pairs of text and background that are too alike, in either appearance."""
    sets = {f.stem: _colours(f) for f in (demo / CATALOG).glob("*.colorset")}
    problems = []
    for look, backgrounds in SYSTEM.items():
        below = {name: _hex(name) for name in backgrounds} | {"Card": sets["Card"][look]}
        pairs = [(name, under) for name in ON_BACKGROUND for under in below]
        for name, under in pairs:
            ratio = _ratio(sets[name][look], below[under])
            if ratio < CONTRAST:
                problems.append(f"{name} on {under}, {look}: {ratio:.2f}")
        ratio = _ratio(sets["OnAccent"][look], sets["AccentColor"][look])
        if ratio < CONTRAST:
            problems.append(f"OnAccent on AccentColor, {look}: {ratio:.2f}")
    return problems


def _hex(text: str) -> tuple[float, float, float]:
    red, green, blue = (int(text[i : i + 2], 16) / 255 for i in (1, 3, 5))
    return red, green, blue


def _ratio(a: tuple[float, float, float], b: tuple[float, float, float]) -> float:
    """WCAG 2.2's contrast ratio of two sRGB colours, 1 to 21."""
    high, low = sorted((_luminance(a), _luminance(b)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _luminance(colour: tuple[float, float, float]) -> float:
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in colour)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue

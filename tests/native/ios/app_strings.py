"""Texts: two whole languages, the same keys in catalog and code, no text outside them."""

from __future__ import annotations

import json
import plistlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from native.ios.app_resources import sources

CATALOGS = (
    "Shared/Localizable.xcstrings",
    "App/InfoPlist.xcstrings",
    "Share/InfoPlist.xcstrings",
)
LANGUAGES = ("en", "de")
SPECIFIERS = {"Int": "lld", "String": "@"}
# Same word in both languages, and meant so.
ALIKE = {"Name", "Filter", "Benchmark", "Pause", "Median", "RaliDemo", "Details"}
_KEY = re.compile(r'String\(\s*localized: "([^"]+)"')
# A literal that a person would read, where a view takes one.
_LITERAL = re.compile(
    r"\b(Text|Button|Label|Toggle|Section|Menu|Link|Picker|LabeledContent|NavigationLink|ProgressView"
    r'|ShareLink|navigationTitle|accessibilityLabel|accessibilityValue|accessibilityHint|alert)\("'
)


def check(demo: Path) -> dict[str, list[str]]:
    """Problems by check; an empty list has passed."""
    catalogs = {name: json.loads((demo / name).read_text(encoding="utf-8")) for name in CATALOGS}
    texts = catalogs[CATALOGS[0]]["strings"]
    words = (demo / "Shared/Words.swift").read_text(encoding="utf-8")
    return {
        "strings: xcstrings-tool reads the catalogs": _tool(demo),
        "strings: English and German are whole": [
            f"{name}: {problem}" for name, c in catalogs.items() for problem in _whole(c["strings"])
        ],
        "strings: every key in the code is in the catalog": sorted(
            f"{key} is in no catalog" for key in set(_KEY.findall(words)) - set(texts)
        ),
        "strings: every key in the catalog is in the code": sorted(
            f"{key} is used nowhere" for key in set(texts) - set(_KEY.findall(words))
        ),
        "strings: every text is shown somewhere": _unshown(demo, words),
        "strings: English is what the code holds": _english(words, texts),
        "strings: plain numbers and names in the right places": _specifiers(words, texts),
        "strings: no text outside the catalog": _literals(demo),
        "strings: Info.plist's sentences are the catalog's": _info(demo, catalogs),
    }


def _tool(demo: Path) -> list[str]:
    tool = Path(sys.executable).with_name("xcstrings-tool")
    problems = []
    for name in CATALOGS:
        command = [str(tool), "validate", str(demo / name)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            problems.append(f"{name}: {done.stdout.strip()}{done.stderr.strip()}")
    return problems


def forms(entry: dict[str, Any], language: str) -> dict[str, str]:
    """The texts of a key in a language: under "" where there is one, else by plural form."""
    local = entry["localizations"].get(language, {})
    units = local.get("variations", {}).get("plural") or {"": local}
    return {
        form: unit["stringUnit"]["value"]
        for form, unit in units.items()
        if unit.get("stringUnit", {}).get("state") == "translated"
    }


def _whole(strings: dict[str, Any]) -> list[str]:
    problems = []
    for key, entry in strings.items():
        texts = {language: forms(entry, language) for language in LANGUAGES}
        for language, found in texts.items():
            if not found or not all(text.strip() for text in found.values()):
                problems.append(f"{key} is missing in {language}")
            elif set(found) not in ({""}, {"one", "other"}):
                problems.append(f"{key} has the forms {sorted(found)} in {language}")
        english = texts["en"].get("")
        same = english and re.search(r"[a-z]{3}", re.sub(r"%\S*", "", english))
        if same and english == texts["de"].get("") and english not in ALIKE:
            problems.append(f"{key} is English in German: {english}")
        found_specifiers = {
            tuple(sorted(_found(text))) for found in texts.values() for text in found.values()
        }
        if len(found_specifiers) > 1:
            problems.append(f"{key} takes other values in another language")
    return problems


def _found(text: str) -> list[str]:
    return re.findall(r"%(?:\d+\$)?(?:lld|@)", text.replace("%%", ""))


def _entries(words: str) -> list[tuple[str, str, list[tuple[str, str]], str]]:
    """Of Words.swift: (group.member, key, parameters as (name, type), English)."""
    entries = []
    group = ""
    pieces = re.split(r"(?=^  enum |^    static )", words, flags=re.MULTILINE)
    for piece in pieces:
        if head := re.match(r"  enum (\w+) \{", piece):
            group = head.group(1)
        named = re.match(r"    static (?:var|func) (\w+)(?:\(([^)]*)\))?", piece)
        key = _KEY.search(piece)
        if not named or not key:
            continue
        params = [
            (name.split()[-1], kind.strip())
            for name, _, kind in (p.partition(":") for p in (named.group(2) or "").split(",") if p)
        ]
        entries.append((f"{group}.{named.group(1)}", key.group(1), params, _default(piece)))
    return entries


def _default(piece: str) -> str:
    long = re.search(r'defaultValue: """\n(.*?)\n\s*"""', piece, re.DOTALL)
    if long:
        lines = [line.strip() for line in long.group(1).splitlines()]
        return "".join(
            line.removesuffix("\\") if line.endswith("\\") else line + "\n" for line in lines
        ).rstrip("\n")
    short = re.search(r'defaultValue: "((?:[^"\\]|\\.)*)"', piece)
    return short.group(1).replace('\\"', '"') if short else ""


def _english(words: str, texts: dict[str, Any]) -> list[str]:
    problems = []
    for _, key, params, default in _entries(words):
        found = forms(texts.get(key, {"localizations": {}}), "en")
        shown = found.get("", found.get("other", ""))
        plain = shown.replace("%%", "%") if params else shown
        for index, (name, kind) in enumerate(params):
            specifier = SPECIFIERS[kind]
            plain = plain.replace(f"%{index + 1}${specifier}", f"\\({name})")
            plain = plain.replace(f"%{specifier}", f"\\({name})")
        if plain != default:
            problems.append(f"{key}: the catalog has {shown!r}, the code {default!r}")
    return problems


def _specifiers(words: str, texts: dict[str, Any]) -> list[str]:
    problems = []
    for _, key, params, _ in _entries(words):
        many = len(params) > 1
        wanted = sorted(
            f"%{f'{i + 1}$' if many else ''}{SPECIFIERS[kind]}"
            for i, (_, kind) in enumerate(params)
        )
        for language in LANGUAGES:
            found = forms(texts.get(key, {"localizations": {}}), language).values()
            problems += [
                f"{key}, {language}: {text!r} should take {wanted}"
                for text in found
                if sorted(_found(text)) != wanted
            ]
    return problems


def _unshown(demo: Path, words: str) -> list[str]:
    code = "\n".join(t for n, t in sources(demo).items() if n != "Shared/Words.swift")
    used = set(re.findall(r"\bWords\.(\w+\.\w+)", code))
    return [f"{name} is shown nowhere" for name, _, _, _ in _entries(words) if name not in used]


def _literals(demo: Path) -> list[str]:
    return [
        f"{name}: {text[match.start() : match.start() + 60].splitlines()[0]}"
        for name, text in sources(demo).items()
        if name != "Shared/Words.swift"
        for match in _LITERAL.finditer(text)
    ]


def _info(demo: Path, catalogs: dict[str, Any]) -> list[str]:
    problems = []
    for folder in ("App", "Share"):
        plist = plistlib.loads((demo / f"Config/{folder}-Info.plist").read_bytes())
        strings = catalogs[f"{folder}/InfoPlist.xcstrings"]["strings"]
        spoken = {k for k in plist if k.endswith("UsageDescription") or k == "CFBundleDisplayName"}
        problems += [f"{folder}: {k} is in one place only" for k in sorted(spoken ^ set(strings))]
        problems += [
            f"{folder}: {k} differs"
            for k in sorted(spoken & set(strings))
            if forms(strings[k], "en")[""] != plist[k]
        ]
    return problems

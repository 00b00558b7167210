"""What the app's resources promise, read from the XML: words, colours, targets, labels."""

import re
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

A = "{http://schemas.android.com/apk/res/android}"
# Text and icons are drawn in the first on the second. colors.xml says the same.
INKS = ("text", "muted", "accent", "bad")
PAIRS = [(ink, ground) for ink in INKS for ground in ("background", "surface")]
PAIRS.append(("on_accent", "accent"))
LEAST_CONTRAST = 4.5  # WCAG 2.2, 1.4.3
LEAST_TARGET = 48  # dp
TARGETS = {"Button", "ImageButton", "CheckBox", "EditText", "Spinner", "Switch", "SeekBar"}
TEXTS = TARGETS - {"ImageButton"} | {"TextView"}
PLACEHOLDER = re.compile(r"%(?:\d+\$)?[a-z%]")


class RefusedError(Exception):
    """A check that failed; the message says what."""


def parsed(file: Path) -> ElementTree.Element:
    return ElementTree.parse(file).getroot()  # noqa: S314 - the project's own files


def need(true: object, message: str) -> None:
    if not true:
        raise RefusedError(message)


def values(app: Path, folder: str, kind: str) -> dict[str, str]:
    """Names and texts of one kind of resource in one folder."""
    found: dict[str, str] = {}
    for file in sorted((app / "res" / folder).glob("*.xml")):
        for element in parsed(file).iter(kind):
            found[element.attrib["name"]] = element.text or ""
    return found


def languages(app: Path) -> list[str]:
    """Languages of the per-app language file, the default one first."""
    listed = parsed(app / "res/xml/locales_config.xml")
    return [locale.attrib[f"{A}name"] for locale in listed.iter("locale")]


def check_languages(app: Path) -> None:
    """The language file lists exactly the languages with strings, and the manifest names it."""
    folders = {f.parent.name for f in (app / "res").glob("values-*/strings.xml")}
    expected = {f"values-{language}" for language in languages(app)[1:]}
    need(len(expected) >= 1, "there is one language alone")
    need(
        folders == expected,
        f"strings in {sorted(folders)}, the language file lists {sorted(expected)}",
    )
    need(
        'localeConfig="@xml/locales_config"' in (app / "AndroidManifest.xml").read_text(),
        "localeConfig is missing",
    )


def check_strings(app: Path) -> None:
    """Every string in every language, with the same placeholders; none is empty."""
    default = values(app, "values", "string")
    for language in languages(app)[1:]:
        other = values(app, f"values-{language}", "string")
        missing, extra = default.keys() - other.keys(), other.keys() - default.keys()
        need(not missing, f"{language}: without {', '.join(sorted(missing))}")
        need(not extra, f"{language}: {', '.join(sorted(extra))} is in no other language")
        for name, text in default.items():
            need(other[name].strip(), f"{language}: {name} is empty")
            ours, theirs = (
                sorted(PLACEHOLDER.findall(text)),
                sorted(PLACEHOLDER.findall(other[name])),
            )
            need(ours == theirs, f"{language}: {name} has placeholders {theirs}, not {ours}")
        same = [n for n, text in default.items() if other[n] == text]
        need(
            len(same) <= len(default) // 10,
            f"{language}: {len(same)} strings are as in the default language",
        )


def check_strings_are_used(app: Path) -> None:
    """No string that nothing shows."""
    code = "".join(f.read_text(encoding="utf-8") for f in app.rglob("*.kt"))
    markup = "".join(
        f.read_text(encoding="utf-8")
        for f in [*app.glob("res/layout/*.xml"), app / "AndroidManifest.xml"]
    )
    for name in values(app, "values", "string"):
        used = re.search(rf"R\.string\.{name}\b", code) or re.search(rf"@string/{name}\"", markup)
        need(used, f"{name} is used nowhere")


def check_reasons(app: Path, contract: Path) -> None:
    """The app has words for every reason of the contract, and for no other."""
    table = contract.read_text(encoding="utf-8").split("## Reasons", 1)[1].split("\n## ", 1)[0]
    ids = re.findall(r"^\| `([a-z-]+)` \| [a-z ]+ \| `[a-z]+` \|", table, re.MULTILINE)
    words = next(app.rglob("Words.kt")).read_text(encoding="utf-8")
    ours = re.findall(r'"([a-z-]+)" to R\.string\.reason_', words)
    need(ids and ids == ours, f"the contract has {ids}, the app {ours}")


def luminance(colour: str) -> float:
    """Relative luminance of `#AARRGGBB` (WCAG 2.2), 0 to 1."""
    need(re.fullmatch(r"#FF[0-9A-Fa-f]{6}", colour), f"{colour} is not an opaque #FFRRGGBB")
    channels = [int(colour[i : i + 2], 16) / 255 for i in (3, 5, 7)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    """Contrast ratio (WCAG 2.2), 1 to 21."""
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def check_contrast(app: Path) -> None:
    """Every pair of ink and ground, in the light and the dark theme."""
    light = values(app, "values", "color")
    for theme, colours in (
        ("light", light),
        ("dark", light | values(app, "values-night", "color")),
    ):
        for ink, ground in PAIRS:
            ratio = contrast(colours[ink], colours[ground])
            need(
                ratio >= LEAST_CONTRAST,
                f"{theme}: {ink} on {ground} has {ratio:.2f}, not {LEAST_CONTRAST}",
            )


def check_themes(app: Path) -> None:
    """Both themes colour everything: layouts and styles name no colour but the checked ones."""
    known = {name for pair in PAIRS for name in pair}
    for where, name, value in attributes(app):
        if name in ("textColor", "background", "backgroundTint", "tint") and value.startswith(
            "@color/"
        ):
            need(
                value.removeprefix("@color/") in known,
                f"{where}: {value} is checked against no ground",
            )
        need(
            not re.fullmatch(r"#[0-9A-Fa-f]{3,8}", value),
            f"{where}: {name}={value} is the same in both themes",
        )


def attributes(app: Path) -> Iterator[tuple[str, str, str]]:
    """File, name and value of every attribute of the layouts and item of the styles."""
    for file in sorted(app.glob("res/layout/*.xml")):
        for element in parsed(file).iter():
            for name, value in element.attrib.items():
                yield file.name, name.removeprefix(A), value
    for file in sorted(app.glob("res/values*/themes.xml")):
        for item in parsed(file).iter("item"):
            yield file.name, item.attrib["name"].removeprefix("android:"), item.text or ""


def styles(app: Path) -> dict[str, dict[str, str]]:
    """The app's styles with what they inherit from each other."""
    raw = {s.attrib["name"]: s for s in parsed(app / "res/values/themes.xml").iter("style")}

    def resolved(name: str) -> dict[str, str]:
        style = raw.get(name)
        if style is None:
            return {}
        own = {i.attrib["name"].removeprefix("android:"): i.text or "" for i in style.iter("item")}
        return resolved(style.attrib.get("parent", "")) | own

    return {name: resolved(name) for name in raw}


def views(app: Path) -> Iterator[tuple[str, str, dict[str, str]]]:
    """File, class and attributes, those of its style included, of every view in the layouts."""
    known = styles(app)
    for file in sorted(app.glob("res/layout/*.xml")):
        for element in parsed(file).iter():
            own = {name.removeprefix(A): value for name, value in element.attrib.items()}
            style = own.get("style", "").removeprefix("@style/")
            yield file.name, element.tag, known.get(style, {}) | own


def dp(value: str | None) -> float:
    """A length in dp; one that follows its content or its parent counts as none."""
    match = re.fullmatch(r"([\d.]+)dp", value or "")
    return float(match.group(1)) if match else 0.0


def check_targets(app: Path) -> None:
    """Whatever is touched is at least 48 dp high, and wide where it does not follow its parent."""
    seen = 0
    for file, kind, given in views(app):
        if kind not in TARGETS and given.get("clickable") != "true":
            continue
        seen += 1
        name = f"{file}: {kind} {given.get('id', '')}"
        high = max(dp(given.get("layout_height")), dp(given.get("minHeight")))
        need(high >= LEAST_TARGET, f"{name} is {high:g} dp high, not {LEAST_TARGET}")
        wide = max(dp(given.get("layout_width")), dp(given.get("minWidth")))
        need(
            given.get("layout_width") == "match_parent" or wide >= LEAST_TARGET,
            f"{name} is {wide:g} dp wide",
        )
    need(seen >= 10, f"{seen} targets: these are not the layouts")


def check_labels(app: Path) -> None:
    """TalkBack has words for every picture and every field."""
    labelled = {g["labelFor"].replace("@+id/", "@id/") for _, _, g in views(app) if "labelFor" in g}
    for file, kind, given in views(app):
        name = f"{file}: {kind} {given.get('id', '')}"
        if kind in ("ImageButton", "ImageView"):
            said = given.get("contentDescription", "")
            silent = said == "@null" and given.get("importantForAccessibility") == "no"
            need(said.startswith("@string/") or silent, f"{name} has no contentDescription")
        if kind in ("EditText", "Spinner"):
            need(given.get("id", "").replace("@+id/", "@id/") in labelled, f"{name} has no label")


def check_large_letters(app: Path) -> None:
    """Text is in sp, and what holds it grows with it."""
    for file, kind, given in views(app):
        size = given.get("textSize")
        need(size is None or size.endswith("sp"), f"{file}: {kind} has textSize {size}, not sp")
        if kind in TEXTS:
            need(
                dp(given.get("layout_height")) == 0,
                f"{file}: {kind} {given.get('id', '')} has a fixed height",
            )


def check_directions(app: Path) -> None:
    """Right-to-left languages: start and end, never left and right."""
    need(
        'supportsRtl="true"' in (app / "AndroidManifest.xml").read_text(), "supportsRtl is missing"
    )
    for where, name, value in attributes(app):
        need(not re.search("Left|Right", name), f"{where}: {name}: say Start or End")
        need(
            not re.search(r"\b(left|right)\b", value), f"{where}: {name}={value}: say start or end"
        )


def check_words_are_resources(app: Path) -> None:
    """Nothing that a person reads stands in a layout."""
    for where, name, value in attributes(app):
        if name in ("text", "hint", "contentDescription", "title"):
            need(value.startswith("@"), f"{where}: {name}={value!r} is in one language")

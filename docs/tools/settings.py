"""Tables of a recipe's settings, made from its dataclasses: name, default, meaning.

    python docs/tools/settings.py

writes the tables anew between `<!-- settings: NAME -->` and `<!-- end -->` in the pages of
`PAGES`; a test holds them to the code.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PAGES: dict[str, dict[str, str]] = {
    "docs/distil.md": {
        "[tower]": "ralikit.train.rali.recipe.TowerStart",
        "[preprocess]": "ralikit.photo.views.Preprocess",
        "[distil]": "ralikit.train.distil.recipe.DistilSettings",
        "[distil.crops]": "ralikit.train.rali.augment.Crops",
        "[held_out]": "ralikit.train.distil.recipe.HeldOut",
        "[bundle]": "ralikit.train.distil.recipe.SmallBundle",
        "the whole": "ralikit.train.distil.recipe.DistilRecipe",
    },
    "docs/own-photos.md": {
        "the whole": "ralikit.train.rali.recipe.RaliRecipe",
        "[data]": "ralikit.data.metas.MetaSpec",
        "[texts]": "ralikit.train.rali.recipe.TextsSpec",
        "[tower]": "ralikit.train.rali.recipe.TowerStart",
        "[align]": "ralikit.train.rali.align_settings.AlignSettings",
        "[align.crops]": "ralikit.train.rali.augment.Crops",
        "[fit]": "ralikit.train.rali.fit_settings.FitSettings",
        "[validation]": "ralikit.train.rali.recipe.Validation",
    },
}
"""Page -> the table's name -> the dataclass it is made from."""

_BLOCK = r"(<!-- settings: {} -->\n).*?(<!-- end -->)"


def table(cls: Any) -> str:
    """A Markdown table of a dataclass's fields.

    Raises:
        ValueError: If a field's meaning does not stand in the docstring's `Attributes`.
    """
    meanings = _meanings(cls)
    lines = ["| setting | default | meaning |", "|---|---|---|"]
    for field in dataclasses.fields(cls):
        if field.name not in meanings:
            raise ValueError(f"{cls.__name__} does not say what {field.name} means")
        meaning = meanings[field.name].replace("``", "`").replace("|", "\\|")
        lines.append(f"| `{field.name}` | {_default(field)} | {meaning} |")
    return "\n".join(lines) + "\n"


def filled(text: str, tables: dict[str, str]) -> str:
    """A page with its tables made anew.

    Raises:
        ValueError: If a table has no place in it.
    """
    for name, path in tables.items():
        module, _, cls = path.rpartition(".")
        made = table(getattr(importlib.import_module(module), cls))
        pattern = re.compile(_BLOCK.format(re.escape(name)), re.S)
        if not pattern.search(text):
            raise ValueError(f"no place for the settings of {name}")
        text = pattern.sub(lambda m, made=made: f"{m[1]}\n{made}\n{m[2]}", text)  # type: ignore[misc]
    return text


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return "none" if field.default is None else f"`{_toml(field.default)}`"
    if field.default_factory is not dataclasses.MISSING:
        made = field.default_factory()
        return "see its table" if dataclasses.is_dataclass(made) else f"`{made}`"
    return "**needed**"


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, tuple | list):
        return "[" + ", ".join(_toml(v) for v in value) + "]"
    if isinstance(value, str | Path):
        return f'"{value}"'
    return repr(value)


def _meanings(cls: Any) -> dict[str, str]:
    """Field -> its sentence, from the docstrings of the class and of those it builds on."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        found |= _said(inspect.cleandoc(base.__doc__ or ""))
    return found


def _said(text: str) -> dict[str, str]:
    """Field -> its sentence, from one docstring."""
    part = text.partition("Attributes:\n")[2]
    found: dict[str, str] = {}
    name = ""
    for line in part.splitlines():
        start = re.match(r"    (\w+): (.*)", line)
        if start:
            name = start[1]
            found[name] = start[2]
        elif line.startswith("        ") and name:
            found[name] += " " + line.strip()
        elif line.strip():
            break
    return found


if __name__ == "__main__":
    for page, tables in PAGES.items():
        path = ROOT / page
        path.write_text(filled(path.read_text(encoding="utf-8"), tables), encoding="utf-8")

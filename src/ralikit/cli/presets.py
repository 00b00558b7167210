"""`--preset` of `ralikit export`: a named set of defaults, which explicit options overrule."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from ralikit.model.bundle import Bundle

LIST = "list"


def apply_preset(context: typer.Context, name: str | None) -> str | None:
    """Make a preset's values the defaults of the command; ``list`` prints all and ends it.

    It has to run before the options it sets are read: give it to an option that is eager.

    Raises:
        UsageError: If there is no such preset.
    """
    if name is None or context.resilient_parsing:
        return name
    from ralikit.export.presets import read_preset

    if name == LIST:
        _print_all()
        raise typer.Exit
    context.default_map = {**(context.default_map or {}), **read_preset(name).options}
    return name


def precision_for(preset: str, bundle: Bundle) -> str:
    """The precision that a preset means for a bundle's tower."""
    from ralikit.export.presets import read_preset
    from ralikit.model.towers import tower_class

    read = read_preset(preset)
    dynamic = tower_class(bundle.info.tower.kind).arithmetic == "dynamic"
    return read.transformers or read.precision if dynamic else read.precision


def _print_all() -> None:
    import textwrap

    from ralikit.export.presets import names, read_preset

    for name in names():
        preset = read_preset(name)
        more = "" if preset.outputs is None else f" --outputs {preset.outputs}"
        if preset.transformers is not None:
            more += f" (transformers: --precision {preset.transformers})"
        typer.echo(f"{name}: --target {preset.target} --precision {preset.precision}{more}")
        words = " ".join(preset.why.split())
        typer.echo(textwrap.fill(words, 88, initial_indent="  ", subsequent_indent="  "))

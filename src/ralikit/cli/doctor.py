"""`ralikit doctor`: what is installed, and what each extra would add."""

from __future__ import annotations

from typing import Annotated, Any

import typer


def register(app: typer.Typer) -> None:
    """Add `doctor` to the command line."""
    app.command()(doctor)


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")] = False,
) -> None:
    """Say what is installed, what each extra would add, and what the bundled model is."""
    from ralikit.doctor import examine
    from ralikit.files import to_json

    facts = examine()
    typer.echo(to_json(facts) if as_json else _page(facts), nl=not as_json)


def _page(facts: dict[str, Any]) -> str:
    lines = [f"ralikit {facts['ralikit']}, Python {facts['python']}"]
    lines += [f"  {name} {version or 'MISSING'}" for name, version in facts["core"].items()]
    lines += ["", "Bundled model", *_model(facts["model"])]
    for other in facts["others"]:
        lines += ["", f"Bundled as well (--model {other.get('name', '?')})", *_model(other)]
    lines += ["", "Extras"]
    for extra in facts["extras"]:
        missing = [name for name, version in extra["libraries"].items() if version is None]
        mark = "installed" if not missing else "not here "
        lines.append(f"  {extra['name']:12} {mark}  {extra['adds']}")
        if missing:
            lines.append(f"  {'':12} missing: {', '.join(missing)}")
            lines.append(f"  {'':12} run: {extra['command']}")
    lines += ["", "This computer", *_computer(facts["platform"])]
    return "\n".join(lines)


def _model(model: dict[str, Any]) -> list[str]:
    if "error" in model:
        return [f"  {model['error']}"]
    scale, tie_width = model["scale"], model["tie_width"]
    width = "not measured" if tie_width is None else f"{tie_width:.2f}"
    note = f" ({model['tie_width_note']})" if model["tie_width_note"] else ""
    engine = "ONNX Runtime alone" if model["torch_free"] else "torch (it has no scorer.onnx)"
    return [
        f"  {model['name']}, {model['bytes'] / 1e6:.1f} MB, bundle {model['hash'][:16]}",
        f"  scores with {engine}",
        f"  scale: {scale['minimum']:g} to {scale['maximum']:g}, {scale['meaning']}",
        f"  not told apart: scores closer than {width}{note}",
        f"  licence: {model['licence'] or 'not stated'}",
        *([f"  notice: {model['notice']}"] if model["notice"] else []),
    ]


def _computer(facts: dict[str, Any]) -> list[str]:
    memory = facts["memory_bytes"]
    core_ml = "Core ML packages run here" if facts["mac"] else "no Mac: Core ML does not run here"
    return [
        f"  {facts['system']}",
        f"  {facts['processor'] or 'processor not known'}, {facts['usable_cores']} of "
        f"{facts['cores']} cores usable",
        f"  memory: {'not known' if memory is None else f'{memory / 2**30:.1f} GiB'}",
        f"  {core_ml}",
    ]

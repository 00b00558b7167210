"""Settings are frozen dataclasses; a TOML file is one way to fill them, and a typo is an error."""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
import types
import typing
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from ralikit.errors import UsageError
from ralikit.lines import without_mark
from ralikit.printable import shown

T = TypeVar("T")

_FORMER = "former"


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file as plain values.

    Raises:
        UsageError: If it is missing, unreadable or not TOML.
    """
    try:
        return tomllib.loads(without_mark(path.read_bytes()).decode())
    except OSError as error:
        raise UsageError(f"cannot read the recipe {path}: {error.strerror or error}") from error
    except ValueError as error:  # TOMLDecodeError, UnicodeDecodeError
        raise UsageError(f"{path} is not valid TOML: {error}") from error


def renamed(former: str, **default: Any) -> Any:
    """A field that files already written call by another name.

    `from_mapping` takes either name, `to_mapping` writes the new one.

    Args:
        former: Its name in those files.
        default: As `dataclasses.field` takes it: ``default`` or ``default_factory``.
    """
    return dataclasses.field(metadata={_FORMER: former}, **default)


def from_mapping(cls: type[T], values: Mapping[str, Any], *, where: str = "settings") -> T:
    """Fill a dataclass from plain values, nested dataclasses included.

    Args:
        cls: A dataclass type; its ``__post_init__`` checks ranges.
        values: Keys are field names, or former ones (`renamed`); TOML tables fill nested
            dataclasses.
        where: Named in errors, e.g. ``"train/mini.toml [align]"``.

    Raises:
        UsageError: On an unknown key (the closest known one is named), one given under both its
            names, a missing one, or a value of another type.
    """
    if not isinstance(values, Mapping):
        raise UsageError(f"{where}: a table is expected, not {_said(values)}")
    hints = typing.get_type_hints(cls)
    fields = {f.name: f for f in dataclasses.fields(cls) if f.init}  # type: ignore[arg-type]
    values = _under_new_names(fields.values(), values, where=where)
    for key in values:
        if key not in fields:
            close = difflib.get_close_matches(str(key)[:100], fields, n=1, cutoff=0.0)
            hint = f"did you mean {close[0]!r}?" if close else "it takes no settings"
            raise UsageError(f"{where}: unknown setting {_said(key)}; {hint}")
    filled = {k: _convert(hints[k], v, where=f"{where}.{k}") for k, v in values.items()}
    missing = [
        name
        for name, field in fields.items()
        if name not in filled
        and field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    ]
    if missing:
        raise UsageError(f"{where}: {', '.join(missing)} must be set")
    try:
        return cls(**filled)
    except UsageError:
        raise
    except ValueError as error:
        raise UsageError(f"{where}: {error}") from error


def to_mapping(value: Any, *, former: bool = False) -> dict[str, Any]:
    """A dataclass as plain, JSON-ready values.

    Args:
        value: The dataclass.
        former: Write renamed fields under their first names: for hashes that must not change.
    """

    def plain(item: Any) -> Any:
        if dataclasses.is_dataclass(item) and not isinstance(item, type):
            return {
                f.metadata.get(_FORMER, f.name) if former else f.name: plain(getattr(item, f.name))
                for f in dataclasses.fields(item)
            }
        if isinstance(item, Path):
            return str(item)
        if isinstance(item, Mapping):
            return {str(k): plain(v) for k, v in item.items()}
        if isinstance(item, list | tuple):
            return [plain(v) for v in item]
        return item

    result: dict[str, Any] = plain(value)
    return result


def known_names(cls: type[Any]) -> set[str]:
    """Every name that `from_mapping` takes for a dataclass, former ones included."""
    fields = [f for f in dataclasses.fields(cls) if f.init]
    return {f.name for f in fields} | {f.metadata[_FORMER] for f in fields if _FORMER in f.metadata}


def _under_new_names(
    fields: Iterable[dataclasses.Field[Any]], values: Mapping[str, Any], *, where: str
) -> dict[str, Any]:
    names = {f.metadata[_FORMER]: f.name for f in fields if _FORMER in f.metadata}
    for former, name in names.items():
        if former in values and name in values:
            raise UsageError(f"{where}: {former!r} is the former name of {name!r}; give one")
    return {names.get(key, key): value for key, value in values.items()}


def _said(value: object) -> str:
    """A value as errors show it: cut, on one line."""
    try:
        return shown(repr(value))
    except ValueError:  # a whole number of too many digits to be written out
        return f"a {type(value).__name__}"


def _convert(hint: Any, value: Any, *, where: str) -> Any:
    origin = typing.get_origin(hint)
    args = typing.get_args(hint)
    if hint is Any:
        return value
    if origin in (types.UnionType, typing.Union):
        if value is None and type(None) in args:
            return None
        problems = []
        for option in args:
            if option is type(None):
                continue
            try:
                return _convert(option, value, where=where)
            except UsageError as error:
                problems.append(error)
        raise problems[0]
    if origin is typing.Literal:
        if value not in args:
            raise UsageError(f"{where}: {_said(value)} is not one of {', '.join(map(repr, args))}")
        return value
    if dataclasses.is_dataclass(hint) and isinstance(hint, type):
        if not isinstance(value, Mapping):
            raise UsageError(f"{where}: a table is expected, not {_said(value)}")
        return from_mapping(hint, value, where=where)
    if origin is tuple:
        if not isinstance(value, list | tuple):
            raise UsageError(f"{where}: a list is expected, not {_said(value)}")
        if len(args) == 2 and args[1] is Ellipsis:
            return tuple(_convert(args[0], v, where=where) for v in value)
        if len(args) != len(value):
            raise UsageError(f"{where}: {len(args)} values are expected, not {len(value)}")
        return tuple(_convert(a, v, where=where) for a, v in zip(args, value, strict=True))
    if origin in (dict, Mapping):
        if not isinstance(value, Mapping):
            raise UsageError(f"{where}: a table is expected, not {_said(value)}")
        return dict(value)
    if hint is Path and isinstance(value, str | Path):
        return Path(value)
    if hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return float(value)
        except OverflowError:
            raise UsageError(f"{where}: {_said(value)} is too large a number") from None
    if isinstance(hint, type) and isinstance(value, hint):
        if hint is int and isinstance(value, bool):
            raise UsageError(f"{where}: int is expected, not {_said(value)}")
        return value
    name = getattr(hint, "__name__", str(hint))
    raise UsageError(f"{where}: {name} is expected, not {_said(value)}")

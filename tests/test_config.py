"""Settings: a typo is an error that names the closest key, and types are held."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from ralikit.config import from_mapping, read_toml, renamed, to_mapping
from ralikit.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class _Inner:
    rate: float = 0.1
    mode: Literal["a", "b"] = "a"


@dataclass(frozen=True, kw_only=True)
class _Outer:
    epochs: int
    inner: _Inner = field(default_factory=_Inner)
    anchors: tuple[tuple[float, float], ...] = ()
    seed: int | None = None
    out: Path = Path("x")

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"epochs must be at least 1, not {self.epochs}")


def test_nested_values_are_filled_and_written_back_unchanged() -> None:
    value = from_mapping(
        _Outer, {"epochs": 2, "inner": {"rate": 1}, "anchors": [[0, 0.5]], "out": "runs"}
    )
    assert value == _Outer(
        epochs=2, inner=_Inner(rate=1.0), anchors=((0.0, 0.5),), out=Path("runs")
    )
    assert from_mapping(_Outer, to_mapping(value)) == value


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"epochs": 1, "sead": 3}, "unknown setting 'sead'; did you mean 'seed'"),
        ({"epochs": 1, "inner": {"rat": 3}}, "recipe.inner: unknown setting 'rat'"),
        ({}, "epochs must be set"),
        ({"epochs": "2"}, "int is expected, not '2'"),
        ({"epochs": True}, "int is expected, not True"),
        ({"epochs": 0}, "epochs must be at least 1, not 0"),
        ({"epochs": 1, "inner": {"mode": "c"}}, "'c' is not one of 'a', 'b'"),
        ({"epochs": 1, "inner": 3}, "a table is expected, not 3"),
        ({"epochs": 1, "anchors": [[0.0]]}, "2 values are expected, not 1"),
        ({"epochs": 1, "seed": "x"}, "int is expected, not 'x'"),
    ],
)
def test_each_mistake_is_named(values: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        from_mapping(_Outer, values, where="recipe")


@dataclass(frozen=True, kw_only=True)
class _Renamed:
    width: float | None = renamed("resolution", default=None)
    name: str = ""


def test_a_renamed_field_is_read_under_both_names_and_written_under_the_new_one() -> None:
    assert from_mapping(_Renamed, {"resolution": 1}) == from_mapping(_Renamed, {"width": 1})
    assert to_mapping(_Renamed(width=0.5)) == {"width": 0.5, "name": ""}
    assert to_mapping({"in": [_Renamed()]}, former=True) == {
        "in": [{"resolution": None, "name": ""}]
    }
    with pytest.raises(UsageError, match="x: 'resolution' is the former name of 'width'; give one"):
        from_mapping(_Renamed, {"resolution": 1, "width": 1}, where="x")
    with pytest.raises(UsageError, match="unknown setting 'widht'; did you mean 'width'"):
        from_mapping(_Renamed, {"widht": 1})


def test_a_broken_recipe_file_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "r.toml"
    with pytest.raises(UsageError, match="cannot read the recipe"):
        read_toml(path)
    path.write_bytes(b"a = \xff")
    with pytest.raises(UsageError, match="not valid TOML"):
        read_toml(path)


def test_a_byte_order_mark_before_toml(tmp_path: Path) -> None:
    path = tmp_path / "recipe.toml"
    path.write_bytes(b"\xef\xbb\xbfepochs = 3\r\n")
    assert read_toml(path) == {"epochs": 3}
    path.write_bytes(b"epochs = 3 # \xff")
    with pytest.raises(UsageError, match="is not valid TOML"):
        read_toml(path)

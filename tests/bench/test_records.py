"""Records: sealed, appended, and refused with their line when edited."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support_bench import made_up_record

from ralikit.bench.records import append, read, replace, unseal
from ralikit.bench.seal import SCHEMA, RecordError, sealed
from ralikit.config import to_mapping
from ralikit.errors import UsageError

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


def test_records_come_back_as_appended(tmp_path: Path) -> None:
    path = tmp_path / "r" / "a.jsonl"
    first = made_up_record()
    second = replace(first, run="other")
    append(path, [first])
    append(path, [second])
    assert read([path]) == [first, second]
    assert read([tmp_path]) == [first, second]


def test_an_edited_record_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    append(path, [made_up_record(), made_up_record()])
    lines = path.read_text().splitlines()
    lines[1] = lines[1].replace('"threads": 2', '"threads": 1')
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(RecordError, match=r"a\.jsonl, line 2: the record was edited"):
        read([path])


def test_a_half_written_line_is_named_and_later_records_stand_apart(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    append(path, [made_up_record()])
    with path.open("a") as stream:
        stream.write('{"schema": 1, "half')
    append(path, [made_up_record()])
    assert len(path.read_text().splitlines()) == 3
    with pytest.raises(RecordError, match="line 2: not valid JSON"):
        read([path])


def _resealed(change: dict[str, Any]) -> bytes:
    """A record with other values and a fitting seal: only the schema can refuse it."""
    return sealed(to_mapping(made_up_record()) | change)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 3}, "schema 3, this version reads 1 to 2"),
        ({"schema": True}, "schema True, this version reads 1 to 2"),
        ({"hash": "0" * 64}, "unknown setting 'hash'"),
        ({"colour": 1}, "unknown setting 'colour'"),
        ({"kind": "speed"}, "'speed' is not one of"),
        ({"samples": {}}, "needs samples.inference_s"),
        ({"samples": {"inference_s": [-1.0]}}, "negative time"),
        ({"samples": {"inference_s": ["1"]}}, "finite numbers"),
        ({"model": {"name": "x"}}, "must be set"),
        ({"kind": "parity", "figures": {}}, "needs figures"),
    ],
)
def test_the_schema_is_held(change: dict[str, Any], words: str) -> None:
    with pytest.raises(RecordError, match=words):
        unseal(_resealed(change), where="here")


def test_no_records_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no record files"):
        read([tmp_path])
    with pytest.raises(RecordError, match="cannot read"):
        read([tmp_path / "absent.jsonl"])


def test_records_of_the_first_schema_still_open_and_are_still_guarded() -> None:
    """Every committed record was sealed over Python's own JSON text."""
    found = read([BENCHMARKS / "results", BENCHMARKS / "former-mini"])
    assert len(found) > 50
    line = (BENCHMARKS / "former-mini" / "mini-host.jsonl").read_bytes().split(b"\n")[0]
    assert b'"schema": 1' in line
    assert SCHEMA == 2
    with pytest.raises(RecordError, match="was edited"):
        unseal(line.replace(b'"threads": 1', b'"threads": 2'), where="here")


def test_a_line_separator_inside_a_text_ends_no_line(tmp_path: Path) -> None:
    record = made_up_record(run="one\u2028two\x85three")
    append(tmp_path / "a.jsonl", [record, record])
    assert read([tmp_path]) == [record, record]

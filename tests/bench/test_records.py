"""Records: sealed, appended, and refused with their line when edited."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support_bench import made_up_record

from ralikit.bench.records import RecordError, append, read, replace, seal, unseal
from ralikit.errors import UsageError


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


def _resealed(change: dict[str, Any]) -> dict[str, Any]:
    """A record with other values and a fitting hash: only the schema can refuse it."""
    from ralikit.bench.records import _hash

    body = {k: v for k, v in seal(made_up_record()).items() if k != "hash"} | change
    return {**body, "hash": _hash(body)}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"schema": 2}, "schema 2, this version reads 1"),
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


def test_the_hash_does_not_depend_on_key_order() -> None:
    raw = seal(made_up_record())
    shuffled = dict(reversed(list(json.loads(json.dumps(raw)).items())))
    assert unseal(shuffled, where="here") == made_up_record()

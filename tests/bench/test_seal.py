"""The seal of a record line: a rule over bytes, held by golden lines that every language reads."""

from __future__ import annotations

import hashlib
import json
import runpy
from pathlib import Path

import pytest
from support_bench import made_up_record

from ralikit.bench.records import read, seal, unseal
from ralikit.bench.seal import RecordError, hash_of_values, opened
from ralikit.config import to_mapping
from ralikit.files import read_json

GOLDEN = Path(__file__).parents[2] / "runtimes" / "golden"
LINES = (GOLDEN / "records.jsonl").read_bytes().removesuffix(b"\n").split(b"\n")
BROKEN = read_json(GOLDEN / "records-broken.json")["lines"]


def test_the_rule_is_over_bytes_alone() -> None:
    line = seal(made_up_record())
    body = line[:-77] + b"}"
    assert line[-77:-66] == b',"sha256":"'
    assert line[-66:] == hashlib.sha256(body).hexdigest().encode() + b'"}'
    assert json.loads(body)["schema"] == 2


def test_the_golden_records_open() -> None:
    records = read([GOLDEN / "records.jsonl"])
    assert [unseal(line, where="here") for line in LINES] == records
    assert {record.kind for record in records} == {"latency", "parity"}
    # The same record in two spellings: what is sealed is how it is written.
    assert records[0] == records[1]
    assert LINES[0] != LINES[1]
    assert records[0].samples["inference_s"] == [1e-07, 5e-05, 0.0125, 1.0]


@pytest.mark.parametrize("entry", BROKEN, ids=lambda entry: entry["why"])
def test_the_broken_records_are_refused_for_their_reason(entry: dict[str, str]) -> None:
    with pytest.raises(RecordError, match=r"^here[.:]") as refusal:
        unseal(entry["line"].encode(), where="here")
    assert entry["python"] in str(refusal.value)
    if entry["refused_by"] == "fields":
        assert opened(entry["line"].encode(), where="here")  # its seal is right


def test_the_golden_records_are_the_generators() -> None:
    made = runpy.run_path(str(GOLDEN / "records.py"))
    assert made["lines"]() == LINES
    assert made["broken"]() == BROKEN


@pytest.mark.parametrize("line", LINES[:2], ids=["Python's", "JavaScript's"])
def test_any_other_byte_anywhere_is_refused(line: bytes) -> None:
    for at in range(len(line)):
        with pytest.raises(RecordError):
            opened(line[:at] + bytes([line[at] ^ 1]) + line[at + 1 :], where="here")
        with pytest.raises(RecordError):
            opened(line[:at] + line[at + 1 :], where="here")
    for more in (b" ", b"\r", b"\0", b"}", b"x"):
        with pytest.raises(RecordError):
            opened(line + more, where="here")
        with pytest.raises(RecordError):
            opened(more + line, where="here")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b'{"schema":2,"run":"\xff"}', "not valid JSON"),
        (b'\xef\xbb\xbf{"schema":2}', "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"),
        (b'{"schema":2,"load_s":1e400}', "1e400 is no finite number"),
        (b'{"schema":1,"load_s":1e400,"hash":""}', "1e400 is no finite number"),
        (b'{"schema":2,"load_s":NaN}', "NaN is no finite number"),
        (b'{"schema":1,"run":"\\ud800","hash":""}', "was edited"),
        (b"[2]", "a record is a JSON object"),
        (b"{}", "schema None"),
    ],
)
def test_what_is_no_record_is_one_sentence(line: bytes, words: str) -> None:
    with pytest.raises(RecordError, match=words):
        opened(line, where="here")


def test_the_first_schemas_hash_does_not_depend_on_key_order() -> None:
    body = {"schema": 1, **to_mapping(made_up_record())}
    raw = {**body, "hash": hash_of_values(body)}
    shuffled = dict(reversed(list(json.loads(json.dumps(raw)).items())))
    assert unseal(json.dumps(shuffled).encode(), where="here") == made_up_record()

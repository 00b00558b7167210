"""Golden record lines: what every reader and writer of benchmark records is held to.

    python runtimes/golden/records.py   # writes records.jsonl and records-broken.json beside it

Every figure in them is made up. README.md says how to read the files, docs/records.md what a seal
is.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from ralikit.bench.records import Device, Memory, Model, Protocol, RanBy, Record, replace, seal
from ralikit.config import to_mapping
from ralikit.files import to_json, write_text

ROOT = Path(__file__).parent
LINES, BROKEN = ROOT / "records.jsonl", ROOT / "records-broken.json"


def latency() -> Record:
    """A record whose numbers languages print in different ways."""
    return Record(
        kind="latency",
        run="golden",
        time="2026-01-01T00:00:00Z",
        commit="",
        model=Model(
            name="made up", hash="0" * 64, bundle="", format="onnx", precision="int8",
            size_bytes=3_000_000, weights="random", input=(5, 288, 288, 3),
        ),
        device=Device(
            kind="phone", name="none", os="none", chip="none", cores=8, memory_bytes=2**33
        ),
        runtime=RanBy(name="none", version="0", unit="cpu", threads=1),
        protocol=Protocol(
            quick=True, rounds=1, warmups=0, cooldown_s=0.5, command="none",
            note='made up: "é", 日本, 😀, \u2028, \\, ,"sha256":"',
        ),
        samples={"inference_s": [1e-07, 5e-05, 0.0125, 1.0], "round": [0, 0, 0, 0]},
        load_s=0.1,
        memory=Memory(peak_bytes=0, steady_bytes=1, private_bytes=0, how="made up"),
    )  # fmt: skip


def parity() -> Record:
    """A record that holds a member `sha256` further inside, where it is no seal."""
    figures = {"photos": {"sha256": "1" * 64}}
    return replace(latency(), kind="parity", samples={}, memory=None, figures=figures)


def sealed_text(body: str) -> str:
    """A JSON object, in whatever spelling, as a sealed line: the whole rule."""
    digest = hashlib.sha256(body.encode()).hexdigest()
    return f'{body[:-1]},"sha256":"{digest}"}}'


def body_of(values: dict[str, Any]) -> str:
    """A record's values as JavaScript spells them: no spaces, unsorted names, raw UTF-8."""
    return json.dumps(values, separators=(",", ":"), ensure_ascii=False)


def compact() -> str:
    """The body of `latency` as JavaScript spells it, numbers included."""
    values = {"schema": 2, **to_mapping(latency())}
    return body_of(values).replace("[1e-07,5e-05,0.0125,1.0]", "[1e-7,0.00005,0.0125,1]")


def lines() -> list[bytes]:
    """`records.jsonl`: Python's spelling, JavaScript's, ASCII with odd spaces, and nesting."""
    escaped = json.dumps({**to_mapping(latency()), "schema": 2}, separators=(" ,\t", " : "))
    return [
        seal(latency()),
        sealed_text(compact()).encode(),
        sealed_text(escaped.replace("1e-07", "1E-7").replace("0.1 ", "1.0e-1 ")).encode(),
        seal(parity()),
    ]


def broken() -> list[dict[str, str]]:
    """`records-broken.json`: lines to refuse, why, by whom, and part of what Python says."""
    body = compact()
    whole = sealed_text(body)
    digest = whole[-66:-2]
    flat = {"schema": 2, **to_mapping(latency())}
    seal_needed, edited = "a record ends with its seal", "was edited"
    by_seal = [
        ("a value was changed", whole.replace('"threads":1', '"threads":2'), edited),
        ("a space was added", whole.replace('"threads":1', '"threads": 1'), edited),
        ("a number was written anew", whole.replace("1e-7", "1e-07"), edited),
        ("a character was escaped", whole.replace("é", "\\u00e9"), edited),
        ("two members changed places", sealed_text(body_of(dict(reversed(flat.items()))))[:-66]
         + whole[-66:], edited),
        ("the hash is of the whole line", body[:-1] + ',"sha256":"'
         + hashlib.sha256(whole.encode()).hexdigest() + '"}', edited),
        ("the hash is of the bytes without the closing brace", body[:-1] + ',"sha256":"'
         + hashlib.sha256(body[:-1].encode()).hexdigest() + '"}', edited),
        ("no seal", body, seal_needed),
        ("the seal is not the last member", f'{{"sha256":"{digest}",{body[1:]}', seal_needed),
        ("the hash in capitals", whole[:-66] + digest.upper() + '"}', seal_needed),
        ("the hash cut short", whole[:-3] + '"}', seal_needed),
        ("a space in the seal", whole.replace(',"sha256":"' + digest, ',"sha256": "' + digest),
         seal_needed),
        ("a space behind the seal", whole + " ", seal_needed),
        ("a carriage return behind the seal", whole + "\r", seal_needed),
        ("a byte order mark", "\ufeff" + whole, "not valid JSON"),
        ("two records on a line", whole + whole, "not valid JSON"),
        ("half a line", whole[: len(whole) // 2], "not valid JSON"),
        ("the seal twice", f'{whole[:-1]},"sha256":"{digest}"}}', "appears twice"),
        ("the seal twice, the second one right", sealed_text(whole), "appears twice"),
        ("no object", sealed_text("[2]"), "not valid JSON"),
        ("of a later schema", sealed_text(body.replace('"schema":2', '"schema":3')), "schema 3"),
        ("without a schema", sealed_text(body.replace('"schema":2,', "")), "schema None"),
        ("of the first schema with the second's seal",
         sealed_text(body.replace('"schema":2', '"schema":1')), edited),
    ]  # fmt: skip
    by_fields = [
        ("an unknown member", body_of(flat | {"colour": 1}), "unknown setting 'colour'"),
        ("the first schema's hash as well", body_of(flat | {"hash": digest}), "setting 'hash'"),
        ("a negative time", body_of(flat | {"samples": {"inference_s": [-1]}}), "negative time"),
        ("no samples", body_of(flat | {"samples": {}}), "needs samples.inference_s"),
    ]
    return [
        {"why": why, "refused_by": "seal", "python": python, "line": line}
        for why, line, python in by_seal
    ] + [
        {"why": why, "refused_by": "fields", "python": python, "line": sealed_text(text)}
        for why, text, python in by_fields
    ]


def main() -> None:
    """Write both files."""
    write_text(LINES, b"".join(line + b"\n" for line in lines()).decode())
    write_text(BROKEN, to_json({"schema": 2, "lines": broken()}, indent=1))
    print(f"wrote {LINES.name} and {BROKEN.name}")


if __name__ == "__main__":
    main()

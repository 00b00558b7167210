"""The seal of a record: a hash over the bytes as written, so that any language can make it.

A sealed line is ``BODY,"sha256":"HASH"}``, where ``BODY}`` is a JSON object on its own and HASH the
SHA-256 of the bytes ``BODY}``: 64 lowercase hexadecimal digits. To check one, cut the last 77 bytes
off, add ``}`` and hash. Nothing is serialised anew, so nobody needs another language's way of
printing numbers. Which rule holds is what the record's ``schema`` says: 1 is the old rule, a member
``hash`` over Python's own JSON text.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from ralikit.errors import RalikitError
from ralikit.files import sha256_bytes, to_json

SCHEMA = 2
"""What is written. Schema 1 differs in its seal alone and is read as well."""

_SEAL = re.compile(rb',"sha256":"([0-9a-f]{64})"}\Z')


class RecordError(RalikitError):
    """A record is of another schema, incomplete, or was edited after it was written."""


def sealed(values: dict[str, Any]) -> bytes:
    """A record's values as a sealed line, without its line feed."""
    body = to_json({"schema": SCHEMA, **values}, indent=None).encode()
    return body[:-1] + b',"sha256":"%s"}' % sha256_bytes(body).encode()


def opened(line: bytes, *, where: str) -> dict[str, Any]:
    """The values of a sealed line, without schema and seal.

    Args:
        line: One line of a record file, without its line feed.
        where: Named in errors, e.g. ``"records.jsonl, line 2"``.

    Raises:
        RecordError: If it is no JSON object, says something twice, is of another schema, or its
            seal is missing or does not fit.
    """
    values = _parsed(line, where)
    check = {1: _check_values, 2: _check_bytes}.get(_schema(values))
    if check is None:
        raise RecordError(
            f"{where}: schema {values.get('schema')!r}, this version reads 1 to {SCHEMA}"
        )
    seal = check(line, values, where)
    return {name: value for name, value in values.items() if name not in {"schema", seal}}


def _parsed(line: bytes, where: str) -> dict[str, Any]:
    try:
        values = json.loads(
            line.decode(),
            object_pairs_hook=_each_name_once,
            parse_float=_finite,
            parse_constant=_finite,
        )
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{where}: not valid JSON: {error}") from error
    if not isinstance(values, dict):
        raise RecordError(f"{where}: a record is a JSON object")
    return values


def _each_name_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Readers differ in which of two equal names they believe, so a record has none.
    values = dict(pairs)
    if len(values) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the name {twice!r} appears twice")
    return values


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text} is no finite number")
    return value


def _schema(values: dict[str, Any]) -> int:
    schema = values.get("schema")
    return schema if type(schema) is int else 0  # True and 1.0 equal 1 as keys


def _check_bytes(line: bytes, values: dict[str, Any], where: str) -> str:
    """Schema 2: the last member is the hash of the bytes before it. The member's name."""
    seal = _SEAL.search(line)
    if seal is None:
        raise RecordError(
            f'{where}: a record ends with its seal, ,"sha256":"(64 digits 0-9a-f)"}}, and nothing '
            "stands behind it"
        )
    if seal[1].decode() != sha256_bytes(line[: seal.start()] + b"}"):
        raise _edited(where)
    return "sha256"


def _check_values(line: bytes, values: dict[str, Any], where: str) -> str:
    """Schema 1: `hash` fits all other values as Python prints them. The member's name."""
    body = {name: value for name, value in values.items() if name != "hash"}
    if values.get("hash") != hash_of_values(body):
        raise _edited(where)
    return "hash"


def hash_of_values(body: dict[str, Any]) -> str:
    """The seal of schema 1: SHA-256 over JSON with sorted keys and Python's spacing and numbers."""
    text = to_json(body, indent=None)
    return sha256_bytes(text.encode(errors="surrogatepass"))  # as JSON may escape half a pair


def _edited(where: str) -> RecordError:
    return RecordError(
        f"{where}: the record was edited after it was written (its hash does not fit)"
    )

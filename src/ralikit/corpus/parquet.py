"""Pictures in a column of a Parquet file that nobody vouches for, and rows into such a file."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ralikit.corpus.items import Item, Row
from ralikit.corpus.outputs import Output
from ralikit.corpus.stores import is_address, opened
from ralikit.errors import DataError, RalikitError
from ralikit.extras import require
from ralikit.files import parse_json, to_json
from ralikit.printable import listed, one_line, printable, shown

EXTRA, JOB = "corpus", "Reading or writing Parquet"
KEY = "ralikit"
"""Name of the provenance in an output's metadata, a JSON text."""
COUNTS = "ralikit-counts"
"""Name of what was counted while the file was written, a JSON text."""

_AT_ONCE = 8
"""Rows read at once: a value that stands once in the file may be every row's, so memory is this
many times the largest value."""
_GROUP = 8192  # rows of an output's row groups


def read_parquet(
    path: Path | str, *, image: str | None, key: str | None, most: int
) -> Iterator[Item]:
    """Every row's picture, in the file's order.

    Args:
        path: The file, or its address in an object store.
        image: Column of the pictures' bytes, plain or the ``bytes`` of a structure (as Hugging Face
            stores pictures; its ``path`` is never followed); None: `_image_column`.
        key: Column of the rows' names, texts or whole numbers; None: ``key`` or ``__key__``, else
            the row's number.
        most: Bytes a picture may have.

    Raises:
        DataError: If the file cannot be read to its end, or has no such column.
        MissingExtraError: If pyarrow is not installed.
    """
    pa, pq = _pyarrow()
    where = printable(path)
    try:
        with (
            opened(path) as (stream, _),
            pq.ParquetFile(
                stream if is_address(path) else path,
                buffer_size=1 << 20,
                pre_buffer=False,
                page_checksum_verification=True,
            ) as file,
        ):
            schema = file.schema_arrow
            pictures = _image_column(pa, schema, image, where)
            names = _key_column(pa, schema, key, where)
            nested = pa.types.is_struct(schema.field(pictures).type)
            columns = [f"{pictures}.bytes" if nested else pictures, *([names] if names else [])]
            yield from _items(file, columns, pictures, names, nested=nested, most=most)
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        said = shown(one_line(str(error)).strip("'"), most=200)
        raise DataError(f"{where} cannot be read to its end ({said})") from error


def _items(
    file: Any, columns: list[str], pictures: str, names: str | None, *, nested: bool, most: int
) -> Iterator[Item]:
    total, number = max(1, file.metadata.num_rows), 0
    for batch in file.iter_batches(batch_size=_AT_ONCE, columns=columns, use_threads=False):
        column = batch.column(batch.schema.get_field_index(pictures))
        values = column.field(0) if nested else column
        keys = batch.column(batch.schema.get_field_index(names)) if names else None
        for i, value in enumerate(values):
            name = str(number) if keys is None else printable(str(keys[i].as_py()))
            empty = not value.is_valid or (nested and not column[i].is_valid)
            size = 0 if empty else value.as_buffer().size
            number += 1
            share = number / total
            if empty or size > most:
                error = f"has {size:,} bytes, over {most:,}" if size else "the row has no bytes"
                yield Item(key=name, picture=None, share=share, error=error)
            else:
                yield Item(key=name, picture=value.as_py(), share=share, size=size)


def _holds_bytes(pa: Any, kind: Any) -> bool:
    if pa.types.is_struct(kind):
        index = kind.get_field_index("bytes")
        return index >= 0 and _holds_bytes(pa, kind.field(index).type)
    return bool(pa.types.is_binary(kind) or pa.types.is_large_binary(kind))


def _image_column(pa: Any, schema: Any, asked: str | None, where: str) -> str:
    """The column of pictures: the one asked for, ``image``, or the only one that holds bytes."""
    able = [field.name for field in schema if _holds_bytes(pa, field.type)]
    if asked is None and "image" in able:
        return "image"
    if asked is None and len(able) == 1:
        return str(able[0])
    if asked in able:
        return str(asked)
    there = f"those that hold bytes are {listed(able)}" if able else "none holds bytes"
    if asked is None:
        raise DataError(f"{where}: which column holds the pictures? name it (--image); {there}")
    raise DataError(f"{where}: no column {shown(asked)!r} holds pictures; {there}")


def _key_column(pa: Any, schema: Any, asked: str | None, where: str) -> str | None:
    able = [
        field.name
        for field in schema
        if pa.types.is_string(field.type)
        or pa.types.is_large_string(field.type)
        or pa.types.is_integer(field.type)
    ]
    if asked is None:
        return next((name for name in ("key", "__key__") if name in able), None)
    if asked not in able:
        raise DataError(
            f"{where}: no column {shown(asked)!r} of texts or whole numbers; there are "
            + (listed(able) or "none")
        )
    return asked


def row_schema() -> Any:
    """The output's columns, a ``pyarrow.Schema``."""
    pa, _ = _pyarrow()
    reason = pa.struct([("id", pa.string()), ("value", pa.float64())])
    return pa.schema(
        [
            pa.field("key", pa.string(), nullable=False),
            ("score", pa.float64()),
            ("tie_width", pa.float64()),
            ("reasons", pa.list_(reason)),
            ("width", pa.int32()),
            ("height", pa.int32()),
            ("notes", pa.list_(pa.string())),
            ("error", pa.string()),
        ]
    )


def rows_table(rows: Sequence[Row], schema: Any = None) -> Any:
    """Rows as a ``pyarrow.Table``."""
    pa, _ = _pyarrow()
    schema = row_schema() if schema is None else schema
    columns: dict[str, list[Any]] = {
        name: [getattr(r, name) for r in rows] for name in schema.names
    }
    columns["reasons"] = [[{"id": i, "value": v} for i, v in r.reasons] for r in rows]
    return pa.Table.from_pydict(columns, schema=schema)


class RowWriter:
    """Adds rows to a Parquet file, and counts."""

    def __init__(self, writer: Any, schema: Any, provenance: Mapping[str, Any]) -> None:
        self._writer, self._schema, self._provenance = writer, schema, provenance
        self._waiting: list[Row] = []
        self.rows = 0
        self.errors = 0
        self.finished = False

    def add(self, rows: Sequence[Row]) -> None:
        """Add rows; they are written in groups."""
        self.rows += len(rows)
        self.errors += sum(row.error is not None for row in rows)
        self._waiting += rows
        while len(self._waiting) >= _GROUP:
            self._write(_GROUP)

    def finish(self, left_out: Mapping[str, int]) -> None:
        """Write what is left, and what was counted."""
        self._write(len(self._waiting))
        counts = {"rows": self.rows, "errors": self.errors, "left_out": dict(left_out)}
        said = {KEY: self._provenance, COUNTS: counts}
        self._writer.add_key_value_metadata(
            {name: to_json(values, indent=None) for name, values in said.items()}
        )
        self.finished = True

    def _write(self, count: int) -> None:
        if count:
            self._writer.write_table(rows_table(self._waiting[:count], self._schema))
            del self._waiting[:count]


@contextmanager
def row_file(output: Output, name: str, provenance: Mapping[str, Any]) -> Iterator[RowWriter]:
    """A Parquet file that gets its name after the block, if it was finished: whole, or not there.

    Args:
        output: Where to.
        name: Its name there.
        provenance: What it says of itself.

    Raises:
        RalikitError: If it cannot be written.
    """
    _, pq = _pyarrow()
    schema = row_schema()
    try:
        with output.drafts() as workdir:
            draft = workdir / name
            with pq.ParquetWriter(draft, schema, compression="zstd", store_schema=False) as writer:
                rows = RowWriter(writer, schema, provenance)
                yield rows
            if rows.finished:
                output.publish(draft)
    except OSError as error:
        raise RalikitError(
            f"cannot write {output.place(name)}: {error.strerror or error}"
        ) from error


def provenance_of(path: Path | str) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an output says of itself: its provenance, and its counts.

    Raises:
        DataError: If it is not a whole file that `row_file` wrote.
    """
    pa, pq = _pyarrow()
    try:
        with opened(path) as (stream, _):
            said = pq.read_metadata(stream).metadata or {}
        found = parse_json(said[KEY.encode()]), parse_json(said[COUNTS.encode()])
    except (pa.ArrowException, OSError, ValueError, KeyError) as error:
        raise DataError(
            f"{os.fspath(path)} is not a file of scores, or not whole; remove it"
        ) from error
    if not all(isinstance(part, dict) for part in found):
        raise DataError(f"{os.fspath(path)} is not a file of scores; remove it")
    return found


def _pyarrow() -> tuple[Any, Any]:
    pa = require("pyarrow", extra=EXTRA, job=JOB)
    return pa, require("pyarrow.parquet", extra=EXTRA, job=JOB)

"""Scores as a column of a Daft data frame: one model a worker, rows as a scored corpus has them.

    pip install daft '.[corpus]'  # in a checkout
    python examples/corpus_daft.py 'pictures/*.parquet' scores/

The files need the columns ``key`` and ``image`` (files' bytes). Run with Daft 0.7.26 on its own
runner, one computer.
"""

from __future__ import annotations

import sys
from typing import Any

import daft
import pyarrow as pa
from daft import DataType

from ralikit.corpus import CorpusScorer
from ralikit.corpus.parquet import row_schema, rows_table

ROW = DataType.from_arrow_type(pa.struct(row_schema()))


@daft.cls
class Quality:
    """Opens the model as a worker starts."""

    def __init__(self, model: str | None = None) -> None:
        self.scorer = CorpusScorer(model)

    @daft.method.batch(return_dtype=ROW, batch_size=64)  # type: ignore[untyped-decorator]
    def rows(self, key: Any, image: Any) -> Any:
        """Score a batch: two series to an array of structures."""
        rows = self.scorer.rows(image.to_pylist(), key.to_pylist())
        return rows_table(rows).to_struct_array().combine_chunks()


def with_scores(frame: Any, model: str | None = None) -> Any:
    """A frame with a column ``quality`` beside ``key`` and ``image``."""
    return frame.with_column("quality", Quality(model).rows(frame["key"], frame["image"]))


if __name__ == "__main__":
    scored = with_scores(daft.read_parquet(sys.argv[1])).exclude("image")
    scored.write_parquet(sys.argv[2])

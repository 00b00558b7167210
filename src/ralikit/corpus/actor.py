"""What scores: one model, one thread, in a process of its own; here, on a cluster or in a test."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ralikit.corpus.items import Item, Row, score_item
from ralikit.corpus.job import Job, identity_of
from ralikit.corpus.parquet import row_file, rows_table
from ralikit.corpus.shards import Shard, read_shard
from ralikit.errors import DataError, RalikitError, UsageError
from ralikit.printable import listed, printable
from ralikit.scorer import load

if TYPE_CHECKING:
    import pyarrow as pa

    from ralikit.photo.decode import PhotoLike
    from ralikit.runtimes import Processor


class CorpusScorer:
    """A class for ``Dataset.map_batches`` of Ray Data, and for any other pool of processes.

    The model is opened as the object is made, with one thread: run as many as there are cores.

    Args:
        model: As `ralikit.load` takes it.
        image: Column of a batch with the pictures: files' bytes, or uint8 arrays (H, W, 3).
        key: Column with their names.
        processor: As `ralikit.load` takes it; actors that ask Ray for a share of a GPU name it.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        image: str = "image",
        key: str = "key",
        processor: Processor = "cpu",
    ) -> None:
        self.image, self.key = image, key
        self._scorer = load(model, threads=1, processor=processor)
        self.identity = identity_of(self._scorer, model)

    def __call__(self, batch: Any) -> pa.Table:
        """Score a batch.

        Args:
            batch: A mapping of columns (as Ray Data's default format), or a ``pyarrow.Table``.

        Returns:
            A ``pyarrow.Table``, a row a picture in the batch's order (`row_schema`); it needs the
            extra ``corpus`` or ``ray``.

        Raises:
            UsageError: If the batch lacks a column.
            BundleError: If the model itself fails.
        """
        return rows_table(self.rows(self._column(batch, self.image), self._column(batch, self.key)))

    def rows(self, pictures: Iterable[PhotoLike | None], keys: Iterable[object]) -> list[Row]:
        """Score pictures; each is scored alone, as `Scorer.score` does.

        Args:
            pictures: Files' bytes, arrays, PIL images or paths; None is a row with an error.
            keys: Their names, as many.
        """
        items = [
            Item(key=printable(str(key)), picture=picture)
            for picture, key in zip(pictures, keys, strict=True)
        ]
        return self.score(items)

    def score(self, items: Sequence[Item]) -> list[Row]:
        """A row an item, in order."""
        return [score_item(self._scorer, item) for item in items]

    def _column(self, batch: Any, name: str) -> Sequence[Any]:
        names = getattr(batch, "column_names", None) or list(batch)
        if name not in names:
            raise UsageError(
                f"a batch has no column {name!r}, only {listed(names)}; name image and key"
            )
        column = batch[name]
        values: Sequence[Any] = column.to_pylist() if hasattr(column, "to_pylist") else column
        return values


def packed(shard: Shard) -> str:
    """A shard as a text, for tables that hold no objects; names of any bytes pass."""
    return json.dumps(asdict(shard))


def unpacked(text: str) -> Shard:
    """A shard from `packed`."""
    values = json.loads(text)
    return Shard(**{**values, "files": tuple(values["files"])})


class ShardScorer:
    """Scores whole shards of a job and writes each; for ``map_batches`` over shards, one a batch.

    Args:
        job: What to do; its paths must be the same on every machine.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        self._scorer = CorpusScorer(job.settings.model)
        if self._scorer.identity != job.model:
            raise RalikitError(
                f"this machine has another {job.model['name']} than the one that began the job"
            )

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        """Score the shards of a batch (column ``shard``, `packed`); what became of each."""
        done = [self._one(unpacked(text)) for text in batch["shard"]]
        return {name: [one[name] for one in done] for name in ("name", "rows", "errors", "failure")}

    def _one(self, shard: Shard) -> dict[str, Any]:
        job, left_out = self._job, Counter[str]()
        items = read_shard(shard, job.settings, base=job.base, left_out=left_out)
        said: dict[str, Any] = {"name": shard.name, "rows": 0, "errors": 0, "failure": ""}
        try:
            with row_file(job.output, shard.name, job.provenance_of_shard(shard)) as writer:
                for item in items:
                    writer.add(self._scorer.score([item]))
                writer.finish(left_out)
        except DataError as error:
            return {**said, "failure": str(error)}
        return {**said, "rows": writer.rows, "errors": writer.errors}

"""A whole corpus: find its shards, score what is missing, write each shard once and whole."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field

from ralikit.corpus.items import Item
from ralikit.corpus.job import Job, make_job, opened_folder
from ralikit.corpus.parquet import RowWriter, row_file
from ralikit.corpus.pool import Pool
from ralikit.corpus.settings import CorpusSettings
from ralikit.corpus.shards import Shard, find_shards, read_shard
from ralikit.errors import DataError
from ralikit.extras import require
from ralikit.progress import Tell
from ralikit.scorer import load

_PICTURES, _BYTES = 8, 4 << 20
"""What goes to a worker in one message, at most, but always one picture."""


@dataclass(frozen=True, kw_only=True)
class CorpusResult:
    """What became of a corpus.

    Attributes:
        shards: How many it has.
        written: How many were written now.
        pictures: Rows written now.
        errors: Of these, rows with an error.
        failures: A sentence for every shard that could not be read to its end and has no output;
            the same command tries them again.
        seconds: Time it took.
    """

    shards: int
    written: int
    pictures: int
    errors: int
    failures: tuple[str, ...]
    seconds: float


@dataclass(eq=False)
class _Chunk:
    """Pictures that are scored together, of one shard; the last one ends it."""

    shard: Shard
    items: list[Item]
    left_out: Counter[str]
    last: bool = False
    failure: str = ""
    share: float = 0.0


@dataclass
class Tally:
    """What has been done so far, and in what words it is told."""

    shards: int
    tell: Tell
    written: int = 0
    pictures: int = 0
    errors: int = 0
    failures: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)

    def add(self, rows: int, errors: int) -> None:
        """Count rows."""
        self.pictures += rows
        self.errors += errors

    def fail(self, failure: str, writer: RowWriter) -> None:
        """Note a shard that has no output, and count what it had no more."""
        self.failures.append(failure)
        self.add(-writer.rows, -writer.errors)

    def show(self, share: float = 0.0) -> None:
        """Tell how far it is; `share` is that of the shard at hand."""
        seconds = max(1e-9, time.perf_counter() - self.started)
        over = self.written + len(self.failures)
        words = (
            f"{self.pictures:,} pictures ({self.errors:,} not scored), "
            f"{self.pictures / seconds:.1f} a second, {over:,} of {self.shards:,} shards"
        )
        self.tell(words, min(1.0, (over + share) / max(1, self.shards)))


def score_corpus(
    settings: CorpusSettings,
    *,
    progress: Tell | None = None,
    warn: Callable[[str], None] = lambda _sentence: None,
) -> CorpusResult:
    """Score a corpus into a folder of Parquet files; go on where an earlier call was stopped.

    Every score is the one that `Scorer.score` gives: pictures never share an inference. Call it
    under ``if __name__ == "__main__":`` in a script, as its processes are started fresh.

    Args:
        settings: What, with what, and where to.
        progress: Told the state in words and the share of the shards that is done, 0..1.
        warn: Told, in a sentence, of paths that were passed over and shards that cannot be read.

    Raises:
        UsageError: If there is nothing to read, or the folder belongs to another model or inputs.
        DataError: If a path is not there, or a file of the folder is not whole.
        BundleError: If the model fails.
        MissingExtraError: If pyarrow (or Ray) is not installed.
    """
    for module in ("pyarrow", *(["ray"] if settings.ray is not None else [])):
        extra = "ray" if module == "ray" else "corpus"
        require(module, extra=extra, job="Scoring a corpus")
    start = time.perf_counter()
    shards = find_shards(settings, warn=warn)
    job = make_job(settings, load(settings.model, threads=1, processor=settings.processor))
    with opened_folder(job, shards) as missing:
        tally = Tally(len(missing), progress or (lambda _what, _done: None))
        if missing and settings.ray is not None:
            from ralikit.corpus.on_ray import score_on_ray

            score_on_ray(job, missing, tally, warn=warn)
        elif missing:
            _score_here(job, missing, tally, warn=warn)
    return CorpusResult(
        shards=len(shards),
        written=tally.written,
        pictures=tally.pictures,
        errors=tally.errors,
        failures=tuple(tally.failures),
        seconds=time.perf_counter() - start,
    )


def _score_here(
    job: Job, shards: tuple[Shard, ...], tally: Tally, *, warn: Callable[[str], None]
) -> None:
    settings = job.settings
    pool: Pool[_Chunk] = Pool(settings.model, job.model, settings.workers, settings.processor)
    with ExitStack() as at_hand, pool:
        writer: RowWriter | None = None
        for chunk, rows in pool.in_order(_chunks(job, shards)):
            if writer is None:
                said = job.provenance_of_shard(chunk.shard)
                writer = at_hand.enter_context(row_file(job.output, chunk.shard.name, said))
            writer.add(rows)
            tally.add(len(rows), sum(row.error is not None for row in rows))
            if chunk.failure:
                tally.fail(chunk.failure, writer)
                warn(chunk.failure)
            elif chunk.last:
                writer.finish(chunk.left_out)
            if chunk.failure or chunk.last:
                at_hand.close()  # which gives a finished file its name, and removes another
                tally.written, writer = tally.written + chunk.last, None
            tally.show(0.0 if chunk.last or chunk.failure else chunk.share)


def _chunks(job: Job, shards: tuple[Shard, ...]) -> Iterator[_Chunk]:
    """The pictures of all shards, a few at a time; every shard ends with a chunk that says so."""
    for shard in shards:
        left_out: Counter[str] = Counter()
        items: list[Item] = []
        try:
            for item in read_shard(shard, job.settings, base=job.base, left_out=left_out):
                items.append(item)
                if len(items) >= _PICTURES or sum(i.size for i in items) >= _BYTES:
                    yield _Chunk(shard, items, left_out, share=items[-1].share)
                    items = []
        except DataError as error:
            yield _Chunk(shard, [], left_out, failure=str(error))
        else:
            yield _Chunk(shard, items, left_out, last=True)

"""What a corpus is read from and written to."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from ralikit.corpus.stores import check_address, is_address
from ralikit.errors import UsageError
from ralikit.printable import shown
from ralikit.runtimes import PROCESSORS, Processor

Source = Literal["webdataset", "parquet", "folder"]
SOURCES: tuple[str, ...] = get_args(Source)


@dataclass(frozen=True, kw_only=True)
class CorpusSettings:
    """What to score, with what, and where the rows go.

    Attributes:
        source: ``"webdataset"`` (tar files), ``"parquet"`` (files with a column of pictures) or
            ``"folder"`` (picture files, searched to the bottom).
        paths: Files, or folders of them; or addresses in an object store (`ralikit.corpus.stores`).
        out: Folder for the rows, one Parquet file a shard; or such an address, as text.
        model: As `ralikit.load` takes it.
        processes: Workers of one thread each; None: one a usable core (on Ray: one a CPU).
        image: Column of a Parquet file with the pictures' bytes; None: ``image``, or the only one
            that holds bytes.
        key: Column with the rows' names; None: ``key`` or ``__key__``, else the row's number.
        shard_pictures: Pictures of a folder that make one shard.
        picture_bytes: A picture's file may have so many bytes; a larger one is a row with an error.
        processor: What computes, as `ralikit.load` takes it; every process opens the model there.
        ray: Address of a Ray cluster, as ``ray.init`` takes it; None: processes on this computer.

    Raises:
        UsageError: If one is out of range.
    """

    source: Source
    paths: tuple[str, ...]
    out: Path | str
    model: str | None = None
    processes: int | None = None
    image: str | None = None
    key: str | None = None
    shard_pictures: int = 1000
    picture_bytes: int = 1 << 28
    processor: Processor = "cpu"
    ray: str | None = None

    def __post_init__(self) -> None:
        if self.source not in SOURCES:
            raise UsageError(
                f"a corpus is read from {', '.join(SOURCES)}, not {shown(str(self.source))!r}"
            )
        if not self.paths:
            raise UsageError(f"no paths: name what to read from ({self.source})")
        for name in ("processes", "shard_pictures", "picture_bytes"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise UsageError(f"{name} must be at least 1, not {value}")
        if self.processor not in PROCESSORS:
            raise UsageError(
                f"a corpus is scored on {', '.join(PROCESSORS)}, not {shown(str(self.processor))!r}"
            )
        if self.processor != "cpu" and self.ray is not None:
            raise UsageError(
                f"--ray scores on CPUs; for {self.processor} on a cluster give CorpusScorer to "
                "map_batches with num_gpus (docs/corpus.md)"
            )
        if self.source != "parquet" and (self.image is not None or self.key is not None):
            raise UsageError(f"columns are named for parquet alone; {self.source} has none")
        for place in (*self.paths, self.out):
            if is_address(place):
                check_address(str(place))

    @property
    def workers(self) -> int:
        """Processes on this computer."""
        return self.processes or usable_cores()

    def rows_depend_on(self) -> dict[str, object]:
        """What the rows depend on beside the model and the inputs, JSON-ready."""
        return {
            "source": self.source,
            "image": self.image,
            "key": self.key,
            "picture_bytes": self.picture_bytes,
            # Folders of the CPU's rows that were begun before there was a choice go on.
            **({} if self.processor == "cpu" else {"processor": self.processor}),
        }


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1

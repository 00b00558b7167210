"""The order in which GRPO sees its prompts: what is compared comes from one dataset, repeatably.

TRL's own sampler mixes datasets. RL2R compares images with each other, and opinion scores of two
datasets cannot be compared; nor is it known how to rescale them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ralikit.errors import UsageError

__all__ = ["OneDatasetSampler"]


class OneDatasetSampler:
    """Row numbers, in blocks of one dataset, each row repeated for its group of completions.

    One chunk, of one or more blocks, is what an optimiser step uses. It has the layout TRL's
    trainer expects: every row `generations` times in a row, the chunk `repeats` times. A dataset's
    last, incomplete block is left out, and so are the blocks that fill no chunk; as each epoch is
    shuffled anew, other rows fall among them.

    The order depends on seed and epoch alone, so that a resumed run goes on with the order the
    killed one had.
    """

    def __init__(
        self,
        datasets: Sequence[str],
        *,
        chunk: int,
        generations: int,
        repeats: int = 1,
        seed: int = 0,
        block: int | None = None,
    ) -> None:
        """Group the rows by dataset.

        Args:
            datasets: The dataset of every row.
            chunk: Different rows in a chunk.
            generations: Completions of each row.
            repeats: How often a chunk is given in a row (steps that share one generation).
            seed: Of the shuffling.
            block: Rows of one dataset that belong together, a divisor of `chunk`; None: all of it.

        Raises:
            UsageError: If a dataset has fewer rows than a block, or all have fewer than a chunk:
                they would never be seen.
        """
        self._block = block or chunk
        self._rows: dict[str, list[int]] = {}
        for row, name in enumerate(datasets):
            self._rows.setdefault(name, []).append(row)
        for name, rows in self._rows.items():
            if len(rows) < self._block:
                setting = "images_per_step" if block is None else "compare"
                raise UsageError(
                    f"the dataset {name or 'given'} has {len(rows)} images, fewer than "
                    f"{setting} = {self._block}; lower that, or leave the dataset out"
                )
        self._chunk = chunk
        if self._full() == 0:
            raise UsageError(
                f"all datasets together fill no step of images_per_step = {chunk}; lower that"
            )
        self._generations = generations
        self._repeats = repeats
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next."""
        self._epoch = epoch

    def chunks(self) -> list[list[int]]:
        """The chunks of this epoch: shuffled rows of each dataset in blocks, shuffled again."""
        rng = np.random.default_rng(np.random.SeedSequence([self._seed, self._epoch]))
        blocks = []
        for name in sorted(self._rows):
            rows = rng.permutation(self._rows[name]).tolist()
            full = len(rows) // self._block * self._block
            blocks += [rows[i : i + self._block] for i in range(0, full, self._block)]
        shuffled = [blocks[i] for i in rng.permutation(len(blocks))]
        each = self._chunk // self._block
        return [
            [row for block in shuffled[i * each : (i + 1) * each] for row in block]
            for i in range(self._full())
        ]

    def _full(self) -> int:
        """Chunks in an epoch."""
        blocks = sum(len(rows) // self._block for rows in self._rows.values())
        return blocks // (self._chunk // self._block)

    def __iter__(self) -> Iterator[int]:
        """Row numbers in order."""
        for chunk in self.chunks():
            for _ in range(self._repeats):
                for row in chunk:
                    yield from [row] * self._generations

    def __len__(self) -> int:
        """How many row numbers an epoch gives."""
        return self._full() * self._chunk * self._generations * self._repeats

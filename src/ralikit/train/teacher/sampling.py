"""The order in which GRPO sees its prompts: every step's images from one dataset, repeatably.

TRL's own sampler mixes datasets. RL2R compares images of one batch, and opinion scores of two
datasets cannot be compared; nor is it known how to rescale them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from ralikit.errors import UsageError

__all__ = ["OneDatasetSampler"]


class OneDatasetSampler:
    """Row numbers, in chunks of one dataset, each row repeated for its group of completions.

    One chunk is what an optimiser step uses. It has the layout TRL's trainer expects: every row
    `generations` times in a row, the chunk `repeats` times. A dataset's last, incomplete chunk is
    left out; as each epoch is shuffled anew, other rows fall into it.

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
    ) -> None:
        """Group the rows by dataset.

        Args:
            datasets: The dataset of every row.
            chunk: Different rows in a chunk.
            generations: Completions of each row.
            repeats: How often a chunk is given in a row (steps that share one generation).
            seed: Of the shuffling.

        Raises:
            UsageError: If a dataset has fewer rows than a chunk: it would never be seen.
        """
        self._rows: dict[str, list[int]] = {}
        for row, name in enumerate(datasets):
            self._rows.setdefault(name, []).append(row)
        for name, rows in self._rows.items():
            if len(rows) < chunk:
                raise UsageError(
                    f"the dataset {name or 'given'} has {len(rows)} images, fewer than "
                    f"images_per_step = {chunk}; lower that, or leave the dataset out"
                )
        self._chunk = chunk
        self._generations = generations
        self._repeats = repeats
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch comes next."""
        self._epoch = epoch

    def chunks(self) -> list[list[int]]:
        """This epoch's chunks: shuffled rows of each dataset, the chunks of all shuffled again."""
        rng = np.random.default_rng(np.random.SeedSequence([self._seed, self._epoch]))
        chunks = []
        for name in sorted(self._rows):
            rows = rng.permutation(self._rows[name]).tolist()
            full = len(rows) // self._chunk * self._chunk
            chunks += [rows[i : i + self._chunk] for i in range(0, full, self._chunk)]
        return [chunks[i] for i in rng.permutation(len(chunks))]

    def __iter__(self) -> Iterator[int]:
        """Row numbers in order."""
        for chunk in self.chunks():
            for _ in range(self._repeats):
                for row in chunk:
                    yield from [row] * self._generations

    def __len__(self) -> int:
        """How many row numbers an epoch gives."""
        chunks = sum(len(rows) // self._chunk for rows in self._rows.values())
        return chunks * self._chunk * self._generations * self._repeats

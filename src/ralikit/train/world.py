"""One process or many: what `torchrun` started, and the two things alignment needs of it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta

import torch
from torch import Tensor, distributed, nn

from ralikit.errors import TrainingError

# The first process decodes and describes all photos while the others wait for it.
_PATIENCE = timedelta(hours=12)


@dataclass(frozen=True)
class World:
    """This process among all that train together."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """Whether this process writes files and speaks."""
        return self.rank == 0

    @property
    def device(self) -> torch.device:
        """Where this process computes: its own GPU, or the CPU where there is none."""
        if torch.cuda.is_available():
            return torch.device("cuda", torch.cuda.current_device())
        return torch.device("cpu")

    def share(self, count: int) -> slice:
        """This process's part of `count` things.

        Raises:
            TrainingError: If they cannot be divided evenly.
        """
        if count % self.size:
            raise TrainingError(f"a batch of {count} cannot be divided over {self.size} processes")
        each = count // self.size
        return slice(self.rank * each, (self.rank + 1) * each)

    def gather(self, x: Tensor) -> Tensor:
        """Rows of all processes, in order of rank; gradients flow through this process's own.

        Every process computes the same loss on the whole batch. Its gradient with respect to its
        own rows is exact, so that summing over processes gives the whole batch's gradient.
        """
        if self.size == 1:
            return x
        parts = [torch.empty_like(x) for _ in range(self.size)]
        distributed.all_gather(parts, x.detach().contiguous())
        parts[self.rank] = x
        return torch.cat(parts)

    def total(self, x: Tensor) -> Tensor:
        """Sum of a value over processes, without gradient."""
        y = x.detach().clone()
        if self.size > 1:
            distributed.all_reduce(y)
        return y

    def sum_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """Add up every parameter's gradient over the processes."""
        if self.size == 1:
            return
        pending = [
            distributed.all_reduce(p.grad, async_op=True) for p in parameters if p.grad is not None
        ]
        for work in pending:
            if work is not None:
                work.wait()

    def wait(self) -> None:
        """Wait until every process has come here."""
        if self.size > 1:
            distributed.barrier()


def open_world(processes: int | None = None) -> World:
    """Join the processes that `torchrun` started; alone where it did not.

    Args:
        processes: Refuse another number of processes; a launcher that silently starts one would
            train with another batch than asked for.

    Raises:
        TrainingError: If there are more or fewer, or more on this machine than it has GPUs.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if processes is not None and processes != size:
        raise TrainingError(
            f"{processes} processes were asked for and {size} runs; start with: "
            f"torchrun --nproc_per_node {processes} --no-python ralikit train ..."
        )
    if size == 1:
        return World()
    if not distributed.is_initialized():
        on_gpu = torch.cuda.is_available()
        if on_gpu:
            _take_gpu(int(os.environ.get("LOCAL_RANK", "0")))
        distributed.init_process_group("nccl" if on_gpu else "gloo", timeout=_PATIENCE)
    return World(distributed.get_rank(), distributed.get_world_size())


def leave() -> None:
    """Leave the other processes once all is done; nothing where there are none.

    A process that ends without it is now and then aborted by torch's own threads, and the launcher
    calls the whole run a failure (3 of 12 runs of two gloo processes; none of 12 with it).
    """
    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def _take_gpu(rank: int) -> None:
    # Without this every process of a machine would sit on its first GPU.
    count = torch.cuda.device_count()
    if rank >= count:
        raise TrainingError(
            f"process {rank + 1} of this machine has no GPU, since there are {count}; start with: "
            f"torchrun --nproc_per_node {count} --no-python ralikit train ..."
        )
    torch.cuda.set_device(rank)

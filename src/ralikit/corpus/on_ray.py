"""The same shards on a Ray cluster: Ray Data hands them out, `ShardScorer` writes them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ralikit.corpus.actor import ShardScorer, packed
from ralikit.corpus.job import Job
from ralikit.corpus.shards import Shard
from ralikit.extras import require

if TYPE_CHECKING:
    from ralikit.corpus.run import Tally


def score_on_ray(
    job: Job, shards: tuple[Shard, ...], tally: Tally, *, warn: Callable[[str], None]
) -> None:
    """Score shards on a cluster; every machine must see the same files under the same paths.

    A shard is one task, written by the machine that scores it, so Ray may repeat what a lost
    machine had without a row lost or doubled.

    Raises:
        MissingExtraError: If Ray is not installed.
    """
    ray = require("ray", extra="ray", job="Scoring on a cluster")
    data = require("ray.data", extra="ray", job="Scoring on a cluster")
    ours = not ray.is_initialized()
    if ours:
        ray.init(address=job.settings.ray, log_to_driver=False, logging_level="ERROR")
    try:
        data.DataContext.get_current().enable_progress_bars = False
        actors = job.settings.processes or max(1, int(ray.cluster_resources().get("CPU", 1)))
        actors = min(actors, len(shards))
        made = data.from_items(
            [{"shard": packed(shard)} for shard in shards], override_num_blocks=len(shards)
        ).map_batches(
            ShardScorer,
            fn_constructor_kwargs={"job": _everywhere(job)},
            batch_size=1,
            compute=data.ActorPoolStrategy(size=actors),
            num_cpus=1,
        )
        for done in made.iter_rows():
            _note(done, tally, warn)
    finally:
        if ours:
            ray.shutdown()


def _note(done: dict[str, Any], tally: Tally, warn: Callable[[str], None]) -> None:
    if done["failure"]:
        tally.failures.append(str(done["failure"]))
        warn(str(done["failure"]))
    else:
        tally.written += 1
        tally.add(int(done["rows"]), int(done["errors"]))
    tally.show()


def _everywhere(job: Job) -> Job:
    """The job with a model that is found from any folder."""
    model = job.settings.model
    if model is None or not Path(model).exists():
        return job
    return replace(job, settings=replace(job.settings, model=str(Path(model).resolve())))

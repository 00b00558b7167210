"""A stage for NeMo Curator that scores pictures and drops those below a threshold.

The stage takes and gives ``ImageBatch`` and needs ``image_data``, RGB arrays as Curator's image
reader gives them: its decoder decides what becomes of colour profiles and orientation. The score
goes into each picture's ``metadata``, with its reasons; ``aesthetic_score`` stays what Curator's
own filter says. Run with NeMo Curator 1.4.0: the stage alone, `setup` and then `process`; not in
its pipelines, not on a cluster.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from nemo_curator.stages.base import ProcessingStage
from nemo_curator.stages.resources import Resources
from nemo_curator.tasks import ImageBatch

from ralikit.corpus import CorpusScorer


@dataclass
class QualityStage(ProcessingStage[ImageBatch, ImageBatch]):  # type: ignore[misc]
    """Scores every picture of a batch.

    Attributes:
        model: As `ralikit.load` takes it.
        at_least: Pictures below are dropped, and so are those that cannot be scored.
    """

    model: str | None = None
    at_least: float = 1.0
    name: str = "ralikit_quality"
    resources: Resources = field(default_factory=lambda: Resources(cpus=1.0))

    def inputs(self) -> tuple[list[str], list[str]]:
        """What a task must have."""
        return ["data"], []

    def outputs(self) -> tuple[list[str], list[str]]:
        """What it has afterwards."""
        return ["data"], []

    def setup(self, worker_metadata: Any = None) -> None:
        """Open the model, once a worker."""
        self._scorer = CorpusScorer(self.model)

    def process(self, task: ImageBatch) -> ImageBatch:
        """Score a batch; what is dropped is gone from `task.data`."""
        rows = self._scorer.rows(
            [image.image_data for image in task.data], [image.image_id for image in task.data]
        )
        for image, row in zip(task.data, rows, strict=True):
            image.metadata["quality"] = row.score
            image.metadata["quality_reasons"] = [name for name, _ in row.reasons]
            image.metadata["quality_error"] = row.error
        task.data = [
            image
            for image, row in zip(task.data, rows, strict=True)
            if row.score is not None and row.score >= self.at_least
        ]
        return task

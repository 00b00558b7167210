"""What a recipe for a small scorer can say: its tower, its views, how it is trained."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from ralikit.errors import UsageError
from ralikit.model.bundle import check_name
from ralikit.photo.views import Preprocess
from ralikit.train.rali.align_settings import AlignSettings
from ralikit.train.rali.recipe import TowerStart
from ralikit.train.rali.tower_settings import TowerTraining


@dataclass(frozen=True, kw_only=True)
class DistilSettings(TowerTraining):
    """How the small tower is brought to say what the teacher says.

    Attributes:
        embedding_weight: Of the share of the embeddings' variance that is missed.
        score_weight: Of 1 - PLCC of the scores.
        mse_weight: Of the scores' squared error, beside 1 - PLCC, in the teacher's deviations.
        order_weight: Of the hinge that keeps degraded copies in the teacher's order and as far
            apart.
        degraded: Share of the training photos that also come in two degraded copies, one weak and
            one strong: the teacher looks at three photos then instead of one.
        chains: Photos of a batch that show their copies, at most.
        projection_init: ``ridge`` starts the projection from a ridge regression of the teacher's
            embeddings on the untrained tower's features; ``keep`` leaves the tower's own.
    """

    batch: int = 32
    learning_rate: float = 3e-4
    final_rate: float = 0.02
    warmup_steps: int = 20
    ema: float | None = 0.98
    embedding_weight: float = 1.0
    score_weight: float = 1.0
    mse_weight: float = 0.25
    order_weight: float = 0.5
    degraded: float = 0.5
    chains: int = 4
    projection_init: Literal["keep", "ridge"] = "ridge"

    def __post_init__(self) -> None:
        super().__post_init__()
        weights = (self.embedding_weight, self.score_weight, self.order_weight, self.mse_weight)
        if min(weights) < 0 or not self.embedding_weight + self.score_weight > 0:
            raise UsageError(
                "the losses' weights are 0 or more, and embedding_weight or score_weight above 0"
            )
        if not 0 <= self.degraded <= 1:
            raise UsageError(f"degraded is a share of the photos, 0..1, not {self.degraded}")
        if self.order_weight and self.degraded and not 0 < self.chains <= self.batch:
            raise UsageError(f"chains must lie in 1..batch, not {self.chains}")

    def steps_as(self) -> AlignSettings:
        """The same for `ralikit.train.rali.align.Alignment`, which takes the steps.

        Raises:
            UsageError: If a setting is out of its range.
        """
        shared = {f.name: getattr(self, f.name) for f in fields(TowerTraining)}
        return AlignSettings(objective="regression", **shared)  # no texts; the loss is replaced


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """Photos kept out of training, whole scenes at a time, to compare both scorers on.

    Attributes:
        share: Of the photos, above 0 and at most 0.5.
        likeness: Photos whose embeddings by the teacher have a cosine (the mean taken off) above
            this count as one scene.
        seed: Of the draw.
    """

    share: float = 0.1
    likeness: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.share <= 0.5:
            raise UsageError(f"the share kept out lies above 0 and up to 0.5, not {self.share}")


@dataclass(frozen=True, kw_only=True)
class SmallBundle:
    """What the small bundle says of itself; scale, licence and reasons are the teacher's.

    Attributes:
        name: Its short name.
        notice: What a user must know beside the teacher's notice.
    """

    name: str
    notice: str = ""

    def __post_init__(self) -> None:
        check_name(self.name)


@dataclass(frozen=True, kw_only=True)
class DistilRecipe:
    """Everything about distilling one scorer.

    Attributes:
        data_root: Folder that a relative path of the tower's weights starts from.
        tower: The small tower, and the weights it starts from.
        preprocess: Its views; None takes those of the Hugging Face folder or the bundle.
        distil: The training.
        held_out: Photos kept out.
        bundle: What comes out.
        expected: Free text: what to expect, measured where and how.
    """

    data_root: Path = Path()
    tower: TowerStart
    preprocess: Preprocess | None = None
    distil: DistilSettings
    held_out: HeldOut = field(default_factory=HeldOut)
    bundle: SmallBundle
    expected: str = ""

    def __post_init__(self) -> None:
        if not self.tower.whole and self.preprocess is None:
            raise UsageError(f"a {self.tower.kind} tower needs a [preprocess] table")

    def weights(self) -> Path:
        """Where the tower's weights are said to lie."""
        path = self.tower.weights
        return path if path.is_absolute() else self.data_root / path

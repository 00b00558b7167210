"""A recipe at work in its folder: photos, start, split and texts, before anything is trained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ralikit.config import to_mapping
from ralikit.data.metas import Sample
from ralikit.data.splits import split_by_group
from ralikit.data.triplets import Triplet, read_triplets
from ralikit.errors import DataError, UsageError
from ralikit.files import sha256_bytes, sha256_path, to_json
from ralikit.importers.efficientnet_lite import packaged_weights, read_efficientnet_lite
from ralikit.importers.hf_tower import hf_folder, load_hf_tower
from ralikit.model.bundle import Bundle, read_safetensors
from ralikit.model.reasons import BANK
from ralikit.model.towers import build_tower, load_tower, load_weights
from ralikit.model.towers.base import Tower
from ralikit.models import open_bundle
from ralikit.photo.views import Preprocess
from ralikit.progress import Tell
from ralikit.train.describe.rules import describe_rules
from ralikit.train.rali import preflight
from ralikit.train.rali.features import Embedder, cached, over_views
from ralikit.train.rali.fit_settings import FitSettings
from ralikit.train.rali.labelled import given_texts, read_samples, texts_of
from ralikit.train.rali.photo_store import PhotoStore, open_store
from ralikit.train.rali.reasons_fit import axes, bank_texts
from ralikit.train.rali.recipe import RaliRecipe, TowerStart
from ralikit.train.rali.run_folder import TEXTS, hold_recipe, is_begun
from ralikit.train.rali.scenes import group_scenes
from ralikit.train.rali.text_encoders import MINILM, encode_texts, open_text_encoder
from ralikit.train.world import World, open_world

IMAGENET = "imagenet"
"""Weights of an installed package."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """A recipe at work in its folder: what every stage reads.

    Attributes:
        recipe: What to do.
        out: The run's folder.
        world: This process among all.
        tell: Told the stage and the share of it done.
        samples: Every labelled photo, N of them.
        scores: Their MOS, (N,), 1..5.
        tower: The tower to train, in place; `start_tower` gives an untrained one again.
        preprocess: How its views are made.
        store: The photos, decoded and resized.
        train: Numbers of the photos to train on.
        held_out: Numbers of the photos kept out; none where the recipe keeps none.
    """

    recipe: RaliRecipe
    out: Path
    world: World
    tell: Tell
    samples: list[Sample]
    scores: NDArray[np.float32]
    tower: Tower
    preprocess: Preprocess
    store: PhotoStore
    train: NDArray[np.int64]
    held_out: NDArray[np.int64]

    @property
    def cache(self) -> Path:
        """Decoded photos and features, shared by the runs beside this one."""
        return _cache(self.out)

    def embedder(self, tower: Tower) -> Embedder:
        """What embeds views with a tower, where and in the precision in which it trains."""
        half = self.recipe.align.autocast == "bfloat16"
        return Embedder(tower, self.preprocess, device=self.world.device, autocast=half)

    def start_features(self, photos: NDArray[np.int64] | None = None) -> NDArray[np.float32]:
        """Features by the untrained tower, (n, F), cached.

        Args:
            photos: Numbers of the photos; None: every photo.
        """
        chosen = range(len(self.samples)) if photos is None else photos.tolist()
        embedder = self.embedder(self.tower)
        weights = weights_file(self.recipe)
        digest = sha256_path(weights) if weights.is_file() else str(weights)
        anchors = self.recipe.align.init_anchors or self.preprocess.anchors
        key = f"start {digest} {anchors} {to_mapping(self.preprocess)} {self.photo_key()}"
        key += "" if photos is None else f" {sha256_bytes(photos.tobytes())}"

        def compute() -> dict[str, NDArray[np.float32]]:
            found = over_views(
                embedder.features,
                self.store,
                chosen,
                self.preprocess.size,
                anchors,
                done=lambda n: self.tell("features of the untrained tower", n / len(chosen)),
            )
            return {"features": found}

        return cached(self.cache / "start.safetensors", key, compute)["features"]

    def photo_key(self) -> str:
        """Hash of the photos' names and scores, in order."""
        names = [(s.dataset, s.name, s.score) for s in self.samples]
        return sha256_bytes(to_json(names, indent=None).encode())

    def texts(self) -> NDArray[np.float32]:
        """Text embeddings of every photo, (N, T, D), unit norm, centred where the recipe says so.

        Raises:
            DataError: If a photo has no text.
        """
        spec, align = self.recipe.texts, self.recipe.align
        found = given_texts(self.recipe, self.samples)
        if found is None:
            found = texts_of(self.samples, self._rule_texts())
        # Photos with fewer texts than others repeat theirs: every photo then has as many.
        most = max(len(t.texts) for t in found)
        words = [t.texts[k % len(t.texts)].text for t in found for k in range(most)]
        self.tell("embedding texts", 0.0)
        key = f"{spec.encoder} {align.long_texts} {sha256_bytes(to_json(words).encode())}"

        def compute() -> dict[str, NDArray[np.float32]]:
            encoder = open_text_encoder(encoder_place(self.recipe))
            embedded, long = encode_texts(encoder, words, long_texts=align.long_texts)
            return {"texts": embedded, "long": np.array([long], dtype=np.float32)}

        made = cached(self.cache / "texts.safetensors", key, compute)
        if made["long"][0]:
            self.tell(f"{made['long'][0]:.0f} texts were too long: {align.long_texts}", 1.0)
        embedded = made["texts"].reshape(len(found), most, -1).copy()
        if align.centre_texts:
            embedded -= embedded[self.train].mean(axis=(0, 1))
            embedded /= np.maximum(np.linalg.norm(embedded, axis=-1, keepdims=True), 1e-12)
        return embedded

    def sets(self) -> NDArray[np.int64]:
        """The number of each photo's data set, (N,)."""
        names = sorted({s.dataset for s in self.samples})
        return np.array([names.index(s.dataset) for s in self.samples], dtype=np.int64)

    def fit_photos(self, settings: FitSettings) -> NDArray[np.int64]:
        """Numbers of the photos that a fit takes, ascending."""
        if settings.photos is None or settings.photos >= len(self.train):
            return self.train
        drawn = np.random.default_rng([settings.seed, 7])
        return np.sort(drawn.choice(self.train, settings.photos, replace=False))

    def reason_axes(self) -> NDArray[np.float32]:
        """From what is good to what is wrong, for each reason of the bank: (K, D), unit norm.

        The difference of both sides' mean text embeddings; a mean taken off both cancels.
        """
        words = [t for o in BANK for side in (o.present, o.absent) for t in side]
        key = f"{self.recipe.texts.encoder} bank {sha256_bytes(to_json(words).encode())}"

        def compute() -> dict[str, NDArray[np.float32]]:
            encoder = open_text_encoder(encoder_place(self.recipe))
            return bank_texts(encoder, long_texts=self.recipe.align.long_texts)

        made = cached(self.cache / "reasons.safetensors", key, compute)
        return axes(made["present"], made["absent"]).astype(np.float32)

    def _rule_texts(self) -> list[Triplet]:
        spec = self.recipe.texts
        if self.world.first:
            count = len(self.samples)
            describe_rules(
                self.samples,
                self.out / TEXTS,
                texts=spec.per_photo,
                seed=spec.seed,
                words=spec.words,
                progress=lambda n: self.tell("describing photos", n / count),
            )
        self.world.wait()
        return read_triplets(self.out / TEXTS)


def open_run(
    recipe: RaliRecipe, out: Path, *, fits: bool = True, tell: Tell = lambda _w, _d: None
) -> Run:
    """Begin or go on with a run: check all that the recipe names, then decode the photos.

    Labels, photos, texts, weights, widths and counts are looked at before anything is decoded or
    written. Decoding takes minutes the first time; what is decoded stays in the run's cache.

    Args:
        recipe: What to do.
        out: The run's folder.
        fits: Whether a fit will follow the alignment, whose settings are then checked too.
        tell: Told the stage and the share of it done.

    Raises:
        TrainingError: If the folder holds an alignment of another recipe, or a text is too long.
        DataError: If labels or texts cannot be read, a photo or a text is missing, or all photos
            or all labels are the same.
        UsageError: If the recipe's parts do not fit each other or what there is.
    """
    if fits and recipe.align.objective == "regression":
        raise UsageError(
            "objective 'regression' gives a tower that is a scorer by itself: there is nothing to "
            "fit. Run `ralikit train align`, or set align.objective to 'clip' or 'readout'"
        )
    world = open_world()
    hold_recipe(recipe, out)
    world.wait()
    return _prepare(recipe, out, world, tell, fits=fits)


def encoder_place(recipe: RaliRecipe) -> str:
    """The text encoder's folder below the data root where there is one, else its name."""
    name = recipe.texts.encoder
    below = recipe.below(Path(name))
    return str(below) if name != MINILM and below.is_dir() else name


def start_tower(recipe: RaliRecipe) -> tuple[Tower, Preprocess]:
    """A recipe's tower before training, and the preprocessing of the views.

    Raises:
        UsageError: If the recipe's tower lacks its preprocessing.
    """
    weights = recipe.below(recipe.tower.weights)
    return open_start(recipe.tower, weights, recipe.preprocess, seed=recipe.align.seed)


def open_start(
    start: TowerStart, weights: Path, preprocess: Preprocess | None, *, seed: int
) -> tuple[Tower, Preprocess]:
    """The tower that a training starts from, and the preprocessing of the views.

    Args:
        start: What it is.
        weights: Where its weights are said to lie.
        preprocess: Views; None: those of the Hugging Face folder or the bundle.
        seed: Of what no weights are given for: the projection.

    Raises:
        UsageError: If the tower lacks its preprocessing.
        BundleError: If it is that of a bundle, and there is none of that name.
    """
    if start.kind == "bundle":
        bundle = started_bundle(start, weights)
        return load_tower(bundle), preprocess or bundle.info.preprocess
    if start.kind == "hugging_face":
        tower, own = load_hf_tower(hf_folder(weights, start.weights.as_posix()))
        return tower, preprocess or own
    if preprocess is None:
        raise UsageError(f"a {start.kind} tower needs a [preprocess] table")
    torch.manual_seed(seed)
    tower = build_tower(start.kind, dict(start.config))
    if _is_packaged(start):
        weights = packaged_weights(start.config.get("variant", 0))
    read = read_efficientnet_lite if start.kind == "efficientnet_lite" else read_safetensors
    tensors = {
        name: tensor for name, tensor in read(weights).items() if not name.startswith("classifier.")
    }
    for name, tensor in tower.state_dict().items():
        if name.startswith("projection."):
            tensors.setdefault(name, tensor.numpy())
    load_weights(tower, tensors, where=str(weights))
    return tower, preprocess


def started_bundle(start: TowerStart, weights: Path) -> Bundle:
    """The bundle whose tower a training goes on with: a folder, else a bundled model by its name.

    Raises:
        BundleError: If there is none, or it was altered.
    """
    return open_bundle(weights if weights.is_dir() else start.weights)


def weights_file(recipe: RaliRecipe) -> Path:
    """Where the weights lie that a recipe starts from; a folder or name for Hugging Face's."""
    start = recipe.tower
    if _is_packaged(start):
        return packaged_weights(start.config.get("variant", 0))
    if start.kind == "bundle":
        return started_bundle(start, recipe.below(start.weights)).tower_file
    return recipe.below(start.weights)


def _is_packaged(start: TowerStart) -> bool:
    return start.kind == "efficientnet_lite" and start.weights.as_posix() == IMAGENET


def _prepare(recipe: RaliRecipe, out: Path, world: World, tell: Tell, *, fits: bool) -> Run:
    samples = read_samples(recipe)
    texts = given_texts(recipe, samples)
    preflight.check_sets(recipe, samples, fits=fits)
    kept = np.array([s.dataset not in recipe.validation.leave_out for s in samples])
    train, held_out = np.flatnonzero(kept), np.flatnonzero(~kept)
    tower, preprocess = start_tower(recipe)
    preflight.check_tower(recipe, tower, len(train), fits=fits)
    if recipe.align.objective != "regression" and not is_begun(out):
        encoder = open_text_encoder(encoder_place(recipe))
        preflight.check_encoder(recipe, tower, encoder, texts)
    run = Run(
        recipe=recipe,
        out=out,
        world=world,
        tell=tell,
        samples=samples,
        scores=np.array([s.score for s in samples], dtype=np.float32),
        tower=tower,
        preprocess=preprocess,
        store=_open_store([s.image for s in samples], _cache(out), preprocess, world, tell),
        train=train,
        held_out=held_out,
    )
    if run.store.all_alike():
        raise DataError(f"the {len(samples)} photos are copies of one: there is nothing to learn")
    if not recipe.validation.share:
        return run
    run = _hold_out(run)
    preflight.check_counts(recipe, len(run.train), fits=fits)
    return run


def _cache(out: Path) -> Path:
    return out.parent / "cache"


def _open_store(
    photos: list[Path], cache: Path, preprocess: Preprocess, world: World, tell: Tell
) -> PhotoStore:
    if not world.first:
        world.wait()  # the first process writes the cache, the others read it
    store = open_store(
        photos,
        cache,
        preprocess=preprocess,
        progress=lambda done: tell("decoding photos", done / len(photos)),
    )
    if world.first:
        world.wait()
    return store


def _hold_out(run: Run) -> Run:
    """The run with whole scenes kept out of training, as its recipe says."""
    v = run.recipe.validation
    features = run.start_features()
    scenes = group_scenes(run.samples, features, likeness=v.likeness, burst=v.burst)
    parts = split_by_group(scenes, {"train": 1 - v.share, "validation": v.share}, seed=v.seed)
    kept = {(s.dataset, s.name) for s in parts["train"]}
    mask = np.array([(run.samples[i].dataset, run.samples[i].name) in kept for i in run.train])
    held_out = np.concatenate([run.held_out, run.train[~mask]])
    return replace(run, train=run.train[mask], held_out=held_out)

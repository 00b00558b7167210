"""The three stages of a RALI training run, each reading the last one's files.

A run is a folder: ``texts.jsonl`` (unless the recipe brings texts), ``checkpoint.pt`` and
``metrics.jsonl``, ``tower.safetensors`` (aligned, float16), then ``bundle/``. What is there for the
same recipe is not made again; decoded photos and features lie in ``cache`` beside it.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ralikit.bundle import (
    Bundle,
    BundleInfo,
    TowerSpec,
    read_safetensors,
    write_bundle,
    write_safetensors,
)
from ralikit.config import to_mapping
from ralikit.data.metas import Sample, require_images
from ralikit.data.splits import split_by_group
from ralikit.data.triplets import Triplet, read_triplets
from ralikit.errors import DataError, TrainingError, UsageError
from ralikit.files import publish, read_json, sha256_bytes, sha256_path, to_json, write_text
from ralikit.head import Head
from ralikit.importers.hf_tower import hf_folder, load_hf_tower
from ralikit.metrics import plcc, srcc
from ralikit.preprocess import Preprocess
from ralikit.towers import build_tower, load_weights
from ralikit.towers.base import Tower
from ralikit.train.align import AlignData, Alignment, ridge
from ralikit.train.describe_rules import describe_rules
from ralikit.train.features import Embedder, cached, chain_embeddings, over_views
from ralikit.train.fit import Chains, fit_head
from ralikit.train.photo_store import PhotoStore, open_store
from ralikit.train.rali_recipe import RaliRecipe
from ralikit.train.resolution import resolution
from ralikit.train.scenes import group_scenes
from ralikit.train.text_encoders import encode_texts, open_text_encoder
from ralikit.train.world import World, open_world

TOWER = "tower.safetensors"
TEXTS = "texts.jsonl"
ALIGNED = "aligned.json"
VALIDATION = "validation.json"
BUNDLE = "bundle"

Tell = Callable[[str, float], None]


@dataclass
class Run:
    """A recipe at work in its folder.

    Attributes:
        recipe: What to do.
        out: The run's folder.
        world: This process among all.
        tell: Told the stage and the share of it done.
    """

    recipe: RaliRecipe
    out: Path
    world: World
    tell: Tell

    @property
    def cache(self) -> Path:
        """Decoded photos and features, shared by the runs beside this one."""
        return self.out.parent / "cache"

    def __post_init__(self) -> None:
        self.samples = self._read_samples()
        self.tower, self.preprocess = self._start()
        self.store = self._open_store()
        self.scores = np.array([s.score for s in self.samples], dtype=np.float32)
        self.train, self.held_out = self._split()

    def _read_samples(self) -> list[Sample]:
        samples: list[Sample] = []
        for spec in self.recipe.data:
            path, root = self.recipe.below(spec.path), self.recipe.below(spec.root)
            samples += replace(spec, path=path, root=root).read()
        require_images(samples)
        if len({(s.dataset, s.name) for s in samples}) < len(samples):
            raise DataError("a photo is labelled twice in the recipe's data")
        return samples

    def _start(self) -> tuple[Tower, Preprocess]:
        """The tower before training, and the preprocessing of the views."""
        start = self.recipe.tower
        weights = self.recipe.below(start.weights)
        if start.kind == "hugging_face":
            tower, preprocess = load_hf_tower(hf_folder(weights, start.weights.as_posix()))
            return tower, self.recipe.preprocess or preprocess
        if self.recipe.preprocess is None:
            raise UsageError("a mobilenet_v2 tower needs a [preprocess] table")
        torch.manual_seed(self.recipe.align.seed)
        tower = build_tower(start.kind, dict(start.config))
        tensors = {
            name: tensor
            for name, tensor in read_safetensors(weights).items()
            if not name.startswith("classifier.")
        }
        for name, tensor in tower.state_dict().items():
            if name.startswith("projection."):
                tensors.setdefault(name, tensor.numpy())
        load_weights(tower, tensors, where=str(weights))
        return tower, self.recipe.preprocess

    def _open_store(self) -> PhotoStore:
        photos = [s.image for s in self.samples]
        if not self.world.first:
            self.world.wait()  # the first process writes the cache, the others read it

        def told(done: int) -> None:
            self.tell("decoding photos", done / len(photos))

        store = open_store(photos, self.cache, preprocess=self.preprocess, progress=told)
        if self.world.first:
            self.world.wait()
        return store

    def _split(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        everything = np.arange(len(self.samples))
        v = self.recipe.validation
        if v.share == 0:
            return everything, everything[:0]
        scenes = group_scenes(
            self.samples, self.start_features(), likeness=v.likeness, burst=v.burst
        )
        parts = split_by_group(scenes, {"train": 1 - v.share, "validation": v.share}, seed=v.seed)
        kept = {(s.dataset, s.name) for s in parts["train"]}
        mask = np.array([(s.dataset, s.name) in kept for s in self.samples])
        return everything[mask], everything[~mask]

    def embedder(self, tower: Tower) -> Embedder:
        """What embeds views with a tower, where and in the precision in which it trains."""
        half = self.recipe.align.autocast == "bfloat16"
        return Embedder(tower, self.preprocess, device=self.world.device, autocast=half)

    def start_features(self) -> NDArray[np.float32]:
        """Features of every photo by the untrained tower, (N, F), cached."""
        embedder = self.embedder(self.tower)
        weights = self.recipe.below(self.recipe.tower.weights)
        digest = sha256_path(weights) if weights.is_file() else str(weights)
        key = f"start {digest} {to_mapping(self.preprocess)} {self._photo_key()}"
        count = len(self.samples)

        def compute() -> dict[str, NDArray[np.float32]]:
            found = over_views(
                embedder.features,
                self.store,
                range(count),
                self.preprocess.size,
                self.preprocess.anchors,
                done=lambda n: self.tell("features of the untrained tower", n / count),
            )
            return {"features": found}

        return cached(self.cache / "start.safetensors", key, compute)["features"]

    def _photo_key(self) -> str:
        names = [(s.dataset, s.name, s.score) for s in self.samples]
        return sha256_bytes(to_json(names, indent=None).encode())

    def texts(self) -> NDArray[np.float32]:
        """Text embeddings of every photo, (N, T, D), unit norm, centred where the recipe says so.

        Raises:
            DataError: If a photo has no text.
        """
        spec, align = self.recipe.texts, self.recipe.align
        triplets = self._triplets()
        by_name = {(t.dataset, t.image): t for t in triplets} | {("", t.image): t for t in triplets}
        found: list[Triplet] = []
        for sample in self.samples:
            triplet = by_name.get((sample.dataset, sample.name)) or by_name.get(("", sample.name))
            if triplet is None:
                raise DataError(
                    f"{sample.name} has no quality text; run ralikit describe for all of the data"
                )
            found.append(triplet)
        # Photos with fewer texts than others repeat theirs: every photo then has as many.
        most = max(len(t.texts) for t in found)
        words = [t.texts[k % len(t.texts)].text for t in found for k in range(most)]
        self.tell("embedding texts", 0.0)
        key = f"{spec.encoder} {align.long_texts} {sha256_bytes(to_json(words).encode())}"

        def compute() -> dict[str, NDArray[np.float32]]:
            encoder = open_text_encoder(spec.encoder)
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

    def _triplets(self) -> list[Triplet]:
        spec = self.recipe.texts
        if spec.triplets:
            return read_triplets([self.recipe.below(p) for p in spec.triplets])
        if self.world.first:
            count = len(self.samples)
            describe_rules(
                self.samples,
                self.out / TEXTS,
                texts=spec.per_photo,
                seed=spec.seed,
                progress=lambda n: self.tell("describing photos", n / count),
            )
        self.world.wait()
        return read_triplets(self.out / TEXTS)


def open_run(recipe: RaliRecipe, out: Path, *, tell: Tell = lambda _w, _d: None) -> Run:
    """Begin or go on with a run.

    Raises:
        TrainingError: If the folder holds a run of another recipe.
    """
    world = open_world()
    settings = to_json({k: v for k, v in to_mapping(recipe).items() if k != "expected"})
    path = out / "recipe.json"
    if path.is_file() and path.read_text(encoding="utf-8") != settings:
        raise TrainingError(
            f"{out} holds a run of other settings ({path.name} differs); use another folder"
        )
    world.wait()
    run = Run(recipe, out, world, tell)  # before anything is written: the data may not be there
    if world.first:
        write_text(path, settings)
    world.wait()
    return run


def align(run: Run, *, resume: bool = True) -> None:
    """Stage 1: train the tower; writes ``tower.safetensors`` (float16) when it is done."""
    key = _align_key(run.recipe)
    done = run.out / ALIGNED
    if done.is_file() and read_json(done).get("key") == key:
        return
    settings = run.recipe.align
    regression = settings.objective == "regression"
    texts = np.zeros((len(run.samples), 0, 0), np.float32) if regression else run.texts()
    if settings.projection_init == "ridge":
        _init_projection(run, texts)
    _check_width(run, texts)
    device = run.world.device
    data = AlignData(run.store, run.train, run.scores, texts)
    alignment = Alignment(run.tower, data, settings, run.preprocess, world=run.world, device=device)

    def told(step: int, steps: int, figures: dict[str, float]) -> None:
        run.tell(f"aligning, loss {figures['loss']:.3f}", step / steps)

    alignment.run(run.out, resume=resume, progress=told)
    if run.world.first:
        tensors = {
            name: t.cpu().numpy().astype(np.float16)
            for name, t in alignment.average.state_dict().items()
        }
        _refuse_overflow(tensors)
        with publish(run.out / TOWER, overwrite=True) as draft:
            write_safetensors(draft, tensors)
        facts = {"key": key, "mean": alignment.mean, "std": alignment.std, "steps": alignment.steps}
        write_text(done, to_json(facts))
    run.world.wait()


def _align_key(recipe: RaliRecipe) -> str:
    plain = to_mapping(recipe)
    parts = {k: plain[k] for k in ("data", "texts", "tower", "preprocess", "align", "validation")}
    return sha256_bytes(to_json(parts, indent=None).encode())


def _init_projection(run: Run, texts: NDArray[np.float32]) -> None:
    """Start the projection from ridge regression on the untrained features."""
    target = (
        ((run.scores - run.scores[run.train].mean()) / run.scores[run.train].std())[:, None]
        if run.recipe.align.objective == "regression"
        else texts.mean(axis=1)
    )
    weights, bias = ridge(run.start_features()[run.train], target[run.train], strength=1.0)
    projection = getattr(run.tower, "projection", None)
    if not isinstance(projection, torch.nn.Linear) or projection.weight.shape != weights.shape:
        raise UsageError(
            f"projection_init 'ridge' needs a tower whose projection is {weights.shape[0]} wide; "
            "set the tower's dim, or projection_init to 'keep'"
        )
    with torch.no_grad():
        projection.weight.copy_(torch.from_numpy(weights))
        if projection.bias is not None:
            projection.bias.copy_(torch.from_numpy(bias))


def _check_width(run: Run, texts: NDArray[np.float32]) -> None:
    width = 1 if run.recipe.align.objective == "regression" else texts.shape[2]
    if run.tower.dim != width:
        raise UsageError(
            f"the tower's embeddings are {run.tower.dim} wide and the target is {width}; "
            "choose a text encoder of that width, or set the tower's dim"
        )


def _refuse_overflow(tensors: dict[str, NDArray[Any]]) -> None:
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise TrainingError(f"{name} does not fit into float16: a value is too large")


def aligned_tower(run: Run) -> tuple[Tower, dict[str, NDArray[Any]]]:
    """The aligned tower with the float16 weights that ship, computed in float32.

    Raises:
        TrainingError: If the alignment has not been done for this recipe.
    """
    done = run.out / ALIGNED
    if not done.is_file() or read_json(done).get("key") != _align_key(run.recipe):
        raise TrainingError(
            f"{run.out} holds no finished alignment of this recipe; run align first"
        )
    tensors = read_safetensors(run.out / TOWER)
    load_weights(run.tower, tensors, where=str(run.out / TOWER))
    return run.tower.eval(), tensors


def fit(run: Run) -> Bundle:
    """Stage 2: PCA, basis and score fit; writes ``bundle/`` and figures on the photos kept out."""
    tower, tensors = aligned_tower(run)
    settings = run.recipe.fit
    embedder = run.embedder(tower)
    embeddings = _embeddings(run, embedder, run.train, "train", settings.anchors)
    chains = None
    if settings.chains:
        run.tell("degraded copies", 0.0)
        found = chain_embeddings(
            embedder, run.store, run.train, run.preprocess.size, settings.chains, seed=settings.seed
        )
        chains = Chains(*found)
    scale = run.recipe.bundle.scale
    head = fit_head(
        embeddings,
        run.scores[run.train],
        settings,
        chains=chains,
        scale=(scale.minimum, scale.maximum),
    )
    if len(run.held_out):
        _validate(run, embedder, head)
    return _write(run, tensors, head)


def _embeddings(
    run: Run,
    embedder: Embedder,
    photos: NDArray[np.int64],
    name: str,
    anchors: tuple[tuple[float, float], ...] | None = None,
) -> NDArray[np.float32]:
    """Embeddings of photos, averaged over views, cached for these weights."""
    views = anchors or run.preprocess.anchors
    key = f"{sha256_path(run.out / TOWER)} {photos.tolist()} {views} {to_mapping(run.preprocess)}"

    def compute() -> dict[str, NDArray[np.float32]]:
        found = over_views(
            embedder.embed,
            run.store,
            photos.tolist(),
            run.preprocess.size,
            views,
            done=lambda n: run.tell(f"embedding {name} photos", n / len(photos)),
        )
        return {"embeddings": found}

    return cached(run.cache / f"{name}.safetensors", key, compute)["embeddings"]


def _validate(run: Run, embedder: Embedder, head: Head) -> None:
    """Agreement on the photos kept out, and how close scores may be (`resolution`)."""
    embeddings = _embeddings(run, embedder, run.held_out, "validation")
    predicted, mos = head.score(embeddings), run.scores[run.held_out]
    figures: dict[str, Any] = {
        "photos": len(mos),
        "srcc": srcc(predicted, mos),
        "plcc": plcc(predicted, mos),
        "mae": float(np.abs(predicted - mos).mean()),
    }
    try:
        figures["resolution"] = resolution(predicted, mos)
    except DataError as error:
        figures["resolution_missing"] = str(error)
    write_text(run.out / VALIDATION, to_json(figures))
    run.tell(f"validation: SRCC {figures['srcc']:.4f}, PLCC {figures['plcc']:.4f}", 1.0)


def _write(run: Run, tensors: dict[str, NDArray[Any]], head: Head) -> Bundle:
    spec = run.recipe.bundle
    info = BundleInfo(
        name=spec.name,
        tower=TowerSpec(kind=run.tower.kind, config=run.tower.config(), weights="trained"),
        preprocess=run.preprocess,
        temperature=head.temperature,
        normalize=head.normalize,
        view_pool=spec.view_pool,
        scale=spec.scale,
        resolution=spec.resolution,
        resolution_note=spec.resolution_note,
        text_encoder=run.recipe.texts.encoder,
        provenance={
            "data": [
                {"dataset": name, "photos": sum(s.dataset == name for s in run.samples)}
                for name in sorted({s.dataset for s in run.samples})
            ],
            "photos": run._photo_key(),
            "trained_on": len(run.train),
            "texts": "rules" if not run.recipe.texts.triplets else "triplets",
            "align": to_mapping(run.recipe.align),
            "fit": to_mapping(run.recipe.fit),
            "versions": {
                "python": platform.python_version(),
                "torch": torch.__version__,
                "numpy": np.__version__,
                "scikit-learn": importlib.metadata.version("scikit-learn"),
            },
        },
        licence=spec.licence,
        notice=spec.notice,
    )
    return write_bundle(run.out / BUNDLE, info, tower=tensors, head=head, overwrite=True)

"""The three stages of a RALI training run, each reading the last one's files.

A run is a folder: ``texts.jsonl`` (unless the recipe brings texts), ``checkpoint.pt`` and
``metrics.jsonl``, ``tower.safetensors`` (aligned, float16), then ``bundle/``. What is there for the
same recipe is not made again; decoded photos and features lie in ``cache`` beside it.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ralikit.config import to_mapping
from ralikit.errors import TrainingError, UsageError
from ralikit.files import read_json, to_json, write_text
from ralikit.model.bundle import (
    Bundle,
    BundleInfo,
    TowerSpec,
    read_safetensors,
    write_bundle,
)
from ralikit.model.head import Head
from ralikit.model.towers import load_weights
from ralikit.model.towers.base import Tower
from ralikit.train.inherited import descent, licence_of, notices
from ralikit.train.rali import end_to_end
from ralikit.train.rali.align import Alignment
from ralikit.train.rali.features import Embedder, chain_embeddings
from ralikit.train.rali.fit import Chains, fit_head
from ralikit.train.rali.fit_settings import FitSettings
from ralikit.train.rali.held_out import embeddings_of, validate, validation_figures
from ralikit.train.rali.initial import ridge, start_projection
from ralikit.train.rali.objective import AlignData
from ralikit.train.rali.reasons import fit_bank, good_photos
from ralikit.train.rali.reasons_settings import ReasonsSettings
from ralikit.train.rali.run import Run, encoder_place, started_bundle
from ralikit.train.rali.run_folder import ALIGNED, RECIPE, align_key, is_aligned, settings_text
from ralikit.train.rali.text_encoders import open_text_encoder
from ralikit.train.rali.weights import write_tower

TOWER = "tower.safetensors"
BUNDLE = "bundle"


def write_recipe(run: Run) -> None:
    """Say in the folder what is made there; a fit of other settings is a fit anew."""
    if run.world.first:
        write_text(run.out / RECIPE, settings_text(run.recipe))
    run.world.wait()


def align(run: Run, *, resume: bool = True) -> None:
    """Stage 1: train the tower; writes ``tower.safetensors`` (float16) when it is done."""
    if is_aligned(run.recipe, run.out):
        return
    write_recipe(run)
    settings = run.recipe.align
    regression = settings.objective == "regression"
    texts = np.zeros((len(run.samples), 0, 0), np.float32) if regression else run.texts()
    if settings.projection_init == "ridge":
        _init_projection(run, texts)
    _check_width(run, texts)
    device = run.world.device
    axes = run.reason_axes() if settings.reason_weight else None
    data = AlignData(run.store, run.train, run.scores, texts, run.sets(), axes)
    alignment = Alignment(run.tower, data, settings, run.preprocess, world=run.world, device=device)

    seen = ""

    def told(step: int, steps: int, figures: dict[str, float]) -> None:
        nonlocal seen
        if "validation_srcc" in figures:
            seen = f", SRCC {figures['validation_srcc']:.3f} on photos kept out"
        run.tell(f"aligning, loss {figures['loss']:.3f}{seen}", step / steps)

    def look(tower: Tower) -> dict[str, float]:
        return validation_figures(run, tower, alignment.read_scores)

    looks = look if len(run.held_out) > 1 else None
    alignment.run(run.out, resume=resume, progress=told, validate=looks)
    if run.world.first:
        write_tower(run.out / TOWER, alignment.average)
        facts = {
            "key": align_key(run.recipe),
            "mean": alignment.mean,
            "std": alignment.std,
            "steps": alignment.steps,
        }
        write_text(run.out / ALIGNED, to_json(facts))
    run.world.wait()


def _init_projection(run: Run, texts: NDArray[np.float32]) -> None:
    """Start the projection from ridge regression on the untrained features."""
    settings = run.recipe.align
    photos = run.train
    if settings.init_photos is not None and settings.init_photos < len(photos):
        drawn = np.random.default_rng([settings.seed, 5])
        photos = np.sort(drawn.choice(photos, settings.init_photos, replace=False))
    target = (
        ((run.scores - run.scores[run.train].mean()) / run.scores[run.train].std())[:, None]
        if settings.objective == "regression"
        else texts.mean(axis=1)
    )
    every = settings.init_photos is None
    features = run.start_features()[photos] if every else run.start_features(photos)
    weights, bias = ridge(features, target[photos], strength=1.0)
    projection = getattr(run.tower, "projection", None)
    if not isinstance(projection, torch.nn.Linear) or projection.weight.shape != weights.shape:
        raise UsageError(
            f"projection_init 'ridge' needs a tower whose projection is {weights.shape[0]} wide; "
            "set the tower's dim, or projection_init to 'keep'"
        )
    start_projection(projection, weights, bias)


def _check_width(run: Run, texts: NDArray[np.float32]) -> None:
    width = 1 if run.recipe.align.objective == "regression" else texts.shape[2]
    if run.tower.dim != width:
        raise UsageError(
            f"the tower's embeddings are {run.tower.dim} wide and the target is {width}; "
            "choose a text encoder of that width, or set the tower's dim"
        )


def aligned_tower(run: Run) -> tuple[Tower, dict[str, NDArray[Any]]]:
    """The aligned tower with the float16 weights that ship, computed in float32.

    Raises:
        TrainingError: If the alignment has not been done for this recipe.
    """
    _hold_aligned(run)
    return with_weights(run, run.out / TOWER)


def _hold_aligned(run: Run) -> None:
    if not is_aligned(run.recipe, run.out):
        raise TrainingError(
            f"{run.out} holds no finished alignment of this recipe; run align first"
        )


def with_weights(run: Run, path: Path) -> tuple[Tower, dict[str, NDArray[Any]]]:
    """The run's tower with the weights of a file, as they ship, computed in float32."""
    tensors = read_safetensors(path)
    load_weights(run.tower, tensors, where=str(path))
    # As alignment left it, also where a process of its own has done that: kernels of another memory
    # format add up otherwise, and moved the head by up to 6e-5.
    run.tower.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return run.tower.eval(), tensors


def regressed(run: Run) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """What a regression's tower says of photos as scores on 1..5, (n, 1) -> (n,).

    Raises:
        TrainingError: If the alignment has not been done for this recipe.
    """
    _hold_aligned(run)
    facts = read_json(run.out / ALIGNED)
    mean, std = float(facts["mean"]), float(facts["std"])
    return lambda embeddings: np.clip(mean + std * embeddings[:, 0], 1.0, 5.0)


def move_tower(run: Run) -> None:
    """Where `fit.tower_rate` asks for it: train tower and read-out together, before `fit`.

    Every process of the run calls this; nothing where it is done or not asked for.
    """
    if not run.recipe.fit.tower_rate or end_to_end.is_done(run):
        return
    tower, _ = aligned_tower(run)
    clustered = replace(run.recipe.fit, steps=0, tower_rate=0.0)
    end_to_end.train(run, tower, lambda: _fit_head(run, run.embedder(tower), clustered))


def fit(run: Run) -> Bundle:
    """Stage 2: PCA, basis and score fit; writes ``bundle/`` and figures on the photos kept out.

    Of several processes the first alone calls it, after all have called `move_tower`.
    """
    weights = run.out / TOWER
    _hold_aligned(run)
    write_text(run.out / RECIPE, settings_text(run.recipe))
    if run.recipe.fit.tower_rate:
        move_tower(run)
        weights, head = end_to_end.trained(run)
        tower, tensors = with_weights(run, weights)
        embedder = run.embedder(tower)
    else:
        tower, tensors = aligned_tower(run)
        embedder = run.embedder(tower)
        head = _fit_head(run, embedder, run.recipe.fit)
    if len(run.held_out):
        validate(run, embedder, head, weights)
    bundle, reasons = _write(run, tensors, head), run.recipe.reasons
    return bundle if reasons is None else _with_reasons(run, bundle, reasons)


def _fit_head(run: Run, embedder: Embedder, settings: FitSettings) -> Head:
    """PCA, basis and score fit on the aligned tower's embeddings."""
    photos = run.fit_photos(settings)
    embeddings = embeddings_of(run, embedder, photos, "train", run.out / TOWER, settings.anchors)
    chains = None
    if settings.chains and settings.steps:
        run.tell("degraded copies", 0.0)
        found = chain_embeddings(
            embedder,
            run.store,
            run.train,
            run.preprocess.size,
            settings.chains,
            seed=settings.seed,
            faults=run.recipe.align.faults,
        )
        chains = Chains(*found)
    scale = run.recipe.bundle.scale
    return fit_head(
        embeddings,
        run.scores[photos],
        settings,
        chains=chains,
        scale=(scale.minimum, scale.maximum),
        sets=run.sets()[photos],
    )


def _with_reasons(run: Run, bundle: Bundle, settings: ReasonsSettings) -> Bundle:
    samples = [run.samples[i] for i in run.train]
    fitted = fit_bank(
        bundle,
        good_photos(samples, share=settings.good),
        open_text_encoder(encoder_place(run.recipe)),
        settings,
        cache=run.cache,
        device=run.world.device,
        tell=run.tell,
    )
    run.tell(f"reasons by {fitted.chosen.name}: first right {fitted.chosen.right:.3f}", 1.0)
    return fitted.bundle


def _write(run: Run, tensors: dict[str, NDArray[Any]], head: Head) -> Bundle:
    spec, start = run.recipe.bundle, run.recipe.tower
    parent = None
    if start.kind == "bundle":
        parent = started_bundle(start, run.recipe.below(start.weights))
    info = BundleInfo(
        name=spec.name,
        tower=TowerSpec(kind=run.tower.kind, config=run.tower.config(), weights="trained"),
        preprocess=run.preprocess,
        temperature=head.temperature,
        normalize=head.normalize,
        view_pool=spec.view_pool,
        scale=spec.scale,
        tie_width=spec.tie_width,
        tie_width_note=spec.tie_width_note,
        text_encoder=run.recipe.texts.encoder,
        provenance={
            "data": [
                {"dataset": name, "photos": sum(s.dataset == name for s in run.samples)}
                for name in sorted({s.dataset for s in run.samples})
            ],
            "photos": run.photo_key(),
            "trained_on": len(run.train),
            **({} if parent is None else {"started_from": descent(parent)}),
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
        notice=spec.notice
        if parent is None
        else notices(parent, made="Trained on", own=spec.notice),
    )
    extra = None if parent is None else licence_of(parent)
    return write_bundle(
        run.out / BUNDLE, info, tower=tensors, head=head, extra=extra, overwrite=True
    )

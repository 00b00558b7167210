"""The three stages of a RALI training run, each reading the last one's files.

A run is a folder: ``texts.jsonl`` (unless the recipe brings texts), ``checkpoint.pt`` and
``metrics.jsonl``, ``tower.safetensors`` (aligned, float16), then ``bundle/``. What is there for the
same recipe is not made again; decoded photos and features lie in ``cache`` beside it.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ralikit.config import to_mapping
from ralikit.errors import DataError, TrainingError, UsageError
from ralikit.files import publish, read_json, sha256_path, to_json, write_text
from ralikit.metrics.agreement import plcc, srcc
from ralikit.model.bundle import (
    Bundle,
    BundleInfo,
    TowerSpec,
    read_safetensors,
    write_bundle,
    write_safetensors,
)
from ralikit.model.head import Head
from ralikit.model.towers import load_weights
from ralikit.model.towers.base import Tower
from ralikit.train.rali.align import AlignData, Alignment, ridge
from ralikit.train.rali.features import Embedder, cached, chain_embeddings, over_views
from ralikit.train.rali.fit import Chains, fit_head
from ralikit.train.rali.reasons import fit_bank, good_photos
from ralikit.train.rali.reasons_settings import ReasonsSettings
from ralikit.train.rali.run import Run, encoder_place
from ralikit.train.rali.run_folder import ALIGNED, RECIPE, align_key, is_aligned, settings_text
from ralikit.train.rali.text_encoders import open_text_encoder
from ralikit.train.rali.tie_width import tie_width

TOWER = "tower.safetensors"
VALIDATION = "validation.json"
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
    if not is_aligned(run.recipe, run.out):
        raise TrainingError(
            f"{run.out} holds no finished alignment of this recipe; run align first"
        )
    tensors = read_safetensors(run.out / TOWER)
    load_weights(run.tower, tensors, where=str(run.out / TOWER))
    # As alignment left it, also where a process of its own has done that: kernels of another memory
    # format add up otherwise, and moved the head by up to 6e-5.
    run.tower.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return run.tower.eval(), tensors


def regressed(run: Run) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """What a regression's tower says of photos as scores on 1..5, (n, 1) -> (n,).

    Raises:
        TrainingError: If the alignment has not been done for this recipe.
    """
    if not is_aligned(run.recipe, run.out):
        raise TrainingError(f"{run.out} holds no finished alignment of this recipe; run align")
    facts = read_json(run.out / ALIGNED)
    mean, std = float(facts["mean"]), float(facts["std"])
    return lambda embeddings: np.clip(mean + std * embeddings[:, 0], 1.0, 5.0)


def fit(run: Run) -> Bundle:
    """Stage 2: PCA, basis and score fit; writes ``bundle/`` and figures on the photos kept out."""
    tower, tensors = aligned_tower(run)
    write_recipe(run)
    settings = run.recipe.fit
    embedder = run.embedder(tower)
    photos = run.fit_photos(settings)
    embeddings = _embeddings(run, embedder, photos, "train", settings.anchors)
    chains = None
    if settings.chains:
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
    head = fit_head(
        embeddings,
        run.scores[photos],
        settings,
        chains=chains,
        scale=(scale.minimum, scale.maximum),
        sets=run.sets()[photos],
    )
    if len(run.held_out):
        _validate(run, embedder, head)
    bundle, reasons = _write(run, tensors, head), run.recipe.reasons
    return bundle if reasons is None else _with_reasons(run, bundle, reasons)


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
    """Agreement on the photos kept out, and how close scores may be (`tie_width`)."""
    embeddings = _embeddings(run, embedder, run.held_out, "validation")
    predicted, mos = head.score(embeddings), run.scores[run.held_out]
    figures: dict[str, Any] = {
        "photos": len(mos),
        "srcc": srcc(predicted, mos),
        "plcc": plcc(predicted, mos),
        "mae": float(np.abs(predicted - mos).mean()),
    }
    try:
        figures["tie_width"] = tie_width(predicted, mos)
    except DataError as error:
        figures["tie_width_missing"] = str(error)
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

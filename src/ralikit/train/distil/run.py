"""Distilling, from a teacher's bundle and a folder of photos to a small bundle.

A run is a folder: ``recipe.json`` (recipe, teacher, photos), ``checkpoint.pt`` and
``metrics.jsonl``, then ``bundle/`` and ``agreement.json``. A command that is given again goes on;
decoded photos and what the teacher said of them lie in ``cache`` beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ralikit.config import to_mapping
from ralikit.data.metas import Sample
from ralikit.data.splits import split_by_group
from ralikit.errors import DataError, TrainingError, UsageError
from ralikit.files import parse_json, read_json, sha256_bytes, to_json, write_text
from ralikit.model.bundle import Bundle, BundleInfo, TowerSpec, write_bundle
from ralikit.model.head import Head
from ralikit.model.towers import filled_tower, load_tower
from ralikit.model.towers.base import Tower
from ralikit.photo.views import Preprocess
from ralikit.progress import Tell
from ralikit.train.distil.copies import Copies, looks_closer
from ralikit.train.distil.judge import WithTeacher, judge
from ralikit.train.distil.recipe import DistilRecipe
from ralikit.train.distil.teacher import Looker, Said, look_in_parts, teacher_key
from ralikit.train.distil.training import Distillation, Lessons
from ralikit.train.inherited import descent, licence_of, notices
from ralikit.train.rali.align import CHECKPOINT
from ralikit.train.rali.features import Embedder, over_views
from ralikit.train.rali.initial import freeze_parameters, ridge, start_projection
from ralikit.train.rali.metrics_log import METRICS
from ralikit.train.rali.photo_store import PhotoStore, open_store
from ralikit.train.rali.run import open_start
from ralikit.train.rali.scenes import group_scenes
from ralikit.train.rali.weights import shipped
from ralikit.train.world import World, open_world

RECIPE = "recipe.json"
BUNDLE = "bundle"
AGREEMENT = "agreement.json"
_FEWEST = 3
"""Photos that a correlation needs."""
_APART = 0.1
"""Share of the scale that stands in for a tie width where none was measured."""
_INIT = 500
"""Photos that the projection's ridge regression reads, at most."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Distilled:
    """What a run ends in.

    Attributes:
        bundle: The small scorer.
        agreement: With its teacher, on the photos kept out.
    """

    bundle: Bundle
    agreement: WithTeacher


@dataclass(frozen=True, kw_only=True, eq=False)
class _Run:
    recipe: DistilRecipe
    teacher: Bundle
    head: Head
    photos: list[Path]
    out: Path
    tower: Tower
    preprocess: Preprocess
    device: torch.device
    tell: Tell

    @property
    def cache(self) -> Path:
        return self.out.parent / "cache"

    @property
    def half(self) -> bool:
        return self.recipe.distil.autocast == "bfloat16"


def distil(
    teacher: Bundle,
    photos: Sequence[Path],
    recipe: DistilRecipe,
    out: Path,
    *,
    resume: bool = True,
    tell: Tell = lambda _what, _share: None,
) -> Distilled:
    """Train a small tower on what a teacher says of photos, and give it the teacher's read-out.

    Everything that can be known before is checked before a photo is decoded.

    Args:
        teacher: The big scorer.
        photos: Unlabelled photos.
        recipe: What to train, and how.
        out: The run's folder.
        resume: Go on from the checkpoint there, if any.
        tell: Told the stage and the share of it done.

    Raises:
        UsageError: If teacher, recipe and photos do not fit each other.
        TrainingError: If the folder holds another run, or the training fails.
        DataError: If the photos are copies of one, or show too few scenes.
        PhotoError: If a photo cannot be read.
    """
    run = _checked(teacher, photos, recipe, out, tell)
    store, own_store = _stores(run)
    if store.all_alike():
        raise DataError(f"the {len(photos)} photos are copies of one: there is nothing to learn")
    source = store if looks_closer(teacher.info.preprocess, run.preprocess) else own_store
    copies = Copies(source=source, seed=recipe.distil.seed)
    looker = _teacher(run)
    numbers = list(range(len(photos)))
    clean = _looked(run, looker, numbers, lambda n: [store[n]], "photos")
    clean = Said(embeddings=clean.embeddings[:, 0], scores=clean.scores[:, 0])
    train, held_out = _split(run, clean)
    degraded = _degraded(run, train)

    def worse_of(those: NDArray[np.int64], what: str) -> Said:
        shown = teacher.info.preprocess
        return _looked(run, looker, those.tolist(), lambda n: copies.of(n, shown), what)

    lessons = Lessons(
        store=own_store,
        copies=copies,
        train=train,
        degraded=degraded,
        clean=clean,
        worse=worse_of(degraded, "degraded copies"),
        key=_teachers_words(run),
    )
    check = worse_of(held_out, "copies of the photos kept out")
    tensors = _trained(run, lessons, resume=resume)
    student = _student(run, tensors)
    found = _judged(run, student, lessons, held_out, check)
    write_text(out / AGREEMENT, to_json(found.plain()))
    return Distilled(bundle=_written(run, tensors, len(train), found), agreement=found)


def _checked(
    teacher: Bundle, photos: Sequence[Path], recipe: DistilRecipe, out: Path, tell: Tell
) -> _Run:
    world = open_world()
    if world != World():
        raise UsageError("distilling runs in one process: start it without a launcher")
    if teacher.info.tower.weights != "trained":
        raise UsageError(f"{teacher.root} has random weights: there is nothing to learn from it")
    most = len(photos) - max(_FEWEST, round(recipe.held_out.share * len(photos)))
    if most < recipe.distil.batch:
        raise UsageError(
            f"{len(photos)} photos, without those kept out, are fewer than a batch of "
            f"{recipe.distil.batch}: bring more, or lower distil.batch"
        )
    head = teacher.head()
    tower, preprocess = open_start(
        recipe.tower, recipe.weights(), recipe.preprocess, seed=recipe.distil.seed
    )
    if tower.dim != head.dim:
        raise UsageError(
            f"the teacher's embeddings are {head.dim} wide and the small tower's {tower.dim}: its "
            f"read-out fits one width alone; set tower.config.dim to {head.dim}"
        )
    projection = getattr(tower, "projection", None)
    if recipe.distil.projection_init == "ridge" and not isinstance(projection, torch.nn.Linear):
        raise UsageError(
            "projection_init 'ridge' needs a tower that ends in a projection of its own; set "
            "distil.projection_init to 'keep'"
        )
    freeze_parameters(tower, recipe.distil.frozen)
    run = _Run(
        recipe=recipe,
        teacher=teacher,
        head=head,
        photos=list(photos),
        out=out,
        tower=tower,
        preprocess=preprocess,
        device=world.device,
        tell=tell,
    )
    _hold(run)
    return run


def _hold(run: _Run) -> None:
    """Refuse a folder that another run has begun, and write down what this one is."""
    plain = {k: v for k, v in to_mapping(run.recipe).items() if k not in ("expected", "bundle")}
    mine = {"recipe": plain, "teacher": run.teacher.hash, "photos": _teachers_words(run)}
    path = run.out / RECIPE
    begun = (run.out / CHECKPOINT).is_file() or (run.out / METRICS).is_file()
    if begun and path.is_file():
        theirs = read_json(path)
        if theirs != _parsed(mine):
            changed = [k for k, v in _parsed(mine).items() if theirs.get(k) != v]
            raise TrainingError(
                f"{run.out} holds a run of another {' and '.join(changed)}; use another folder"
            )
    run.out.mkdir(parents=True, exist_ok=True)
    write_text(path, to_json(mine))


def _parsed(values: dict[str, Any]) -> dict[str, Any]:
    """Values as they come back from a JSON file."""
    found: dict[str, Any] = parse_json(to_json(values))
    return found


def _teachers_words(run: _Run) -> str:
    return teacher_key(run.teacher, run.photos, autocast=run.half)


def _stores(run: _Run) -> tuple[PhotoStore, PhotoStore]:
    """The photos at the teacher's size and at the small scorer's; one where those are the same."""

    def told(done: int) -> None:
        run.tell("decoding photos", done / len(run.photos))

    both = (run.teacher.info.preprocess, run.preprocess)
    first, second = (open_store(run.photos, run.cache, preprocess=p, progress=told) for p in both)
    return first, second


def _teacher(run: _Run) -> Looker:
    info = run.teacher.info
    return Looker(
        load_tower(run.teacher),
        info.preprocess,
        run.head,
        view_pool=info.view_pool,
        device=run.device,
        autocast=run.half,
    )


def _looked(run: _Run, looker: Looker, numbers: list[int], photos_of: Any, what: str) -> Said:
    def told(done: int) -> None:
        run.tell(f"the teacher looks at {what}", done / max(1, len(numbers)))

    if not numbers:
        dim = run.head.dim
        return Said(
            embeddings=np.zeros((0, 2, dim), np.float32), scores=np.zeros((0, 2), np.float32)
        )
    key = f"{_teachers_words(run)} {what == 'photos'} {run.recipe.distil.seed}"
    key += f" {to_mapping(run.preprocess)['shortest_edge']}"
    return look_in_parts(looker, numbers, photos_of, run.cache, key, done=told)


def _split(run: _Run, clean: Said) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Numbers of the photos to train on and of those kept out, whole scenes at a time."""
    v = run.recipe.held_out
    samples = [Sample(image=p, name=str(p), score=0.0, raw=0.0) for p in run.photos]
    scenes = group_scenes(samples, clean.embeddings, likeness=v.likeness, burst=None)
    parts = split_by_group(scenes, {"train": 1 - v.share, "held out": v.share}, seed=v.seed)
    kept = {s.name for s in parts["train"]}
    mask = np.array([s.name in kept for s in samples])
    train, held_out = np.flatnonzero(mask), np.flatnonzero(~mask)
    if len(held_out) < _FEWEST or len(train) < run.recipe.distil.batch:
        raise DataError(
            f"the photos' scenes leave {len(train)} to train on and {len(held_out)} to compare "
            f"on; at least {run.recipe.distil.batch} and {_FEWEST} are needed: bring more photos, "
            "or raise held_out.likeness"
        )
    return train, held_out


def _degraded(run: _Run, train: NDArray[np.int64]) -> NDArray[np.int64]:
    s = run.recipe.distil
    if not s.order_weight:
        return train[:0]
    drawn = np.random.default_rng([s.seed, 13])
    return np.sort(drawn.choice(train, round(s.degraded * len(train)), replace=False))


def _trained(run: _Run, lessons: Lessons, *, resume: bool) -> dict[str, NDArray[Any]]:
    """The small tower's weights, float16, trained to the end."""
    if run.recipe.distil.projection_init == "ridge" and not (
        resume and (run.out / CHECKPOINT).is_file()
    ):
        _init_projection(run, lessons)
    training = Distillation(
        run.tower, run.head, lessons, run.recipe.distil, run.preprocess, device=run.device
    )

    def told(step: int, steps: int, figures: dict[str, float]) -> None:
        run.tell(f"distilling, loss {figures['loss']:.3f}", step / steps)

    training.run(run.out, resume=resume, progress=told)
    return shipped(training.average)


def _init_projection(run: _Run, lessons: Lessons) -> None:
    photos = lessons.train
    if len(photos) > _INIT:
        drawn = np.random.default_rng([run.recipe.distil.seed, 5])
        photos = np.sort(drawn.choice(photos, _INIT, replace=False))
    embedder = Embedder(run.tower, run.preprocess, device=run.device, autocast=run.half)
    features = over_views(
        embedder.features,
        lessons.store,
        photos.tolist(),
        run.preprocess.size,
        ((0.5, 0.5),),
        done=lambda n: run.tell("features of the untrained tower", n / len(photos)),
    )
    weights, bias = ridge(features, lessons.clean.embeddings[photos], strength=1.0)
    projection = run.tower.projection
    if not isinstance(projection, torch.nn.Linear):
        raise UsageError("projection_init 'ridge' needs a tower that ends in a projection")
    start_projection(projection, weights, bias)


def _student(run: _Run, tensors: dict[str, NDArray[Any]]) -> Looker:
    """The small scorer with the float16 weights that ship, computed in float32."""
    tower = filled_tower(run.tower.kind, run.tower.config(), tensors, where="the trained tower")
    pool = run.teacher.info.view_pool
    return Looker(tower, run.preprocess, run.head, view_pool=pool, device=run.device)


def _judged(
    run: _Run, student: Looker, lessons: Lessons, held_out: NDArray[np.int64], check: Said
) -> WithTeacher:
    said, copies = [], []
    for count, number in enumerate(held_out.tolist(), start=1):
        said.append(student.look([lessons.store[number]]))
        copies.append(student.look(lessons.copies.of(number, run.preprocess)))
        run.tell("comparing with the teacher", count / len(held_out))
    info = run.teacher.info
    return judge(
        Said(embeddings=lessons.clean.embeddings[held_out], scores=lessons.clean.scores[held_out]),
        Said(
            embeddings=np.concatenate([s.embeddings for s in said]),
            scores=np.concatenate([s.scores for s in said]),
        ),
        check,
        Said(
            embeddings=np.stack([s.embeddings for s in copies]),
            scores=np.stack([s.scores for s in copies]),
        ),
        apart=info.tie_width or _APART * (info.scale.maximum - info.scale.minimum),
        bank=run.teacher.reasons(),
    )


def _written(
    run: _Run, tensors: dict[str, NDArray[Any]], trained_on: int, found: WithTeacher
) -> Bundle:
    """The bundle: the small tower, and all that the teacher reads its embedding with."""
    old, new = run.teacher.info, run.recipe.bundle
    info = BundleInfo(
        name=new.name,
        tower=TowerSpec(kind=run.tower.kind, config=run.tower.config(), weights="trained"),
        preprocess=run.preprocess,
        temperature=run.head.temperature,
        normalize=run.head.normalize,
        view_pool=old.view_pool,
        scale=old.scale,
        tie_width_note="not measured: distilling sees no opinions",
        text_encoder=old.text_encoder,
        reasons=old.reasons,
        provenance={
            "teacher": descent(run.teacher),
            "photos": sha256_bytes(_teachers_words(run).encode()),
            "trained_on": trained_on,
            "distil": to_mapping(run.recipe.distil),
            "agreement": found.plain(),
            "versions": {"torch": torch.__version__, "numpy": np.__version__},
        },
        licence=old.licence,
        notice=notices(run.teacher, made="Distilled", own=new.notice),
    )
    return write_bundle(
        run.out / BUNDLE,
        info,
        tower=tensors,
        head=run.head,
        reasons=run.teacher.reasons_tensors(),
        extra=licence_of(run.teacher),
        overwrite=True,
    )

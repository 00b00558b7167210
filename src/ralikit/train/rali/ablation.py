"""RALI's ablations (Tables 4 and A.5) as a grid: a row is a change of the recipe, tested paired.

Rows that change the fit alone share one alignment and its cached embeddings, and take seconds.
Rows that change what is aligned train a run of their own below the grid's folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ralikit.config import to_mapping
from ralikit.errors import UsageError
from ralikit.files import sha256_bytes, sha256_path, to_json
from ralikit.metrics.agreement import Agreement, Difference, agreement, paired_difference
from ralikit.model.bundle import Bundle
from ralikit.progress import Tell
from ralikit.train.rali import end_to_end, stages
from ralikit.train.rali.ablation_features import RunFeatures, features_of
from ralikit.train.rali.ablation_grid import AblationGrid, Row
from ralikit.train.rali.align_settings import align_mapping
from ralikit.train.rali.fit import fit_head
from ralikit.train.rali.recipe import RaliRecipe
from ralikit.train.rali.run import Run, open_run

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """A row's figures on every test set; differences are against the first row."""

    row: Row
    agreements: dict[str, Agreement]
    differences: dict[str, Difference]


def run_grid(
    grid: AblationGrid,
    recipe: RaliRecipe,
    out: Path,
    *,
    base: Path | None = None,
    bundle: Bundle | None = None,
    tell: Tell = lambda _what, _done: None,
) -> list[Outcome]:
    """Run every row; what is there from an earlier call is not made again.

    Args:
        grid: The rows and test sets.
        recipe: The recipe read from `grid.recipe`.
        out: Folder for the alignments; their embeddings lie in its ``cache``.
        base: A finished run of the recipe itself, whose alignment is used; None trains one.
        bundle: A bundle whose aligned tower is used in its place.
        tell: Told what is being done and how far it is.

    Raises:
        TrainingError: If a training fails or `base` is of another recipe.
        DataError: If a test set is incomplete.
        UsageError: If the bundle looks at photos in another way than the recipe.
    """
    scores: dict[str, dict[str, Floats]] = {}
    mos: dict[str, Floats] = {}
    for row in grid.rows:  # all of them, before any work
        if _moves(row, recipe) and (_given(row, bundle) is not None or not row.aligned):
            raise UsageError(
                f"row {row.name!r}: fit.tower_rate goes on training an aligned tower of the grid's "
                "own; leave out --bundle, or the row"
            )
    for row in grid.rows:
        run = _open(row, recipe, out, base, tell)
        given = _given(row, bundle)
        if row.aligned and given is None:
            stages.align(run)
        tell(f"fitting {row.name}", 0.0)
        if _moves(row, recipe):
            features, score = _moved(run, row, recipe)
        else:
            features = features_of(run, aligned=row.aligned, bundle=given)
            score = stages.regressed(run) if row.regresses else _fitted(features, row, recipe)
        scores[row.name] = {}
        for spec in grid.test:
            name, embeddings, opinions = features.test(spec)
            scores[row.name][name] = np.asarray(score(embeddings), dtype=np.float64)
            mos[name] = opinions
    first = grid.rows[0].name
    return [
        Outcome(
            row=row,
            agreements={
                name: agreement(scores[row.name][name], mos[name], resamples=grid.resamples)
                for name in mos
            },
            differences={}
            if row.name == first
            else {
                name: paired_difference(
                    scores[first][name],
                    scores[row.name][name],
                    mos[name],
                    resamples=grid.resamples,
                )
                for name in mos
            },
        )
        for row in grid.rows
    ]


def _fitted(features: RunFeatures, row: Row, recipe: RaliRecipe) -> Callable[[Any], Any]:
    """What scores embeddings, (n, D) -> (n,), by the row's fit."""
    run, settings = features.run, row.fit_settings(recipe.fit)
    photos, scale = run.fit_photos(settings), recipe.bundle.scale
    head = fit_head(
        features.train(settings),
        run.scores[photos],
        settings,
        chains=features.chains(settings),
        scale=(scale.minimum, scale.maximum),
        sets=run.sets()[photos],
    )
    return head.score


def _given(row: Row, bundle: Bundle | None) -> Bundle | None:
    """The bundle whose tower a row takes; None: it trains its own, or takes the untrained one."""
    return None if row.trains or not row.aligned else bundle


def _moves(row: Row, recipe: RaliRecipe) -> bool:
    """Whether a row's fit trains the tower too."""
    return not row.regresses and bool(row.fit_settings(recipe.fit).tower_rate)


def _moved(run: Run, row: Row, recipe: RaliRecipe) -> tuple[RunFeatures, Callable[[Any], Any]]:
    """A tower that the row's fit has trained on, and what scores its embeddings."""
    run = replace(run, recipe=replace(run.recipe, fit=row.fit_settings(recipe.fit)))
    stages.move_tower(run)
    weights, head = end_to_end.trained(run)
    tower, _ = stages.with_weights(run, weights)
    key = f"end to end {sha256_path(weights)}"
    return RunFeatures(run=run, embedder=run.embedder(tower), key=key, raw=False), head.score


def _open(row: Row, recipe: RaliRecipe, out: Path, base: Path | None, tell: Tell) -> Run:
    changed = row.recipe(recipe)
    if row.trains:
        plain = to_mapping(changed)
        parts = {k: plain[k] for k in ("data", "scales", "texts", "tower", "validation")}
        parts["align"] = align_mapping(changed.align)
        name = f"align-{sha256_bytes(to_json(parts, indent=None).encode())[:12]}"
        fits = changed.align.objective != "regression"
        return open_run(changed, out / name, fits=fits, tell=tell)
    return open_run(recipe, base or out / "base", tell=tell)


def markdown(outcomes: Sequence[Outcome], *, command: str, resamples: int) -> str:
    """The grid's table; a difference whose paired interval holds 0 is called a tie."""
    sets = list(outcomes[0].agreements)
    header = [
        "variant",
        *(f"{s}: {n}" for s in sets for n in ("PLCC (raw)", "SRCC", "against")),
        "paper, PLCC/SRCC",
    ]
    lines = [
        f"`{command}`",
        "",
        "against: difference of SRCC from the first row with its 95 % paired bootstrap interval "
        f"({resamples} resamples). The paper's averages are over seven other sets, with CLIP "
        "ViT-L/14-336 trained on KonIQ-10k: their order is comparable, their level is not.",
        "",
        "| " + " | ".join(header) + " |",
        "|" + "---|" * len(header),
    ]
    for outcome in outcomes:
        cells = [outcome.row.name]
        for name in sets:
            found = outcome.agreements[name]
            cells += [f"{found.plcc.value:.3f}", f"{found.srcc.value:.3f}"]
            cells.append(_against(outcome.differences.get(name)))
        lines.append("| " + " | ".join([*cells, outcome.row.paper]) + " |")
    photos = ", ".join(f"{s} {outcomes[0].agreements[s].count} photos" for s in sets)
    return "\n".join([*lines, "", photos, ""])


def _against(difference: Difference | None) -> str:
    if difference is None:
        return ""
    d = difference.delta
    tie = ", tie" if difference.tie else ""
    return f"{d.value:+.3f} [{d.low:+.3f}, {d.high:+.3f}]{tie}"


def figures(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """JSON-ready outcomes."""
    return [
        {
            "row": to_mapping(o.row),
            "sets": {
                name: {
                    "agreement": to_mapping(found),
                    "difference": to_mapping(o.differences[name]) | {"tie": o.differences[name].tie}
                    if name in o.differences
                    else None,
                }
                for name, found in o.agreements.items()
            },
        }
        for o in outcomes
    ]

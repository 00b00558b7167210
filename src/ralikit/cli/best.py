"""`ralikit best`: photos of one scene together, and the best of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ralikit.cli.score import AsJson, Model, Photos, Threads

if TYPE_CHECKING:
    from ralikit.best import Scene
    from ralikit.cli.output import Failure
    from ralikit.scorer import Score, Scorer


def register(app: typer.Typer) -> None:
    """Add `best` to the command line."""
    app.command()(best)


def best(
    photos: Photos,
    model: Model = None,
    threads: Threads = None,
    seconds: Annotated[
        float, typer.Option(min=0.0, help="Longest pause within a scene, by the photos' EXIF.")
    ] = 60.0,
    move_rest: Annotated[
        Path | None,
        typer.Option(
            help="Move what is surely not the best of its scene here, and write moved.csv; nothing "
            "is deleted or replaced.",
            metavar="DIR",
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Put photos of one scene together and name the best of each.

    Photos are of one scene where they look alike and were taken within a minute; without times only
    near-copies are. Where the model cannot tell two apart, it says so and both stay.
    """
    from ralikit.best import SceneRule, Shot, find_scenes
    from ralikit.cli.score import find, finish, load_scorer, score_all

    rule = SceneRule(seconds=seconds)
    found, failures = find(photos)
    scorer = load_scorer(model, threads)
    scored: list[tuple[Path, Score]] = []
    score_all(scorer, found, failures, lambda p, s: scored.append((p, s)), scenes=True)
    shots = [Shot(value=s.value, fingerprint=s.fingerprint, taken=s.taken) for _, s in scored]
    scenes = find_scenes(shots, tie_width=scorer.tie_width, rule=rule)
    moved = [] if move_rest is None else _move(scenes, [path for path, _ in scored], move_rest)
    if as_json:
        _print_json(scorer, scenes, [s for _, s in scored], moved, failures)
    else:
        _print(scorer, scenes, [s for _, s in scored], moved, move_rest)
    finish(failures)


def _print(
    scorer: Scorer,
    scenes: Sequence[Scene],
    scores: Sequence[Score],
    moved: Sequence[tuple[Path, Path]],
    target: Path | None,
) -> None:
    from ralikit.cli.output import print_line

    several = [scene for scene in scenes if len(scene.shots) > 1]
    for scene in several:
        cannot = "" if scene.sure else ", cannot tell which is the best"
        print(f"{len(scene.shots)} photos of one scene{cannot}")
        for i in sorted(scene.shots, key=lambda i: -scores[i].value):
            first = "=" if i in scene.rivals or (i == scene.best and not scene.sure) else " "
            print_line(f"  {'*' if i == scene.best and scene.sure else first} ", scores[i])
    alone = len(scenes) - len(several)
    print(f"{_count(len(several), 'scene')} of several photos, {_count(alone, 'photo')} alone")
    if any(not scene.sure for scene in several):
        width = scorer.tie_width
        told = "equal scores" if width is None else f"less than {width:.2f} below the scene's best"
        print(f"= not told apart: {told}")
    if target is not None:
        listed = target / "moved.csv"
        print(f"{_count(len(moved), 'photo')} moved to {target}, listed in {listed}")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}{'' if number == 1 else 's'}"


def _print_json(
    scorer: Scorer,
    scenes: Sequence[Scene],
    scores: Sequence[Score],
    moved: Sequence[tuple[Path, Path]],
    failures: list[Failure],
) -> None:
    from ralikit.cli.output import print_object, score_object

    print_object(
        {
            "model": scorer.name,
            "runtime": scorer.runtime.name,
            "tie_width": scorer.tie_width,
            "scenes": [
                {
                    "best": scores[scene.best].source,
                    "sure": scene.sure,
                    "rivals": [scores[i].source for i in scene.rivals],
                    "photos": [
                        {**score_object(scores[i]), "taken": scores[i].taken} for i in scene.shots
                    ],
                }
                for scene in scenes
            ],
            "moved": [{"from": str(old), "to": str(new)} for old, new in moved],
            "errors": [failure._asdict() for failure in failures],
        }
    )


def _move(scenes: Sequence[Scene], paths: Sequence[Path], target: Path) -> list[tuple[Path, Path]]:
    """Move the photos that are surely worse than their scene's best; the list is written first."""
    from ralikit.errors import RalikitError

    rest = [
        paths[i]
        for scene in scenes
        for i in scene.shots
        if i != scene.best and i not in scene.rivals
    ]
    try:
        target.mkdir(parents=True, exist_ok=True)
        plan = _free_names(rest, target)
        _write_list(plan, target / "moved.csv")
        for old, new in plan:
            _move_one(old, new)
    except OSError as error:
        raise RalikitError(
            f"cannot move photos to {target}: {error.strerror or error}; what was moved stands in "
            f"{target / 'moved.csv'}"
        ) from error
    return plan


def _free_names(photos: Sequence[Path], target: Path) -> list[tuple[Path, Path]]:
    """A name in the folder for each photo that nothing has there yet."""
    taken = {path.name for path in target.iterdir()}
    plan = []
    for photo in photos:
        name, number = photo.name, 1
        while name in taken:
            name, number = f"{photo.stem}-{number}{photo.suffix}", number + 1
        taken.add(name)
        plan.append((photo, target / name))
    return plan


def _write_list(plan: Sequence[tuple[Path, Path]], path: Path) -> None:
    import csv

    begun = path.exists()
    with path.open("a", newline="", encoding="utf-8", errors="surrogateescape") as file:
        writer: Any = csv.writer(file)
        if not begun:
            writer.writerow(["from", "to"])
        writer.writerows([str(old.absolute()), str(new.absolute())] for old, new in plan)


def _move_one(old: Path, new: Path) -> None:
    """Move a file to a name that must be free; on another disk by a whole copy first."""
    import os
    import shutil

    from ralikit.drafts import draft_folder

    try:
        os.link(old, new)  # unlike a rename it never replaces
    except OSError:
        if new.exists():
            raise
        with draft_folder(new.parent) as folder:
            shutil.copy2(old, folder / new.name)
            (folder / new.name).rename(new)
    old.unlink()

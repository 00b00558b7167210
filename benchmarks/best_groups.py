"""How often the best of a scene is the one that people prefer, on groups whose photos people rated.

    python benchmarks/best_groups.py LIST PHOTOS OUT.json [MODEL...]

LIST is a CSV with ``file,mos,scene`` (and ``in_shared``: 1 where `mini` was trained on the photo),
PHOTOS the folder that holds its files. Of every scene of two photos or more, the highest score is
held against the highest MOS, with the rule of ``ralikit best``: photos less than the tie width
below the highest are not told apart from it. Figures are printed and written.
"""

from __future__ import annotations

import csv
import json
import sys
from collections import defaultdict
from pathlib import Path

import ralikit
from ralikit.best import Shot, find_scenes

FIGURES = 192


def read_groups(path: Path) -> dict[str, list[dict[str, str]]]:
    """The scenes of two photos or more."""
    groups: dict[str, list[dict[str, str]]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            groups[row["scene"]].append(row)
    return {scene: rows for scene, rows in groups.items() if len(rows) > 1}


def judged(mos: list[float], scores: list[float], tie_width: float | None) -> dict[str, float]:
    """One scene: what was said of its best photo, and what picking at random gives.

    Returns:
        right, undecided or wrong as 0 or 1 (undecided: people's choice is among the photos not told
        apart; wrong: it is not); first: whether the highest score alone is people's choice, tie
        width or not; first_random: the chance of that for a photo picked at random; regret and
        regret_random: how much MOS either choice costs.
    """
    looks = [Shot(value=score, fingerprint=bytes(FIGURES)) for score in scores]
    (scene,) = find_scenes(looks, tie_width=tie_width)
    top = max(mos)
    named = [scene.best, *scene.rivals]
    held = any(mos[i] == top for i in named)
    return {
        "right": float(held and scene.sure),
        "undecided": float(held and not scene.sure),
        "wrong": float(not held),
        "first": float(mos[scene.best] == top),
        "first_random": sum(value == top for value in mos) / len(mos),
        "regret": top - mos[scene.best],
        "regret_random": top - sum(mos) / len(mos),
    }


def measure(
    groups: dict[str, list[dict[str, str]]], scores: dict[str, float], tie_width: float | None
) -> dict[str, float]:
    """Means over scenes."""
    rows = [
        judged(
            [float(row["mos"]) for row in group],
            [scores[row["file"]] for row in group],
            tie_width,
        )
        for group in groups.values()
    ]
    means = {key: sum(row[key] for row in rows) / len(rows) for key in rows[0]}
    return {
        "scenes": len(groups),
        "photos": sum(len(group) for group in groups.values()),
        "right_or_undecided": means["right"] + means["undecided"],
        **means,
    }


def main(labels: Path, photos: Path, out: Path, models: list[str]) -> None:
    """Score the photos with every model and write what is found."""
    groups = read_groups(labels)
    unseen = {
        scene: rows
        for scene, rows in groups.items()
        if all(row.get("in_shared") != "1" for row in rows)
    }
    found = {}
    for model in models:
        scorer = ralikit.load(model)
        names = [row["file"] for rows in groups.values() for row in rows]
        scores = {name: scorer.score(photos / name).value for name in names}
        found[scorer.name] = {
            "tie_width": scorer.tie_width,
            "all": measure(groups, scores, scorer.tie_width),
            "none_in_shared": measure(unseen, scores, scorer.tie_width),
        }
    text = json.dumps({"list": labels.name, "models": found}, indent=1)
    out.write_text(text + "\n", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main(
        Path(sys.argv[1]),
        Path(sys.argv[2]),
        Path(sys.argv[3]),
        sys.argv[4:] or ["mini", "mini-free"],
    )

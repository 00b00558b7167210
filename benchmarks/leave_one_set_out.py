"""RALI beside plain regression of the same tower on a set that neither was trained on.

    python benchmarks/leave_one_set_out.py ../data --steps 100 --seeds 0 \\
        --out results/leave-one-set-out.json

`train/mini.toml`'s recipe (EfficientNet-Lite0) is trained on two of BIQ2021, LIVE In the Wild and
AGIQA-3K and tested on the third, all three ways: once whole, once as a regression (no texts, no
basis; the tower's one output is the score) with the same photos, crops, degraded copies, rate,
length and seed. Both look at one view of a photo, the centre's. The folder has what the recipe's
lists name (docs/data.md) and the development photos `biq2021` and `agiqa3k`, which are the test of
those two ways; the third is tested on LIVE's training list, which is then not trained on.

What is trained stays in --runs (9 GB, nearly all of it decoded photos), and a call that was
stopped goes on.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from ralikit.cli.train_rali import read_recipe
from ralikit.data.metas import MetaSpec
from ralikit.files import to_json, write_text
from ralikit.train.rali import ablation
from ralikit.train.rali.ablation_grid import AblationGrid, Row
from ralikit.train.rali.labelled import read_samples

RECIPE = Path(__file__).parent.parent / "train" / "mini.toml"
ROWS = (
    Row(name="RALI"),
    Row(name="regression", align={"objective": "regression", "reason_weight": 0.0}),
)
TESTS = {
    "biq2021": MetaSpec(
        path=Path("biq2021/labels.csv"),
        root=Path("biq2021/images"),
        mos_range=(0.0, 1.0),
        split="test",
        dataset="biq2021",
    ),
    "livewild": MetaSpec(
        path=Path("lists/livewild-train.csv"),
        root=Path("photos/livewild"),
        mos_range=(0.0, 100.0),
        dataset="livewild",
    ),
    "agiqa3k": MetaSpec(
        path=Path("agiqa3k/labels.csv"),
        root=Path("agiqa3k/images"),
        mos_range=(0.0, 5.0),
        dataset="agiqa3k",
    ),
}


def fold(data: Path, left: str, seed: int, steps: int, runs: Path) -> dict[str, Any]:
    """Both rows of one set left out, as `ralikit train ablate` has them in JSON."""
    changes = [
        f"data_root={data.resolve()}",
        "use_lists=true",
        f'validation.leave_out=["{left}"]',
        "validation.share=0.0",
        f"align.seed={seed}",
        f"fit.seed={seed}",
        "fit.photos=800",
        "preprocess.anchors=[[0.5, 0.5]]",
    ]
    recipe = read_recipe(RECIPE, changes)
    count = sum(sample.dataset != left for sample in read_samples(recipe))
    epochs = steps * recipe.align.batch / count
    recipe = read_recipe(RECIPE, [*changes, f"align.epochs={epochs}"])
    grid = AblationGrid(recipe=RECIPE, test=(TESTS[left],), rows=ROWS)
    base = runs / f"{left}-{seed}"
    outcomes = ablation.run_grid(grid, recipe, runs, base=base)  # decoded photos lie there once
    return {"left_out": left, "seed": seed, "trained_on": count, "rows": ablation.figures(outcomes)}


def main() -> None:
    """Train, test, write; what is there already is not made again."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path, help="folder with lists, photos, biq2021 and agiqa3k")
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--runs", type=Path, default=Path("runs/leave-one-set-out"))
    parser.add_argument("--out", type=Path, required=True)
    words = parser.parse_args()
    command = shlex.join(["python", "benchmarks/leave_one_set_out.py", *sys.argv[1:]])
    folds = []
    for seed in words.seeds:
        for left in TESTS:
            folds.append(fold(words.data, left, seed, words.steps, words.runs))
            write_text(
                words.out, to_json({"command": command, "steps": words.steps, "folds": folds})
            )
            for row in folds[-1]["rows"]:
                srcc = row["sets"][left]["agreement"]["srcc"]
                print(
                    f"{left} left out, seed {seed}, {row['row']['name']}: SRCC {srcc['value']:.3f}"
                )


if __name__ == "__main__":
    main()

"""Does the GRPO path learn at all? A tiny random Qwen2.5-VL, warmed up, then trained, in minutes.

    python train/teacher_tiny.py --out runs/teacher_tiny --seeds 0 1 2

For each seed: make a random model, fine-tune it on made-up answers until 10 to 50 % of what it
says has the asked form, then let GRPO (Q-Insight's rewards, KL to the warmed-up model) train it.
The format reward should rise. What this shows is that sampling, parsing, rewards, advantages and
updates fit together; a model of 144 thousand parameters says nothing about image quality.

Writes teacher_format.json and teacher_format.png into --out.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from ralikit.data.metas import MetaSpec
from ralikit.data.triplets import Text, Triplet
from ralikit.errors import TrainingError
from ralikit.files import to_json, write_text
from ralikit.photo.decode import open_photo
from ralikit.photo.degrade import CLASSES, SEVERITIES, Degradation, degrade
from ralikit.train.teacher.answers import is_well_formed
from ralikit.train.teacher.engines import Asking, Question, open_engine
from ralikit.train.teacher.prompts import get_prompt
from ralikit.train.teacher.recipe import GrpoSettings, Machine, TeacherRecipe
from ralikit.train.teacher.sft import SftSettings, sft_rows, train_sft
from ralikit.train.teacher.tiny_vlm import make_tiny_vlm
from ralikit.train.teacher.train import train_teacher

PIXELS = 84 * 84
TOKENS = 14
ASKED = 96
"""Answers drawn to measure the share of well-formed ones, before and after."""


def main() -> None:
    """Run every seed and draw the curves."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=60)
    words = parser.parse_args()
    torch.set_num_threads(1)
    # TRL still uses names that transformers is about to drop.
    warnings.filterwarnings("ignore", message=".*gradient_checkpointing.*", category=FutureWarning)
    photos = make_photos(words.out / "photos")
    runs = [
        one_seed(words.out / f"seed{s}", photos, seed=s, steps=words.steps) for s in words.seeds
    ]
    facts = {
        "what": "share of well-formed answers of a tiny random Qwen2.5-VL over GRPO",
        "command": f"python train/teacher_tiny.py --seeds {' '.join(map(str, words.seeds))}"
        f" --steps {words.steps}",
        "answers_measured": ASKED,
        "runs": runs,
    }
    write_text(words.out / "teacher_format.json", to_json(facts))
    draw(runs, words.out / "teacher_format.png")
    for run in runs:
        print(f"seed {run['seed']}: {run['before']:.1%} -> {run['after']:.1%} well-formed")
    if not all(run["after"] > run["before"] for run in runs):
        raise SystemExit("the format reward did not rise with every seed")


def make_photos(folder: Path) -> Path:
    """Twenty-four made-up pictures, degraded by class and severity; the MOS falls with severity."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    lines = ["image,mos"]
    for i in range(24):
        coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
        clean = coarse.resize((84, 84), Image.Resampling.BICUBIC)
        severity = i % len(SEVERITIES)
        what = Degradation(CLASSES[i % len(CLASSES)], SEVERITIES[severity])
        degrade(clean, what, seed=0, index=i).save(folder / f"{i:02}.png")
        lines.append(f"{i:02}.png,{4.5 - 0.8 * severity:.1f}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def one_seed(out: Path, photos: Path, *, seed: int, steps: int) -> dict[str, Any]:
    """Warm up, train, and measure one seed."""
    base = out / "tiny"
    if not base.exists():
        make_tiny_vlm(base, seed=seed)
    warm, warm_steps, before = warm_up(base, photos, out, seed=seed)
    labels = MetaSpec(path=photos / "labels.csv", root=photos, mos_range=(1.0, 5.0))
    recipe = TeacherRecipe(
        method="q-insight",
        model=str(warm),
        data=(labels,),
        grpo=GrpoSettings(
            generations=8,
            images_per_step=4,
            beta=1e-3,
            learning_rate=2e-3,
            max_steps=steps,
            epochs=1000,
            max_completion_tokens=TOKENS,
            max_pixels=PIXELS,
            seed=seed,
        ),
        runtime=Machine(per_device=32, gradient_checkpointing=False, save_steps=1000),
    )
    model = train_teacher(recipe, out / "grpo", resume=True)
    lines = (out / "grpo" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    curve = [json.loads(line) for line in lines]
    return {
        "seed": seed,
        "warm_up_steps": warm_steps,
        "before": before,
        "after": well_formed(model, photos),
        "format_reward": [c["rewards/format/mean"] for c in curve if "kl" in c],
        "score_reward": [c["rewards/score/mean"] for c in curve if "kl" in c],
        "kl": [c["kl"] for c in curve if "kl" in c],
    }


def warm_up(base: Path, photos: Path, out: Path, *, seed: int) -> tuple[Path, int, float]:
    """Fine-tune on made-up answers to the first checkpoint with 10 to 50 % well-formed ones."""
    rng = np.random.default_rng(seed)
    rows = (photos / "labels.csv").read_text(encoding="utf-8").splitlines()[1:]
    triplets = []
    for row in rows:
        name, _, mos = row.partition(",")
        text = f"{rng.choice(SEVERITIES)} {rng.choice(CLASSES)}."
        said = Text(text=text, seed=seed, source="made up")
        triplets.append(Triplet(image=name, score=float(mos), texts=(said,)))
    settings = SftSettings(
        labels="score",
        images_per_step=8,
        learning_rate=1e-2,
        epochs=1000,
        max_steps=60,
        max_pixels=PIXELS,
        seed=seed,
        runtime=Machine(per_device=8, gradient_checkpointing=False, save_steps=4, keep=100),
    )
    train_sft(
        str(base), sft_rows([(triplets, photos)], settings), out / "sft", settings, resume=True
    )
    folders = sorted(
        (out / "sft" / "checkpoints").glob("checkpoint-*"),
        key=lambda p: int(p.name.rpartition("-")[2]),
    )
    for folder in folders[4:]:
        share = well_formed(folder, photos)
        if 0.10 <= share <= 0.50:
            return folder, int(folder.name.rpartition("-")[2]), share
    raise TrainingError("no checkpoint of the warm-up has 10 to 50 % well-formed answers")


def well_formed(model: Path, photos: Path) -> float:
    """Share of well-formed answers, each from its own seed, over all photos."""
    prompt = get_prompt("score")
    asking = Asking(max_tokens=TOKENS, max_pixels=PIXELS, batch=24)
    engine = open_engine(str(model), asking, device="cpu")
    files = sorted(photos.glob("*.png"))
    questions = [
        Question(open_photo(files[i % len(files)]), files[i % len(files)].name, i)
        for i in range(ASKED)
    ]
    answers = engine.answer(questions, prompt)
    return sum(is_well_formed(answer, prompt) for answer in answers) / ASKED


def draw(runs: list[dict[str, Any]], target: Path) -> None:
    """The format reward by step: dots are steps of 32 answers, lines means of ten."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 3.4), layout="constrained")
    axes = figure.subplots()
    for run, colour in zip(runs, ("#3b6ea5", "#c98b2b", "#5a8f4e", "#8b5a8f"), strict=False):
        curve = np.array(run["format_reward"])
        steps = np.arange(1, len(curve) + 1)
        axes.plot(steps, curve, ".", color=colour, alpha=0.35, markersize=4)
        means = np.convolve(curve, np.ones(10) / 10, mode="valid")
        label = f"seed {run['seed']}: {run['before']:.0%} → {run['after']:.0%}"
        axes.plot(steps[9:], means, color=colour, label=label)
    axes.set(xlabel="GRPO step", ylabel="share of well-formed answers", ylim=(0, 1.02))
    axes.set_title("A tiny random Qwen2.5-VL learns the answer's form", fontsize=10)
    axes.legend(title=f"before → after, {ASKED} answers", loc="lower right", fontsize=8)
    figure.savefig(target, dpi=150)


if __name__ == "__main__":
    main()

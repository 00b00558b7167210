"""RACT: an RL model per dataset, texts of every dataset, then SFT of one model on all of them.

Each stage reads the last one's files, so a stopped run goes on where it was:

    out/rl/NAME/model       stage 1: GRPO as Q-Insight, on the dataset NAME alone
    out/texts/NAME.*.jsonl  stage 2: its texts, written by its own RL model
    out/sft/model           stage 3: one RL model, fine-tuned on the mixed photos and texts

Scores enter through stage 1 alone: training on several datasets' scores helps in-domain and not
out of it (RACT, Table 3).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ralikit import __version__
from ralikit.config import from_mapping, to_mapping
from ralikit.data.metas import MetaSpec
from ralikit.data.triplets import described, read_triplets
from ralikit.errors import DataError, RalikitError, TrainingError, UsageError
from ralikit.files import read_json, to_json, write_text
from ralikit.progress import lines_on_stderr, tell, telling
from ralikit.train.describe.teacher import DescribeSettings, describe
from ralikit.train.teacher.engines import EngineKind, open_engine
from ralikit.train.teacher.recipe import (
    DegradationSpec,
    GrpoSettings,
    LoraSettings,
    Machine,
    RewardSettings,
    TeacherRecipe,
)
from ralikit.train.teacher.sft import SftSettings, sft_rows, train_sft
from ralikit.train.teacher.train import check_recipe, difference, train_teacher

__all__ = ["RactDataset", "RactRecipe", "run_ract", "run_stage", "stages"]

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class RactDataset:
    """One labelled set.

    Attributes:
        name: Names its files.
        meta: Where it is.
    """

    name: str
    meta: MetaSpec

    def __post_init__(self) -> None:
        if not self.name or "/" in self.name or self.name.startswith("."):
            raise UsageError(f"a dataset's name names files: {self.name!r} cannot")


@dataclass(frozen=True, kw_only=True)
class RactRecipe:
    """Everything about the three stages.

    Attributes:
        model: Folder or hub name of the Qwen2.5-VL to start from.
        datasets: Each gets an RL model and texts.
        sft_from: Name of the dataset whose RL model is fine-tuned (KonIQ in the paper).
        grpo: Stage 1.
        reward: Stage 1.
        degradation: Stage 1's second task; None trains the score alone.
        lora: Adapters in stage 1.
        runtime: This machine, in stage 1.
        describe: Stage 2.
        engine: What runs the models in stage 2.
        sft: Stage 3.
        expected: Free text: what the paper reports, and on what.
    """

    model: str
    datasets: tuple[RactDataset, ...]
    sft_from: str
    grpo: GrpoSettings
    reward: RewardSettings = field(default_factory=RewardSettings)
    degradation: DegradationSpec | None = None
    lora: LoraSettings | None = None
    runtime: Machine = field(default_factory=Machine)
    describe: DescribeSettings = field(default_factory=DescribeSettings)
    engine: EngineKind = "transformers"
    sft: SftSettings = field(default_factory=SftSettings)
    expected: str = ""

    def __post_init__(self) -> None:
        names = [d.name for d in self.datasets]
        if len(set(names)) != len(names):
            raise UsageError("two datasets have the same name")
        if self.sft_from not in names:
            raise UsageError(
                f"sft_from is {self.sft_from!r}, which is none of the datasets {', '.join(names)}"
            )

    def teacher(self, dataset: RactDataset) -> TeacherRecipe:
        """Stage 1 of a dataset."""
        return TeacherRecipe(
            method="q-insight",
            model=self.model,
            data=(dataset.meta,),
            grpo=self.grpo,
            reward=self.reward,
            degradation=self.degradation,
            lora=self.lora,
            runtime=self.runtime,
        )


def stages(recipe: RactRecipe) -> list[str]:
    """The stages in order: ``rl:NAME`` and ``texts:NAME`` of every dataset, then ``sft``."""
    each = [f"{stage}:{d.name}" for d in recipe.datasets for stage in ("rl", "texts")]
    return [*each, "sft"]


def run_ract(
    recipe: RactRecipe, out: Path, *, launch: Sequence[str] = (), say: Say = lambda text: None
) -> Path:
    """Run the three stages, or what is left of them.

    Args:
        recipe: What to do.
        out: Folder of all stages; one begun with the same recipe is continued.
        launch: Words of a launcher before ``-m``, e.g. ``("torchrun", "--nproc_per_node", "8")``;
            each stage then runs in processes of its own. Without one all run in this process.
        say: Told what begins and what is done already.

    Returns:
        The final model's folder.

    Raises:
        UsageError: If `out` was begun with another recipe.
        TrainingError: If a launched stage fails.
    """
    _begin(recipe, out)
    names = stages(recipe)
    for number, stage in enumerate(names, start=1):
        title = f"stage {number} of {len(names)}, {stage}"
        if _is_done(recipe, out, stage):
            say(f"{title}: done already")
            continue
        say(title)
        # vLLM spreads itself over the GPUs; a launcher would start it once on each.
        if launch and not (stage.startswith("texts") and recipe.engine == "vllm"):
            command = [*launch, "-m", "ralikit.train.ract", str(out), stage]
            code = subprocess.run(command, check=False).returncode  # noqa: S603
            if code:
                raise TrainingError(
                    f"{stage} ended with exit code {code}, its reason stands above; the same "
                    "command goes on from there"
                )
        else:
            run_stage(recipe, out, stage)
    return out / "sft" / "model"


def run_stage(recipe: RactRecipe, out: Path, stage: str) -> None:
    """Run one stage in this process, one of the launcher's or the only one."""
    kind, _, name = stage.partition(":")
    if kind == "sft":
        sources = [(read_triplets(_text_files(out, d.name)), d.meta.root) for d in recipe.datasets]
        rows = sft_rows(sources, recipe.sft)
        start = str(out / "rl" / recipe.sft_from / "model")
        train_sft(start, rows, out / "sft", recipe.sft, resume=True, method="ract")
        return
    dataset = next(d for d in recipe.datasets if d.name == name)
    if kind == "rl":
        train_teacher(recipe.teacher(dataset), out / "rl" / name, resume=True)
    else:
        _write_texts(recipe, dataset, out)


def _write_texts(recipe: RactRecipe, dataset: RactDataset, out: Path) -> None:
    from ralikit.train.teacher.trainer_tools import process, wait_for_all

    rank, world = process()
    # The number of processes may change between runs: what is left is dealt out anew.
    done = described(_text_files(out, dataset.name))
    wait_for_all()
    left = [s for s in dataset.meta.read() if s.name not in done][rank::world]
    unreadable: tuple[str, ...] = ()
    if left:
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if _has_gpu() else "cpu"
        engine = open_engine(
            str(out / "rl" / dataset.name / "model"),
            recipe.describe.asking,
            kind=recipe.engine,
            device=device,
        )
        own = out / "texts" / f"{dataset.name}.{rank}-of-{world}.jsonl"

        def told(done: int) -> None:
            tell(f"texts of {dataset.name}", done / len(left))

        unreadable = describe(left, engine, own, recipe.describe, progress=told).unreadable
    wait_for_all()
    if unreadable:
        raise DataError(
            f"{len(unreadable)} photos of {dataset.name} cannot be read, the first is "
            f"{unreadable[0]}; mend them or take them out of the labels"
        )


def _is_done(recipe: RactRecipe, out: Path, stage: str) -> bool:
    kind, _, name = stage.partition(":")
    if kind == "sft":
        return (out / "sft" / "model").is_dir()
    if kind == "rl":
        return (out / "rl" / name / "model").is_dir()
    dataset = next(d for d in recipe.datasets if d.name == name)
    done = described(_text_files(out, name))
    return bool(done) and all(s.name in done for s in dataset.meta.read())


def _text_files(out: Path, name: str) -> list[Path]:
    return sorted((out / "texts").glob(f"{name}.*-of-*.jsonl"))


def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


def _begin(recipe: RactRecipe, out: Path) -> None:
    """Hold the recipe against the one that began the folder, look at all it names, and write it."""
    place = out / "recipe.json"
    if place.exists() and _is_begun(out):
        changed = difference(read_json(place), {"ralikit": __version__, **to_mapping(recipe)})
        if changed:
            raise UsageError(
                f"{out} was begun with another recipe ({', '.join(changed)} differ); put the "
                "settings back, or name another --out"
            )
    for dataset in recipe.datasets:
        if not _is_done(recipe, out, f"rl:{dataset.name}"):
            check_recipe(recipe.teacher(dataset))
    # The launched stages read it; how it runs on this machine may have changed.
    write_text(place, to_json({"ralikit": __version__, **to_mapping(recipe)}))


def _is_begun(out: Path) -> bool:
    """Whether a stage has made anything that another recipe would not make."""
    made = ("rl/*/model", "rl/*/checkpoints", "rl/*/metrics.jsonl", "texts/*.jsonl")
    return any(True for pattern in made for _ in out.glob(pattern))


def _main() -> None:
    """One stage of one launched process: ``python -m ralikit.train.ract OUT STAGE``."""
    parser = argparse.ArgumentParser(prog="ralikit.train.ract")
    parser.add_argument("out", type=Path)
    parser.add_argument("stage")
    words = parser.parse_args()
    try:
        values = read_json(words.out / "recipe.json")
        values.pop("ralikit")
        recipe = from_mapping(RactRecipe, values)
        if os.environ.get("RANK", "0") == "0":
            with lines_on_stderr() as lines, telling(lines.tell):
                lines.tell(f"{words.stage}, loading the model", 0.0)
                run_stage(recipe, words.out, words.stage)
        else:
            run_stage(recipe, words.out, words.stage)
        from ralikit.train.world import leave

        leave()
    except RalikitError as error:
        print(f"ralikit: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


if __name__ == "__main__":
    _main()

"""RL2R over two processes: every rank sees the whole batch and returns its own slice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest

from ralikit.train.teacher.grpo_rewards import Rated, reward_functions, rl2r_rewards
from ralikit.train.teacher.recipe import GrpoSettings, RewardSettings, TeacherRecipe

pytest.importorskip("accelerate", reason="the extra 'teacher' is not installed")

# Three images with two answers each, of two datasets; one answer has no rating.
RATINGS: list[float | None] = [4.0, 3.0, 2.0, None, 3.5, 1.5]
BATCH: dict[str, list[Any]] = {
    "row": [7, 7, 3, 3, 5, 5],
    "mos": [5.0, 5.0, 1.0, 1.0, 2.0, 2.0],
    "dataset": ["koniq"] * 6,
    "completions": [
        f"<think>x</think><answer>{r}</answer>" if r is not None else "nothing" for r in RATINGS
    ],
}

LAUNCH = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]

WORKER = """
    import json, sys
    from pathlib import Path
    from accelerate.state import PartialState
    sys.path[:0] = {paths!r}
    from test_grpo_rewards import BATCH, recipe
    from ralikit.train.teacher.grpo_rewards import reward_functions
    from ralikit.train.world import leave

    state = PartialState(cpu=True)
    rank = state.process_index
    assert (state.num_processes, str(state.backend)) == (2, "gloo")
    half = {{key: value[3 * rank : 3 * rank + 3] for key, value in BATCH.items()}}
    fidelity = reward_functions(recipe())[0]
    Path({out!r}, f"{{rank}}.json").write_text(json.dumps(fidelity(**half)))
    leave()
"""


def recipe() -> TeacherRecipe:
    from ralikit.data.metas import MetaSpec

    return TeacherRecipe(
        method="visualquality-r1",
        model="none",
        data=(MetaSpec(path=Path("labels.csv"), root=Path()),),
        grpo=GrpoSettings(generations=2, images_per_step=3, beta=0.04),
    )


def test_two_gloo_processes_equal_one(tmp_path: Path) -> None:
    here = Path(__file__).parent
    worker = tmp_path / "worker.py"
    worker.write_text(
        textwrap.dedent(WORKER).format(out=str(tmp_path), paths=[str(here), str(here.parents[1])])
    )
    # Images split over the ranks: the second one's answers lie on both.
    subprocess.run(
        [*LAUNCH, str(worker)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        check=True,
        timeout=240,
    )
    both = [r for rank in (0, 1) for r in json.loads((tmp_path / f"{rank}.json").read_text())]
    alone = reward_functions(recipe())[0](**BATCH)
    assert both == alone
    assert both[3] == 0.0
    assert all(0.0 < r < 1.0 for i, r in enumerate(both) if r is not None and i != 3)


def test_answers_of_an_image_belong_together_wherever_they_stand() -> None:
    answers = [
        Rated(row, float("nan") if rating is None else rating, mos, "koniq")
        for row, rating, mos in zip(BATCH["row"], RATINGS, BATCH["mos"], strict=True)
    ]
    expected = rl2r_rewards(answers, RewardSettings())
    shuffled = [2, 0, 5, 3, 1, 4]
    mixed = rl2r_rewards([answers[i] for i in shuffled], RewardSettings())
    assert mixed == [expected[i] for i in shuffled]


def test_images_are_compared_in_blocks_of_their_dataset() -> None:
    ratings = [4.0, 1.0, 2.0, 5.0, 3.0, 2.0]
    mos = [5.0, 1.0, 2.0, 4.0, 1.0, 3.0]
    sets = ["a", "b", "a", "a", "b", "a"]
    answers = [Rated(i, ratings[i], mos[i], sets[i]) for i in range(6)]
    whole = rl2r_rewards(answers, RewardSettings())
    blocks = rl2r_rewards(answers, RewardSettings(), compare=2)
    # Of "a" the first two and the last two are compared, of "b" both.
    for block in ([0, 2], [3, 5], [1, 4]):
        alone = rl2r_rewards([answers[i] for i in block], RewardSettings())
        assert [blocks[i] for i in block] == alone
    assert blocks != whole
    assert rl2r_rewards(answers, RewardSettings(), compare=4) == whole


def test_form_and_fidelity_are_the_two_parts() -> None:
    functions = reward_functions(recipe())
    assert [f.__name__ for f in functions] == ["fidelity", "format"]
    assert functions[1](**BATCH, task=["score"] * 6) == [1.0, 1.0, 1.0, 0.0, 1.0, 1.0]


@pytest.mark.slow
def test_training_in_two_processes_writes_one_model(
    warm_vlm: Path, labelled: Path, tmp_path: Path
) -> None:
    from support_teacher import PIXELS, changed

    (tmp_path / "recipe.toml").write_text(
        textwrap.dedent(f"""
        method = "visualquality-r1"
        model = "{warm_vlm}"
        prompt = "score"
        [[data]]
        path = "{labelled / "labels.csv"}"
        root = "{labelled / "images"}"
        mos_range = [1.0, 5.0]
        [grpo]
        generations = 4
        images_per_step = 2
        beta = 0.04
        learning_rate = 1e-3
        max_steps = 2
        max_completion_tokens = 14
        max_pixels = {PIXELS}
        [runtime]
        per_device = 4
        processes = 2
        """)
    )
    words = ["train", "teacher", "--recipe", str(tmp_path / "recipe.toml")]
    subprocess.run(
        [*LAUNCH, "-m", "ralikit", *words, "--out", str(tmp_path / "run")],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        check=True,
        timeout=600,
    )
    assert changed(warm_vlm, tmp_path / "run" / "model")
    lines = (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2, 2]  # the last is the summary

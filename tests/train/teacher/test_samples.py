"""Samples of what a teacher in training says: which, and where they go."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from ralikit.errors import MissingExtraError

pytest.importorskip("trl", reason="the extra 'teacher' is not installed")

from ralikit.train.teacher.recipe import Machine
from ralikit.train.teacher.samples import Samples, check_reporters, pick, reporters


def _logs(count: int = 8) -> dict[str, Any]:
    """A generation of two photos, four completions each."""
    photos = [Image.new("RGB", (1024, 512), (k * 40, 0, 0)) for k in range(2)]
    return {
        "prompt": [
            [
                {"role": "system", "content": "Think."},
                {
                    "role": "user",
                    "content": [
                        {"type": "image", "image": photos[k // 4]},
                        {"type": "text", "text": "How good?"},
                    ],
                },
            ]
            for k in range(count)
        ],
        "completion": [[{"role": "assistant", "content": f"<think>{k}</think>"}] for k in range(8)],
        "rewards": {"score": [float(k) for k in range(8)], "degradation": [None] * 8},
        "advantages": [k / 10 for k in range(8)],
    }


def test_samples_are_spread_over_the_prompts_with_their_own_rewards() -> None:
    found = pick(_logs())
    assert [s.completion for s in found] == [f"<think>{k}</think>" for k in (0, 2, 4, 6)]
    assert [s.rewards for s in found] == [{"score": float(k)} for k in (0, 2, 4, 6)]
    assert [s.advantage for s in found] == [0.0, 0.2, 0.4, 0.6]
    assert found[0].question == "Think.\nHow good?"
    reds = [s.photo.getpixel((0, 0))[0] for s in found if s.photo]  # type: ignore[index]
    assert reds == [0, 0, 40, 40]
    assert found[0].photo is not None
    assert found[0].photo.size == (512, 256)


def _train(folder: Path, runtime: Machine, steps: int, first: bool = True) -> None:
    samples = Samples(folder, runtime, _logs)
    for step in range(1, steps + 1):
        state = SimpleNamespace(global_step=step, is_world_process_zero=first)
        samples.on_log(None, state, None, logs={"loss": 1.0})
    samples.on_log(None, state, None, logs={"train_runtime": 3.0})  # the end of training logs too


def test_they_are_written_at_the_first_step_and_as_often_as_asked(tmp_path: Path) -> None:
    _train(tmp_path, Machine(samples_every=3), 6)
    lines = [json.loads(x) for x in (tmp_path / "samples.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [1] * 4 + [3] * 4 + [6] * 4
    assert lines[1]["rewards"] == {"score": 2.0}
    _train(tmp_path / "absent", Machine(samples_every=3), 3, first=False)
    assert not (tmp_path / "absent").exists()


def test_they_go_to_tensorboard_with_their_photos(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="the extra tensorboard is not installed")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _train(tmp_path, Machine(samples_every=100, tensorboard=True), 1)
    board = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(board.Tags()["images"]) == {f"samples/{k}" for k in range(4)}
    (shown,) = board.Images("samples/0")
    assert (shown.step, shown.width, shown.height) == (1, 512, 256)
    (text,) = board.Tensors("samples/3/text_summary")
    assert b"<think>6</think>" in text.tensor_proto.string_val[0]


def test_they_go_to_wandb_as_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(MissingExtraError, match=r"ralikit\[wandb\]"):
        check_reporters(Machine(wandb=True))
    logged: list[Any] = []

    class Table:
        def __init__(self, columns: list[str]) -> None:
            self.columns, self.rows = columns, []  # type: ignore[var-annotated]

        def add_data(self, *row: Any) -> None:
            self.rows.append(row)

    stand_in = ModuleType("wandb")
    stand_in.Table, stand_in.Image, stand_in.log = Table, lambda x: x.size, logged.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "wandb", stand_in)
    assert reporters(Machine(wandb=True)) == ["wandb"]
    _train(tmp_path, Machine(samples_every=100, wandb=True), 1)
    (told,) = logged
    assert told["train/global_step"] == 1
    assert told["samples"].columns[-1] == "score"
    first = (1, (512, 256), "Think.\nHow good?", "<think>2</think>", 0.2, 2.0)
    assert told["samples"].rows[1] == first

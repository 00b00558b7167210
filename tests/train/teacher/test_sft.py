"""SFT trains what it says and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from support_teacher import changed, rows, sft_settings

from ralikit.config import from_mapping
from ralikit.data.triplets import Triplet
from ralikit.errors import DataError, UsageError
from ralikit.train.teacher.prompts import SYSTEM, get_prompt
from ralikit.train.teacher.sft import SftSettings, sft_rows, train_sft

pytest.importorskip("trl", reason="the extra 'teacher' is not installed")

pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")


def test_vision_encoder_alone_changes_exactly_the_visual_tensors(
    tiny_vlm: Path, labelled: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    settings = sft_settings(part="vision", learning_rate=1e-3, max_steps=2)
    model = train_sft(str(tiny_vlm), rows(labelled, settings), tmp_path / "run", settings)
    names = load_file(model / "model.safetensors").keys()
    assert changed(tiny_vlm, model) == {n for n in names if n.startswith("visual.")}


def test_labels_say_what_is_asked_and_answered(labelled: Path) -> None:
    text = rows(labelled, sft_settings(labels="text"))
    assert len(text) == 12
    assert text[0]["prompt"] == get_prompt("description").messages()
    assert text[0]["completion"] == [{"role": "assistant", "content": "slight noise."}]
    both = rows(labelled, sft_settings(labels="text+score"))
    assert both[::2] == text
    assert both[1]["prompt"][0]["content"] == SYSTEM
    answer = '<think>slight noise.</think><answer>{"rating": 1.2}</answer>'
    assert both[1]["completion"][0]["content"] == answer
    assert rows(labelled, sft_settings(labels="score")) == both[1::2]


def test_sft_needs_texts_and_photos(tmp_path: Path) -> None:
    nothing = Triplet(image="a.png", score=3.0, texts=())
    with pytest.raises(DataError, match=r"the photo .*a\.png of the triplets is missing"):
        sft_rows([([nothing], tmp_path)], SftSettings())
    (tmp_path / "a.png").touch()
    with pytest.raises(DataError, match="hold no texts"):
        sft_rows([([nothing], tmp_path)], SftSettings())
    with pytest.raises(UsageError, match=r"set lora\.parts to 'vision' too"):
        from_mapping(SftSettings, {"part": "vision", "lora": {"parts": "language"}})

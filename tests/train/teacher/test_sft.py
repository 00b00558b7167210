"""SFT trains what it says and nothing else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support_teacher import PIXELS, SCORES, changed, rows, sft_settings

from ralikit.config import from_mapping
from ralikit.data.triplets import Text, Triplet, write_triplets
from ralikit.errors import DataError, UsageError
from ralikit.train.teacher.answers import is_well_formed, read_rating
from ralikit.train.teacher.prompts import SYSTEM, get_prompt
from ralikit.train.teacher.sft import SftRecipe, SftSettings, run_sft, sft_rows, train_sft
from ralikit.train.teacher.vlm import taught_prompt

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


def _recipe(labelled: Path, model: str, **more: Any) -> dict[str, Any]:
    data = {"path": labelled / "labels.csv", "root": labelled / "images", "mos_range": [1.0, 5.0]}
    runtime = {"per_device": 2, "gradient_checkpointing": False}
    sft = {"labels": "rating", "images_per_step": 2, "max_steps": 1, "max_pixels": PIXELS}
    return {"model": model, "data": [data], "sft": {**sft, "runtime": runtime}, **more}


def test_ratings_alone_are_asked_for_and_answered_without_reasoning(labelled: Path) -> None:
    recipe = from_mapping(SftRecipe, _recipe(labelled, "none"))
    made = recipe.rows()
    prompt = get_prompt("score-direct")
    assert [row["prompt"] for row in made] == [prompt.messages()] * 6
    answers = [row["completion"][0]["content"] for row in made]
    assert answers[0] == '<answer>{"rating": 1.2}</answer>'
    assert [read_rating(answer, prompt) for answer in answers] == list(SCORES)
    assert all(is_well_formed(answer, prompt) for answer in answers)
    assert not is_well_formed(f"<think>no</think>{answers[0]}", prompt)


def test_the_command_trains_and_the_card_says_how_to_ask(
    tiny_vlm: Path, labelled: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    model = run_sft(from_mapping(SftRecipe, _recipe(labelled, str(tiny_vlm))), out)
    assert taught_prompt(str(model)) == "score-direct"
    assert changed(tiny_vlm, model)
    path = tmp_path / "texts.jsonl"
    text = Text(text="slight noise.", seed=0, source="test")
    write_triplets(path, [Triplet(image=f"p{i}.png", score=2.0, texts=(text,)) for i in range(6)])
    values = _recipe(labelled, str(tiny_vlm), data=[], texts=[{"path": path, "root": "images"}])
    values["texts"][0]["root"] = labelled / "images"
    values["sft"]["labels"] = "text"
    told = from_mapping(SftRecipe, values)
    assert [row["completion"][0]["content"] for row in told.rows()] == ["slight noise."] * 6


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"data": []}, "labels 'rating' are those of"),
        ({"texts": [{"path": "a", "root": "b"}]}, "labels 'rating' are those of"),
        ({"sft": {"labels": "text"}}, "labels 'text' are those of"),
        ({"sft": {"labels": "text"}, "data": []}, "labels 'text' are those of"),
    ],
)
def test_labels_and_files_that_do_not_go_together(
    labelled: Path, changes: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        from_mapping(SftRecipe, {**_recipe(labelled, "none"), **changes})


def test_what_a_recipe_names_is_looked_at_before_anything_is_written(
    labelled: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with pytest.raises(UsageError, match="there is no model folder"):
        run_sft(from_mapping(SftRecipe, _recipe(labelled, str(tmp_path / "none"))), out)
    far = {"path": labelled / "labels.csv", "root": tmp_path, "mos_range": [1.0, 5.0]}
    with pytest.raises(DataError, match="6 of 6 images are missing"):
        run_sft(from_mapping(SftRecipe, _recipe(labelled, "a/b", data=[far])), out)
    assert not out.exists()

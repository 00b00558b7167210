"""Loading teachers: what is missing is a sentence; folders keep the published layout."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ralikit.errors import DataError, UsageError
from ralikit.train.teacher.vlm import (
    MAX_PIXELS,
    load_processor,
    load_vlm,
    resolve_model,
    taught_pixels,
    taught_prompt,
    write_card,
)


def copy(model: Path, target: Path, *, without: str) -> str:
    shutil.copytree(model, target)
    (target / without).unlink()
    return str(target)


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("preprocessor_config.json", r"has no preprocessor_config\.json \(the settings of its im"),
        ("tokenizer_config.json", r"has no tokenizer_config\.json \(its tokenizer\)"),
        ("config.json", r"has no config\.json"),
        ("model.safetensors", "cannot load the model .*: "),
        ("chat_template.jinja", "has no chat template"),
    ],
)
def test_incomplete_folder_is_a_sentence(
    tiny_vlm: Path, tmp_path: Path, missing: str, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        load_vlm(copy(tiny_vlm, tmp_path / "m", without=missing), device="cpu")
    assert "\n" not in str(caught.value)


def test_other_kind_of_model_is_refused(tiny_vlm: Path, tmp_path: Path) -> None:
    other = Path(copy(tiny_vlm, tmp_path / "m", without="config.json"))
    (other / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(DataError, match="is a bert; a Qwen2"):
        load_vlm(str(other), device="cpu")


@pytest.mark.parametrize("name", ["nowhere", "/no/such/folder", "./none", "a//b", ""])
def test_name_that_is_nothing_is_a_sentence(name: str) -> None:
    with pytest.raises(UsageError, match="there is no model folder"):
        resolve_model(name)


def test_hub_names_pass() -> None:
    assert resolve_model("Qwen/Qwen2.5-VL-7B-Instruct") == "Qwen/Qwen2.5-VL-7B-Instruct"


def test_photo_costs_no_more_tokens_than_allowed(tiny_vlm: Path) -> None:
    from PIL import Image

    from ralikit.train.teacher.prompts import get_prompt

    processor = load_processor(str(tiny_vlm), max_pixels=12 * 28 * 28)
    image = Image.new("RGB", (640, 480))
    inputs = processor.apply_chat_template(
        [get_prompt("score").messages_with(image)],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    tokens = int((inputs["input_ids"] == processor.image_token_id).sum())
    assert tokens == 12  # 4 x 3 of them
    assert inputs["pixel_values"].shape[0] == 4 * tokens
    with pytest.raises(UsageError, match="max_pixels must be at least"):
        load_processor(str(tiny_vlm), max_pixels=100)


def test_folder_keeps_the_published_layout(tiny_vlm: Path) -> None:
    settings = json.loads((tiny_vlm / "preprocessor_config.json").read_text())
    assert settings["image_processor_type"] == "Qwen2VLImageProcessor"
    assert not (tiny_vlm / "processor_config.json").exists()
    assert (tiny_vlm / "chat_template.jinja").is_file()


def test_card_of_another_make_is_refused(tiny_vlm: Path, tmp_path: Path) -> None:
    assert taught_prompt(str(tiny_vlm)) is None
    (tmp_path / "ralikit-teacher.json").write_text('{"prompt": "sing"}')
    with pytest.raises(DataError, match="names the prompt 'sing'"):
        taught_prompt(str(tmp_path))
    for pixels in ('"many"', "true", "10"):
        (tmp_path / "ralikit-teacher.json").write_text(f'{{"max_pixels": {pixels}}}')
        with pytest.raises(DataError, match="max_pixels is a number of at least"):
            taught_pixels(str(tmp_path))


def test_a_card_says_prompt_and_pixels(tmp_path: Path) -> None:
    write_card(tmp_path, prompt="score-released", base="b", method="q-insight", max_pixels=5000)
    assert taught_prompt(str(tmp_path)) == "score-released"
    assert taught_pixels(str(tmp_path)) == 5000


def test_published_weights_need_no_card() -> None:
    assert taught_prompt("ByteDance/Q-Insight/score_degradation") == "score-released"
    assert taught_pixels("TianheWu/VisualQuality-R1-7B") == 12_845_056
    assert taught_pixels("Qwen/Qwen2.5-VL-7B-Instruct") == MAX_PIXELS

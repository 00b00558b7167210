"""Attention share: the right tokens are counted, and the two shares are of one whole."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support_teacher import PIXELS
from typer.testing import CliRunner

from ralikit.analyze.attention import _places, attention_share, plot_shares
from ralikit.cli import app
from ralikit.errors import DataError, PhotoError
from ralikit.photo.decode import open_photo
from ralikit.train.teacher.prompts import get_prompt
from ralikit.train.teacher.vlm import load_vlm

ANSWER = '<think>slight noise, serious blur.</think><answer>{"rating": 3.75}</answer>'


@pytest.fixture(scope="module")
def vlm(tiny_vlm: Path) -> Any:
    return load_vlm(str(tiny_vlm), device="cpu", max_pixels=PIXELS, attention="eager")


def test_tokens_of_reasoning_and_score_are_found() -> None:
    # One token a character: places are indices into the text.
    spans = [[i, i + 1] for i in range(len(ANSWER))]
    reasoning, score = _places(ANSWER, spans)
    text = "".join(ANSWER[i] for i in reasoning)
    assert text == "slight noise, serious blur."
    assert ANSWER[score:].startswith("3.75")
    number = "<think>4 of 5 stars</think> <answer> 2.5 </answer>"
    assert number[_places(number, [[i, i + 1] for i in range(len(number))])[1] :][:3] == "2.5"


def test_token_over_a_tags_edge_is_the_tags() -> None:
    text = "<think>ab cd</think><answer>3</answer>"
    spans = [[0, 7], [7, 9], [9, 14], [14, 28], [28, 29], [29, 38]]
    assert _places(text, spans) == ([1], 4)


def test_share_equals_the_models_own_attention(vlm: Any, labelled: Path) -> None:
    import torch

    image = open_photo(labelled / "images" / "p1.png")
    prompt = get_prompt("score")
    share = attention_share(vlm, image, ANSWER, prompt, name="p1.png")
    assert share.text + share.visual == pytest.approx(1.0)
    assert share.rating == 3.75
    assert len(share.layers) == 2
    assert 0.0 < share.other < 1.0

    whole = vlm.processor.apply_chat_template(
        [[*prompt.messages_with(image), {"role": "assistant", "content": ANSWER}]],
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    with torch.no_grad():
        output = vlm.model(**whole, output_attentions=True, use_cache=False)
    ids = whole["input_ids"][0].tolist()
    tokens = [vlm.processor.tokenizer.decode([i]) for i in ids]
    start = tokens.index("<think>", len(tokens) - 30)  # the prompt speaks of the tag as well
    end = next(i for i in range(start, len(tokens)) if "</think>" in tokens[i])
    score = max(i for i, t in enumerate(tokens) if t.startswith("3.7"))
    rows = torch.stack([a[0, :, score].mean(dim=0) for a in output.attentions])
    visual = rows[:, [i for i, t in enumerate(ids) if t == vlm.processor.image_token_id]].sum(1)
    text = rows[:, start + 1 : end].sum(1)  # ".</think>" reaches over the edge: the tag's
    assert share.text == pytest.approx(float(text.mean() / (text.mean() + visual.mean())), abs=1e-5)
    assert share.layers == pytest.approx((text / (text + visual)).tolist(), abs=1e-5)


def test_answer_without_reasoning_is_a_sentence(vlm: Any, labelled: Path) -> None:
    image = open_photo(labelled / "images" / "p1.png")
    with pytest.raises(PhotoError, match=r"p1\.png: the answer cannot be looked into: <think>"):
        attention_share(vlm, image, "3.5", get_prompt("score"), name="p1.png")


def test_fused_attention_is_refused(tiny_vlm: Path, labelled: Path) -> None:
    fused = load_vlm(str(tiny_vlm), device="cpu", max_pixels=PIXELS, attention="sdpa")
    image = open_photo(labelled / "images" / "p1.png")
    with pytest.raises(DataError, match="eager attention alone"):
        attention_share(fused, image, ANSWER, get_prompt("score"))


def test_plot_is_a_png(vlm: Any, labelled: Path, tmp_path: Path) -> None:
    image = open_photo(labelled / "images" / "p1.png")
    share = attention_share(vlm, image, ANSWER, get_prompt("score"))
    plot_shares([share, share], tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")


def test_command_tells_photos_it_cannot_look_into(tiny_vlm: Path, labelled: Path) -> None:
    words = ["analyze", "attention", str(tiny_vlm), str(labelled / "images" / "p1.png")]
    words += ["--device", "cpu", "--max-tokens", "4", "--max-pixels", str(PIXELS)]
    result = CliRunner().invoke(app, words)
    assert "p1.png: the answer cannot be looked into" in result.output
    assert "none of the 1 photos" in str(result.exception)


def test_command_measures(warm_vlm: Path, labelled: Path, tmp_path: Path) -> None:
    words = ["analyze", "attention", str(warm_vlm), str(labelled / "images")]
    words += ["--device", "cpu", "--max-tokens", "14", "--max-pixels", str(PIXELS), "--json"]
    result = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "a.png")])
    if result.exit_code:  # the greedy answer of so small a model need not parse
        assert "none of the 6 photos" in str(result.exception)
        pytest.skip("no answer of the warmed-up model parses")
    facts = json.loads(result.stdout)
    assert facts["text"] + facts["visual"] == pytest.approx(1.0)
    assert (tmp_path / "a.png").exists()

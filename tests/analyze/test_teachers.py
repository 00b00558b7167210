"""The spread of a teacher's ratings, teachers of two halves, and what passes between the halves."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support_teacher import PIXELS
from typer.testing import CliRunner

from ralikit.analyze.spread import rating_spreads
from ralikit.analyze.teacher_parts import swap_parts, visual_tokens
from ralikit.cli import app
from ralikit.data.triplets import Text, Triplet, write_triplets
from ralikit.errors import UsageError
from ralikit.photo.decode import open_photo
from ralikit.train.teacher.prompts import get_prompt
from ralikit.train.teacher.tiny_vlm import make_tiny_vlm
from ralikit.train.teacher.vlm import load_vlm, taught_prompt

RATINGS = {"p0.png": (2.0, 3.0, 4.0), "p1.png": (3.0, 3.0, 3.5), "p2.png": (1.0, None, None)}


class _Engine:
    """Says what stands above; None is an answer without a rating."""

    name = "told"
    unit = "cpu"

    def answer(self, questions: list[Any], _prompt: Any) -> list[str]:
        said = [RATINGS[q.name][q.seed] for q in questions]
        form = '<think>so.</think><answer>{{"rating": {}}}</answer>'
        return [form.format(f"{s:.2f}") if s is not None else "no" for s in said]


def test_the_spread_is_of_the_unbiased_variance_and_leaves_out_what_has_none(
    labelled: Path,
) -> None:
    photos = [labelled / "images" / name for name in RATINGS]
    first, second = rating_spreads(_Engine(), photos, get_prompt("score"), count=3)  # type: ignore[arg-type]
    assert (first.photo, first.mean, first.std) == ("p0.png", 3.0, 1.0)
    assert second.std == pytest.approx(np.sqrt((2 * (1 / 6) ** 2 + (1 / 3) ** 2) / 2))
    with pytest.raises(UsageError, match="at least 2 answers"):
        rating_spreads(_Engine(), photos, get_prompt("score"), count=1)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="asks for no rating"):
        rating_spreads(_Engine(), photos, get_prompt("degradation"), count=2)  # type: ignore[arg-type]


def test_spreads_of_two_teachers_are_drawn(
    labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ralikit.train.teacher.engines.open_engine", lambda *_a, **_k: _Engine())
    words = ["analyze", "spread", *(str(labelled / "images" / n) for n in RATINGS)]
    words += ["--model", "one", "--model", "two", "--answers", "3", "--out"]
    done = CliRunner().invoke(app, [*words, str(tmp_path / "s.png")])
    assert done.exit_code == 0, done.output
    assert "one: mean standard deviation 0.644 over 2 photos" in done.output
    assert "two: 1 of 3 photos left out" in done.output
    with Image.open(tmp_path / "s.png") as drawn:
        assert drawn.size[0] > 400
    told = CliRunner().invoke(app, [*words, str(tmp_path / "s.png"), "--json"])
    assert json.loads(told.stdout)["two"][0]["ratings"] == [2.0, 3.0, 4.0]


def test_a_swapped_teacher_sees_by_one_and_speaks_by_the_other(
    tiny_vlm: Path, labelled: Path, tmp_path: Path
) -> None:
    from safetensors.torch import load_file

    other = make_tiny_vlm(tmp_path / "other", seed=9)
    out = swap_parts(str(other), str(tiny_vlm), tmp_path / "swapped")
    mixed, seeing, speaking = (
        load_file(folder / "model.safetensors") for folder in (out, other, tiny_vlm)
    )
    own = [n for n in mixed if "visual." in n]
    assert own
    assert len(own) < len(mixed)
    for name, tensor in mixed.items():
        assert bool((tensor == (seeing if name in own else speaking)[name]).all()), name
    assert taught_prompt(str(out)) == "score"
    photos = [labelled / "images" / f"p{i}.png" for i in range(2)]
    tokens = {
        folder: visual_tokens(load_vlm(str(folder), device="cpu", max_pixels=PIXELS), photos)
        for folder in (out, other, tiny_vlm)
    }
    np.testing.assert_allclose(tokens[out], tokens[other], atol=1e-6)
    assert np.abs(tokens[out] - tokens[tiny_vlm]).max() > 1e-3
    with pytest.raises(UsageError, match="is there already"):
        swap_parts(str(other), str(tiny_vlm), out)


def test_visual_tokens_are_those_that_the_language_model_gets(
    tiny_vlm: Path, labelled: Path
) -> None:
    vlm = load_vlm(str(tiny_vlm), device="cpu", max_pixels=PIXELS)
    photo, seen = labelled / "images" / "p1.png", {}

    def keep(_m: Any, _a: Any, words: dict[str, Any]) -> None:
        seen["embeds"] = words["inputs_embeds"]

    hook = vlm.model.model.language_model.register_forward_pre_hook(keep, with_kwargs=True)
    inputs = vlm.processor.apply_chat_template(
        [get_prompt("score").messages_with(open_photo(photo))],
        add_generation_prompt=True,
        tokenize=True,
        return_dict=True,
        return_tensors="pt",
    )
    vlm.model(**inputs)
    hook.remove()
    pictures = inputs["input_ids"][0] == vlm.processor.image_token_id
    wanted = seen["embeds"][0][pictures].detach().numpy().mean(axis=0)
    np.testing.assert_allclose(visual_tokens(vlm, [photo])[0], wanted, atol=1e-5)


def test_figure_4_takes_a_teacher(
    tiny_vlm: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    encoder = SimpleNamespace(name="x", dim=4, limit=99, count=len, encode=None)
    encoder.encode = lambda texts: rng.normal(size=(len(texts), 4)).astype(np.float32)
    monkeypatch.setattr("ralikit.train.rali.text_encoders.open_text_encoder", lambda _n: encoder)
    words = ["analyze", "tsne"]
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        rows = []
        for k in range(8):
            pixels = rng.integers(0, 256, (56, 56, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / f"{k}.png")
            text = Text(text="slight noise", seed=0, source="x")
            rows.append(Triplet(image=f"{k}.png", score=1 + k / 2, texts=(text,), dataset=name))
        write_triplets(tmp_path / f"{name}.jsonl", rows)
        words += [str(tmp_path / f"{name}.jsonl"), "--root", str(tmp_path / name)]
    out = tmp_path / "figure4.png"
    done = CliRunner().invoke(app, [*words, "--model", str(tiny_vlm), "--out", str(out)])
    assert done.exit_code == 0, (done.output, done.exception)
    assert "mixing of the two sets" in done.output
    with Image.open(out) as drawn:
        assert drawn.size[0] > 800

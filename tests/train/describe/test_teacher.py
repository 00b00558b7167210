"""Describing: killed and resumed with nothing lost or doubled, the same seed the same text."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from support_teacher import PIXELS
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.data.metas import Sample, read_meta
from ralikit.data.triplets import read_triplets
from ralikit.errors import DataError, UsageError
from ralikit.train.describe.teacher import DescribeSettings, describe, settings_path
from ralikit.train.teacher.engines import Asking, Question
from ralikit.train.teacher.prompts import Prompt, get_prompt


class Told:
    """A teacher whose answer is a function of photo and seed; some do not parse."""

    name = "told"
    unit = "cpu"

    def __init__(self, *, fails: Sequence[int] = ()) -> None:
        self.fails = fails
        self.asked: list[tuple[str, int]] = []

    def answer(self, questions: Sequence[Question], prompt: Prompt) -> list[str]:
        self.asked += [(r.name, r.seed) for r in questions]
        return [
            "<think>endless"
            if r.seed in self.fails
            else f'<think>{r.name} seen {r.seed}.</think><answer>{{"rating": 2.5}}</answer>'
            for r in questions
        ]


@pytest.fixture
def samples(tmp_path: Path) -> list[Sample]:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(7):
        Image.new("RGB", (20, 20), (30 * i, 0, 0)).save(folder / f"{i}.png")
    return [
        Sample(image=folder / f"{i}.png", name=f"{i}.png", score=1 + i / 2, raw=i, dataset="set")
        for i in range(7)
    ]


def test_texts_carry_seed_source_and_rating(samples: list[Sample], tmp_path: Path) -> None:
    out = tmp_path / "t.jsonl"
    report = describe(samples, Told(), out, DescribeSettings(texts=2, seed=5))
    assert (report.photos, report.texts, report.rejected) == (7, 14, 0)
    first = read_triplets(out)[0]
    assert (first.image, first.score, first.dataset) == ("0.png", 1.0, "set")
    assert [t.text for t in first.texts] == ["0.png seen 5.", "0.png seen 6."]
    assert [t.seed for t in first.texts] == [5, 6]
    assert {t.source for t in first.texts} == {"teacher:told"}
    assert first.texts[0].rating == 2.5


def test_unusable_answers_are_asked_again_then_rejected(
    samples: list[Sample], tmp_path: Path
) -> None:
    # Two texts, two retries: seeds 0 and 1, then 2 and 3, then 4 and 5.
    engine = Told(fails=[0, 1, 3, 5])
    report = describe(
        samples[:1], engine, tmp_path / "t.jsonl", DescribeSettings(texts=2, retries=2)
    )
    assert [seed for _, seed in engine.asked] == [0, 1, 2, 3, 5]
    assert (report.texts, report.rejected) == (1, 1)
    triplet = read_triplets(tmp_path / "t.jsonl")[0]
    assert [t.seed for t in triplet.texts] == [2]
    (rejected,) = triplet.rejected
    assert (rejected.seed, rejected.answer) == (5, "<think>endless")
    assert "</think> stands 0 times" in rejected.reason


def test_photo_with_no_usable_answer_is_recorded_once(
    samples: list[Sample], tmp_path: Path
) -> None:
    out, settings = tmp_path / "t.jsonl", DescribeSettings(texts=1, retries=1)
    describe(samples[:1], Told(fails=[0, 1]), out, settings)
    assert read_triplets(out) == []
    engine = Told()
    assert describe(samples[:1], engine, out, settings).already == 1
    assert engine.asked == []


def test_shards_together_are_the_whole(samples: list[Sample], tmp_path: Path) -> None:
    settings = DescribeSettings(texts=1)
    whole = describe(samples, Told(), tmp_path / "all.jsonl", settings)
    parts = [tmp_path / f"{i}.jsonl" for i in range(3)]
    for i, part in enumerate(parts):
        describe(samples, Told(), part, settings, shard=(i, 3))
    together = sorted(read_triplets(parts), key=lambda t: t.image)
    assert together == read_triplets(tmp_path / "all.jsonl")
    assert whole.photos == len(together)


def test_other_settings_do_not_continue_a_file(samples: list[Sample], tmp_path: Path) -> None:
    out = tmp_path / "t.jsonl"
    describe(samples[:2], Told(), out, DescribeSettings(texts=1))
    assert json.loads(settings_path(out).read_text())["teacher"] == "told"
    with pytest.raises(UsageError, match="was begun with another seed, texts; use the settings"):
        describe(samples, Told(), out, DescribeSettings(texts=2, seed=1))
    batch = DescribeSettings(texts=1, asking=Asking(batch=3))
    assert describe(samples, Told(), out, batch).photos == 5  # how many at a time may change


def test_texts_of_another_writer_are_not_continued(samples: list[Sample], tmp_path: Path) -> None:
    out = tmp_path / "t.jsonl"
    describe(samples[:2], Told(), out, DescribeSettings(texts=1))
    settings_path(out).unlink()
    with pytest.raises(UsageError, match="holds texts that something else wrote"):
        describe(samples, Told(), out, DescribeSettings(texts=1))


def test_missing_photo_stops_before_any_work(samples: list[Sample], tmp_path: Path) -> None:
    samples[3].image.unlink()
    engine = Told()
    with pytest.raises(DataError, match=r"1 of 7 images are missing, the first is .*3\.png"):
        describe(samples, engine, tmp_path / "t.jsonl", DescribeSettings())
    assert engine.asked == []


def test_unreadable_photo_is_left_for_the_next_run(samples: list[Sample], tmp_path: Path) -> None:
    good = samples[3].image.read_bytes()
    samples[3].image.write_bytes(b"no picture")
    out, settings = tmp_path / "t.jsonl", DescribeSettings(texts=1)
    report = describe(samples, Told(), out, settings)
    assert report.unreadable == ("3.png",)
    assert "3.png" not in {t.image for t in read_triplets(out, keep_empty=True)}
    samples[3].image.write_bytes(good)
    assert describe(samples, Told(), out, settings).photos == 1


def test_direct_prompt_is_refused() -> None:
    with pytest.raises(UsageError, match="gives no reasoning text"):
        DescribeSettings(prompt="visualquality-direct")
    with pytest.raises(UsageError, match="gives no reasoning text"):
        DescribeSettings(prompt="degradation")


WORKER = """
    import sys, time
    from pathlib import Path
    sys.path.insert(0, {tests!r})
    from ralikit.data.metas import read_meta
    from ralikit.train.describe.teacher import DescribeSettings, describe
    from ralikit.train.teacher.engines import Asking
    from test_teacher import Told

    class Slow(Told):
        def answer(self, questions, prompt):
            time.sleep(0.06)  # a run long enough for three kills, however late they come
            return super().answer(questions, prompt)

    samples = read_meta(Path({labels!r}), Path({root!r}), mos_range=(1.0, 5.0))
    settings = DescribeSettings(texts=2, asking=Asking(batch=2))
    print("ready", flush=True)
    describe(samples, Slow(fails=[1]), Path({out!r}), settings)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL on this system")
def test_killed_and_resumed_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    lines = ["image,mos"]
    for i in range(60):
        Image.new("RGB", (8, 8), (4 * i, 0, 0)).save(photos / f"{i:02}.png")
        lines.append(f"{i:02}.png,{1 + i / 20}")
    (tmp_path / "labels.csv").write_text("\n".join(lines))
    out = tmp_path / "t.jsonl"
    code = textwrap.dedent(WORKER).format(
        tests=str(Path(__file__).parent),
        labels=str(tmp_path / "labels.csv"),
        root=str(photos),
        out=str(out),
    )
    path = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
    environment = {**os.environ, "PYTHONPATH": path}
    seen = [0]
    for kill in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", code], stdout=subprocess.PIPE, env=environment
        ) as worker:
            assert worker.stdout is not None
            assert worker.stdout.readline() == b"ready\n"
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and (
                not out.exists() or out.read_bytes().count(b"\n") < seen[-1] + 5
            ):
                time.sleep(0.005)
            worker.send_signal(signal.SIGKILL)
            assert worker.wait() == -signal.SIGKILL
        seen.append(out.read_bytes().count(b"\n"))
        assert seen[-2] < seen[-1] < 60, f"kill {kill + 1} did not fall into the run"
    with out.open("ab") as stream:
        stream.write(b'{"image": "torn by the la')
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, timeout=120)

    samples = read_meta(tmp_path / "labels.csv", photos, mos_range=(1.0, 5.0))
    settings = DescribeSettings(texts=2, asking=Asking(batch=2))
    describe(samples, Told(fails=[1]), tmp_path / "straight.jsonl", settings)
    assert out.read_bytes() == (tmp_path / "straight.jsonl").read_bytes()


def test_same_seed_same_text_in_any_company(warm_vlm: Path, labelled: Path) -> None:
    from ralikit.photo.decode import open_photo
    from ralikit.train.teacher.engines import open_engine

    asking = Asking(max_tokens=12, max_pixels=PIXELS, batch=5)
    engine = open_engine(str(warm_vlm), asking, device="cpu")
    photos = [open_photo(labelled / "images" / f"p{i}.png") for i in range(3)]
    questions = [Question(photos[i], f"p{i}.png", seed) for i in range(3) for seed in range(3)]
    prompt = get_prompt("score")
    together = engine.answer(questions, prompt)
    alone = [engine.answer([question], prompt)[0] for question in reversed(questions)]
    assert alone[::-1] == together
    assert len(set(together)) > 5  # other seeds and photos give other texts
    assert not any("<|" in answer for answer in together)


def test_vllm_is_asked_for_the_same_things(
    tiny_vlm: Path, labelled: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A stand-in: vLLM itself needs a GPU and is not run here.
    from types import ModuleType, SimpleNamespace

    from ralikit.train.teacher.engines import open_engine

    calls: dict[str, Any] = {}

    class LLM:
        def __init__(self, **options: Any) -> None:
            calls["options"] = options

        def generate(self, prompts: Any, sampling: Any, *, use_tqdm: bool) -> Any:
            calls["prompts"], calls["sampling"] = prompts, sampling
            return [SimpleNamespace(outputs=[SimpleNamespace(text=str(i))]) for i in (0, 1)]

    stand_in = ModuleType("vllm")
    stand_in.LLM = LLM  # type: ignore[attr-defined]
    stand_in.SamplingParams = SimpleNamespace  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", stand_in)
    asking = Asking(max_tokens=12, max_pixels=PIXELS, temperature=0.7)
    engine = open_engine(str(tiny_vlm), asking, kind="vllm")
    image = Image.new("RGB", (8, 8))
    questions = [Question(image, "a.png", 0), Question(image, "a.png", 1)]
    assert engine.answer(questions, get_prompt("score")) == ["0", "1"]
    assert calls["options"]["mm_processor_kwargs"]["max_pixels"] == PIXELS
    assert calls["prompts"][0]["multi_modal_data"] == {"image": image}
    assert calls["prompts"][0]["prompt"].count("<|image_pad|>") == 1
    assert [p.seed for p in calls["sampling"]] == [r.draw for r in questions]
    assert {p.temperature for p in calls["sampling"]} == {0.7}


def test_vllm_missing_is_a_sentence(tiny_vlm: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ralikit.errors import MissingExtraError
    from ralikit.train.teacher.engines import open_engine

    monkeypatch.setitem(sys.modules, "vllm", None)
    with pytest.raises(MissingExtraError, match=r"needs vllm, .*pip install 'ralikit\[vllm\]'"):
        open_engine(str(tiny_vlm), Asking(), kind="vllm")


def test_draw_has_the_models_distribution() -> None:
    torch = pytest.importorskip("torch")
    from ralikit.train.teacher.engines import _Draw

    image = Image.new("RGB", (4, 4))
    logits = torch.log(torch.tensor([0.5, 0.3, 0.15, 0.05]))
    questions = [Question(image, "x", seed) for seed in range(4000)]

    def shares(asking: Asking) -> list[float]:
        drawn = _Draw(questions, asking, "cpu")(None, logits.expand(4000, 4)).argmax(dim=-1)
        return [float(v) for v in drawn.bincount(minlength=4) / 4000]

    assert shares(Asking()) == pytest.approx([0.5, 0.3, 0.15, 0.05], abs=0.03)
    # The likeliest tokens that together reach 0.75 are the first two.
    assert shares(Asking(top_p=0.75)) == pytest.approx([0.625, 0.375, 0, 0], abs=0.03)
    cold = torch.softmax(logits / 0.5, dim=0).tolist()
    assert shares(Asking(temperature=0.5)) == pytest.approx(cold, abs=0.03)
    assert shares(Asking(temperature=0.0)) == [1.0, 0.0, 0.0, 0.0]


def test_command_describes_and_goes_on(warm_vlm: Path, labelled: Path, tmp_path: Path) -> None:
    out = tmp_path / "t.jsonl"
    words = ["describe", str(warm_vlm), "--meta", str(labelled / "labels.csv")]
    words += ["--root", str(labelled / "images"), "--out", str(out), "--mos-range", "1,5"]
    words += ["--texts", "2", "--retries", "1", "--max-tokens", "14", "--device", "cpu"]
    words += ["--max-pixels", str(PIXELS)]
    first = CliRunner().invoke(app, words)
    assert first.exit_code == 0, first.output
    assert re.search(r"6 photos described, 0 were already; \d+ texts, .* texts/s", first.output)
    written = out.read_bytes()
    again = CliRunner().invoke(app, [*words, "--json"])
    assert json.loads(again.output)["already"] == 6
    assert out.read_bytes() == written


def test_command_takes_a_teacher_or_rules(labelled: Path, tmp_path: Path) -> None:
    words = ["describe", "--meta", str(labelled / "labels.csv"), "--root", str(labelled)]
    result = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "t.jsonl")])
    assert isinstance(result.exception, UsageError)
    assert "either a teacher" in str(result.exception)
    both = CliRunner().invoke(app, [*words, "model", "--rules", "--out", str(tmp_path / "t.jsonl")])
    assert isinstance(both.exception, UsageError)
    shard = CliRunner().invoke(app, [*words, "m", "--shard", "3/2", "--out", "t.jsonl"])
    assert "I goes from 1 to N" in str(shard.exception)

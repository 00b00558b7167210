"""GRPO of both teachers on a tiny Qwen2.5-VL: photos in the prompt, a reference model, resuming."""

from __future__ import annotations

import errno
import json
import re
from pathlib import Path
from typing import Any

import pytest
from support_teacher import PIXELS, changed

from ralikit.config import from_mapping
from ralikit.errors import DataError, TrainingError, UsageError
from ralikit.train.teacher.recipe import TeacherRecipe
from ralikit.train.teacher.train import train_teacher

pytest.importorskip("trl", reason="the extra 'teacher' is not installed")

# TRL still uses names that transformers is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:.*gradient_checkpointing.*:FutureWarning")


def recipe(method: str, model: Path, labelled: Path, /, **more: Any) -> TeacherRecipe:
    labels = {
        "path": labelled / "labels.csv",
        "root": labelled / "images",
        "mos_range": [1.0, 5.0],
    }
    values: dict[str, Any] = {
        "method": method,
        "model": str(model),
        "data": [labels],
        "grpo": {
            "generations": 4,
            "images_per_step": 2,
            "beta": 0.04,
            "learning_rate": 1e-3,
            "max_steps": 2,
            "max_completion_tokens": 14,
            "max_pixels": PIXELS,
        },
        "runtime": {"per_device": 8, "save_steps": 1},
    }
    for key, value in more.items():
        values[key] = {**values[key], **value} if isinstance(values.get(key), dict) else value
    return from_mapping(TeacherRecipe, values)


def metrics(out: Path) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "kl" in line]


def test_q_insight_learns_two_tasks_at_once(warm_vlm: Path, labelled: Path, tmp_path: Path) -> None:
    spec = {"photos": labelled / "images", "count": 6, "seed": 1}
    settings = recipe("q-insight", warm_vlm, labelled, degradation=spec)
    out = tmp_path / "run"
    model = train_teacher(settings, out)
    moved = changed(warm_vlm, model)
    assert any(name.startswith("visual.") for name in moved)  # the published names
    assert any(name.startswith("model.layers.") for name in moved)
    first, second = metrics(out)
    assert first["learning_rate"] == pytest.approx(1e-3)
    assert second["learning_rate"] == pytest.approx((1e-3 + 1e-9) / 2)  # linear to 1e-9
    assert first["kl"] == pytest.approx(0.0, abs=1e-6)  # the policy is still the reference
    assert second["kl"] > 0.0  # and has left it
    names = {"rewards/score/mean", "rewards/degradation/mean", "rewards/format/mean"}
    assert names <= {*first, *second}
    said = [json.loads(line) for line in (out / "samples.jsonl").read_text().splitlines()]
    assert {line["step"] for line in said} == {1}  # of eight completions, two of each photo
    assert len(said) == 4
    assert all("format" in line["rewards"] and line["question"] for line in said)
    card = json.loads((model / "ralikit-teacher.json").read_text())
    assert (card["method"], card["prompt"]) == ("q-insight", "score")
    assert not [p for p in model.iterdir() if p.suffix in {".bin", ".pt", ".pth", ".pkl"}]
    assert train_teacher(settings, out, resume=True) == model  # done already


def test_visualquality_r1_ranks_several_sets(
    warm_vlm: Path, labelled: Path, tmp_path: Path
) -> None:
    labels = {"path": labelled / "labels.csv", "root": labelled / "images"}
    sets = [
        {**labels, "dataset": "one", "mos_range": [1.0, 5.0]},
        {**labels, "dataset": "two", "mos_range": [0.0, 100.0]},
    ]
    # The warm-up answered in JSON; that prompt keeps some ratings readable.
    settings = recipe(
        "visualquality-r1",
        warm_vlm,
        labelled,
        data=sets,
        prompt="score",
        grpo={"generations": 8},
        runtime={"per_device": 16},
    )
    model = train_teacher(settings, tmp_path / "run")
    assert changed(warm_vlm, model)
    first, second = metrics(tmp_path / "run")
    assert 0.0 < first["rewards/fidelity/mean"] < 1.0
    assert second["kl"] > 0.0


def test_full_disk_is_a_sentence_and_resuming_gives_the_same_weights(
    warm_vlm: Path, labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ralikit.train.teacher.checkpoints import Bookkeeping

    settings = recipe("q-insight", warm_vlm, labelled)
    straight = train_teacher(settings, tmp_path / "straight")
    real = Bookkeeping.on_save

    def full(self: Any, args: Any, state: Any, control: Any, **more: Any) -> None:
        if state.global_step == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        real(self, args, state, control, **more)

    out = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        patch.setattr(Bookkeeping, "on_save", full)
        with pytest.raises(TrainingError, match="No space left on device; checkpoint-1 is whole"):
            train_teacher(settings, out)
    assert not (out / "model").exists()
    with pytest.raises(UsageError, match="holds a run already; pass --resume"):
        train_teacher(settings, out)
    other = recipe("q-insight", warm_vlm, labelled, grpo={"beta": 0.5})
    with pytest.raises(UsageError, match=r"another recipe \(grpo\.beta differ\)"):
        train_teacher(other, out, resume=True)
    resumed = train_teacher(settings, out, resume=True)
    assert changed(straight, resumed) == set()
    assert [m["step"] for m in metrics(out)] == [1, 2]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "No space left on device"),
        # What torch.save and safetensors were seen to raise on a full disk.
        (RuntimeError("[enforce fail at inline_container.cc:672] . unexpected pos 1 vs 2"), "MB f"),
        (RuntimeError("basic_ios::clear: iostream error"), "No space left on device"),
        (OSError(errno.ENOENT, "No such file or directory"), None),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), None),
    ],
)
def test_full_disk_is_told_from_other_errors(
    tmp_path: Path, error: Exception, told: str | None
) -> None:
    from ralikit.train.teacher.checkpoints import clear_errors

    expected = type(error) if told is None else TrainingError
    with pytest.raises(expected, match=told or re.escape(str(error))), clear_errors(tmp_path):
        raise error


def test_lora_trains_adapters_and_gives_a_whole_model(
    warm_vlm: Path, labelled: Path, tmp_path: Path
) -> None:
    lora = {"rank": 4, "alpha": 8, "base_dtype": "float32"}
    settings = recipe("q-insight", warm_vlm, labelled, lora=lora, grpo={"max_steps": 1})
    moved = changed(warm_vlm, train_teacher(settings, tmp_path / "run"))
    assert moved
    assert all(re.fullmatch(r"model\.layers\.\d\..*_proj\.weight", name) for name in moved)


def test_non_finite_loss_stops(
    warm_vlm: Path, labelled: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ralikit.train.teacher.grpo import TeacherTrainer

    monkeypatch.setattr(
        TeacherTrainer,
        "_compute_loss",
        lambda self, model, inputs: sum(p.sum() for p in model.parameters()) * float("nan"),
    )
    with pytest.raises(TrainingError, match="the loss of step 1 is nan; training stopped"):
        train_teacher(recipe("q-insight", warm_vlm, labelled), tmp_path / "run")
    assert not (tmp_path / "run" / "model").exists()


def test_ranking_needs_two_images(tiny_vlm: Path, labelled: Path) -> None:
    with pytest.raises(UsageError, match="images_per_step must be at least 2, not 1"):
        recipe("visualquality-r1", tiny_vlm, labelled, grpo={"images_per_step": 1})


def test_unknown_column_is_a_sentence(tiny_vlm: Path, labelled: Path, tmp_path: Path) -> None:
    labels = {
        "path": labelled / "labels.csv",
        "root": labelled / "images",
        "mos_range": [1.0, 5.0],
        "columns": {"mos": "quality"},
    }
    settings = recipe("q-insight", tiny_vlm, labelled, data=[labels])
    for _ in range(2):  # nothing was begun: the second try needs no --resume
        with pytest.raises(UsageError, match="has no column 'quality'; its columns are image, mos"):
            train_teacher(settings, tmp_path / "run")


def test_missing_photo_is_a_sentence(tiny_vlm: Path, labelled: Path, tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text("image,mos\np0.png,2\ngone.png,3\n")
    labels = {"path": tmp_path / "labels.csv", "root": labelled / "images", "mos_range": [1, 5]}
    settings = recipe("q-insight", tiny_vlm, labelled, data=[labels])
    with pytest.raises(DataError, match=r"1 of 2 images are missing, the first is .*gone\.png"):
        train_teacher(settings, tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"runtime": {"per_device": 3}}, r"runtime\.per_device can be 1, 2, 4, 8"),
        ({"runtime": {"processes": 2}}, "asks for 2 processes and 1 started"),
        ({"grpo": {"images_per_step": 7}, "runtime": {"per_device": 7}}, "has 6 images, fewer"),
    ],
)
def test_what_does_not_fit_is_a_sentence(
    tiny_vlm: Path, labelled: Path, tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        train_teacher(recipe("q-insight", tiny_vlm, labelled, **change), tmp_path / "run")


def test_recipe_names_its_mistakes(tiny_vlm: Path, labelled: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown setting 'betta'; did you mean 'beta'\?"):
        recipe("q-insight", tiny_vlm, labelled, grpo={"betta": 1})
    with pytest.raises(UsageError, match="no degradation task"):
        recipe("visualquality-r1", tiny_vlm, labelled, degradation={"photos": "x"})
    with pytest.raises(UsageError, match="prompt must be 'score'"):
        recipe("q-insight", tiny_vlm, labelled, prompt="visualquality")
    with pytest.raises(UsageError, match="a group of one has no advantage"):
        recipe("q-insight", tiny_vlm, labelled, grpo={"generations": 1})


# Names of `vllm.SamplingParams` in vLLM 0.30.0 that are of use here; it refuses all others.
SAMPLING_PARAMS = {
    "n",
    "repetition_penalty",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "max_tokens",
    "logprobs",
    "logit_bias",
}


def test_vllm_is_told_in_its_own_words(warm_vlm: Path, labelled: Path) -> None:
    from trl import GRPOConfig

    from ralikit.train.teacher.grpo import generation_arguments

    colocated = recipe(
        "q-insight",
        warm_vlm,
        labelled,
        runtime={"vllm": "colocate", "vllm_memory": 0.5, "vllm_tensor_parallel": 2},
        grpo={"max_pixels": 784 * 100, "max_completion_tokens": 50},
    )
    told = generation_arguments(colocated, [7, 9])
    assert told == {
        "use_vllm": True,
        "vllm_mode": "colocate",
        "generation_kwargs": {"logit_bias": {7: -100.0, 9: -100.0}},
        "vllm_gpu_memory_utilization": 0.5,
        "vllm_tensor_parallel_size": 2,
        "vllm_max_model_length": 100 + 1024 + 50,
    }
    assert set(told["generation_kwargs"]) <= SAMPLING_PARAMS
    served = recipe(
        "q-insight", warm_vlm, labelled, runtime={"vllm": "server", "vllm_server": "http://a:8000"}
    )
    told = generation_arguments(served, [7])
    assert told["vllm_server_base_url"] == "http://a:8000"
    assert "vllm_gpu_memory_utilization" not in told
    plain = generation_arguments(recipe("q-insight", warm_vlm, labelled), [7])
    assert plain == {"use_vllm": False, "generation_kwargs": {"suppress_tokens": [7]}}
    for arguments in (told, plain):  # TRL knows every one of them
        assert set(arguments) <= set(GRPOConfig.__dataclass_fields__)


def test_vllms_own_class_takes_what_it_is_told(warm_vlm: Path, labelled: Path) -> None:
    vllm = pytest.importorskip("vllm", reason="the extra 'vllm' is not installed")
    from ralikit.train.teacher.grpo import generation_arguments

    told = generation_arguments(
        recipe("q-insight", warm_vlm, labelled, runtime={"vllm": "colocate"}), [7]
    )
    assert vllm.SamplingParams(**told["generation_kwargs"]).logit_bias == {7: -100.0}

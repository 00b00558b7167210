"""Every process takes a GPU of its own, where there are any."""

from __future__ import annotations

import sys
from typing import Any

import pytest
import torch
from torch import distributed
from typer.testing import CliRunner

from ralikit.cli import app
from ralikit.errors import MissingExtraError, TrainingError
from ralikit.train import world
from ralikit.train.world import World, leave, open_world


@pytest.fixture
def joined(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Process 3 of 4 on a machine of two GPUs, as far as torch is asked; what it was told."""
    told: dict[str, Any] = {}

    def init(backend: str, **words: Any) -> None:
        told.update(backend=backend, **words)

    monkeypatch.setenv("WORLD_SIZE", "4")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(distributed, "init_process_group", init)
    monkeypatch.setattr(distributed, "get_rank", lambda: 3)
    monkeypatch.setattr(distributed, "get_world_size", lambda: 4)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda rank: told.update(gpu=rank))
    monkeypatch.setattr(torch.cuda, "current_device", lambda: told["gpu"])
    return told


def test_a_process_takes_the_gpu_of_its_place_on_the_machine(joined: dict[str, Any]) -> None:
    found = open_world()
    assert (found.rank, found.size, found.first) == (3, 4, False)
    assert (joined["backend"], joined["gpu"]) == ("nccl", 1)
    assert found.device == torch.device("cuda", 1)
    # The others wait while the first decodes and describes thousands of photos.
    assert joined["timeout"] == world._PATIENCE


def test_more_processes_than_gpus_are_refused(
    joined: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(
        TrainingError, match=r"there are 2; start with: torchrun --nproc_per_node 2"
    ):
        open_world()
    assert joined == {}


def test_without_a_gpu_it_is_gloo_on_the_cpu(
    joined: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert open_world().device == torch.device("cpu")
    assert joined["backend"] == "gloo"
    assert "gpu" not in joined


def test_alone_nothing_is_joined(joined: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "1")
    assert open_world() == World()
    assert joined == {}
    with pytest.raises(TrainingError, match="2 processes were asked for and 1 runs"):
        open_world(2)


def test_a_process_leaves_the_others_once_and_only_where_there_are_some(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left: list[bool] = []
    monkeypatch.setattr(distributed, "destroy_process_group", lambda: left.append(True))
    leave()
    assert left == []
    monkeypatch.setattr(distributed, "is_initialized", lambda: True)
    leave()
    assert left == [True]


@pytest.mark.parametrize(
    "words",
    [
        ["train", "align", "--recipe", "x.toml"],
        ["train", "fit", "--recipe", "x.toml"],
        ["train", "rali", "--recipe", "x.toml"],
        ["bench", "peer", "bundle", "x.onnx"],
    ],
)
def test_without_torch_the_extra_is_named(
    words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    result = CliRunner().invoke(app, words)
    assert isinstance(result.exception, MissingExtraError), result.exception
    assert "needs torch, which is not installed" in str(result.exception)

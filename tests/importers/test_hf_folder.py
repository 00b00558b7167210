"""A tower by its hub's name: asked for only where no local folder has it, its weights alone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from ralikit.errors import BundleError
from ralikit.importers.hf_tower import hf_folder

Asked = list[tuple[str, tuple[str, ...]]]


def _serve(monkeypatch: pytest.MonkeyPatch, give: Callable[[tuple[str, ...]], Path]) -> Asked:
    """A hub that gives a folder for patterns; what it was asked for."""
    asked: Asked = []

    def snapshot_download(name: str, *, allow_patterns: list[str]) -> str:
        asked.append((name, tuple(allow_patterns)))
        return str(give(tuple(allow_patterns)))

    module = SimpleNamespace(snapshot_download=snapshot_download)
    monkeypatch.setitem(sys.modules, "huggingface_hub", module)
    return asked


def test_a_local_folder_asks_no_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = _serve(monkeypatch, lambda _: tmp_path)
    assert hf_folder(tmp_path, "openai/clip") == tmp_path
    assert asked == []


def test_safetensors_are_preferred_to_a_pickle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _serve(monkeypatch, lambda _: tmp_path)
    (tmp_path / "model.safetensors").touch()
    assert hf_folder(tmp_path / "none", "openai/clip") == tmp_path
    files = (
        *("config.json", "preprocessor_config.json", "processor_config.json"),
        *("model.safetensors", "model.safetensors.index.json"),
    )
    assert asked == [("openai/clip", files)]
    (tmp_path / "model.safetensors").unlink()
    pickled = ("pytorch_model.bin", "pytorch_model.bin.index.json")
    assert hf_folder(tmp_path / "none", "openai/clip") == tmp_path
    assert asked[1:] == [("openai/clip", files), ("openai/clip", (*files, *pickled))]


def test_the_shards_that_an_index_names_are_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = _serve(monkeypatch, lambda _: tmp_path)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text('{"weight_map": {"a": "s-2.safetensors", "b": "s-1.safetensors"}}')
    hf_folder(tmp_path / "none", "openai/clip")
    assert asked[-1][1][-2:] == ("s-1.safetensors", "s-2.safetensors")
    assert len(asked) == 2
    index.write_text('{"weight_map": {"a": "../s-2.safetensors"}}')
    with pytest.raises(BundleError, match=r"lacks \.\./s-2"):
        hf_folder(tmp_path / "none", "openai/clip")


def test_neither_folder_nor_hub_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: tuple[str, ...]) -> Path:
        raise OSError("Name or service not known\nPlease check your connection")

    asked = _serve(monkeypatch, fails)
    with pytest.raises(BundleError, match=r"does not give openai/clip: Name or service not known$"):
        hf_folder(tmp_path / "none", "openai/clip")
    for name in ("clip", "../clip/large", "/data/clip", "a b/c"):
        with pytest.raises(BundleError, match=r"is no folder, and .* no name on the hub"):
            hf_folder(tmp_path / "none", name)
    assert len(asked) == 1

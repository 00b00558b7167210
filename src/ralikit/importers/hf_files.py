"""The files of a Hugging Face folder: settings and weights, whole or in shards."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ralikit.errors import BundleError, RalikitError
from ralikit.files import is_file, read_json
from ralikit.importers.found import what_begins
from ralikit.importers.torch_file import read_torch
from ralikit.printable import listed, shown

if TYPE_CHECKING:
    from torch import Tensor

CONFIG = "config.json"
SAFE, PICKLED = "model.safetensors", "pytorch_model.bin"
INDEX = ".index.json"
"""What the name of weights in shards has behind it: a file that says which shard has what."""

_SHARDS = 1000


def read_config(path: Path) -> dict[str, Any]:
    """Read a JSON object of a Hugging Face folder.

    Raises:
        BundleError: If it is missing or no JSON object.
    """
    if path.exists() and not path.is_file():
        raise BundleError(f"cannot read {path}: it is no file")
    try:
        value = read_json(path)
    except RalikitError as error:
        raise BundleError(str(error)) from error
    if not isinstance(value, dict):
        raise BundleError(f"{path} is not a JSON object")
    return value


def read_weights(folder: Path) -> Mapping[str, Tensor]:
    """Named tensors of a Hugging Face folder, whole or in shards; no code of a .bin file runs.

    Raises:
        BundleError: If there are none, a shard is missing, or a file holds anything but tensors.
    """
    for name, read in ((SAFE, _read_safe), (PICKLED, _read_pickled)):
        if (folder / name).is_file():
            return read(folder / name)
        index = folder / f"{name}{INDEX}"
        if index.is_file():
            found: dict[str, Tensor] = {}
            for shard in shards(index):
                found.update(read(shard))
            return found
    raise BundleError(
        f"{folder} has no weights: neither {SAFE} nor {PICKLED}, nor an index of shards of them"
    )


def shards(index: Path, *, present: bool = True) -> list[Path]:
    """The files that an index of shards names, each once, sorted.

    Args:
        index: The index.
        present: Whether they must lie beside it already.

    Raises:
        BundleError: If it is no index, or names what is not beside it.
    """
    named = read_config(index).get("weight_map")
    if not isinstance(named, dict) or not all(isinstance(v, str) for v in named.values()):
        raise BundleError(f"{index} is no index of shards: it has no weight_map")
    names = sorted(set(named.values()))
    if len(names) > _SHARDS:
        raise BundleError(f"{index} names {len(names):,} shards; at most {_SHARDS:,} are read")
    missing = [n for n in names if Path(n).name != n]
    missing += [n for n in names if present and not is_file(index.parent / n)]
    if missing:
        raise BundleError(f"{index.parent} lacks {listed(missing)}, which {index.name} names")
    return [index.parent / name for name in names]


def _read_safe(path: Path) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors: dict[str, Tensor] = load_file(path)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        with path.open("rb") as stream:
            begin = stream.read(32)
        found = "" if b"{" in begin[8:10] else f" ({what_begins(begin)})"
        raise BundleError(
            f"{path} is not a valid safetensors file{found}: {shown(str(error))}"
        ) from error
    return tensors


def _read_pickled(path: Path) -> dict[str, Tensor]:
    value = read_torch(path)
    # Some were saved as a checkpoint is.
    inner = value.get("state_dict")
    named = inner if isinstance(inner, dict) else value
    return {name: tensor for name, tensor in named.items() if isinstance(name, str)}

"""Make small files that grow, read each as an import does, and print what it took.

    python tests/fuzz/bombs.py
    python tests/fuzz/bombs.py widen quad

Each is read in a process of its own, whose peak memory and processor time the system counts; the
row `honest` is a PCA that is read, for what Python and the libraries take by themselves. The exit
code is 1 where a bomb is not refused, takes more than 3 GB or more than 60 s of processor time.
"""

from __future__ import annotations

import argparse
import json
import os
import pickle
import struct
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

LARGEST_MB = 3000
LONGEST_S = 60
_PIECE = bytes(1 << 20)


@dataclass(frozen=True, kw_only=True)
class Bomb:
    """What is made at a path, what reads it, and what it is."""

    make: Callable[[Path], None]
    read: Callable[[Path], object]
    what: str


def _text(count: int) -> bytes:
    return b"X" + struct.pack("<I", count) + b"a" * count


def _written(data: Callable[[], bytes]) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        path.write_bytes(data())

    return write


def _honest(path: Path) -> None:
    from sklearn.decomposition import PCA

    data = np.random.default_rng(0).normal(size=(900, 768))
    path.write_bytes(pickle.dumps(PCA(64).fit(data)))


def _widen() -> bytes:
    # One list appended to again and again from the memo, a thousand references a time.
    return b"\x80\x02]q\x00" + (b"(" + b"h\x00" * 1000 + b"e") * 120 + b"."


def _copies() -> bytes:
    # 245 kB of text in the memo, turned into bytes, a copy each time.
    call = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
    return b"\x80\x02" + _text(200_000) + b"q\x00" + call * 33_000 + b"."


def _quad() -> bytes:
    # A pair of the pair before, a hundred deep: hashing the last as a key takes 2^100 steps.
    pairs = b"".join(b"h%ch%c\x86q%c0" % (i, i, i + 1) for i in range(100))
    return b"\x80\x02})q\x000" + pairs + b"h%cNs." % 100


def _strings() -> bytes:
    call = b"c_codecs\nencode\nh\x00X\x06\x00\x00\x00latin1\x86R"
    return zlib.compress(b"\x80\x02" + _text(100_000_000) + b"q\x00" + call * 60 + b".")


def _dictionaries() -> bytes:
    return zlib.compress(b"\x80\x02" + b"}" * 61_000_000 + b".")


def _strides(path: Path) -> None:
    import torch

    state = {f"scorer.{i}": torch.ones(1).expand(400_000_000) for i in range(2)}
    torch.save({"state_dict": state}, path)


def _deflated(path: Path) -> None:
    import torch

    torch.save({"state_dict": {"scorer.w": torch.zeros(1 << 28, dtype=torch.uint8)}}, path)
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(f"{path}.new", "w") as new:
        for name in old.namelist():
            with old.open(name) as source, new.open(_entry(name), "w") as target:
                while piece := source.read(1 << 20):
                    target.write(piece)
    Path(f"{path}.new").replace(path)


def _keys(path: Path) -> None:
    import torch

    torch.save({"state_dict": {f"key.{i}": 0 for i in range(300_000)}}, path)


def _npz(path: Path) -> None:
    header = bytearray(b"\x93NUMPY\x01\x00\x76\x00")
    described = "{'descr': '<f8', 'fortran_order': False, 'shape': (268435456,), }"
    header += described.ljust(117).encode() + b"\n"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("vectors.npy", "scores.npy"):
            with archive.open(_entry(name), "w", force_zip64=True) as target:
                target.write(header)
                for _ in range(2048 if name == "vectors.npy" else 0):
                    target.write(_PIECE)


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    return entry


def _layers(path: Path) -> None:
    from ralikit.model.safetensors import write_safetensors

    path.mkdir()
    vision = {
        "model_type": "clip_vision_model",
        "image_size": 28,
        "patch_size": 14,
        "hidden_size": 16,
        "num_hidden_layers": 1_000_000,
        "num_attention_heads": 2,
        "intermediate_size": 32,
        "projection_dim": 8,
        "hidden_act": "quick_gelu",
    }
    (path / "config.json").write_text(json.dumps(vision))
    size = {"height": 28, "width": 28}
    processor = {
        "crop_size": size,
        "size": {"shortest_edge": 28},
        "image_mean": [0.5] * 3,
        "image_std": [0.5] * 3,
        "resample": 3,
        "image_processor_type": "CLIPImageProcessor",
    }
    (path / "preprocessor_config.json").write_text(json.dumps(processor))
    name = "vision_model.embeddings.class_embedding"
    write_safetensors(path / "model.safetensors", {name: np.zeros(16, np.float32)})


def _read_pca(path: Path) -> object:
    from ralikit.importers.unpickle import read_pca

    return read_pca(path)


def _read_checkpoint(path: Path) -> object:
    from ralikit.importers.rali import _state
    from ralikit.importers.torch_file import read_torch

    return _state(read_torch(path), path)


def _read_basis(path: Path) -> object:
    from ralikit.importers.rali import _check_basis
    from ralikit.model.head import Head

    head = Head(
        pca_mean=np.zeros(5),
        pca_components=np.ones((3, 5)),
        pca_scale=np.ones(5),
        centroids=np.ones((2, 3)),
        scores=np.ones(2),
        temperature=1.0,
        normalize=False,
    )
    _check_basis(path, head)
    return None


def _read_tower(path: Path) -> object:
    from ralikit.importers.hf_tower import load_hf_tower

    return load_hf_tower(path)


BOMBS: dict[str, Bomb] = {
    "honest": Bomb(make=_honest, read=_read_pca, what="a PCA, read"),
    "widen": Bomb(make=_written(_widen), read=_read_pca, what="one list grown again and again"),
    "copies": Bomb(make=_written(_copies), read=_read_pca, what="a text copied 33,000 times"),
    "quad": Bomb(make=_written(_quad), read=_read_pca, what="pairs of pairs as a key"),
    "dictionaries": Bomb(
        make=_written(_dictionaries), read=_read_pca, what="61 million empty dictionaries, zlib"
    ),
    "strings": Bomb(make=_written(_strings), read=_read_pca, what="60 copies of 100 MB, zlib"),
    "strides": Bomb(make=_strides, read=_read_checkpoint, what="two stride-0 tensors of 1.6 GB"),
    "deflated": Bomb(make=_deflated, read=_read_checkpoint, what="deflated storages, 268 MB"),
    "keys": Bomb(make=_keys, read=_read_checkpoint, what="300,000 keys"),
    "npz": Bomb(make=_npz, read=_read_basis, what="a basis of 2 GB of zeros"),
    "layers": Bomb(make=_layers, read=_read_tower, what="num_hidden_layers 1,000,000"),
}


def main() -> None:
    """Make, read, print; exit code 1 where one is not held."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bombs", nargs="*", help=f"of {', '.join(BOMBS)}; all without")
    parser.add_argument("--one", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if unknown := set(arguments.bombs) - set(BOMBS):
        parser.error(f"there is no bomb {sorted(unknown)[0]!r}; there are {', '.join(BOMBS)}")
    if arguments.one is not None:
        _read_one(BOMBS[arguments.bombs[0]], arguments.one)
        return
    print("| bomb | file, kB | peak, MB | processor, s | what is said |\n|---|---|---|---|---|")
    fine = [_held(name) for name in arguments.bombs or BOMBS]
    sys.exit(0 if all(fine) else 1)


def _held(name: str) -> bool:
    bomb = BOMBS[name]
    with tempfile.TemporaryDirectory(prefix="ralikit-bombs-") as folder:
        path, said = Path(folder) / "file", Path(folder) / "said"
        bomb.make(path)
        parts = [path, *path.glob("*")] if path.is_dir() else [path]
        size = sum(part.stat().st_size for part in parts if part.is_file())
        words = [sys.executable, __file__, name, "--one", str(path)]
        with said.open("w") as stream:
            to = [(os.POSIX_SPAWN_DUP2, stream.fileno(), 1)]
            child = os.posix_spawn(sys.executable, words, os.environ, file_actions=to)
            _, status, used = os.wait4(child, 0)
        text, _, kilobytes = said.read_text().replace(str(path), "FILE").strip().rpartition("\n")
    # One that was killed says nothing, and is no bomb held.
    peak, seconds = int(kilobytes or 0) * 1024 / 1e6, used.ru_utime + used.ru_stime
    row = (bomb.what, f"{size / 1e3:,.1f}", f"{peak:,.0f}", f"{seconds:.1f}", text[:160])
    print(f"| {' | '.join(row)} |", flush=True)
    right = "read" if name == "honest" else "refused"
    return status == 0 and text.startswith(right) and peak < LARGEST_MB and seconds < LONGEST_S


def _read_one(bomb: Bomb, path: Path) -> None:
    from ralikit.errors import RalikitError

    try:
        bomb.read(path)
    except RalikitError as error:
        print(f"refused: {error}")
    else:
        print("read")
    # What the system says of a child counts its parent's peak, which made the bomb.
    with Path("/proc/self/status").open() as status:
        print(*(line.split()[1] for line in status if line.startswith("VmHWM")))


if __name__ == "__main__":
    main()

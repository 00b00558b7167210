"""Resident memory of every process while a corpus is scored, once a second.

    python benchmarks/corpus_memory.py --pictures 100000 --out benchmarks/results/corpus.jsonl
    python benchmarks/corpus_memory.py --pictures 100000 --ray local --out …

Generated JPEGs of 64 to 96 pixels, no two alike, in tar shards, every 97th cut off, scored by
`ralikit score --from webdataset` in processes of its own. The model is a shallow
MobileNetV2 with random weights, so that minutes are enough and reading, decoding and writing are
most of the work. Processes share pages, so their sum counts some twice.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import shlex
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ralikit.bench.corpus import corpus_record, growth, shallow_model
from ralikit.bench.records import Record, append

EDGES = (64, 96)
_PAGE = os.sysconf("SC_PAGE_SIZE")


def write_shards(folder: Path, pictures: int, a_shard: int) -> None:
    """Tar files of generated JPEGs."""
    rng = np.random.default_rng(0)
    for start in range(0, pictures, a_shard):
        with tarfile.open(folder / f"{start:08d}.tar", "w") as archive:
            for i in range(start, min(start + a_shard, pictures)):
                coarse = Image.fromarray(rng.integers(0, 256, (6, 6, 3), dtype=np.uint8))
                width, height = rng.integers(EDGES[0], EDGES[1] + 1, 2).tolist()
                out = io.BytesIO()
                coarse.resize((width, height), Image.Resampling.BICUBIC).save(out, "JPEG")
                data = out.getvalue()[: out.tell() // 2] if i % 97 == 0 else out.getvalue()
                header = tarfile.TarInfo(f"{i:08d}.jpg")
                header.size = len(data)
                archive.addfile(header, io.BytesIO(data))


def resident(root: int) -> list[int]:
    """Resident bytes of a process and of all below it, its own first (Linux)."""
    below: dict[int, list[int]] = defaultdict(list)
    held: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                held[int(entry.name)] = int((entry / "statm").read_text().split()[1]) * _PAGE
            except (OSError, IndexError):
                continue  # it has just ended
            below[parent].append(int(entry.name))
    found, waiting = [], [root]
    while waiting:
        process = waiting.pop()
        found.append(held.get(process, 0))
        waiting += below[process]
    return found


def watched(words: list[str], out: Path) -> tuple[dict[str, list[float]], dict[str, Any]]:
    """Run a command; its processes' memory every second, and what it says of itself (JSON)."""
    samples: dict[str, list[float]] = defaultdict(list)
    with tempfile.TemporaryFile("w+") as said:
        with subprocess.Popen(  # noqa: S603 (our own words)
            words, stdout=said, stderr=subprocess.DEVNULL
        ) as process:
            while process.poll() is None:
                own, *others = resident(process.pid)
                samples["command_bytes"].append(own)
                samples["largest_other_bytes"].append(max(others, default=0))
                samples["all_bytes"].append(own + sum(others))
                samples["processes"].append(1 + len(others))
                samples["shards"].append(sum(1 for _ in out.glob("*.parquet")))
                time.sleep(1.0)
        said.seek(0)
        return dict(samples), json.loads(said.read())


def while_all_ran(samples: dict[str, list[float]], name: str) -> list[float]:
    """A series up to the last moment at which every process was there, without their ending."""
    counts = samples["processes"]
    last = max(i for i, count in enumerate(counts) if count == max(counts))
    return samples[name][: last + 1]


def memory(model: str | None, pictures: int, a_shard: int, ray: str | None, command: str) -> Record:
    """One record."""
    with tempfile.TemporaryDirectory(prefix="ralikit-corpus-") as name:
        folder = Path(name)
        model, out = model or str(shallow_model(folder / "model")), folder / "out"
        (folder / "in").mkdir()
        write_shards(folder / "in", pictures, a_shard)
        words = [sys.executable, "-m", "ralikit", "score", "--from", "webdataset"]
        words += [str(folder / "in"), "--out", str(out), "--model", model, "--json"]
        words += ["--ray", ray] if ray else []
        samples, said = watched(words, out)
        figures = {
            "route": f"Ray, {ray}" if ray else "processes of this computer",
            **{name: said[name] for name in ("shards", "pictures", "errors", "seconds")},
            **{key: growth(while_all_ran(samples, key)) for key in samples if "_bytes" in key},
        }
        note = f"generated JPEGs of {EDGES[0]} to {EDGES[1]} pixels, {a_shard} a shard"
        return corpus_record(model, samples=samples, figures=figures, command=command, note=note)


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="record file (.jsonl)")
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--shard", type=int, default=1000)
    parser.add_argument("--ray", help="address, as `ralikit score --ray` takes it")
    parser.add_argument("--model", help="default: one made here, which takes torch")
    words = parser.parse_args()
    command = shlex.join(["python", "benchmarks/corpus_memory.py", *sys.argv[1:]])
    made = memory(words.model, words.pictures, words.shard, words.ray, command)
    append(words.out, [made])
    for name, value in made.figures.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()

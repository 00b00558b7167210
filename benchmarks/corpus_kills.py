"""Kill a corpus's command at random moments, and look whether a row is lost or doubled.

    python benchmarks/corpus_kills.py --kills 20 --out benchmarks/results/corpus.jsonl

The command is `ralikit score --from webdataset` in two processes, killed with SIGKILL at a moment
between a fifth and all of what an undisturbed run takes, and started again by the same words. After
each kill its processes must be gone, and every file there must be whole. Where it had ended before
its moment, the folder is emptied, so that every kill finds work. In the end the files must be those
of an undisturbed run, byte for byte.
"""

from __future__ import annotations

import argparse
import io
import random
import shlex
import subprocess
import sys
import tarfile
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from PIL import Image

from ralikit.bench.corpus import corpus_record, shallow_model
from ralikit.bench.records import append

SHARDS, PICTURES = 8, 25
_PATIENCE = 20.0  # seconds that workers have to end with their command


def write_shards(folder: Path) -> dict[str, None]:
    """Tar files of pictures of 300 x 200; the keys of all, in order."""
    rng, keys = np.random.default_rng(0), dict[str, None]()
    for s in range(SHARDS):
        with tarfile.open(folder / f"{s}.tar", "w") as archive:
            for i in range(PICTURES):
                out = io.BytesIO()
                coarse = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
                coarse.resize((300, 200), Image.Resampling.BICUBIC).save(out, "PNG")
                header = tarfile.TarInfo(f"{s}-{i:03d}.png")
                header.size = out.tell()
                archive.addfile(header, io.BytesIO(out.getvalue()))
                keys[f"{s}-{i:03d}"] = None
    return keys


def children(process: int) -> list[int]:
    """Processes that this one started (Linux)."""
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:
        return []
    return [int(word) for word in text.split()]


def gone(process: int) -> bool:
    """Whether a process has ended."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return True


def killed_until_done(folder: Path, model: str, *, kills: int, seed: int) -> dict[str, Any]:
    """Kill and start again; what became of the rows.

    Raises:
        RuntimeError: If processes outlive their command, or a file is there that is not whole.
    """
    (folder / "in").mkdir()
    keys = write_shards(folder / "in")
    whole, out, seconds, shards_there = folder / "whole", folder / "out", [], []
    start = time.monotonic()
    subprocess.run(_command(folder, whole, model), check=True, capture_output=True)  # noqa: S603
    usual = time.monotonic() - start
    rng, midway = random.Random(seed), 0  # noqa: S311 (no secret)
    for _ in range(kills):
        process = subprocess.Popen(  # noqa: S603
            _command(folder, out, model), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        seconds.append(rng.uniform(0.2, 1.0) * usual)
        time.sleep(seconds[-1])
        workers = children(process.pid)
        process.kill()
        ended = process.wait() == 0
        midway += not ended
        files = sorted(out.glob("*.parquet"))
        shards_there.append(float(len(files)))
        _wait_for(workers)
        if any(pq.read_table(file).num_rows != PICTURES for file in files):
            raise RuntimeError("a file is there that is not whole")
        if ended:
            for file in out.iterdir():
                file.unlink()
    subprocess.run(_command(folder, out, model), check=True, capture_output=True)  # noqa: S603
    found = Counter(
        key for file in out.glob("*.parquet") for key in pq.read_table(file)["key"].to_pylist()
    )
    return {
        "kills": kills,
        "midway": midway,
        "rows": len(keys),
        "lost": sum(key not in found for key in keys),
        "doubled": sum(count - 1 for count in found.values()),
        "same_bytes": _contents(out) == _contents(whole),
        "samples": {"killed_after_s": seconds, "shards_there": shards_there},
    }


def _command(folder: Path, out: Path, model: str) -> list[str]:
    words = [sys.executable, "-m", "ralikit", "score", "--from", "webdataset", str(folder / "in")]
    return [*words, "--out", str(out), "--model", model, "--processes", "2"]


def _wait_for(workers: list[int]) -> None:
    deadline = time.monotonic() + _PATIENCE
    while not all(map(gone, workers)):
        if time.monotonic() > deadline:
            raise RuntimeError("its processes outlive it")
        time.sleep(0.05)


def _contents(out: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in out.iterdir()}


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="record file (.jsonl)")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--model", help="default: one made here, which takes torch")
    words = parser.parse_args()
    command = shlex.join(["python", "benchmarks/corpus_kills.py", *sys.argv[1:]])
    with tempfile.TemporaryDirectory(prefix="ralikit-corpus-") as name:
        model = words.model or str(shallow_model(Path(name) / "model"))
        figures = killed_until_done(Path(name), model, kills=words.kills, seed=words.seed)
        samples = figures.pop("samples")
        note = f"{SHARDS} shards of {PICTURES} generated pictures of 300 x 200, two processes"
        append(
            words.out,
            [corpus_record(model, samples=samples, figures=figures, command=command, note=note)],
        )
    print(figures, samples)


if __name__ == "__main__":
    main()

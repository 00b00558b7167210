"""What scoring a corpus costs: against a plain loop, and against decoding alone.

    python benchmarks/corpus.py speed --out benchmarks/results/corpus.jsonl

It takes turns on the same rendered JPEGs of 512 and of 4032 pixels: a loop over
``Scorer.score`` (one thread), decoding alone, the corpus's pool with one process and with one a
core. Only ratios inside one round compare, so medians are taken over the rounds' ratios. A process
that is started or a model that is opened is not part of any turn. Processor time counts what the
workers used, whatever else the computer did meanwhile.
"""

from __future__ import annotations

import argparse
import os
import shlex
import statistics
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ralikit.bench.corpus import corpus_record
from ralikit.bench.photos import rendered_jpeg
from ralikit.bench.records import Record, append
from ralikit.corpus.items import Item
from ralikit.corpus.job import identity_of
from ralikit.corpus.pool import Pool
from ralikit.corpus.settings import usable_cores
from ralikit.photo.views import decode_photo, make_views
from ralikit.scorer import Scorer, load

SIZES = {"512": (512, 384, 24), "12mp": (4032, 3024, 6)}
"""Width, height, and pictures a turn."""


@dataclass
class Piece:
    """What one message to a worker holds."""

    items: list[Item]


def processor_seconds(process: int) -> float:
    """User and system time of a process so far (Linux)."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def timed(work: Callable[[], object], workers: list[int]) -> tuple[float, float]:
    """Wall and processor seconds of a turn, this process's and its workers'."""
    cpu = time.process_time() + sum(map(processor_seconds, workers))
    start = time.perf_counter()
    work()
    wall = time.perf_counter() - start
    return wall, time.process_time() + sum(map(processor_seconds, workers)) - cpu


def parts(scorer: Scorer, photo: Path, count: int) -> dict[str, list[float]]:
    """Seconds of each part of `count` pictures."""
    samples: dict[str, list[float]] = {"decode_s": [], "resize_s": [], "inference_s": []}
    for _ in range(count):
        times = [time.perf_counter()]
        decoded = decode_photo(photo, scorer.preprocess)
        times.append(time.perf_counter())
        views = make_views(decoded, scorer.preprocess)
        times.append(time.perf_counter())
        scorer.runtime.run(views)
        times.append(time.perf_counter())
        for name, a, b in zip(samples, times, times[1:], strict=False):
            samples[name].append(b - a)
    return samples


def speed(model: str | None, size: str, rounds: int, command: str) -> Record:
    """One record: pictures of one size, in interleaved turns."""
    width, height, count = SIZES[size]
    scorer, cores = load(model, threads=1), usable_cores()
    identity = identity_of(scorer, model)
    samples: dict[str, list[float]] = {}
    with ExitStack() as stack:
        photo = stack.enter_context(rendered_jpeg(width, height))
        pools = {n: stack.enter_context(Pool[Piece](model, identity, n)) for n in (1, cores)}
        pieces = [Piece([Item(key=str(i), picture=photo)]) for i in range(count)]
        turns: dict[str, tuple[Callable[[], object], list[int]]] = {
            "loop": (lambda: [scorer.score(photo) for _ in range(count)], []),
            "decode_alone": (
                lambda: [decode_photo(photo, scorer.preprocess) for _ in range(count)],
                [],
            ),
        }
        for n, pool in pools.items():
            list(pool.in_order(pieces))  # the models are open from here on
            workers = [worker.process.pid or 0 for worker in pool._workers]
            turns[f"processes_{n}"] = (lambda pool=pool: list(pool.in_order(pieces)), workers)  # type: ignore[misc]
        order = np.random.default_rng(0)
        for index in range(rounds):
            for name in order.permutation(list(turns)):
                work, workers = turns[str(name)]
                wall, cpu = timed(work, workers)
                samples.setdefault(f"{name}_s", []).append(wall)
                samples.setdefault(f"{name}_cpu_s", []).append(cpu)
            for name, values in parts(scorer, photo, max(2, count // 8)).items():
                samples.setdefault(name, []).extend(values)
            print(f"{size}: round {index + 1} of {rounds}", file=sys.stderr, flush=True)
    note = f"rendered JPEG of {width} x {height}, {count} a turn; {os.getloadavg()[0]:.1f} load"
    return corpus_record(
        model,
        samples=samples,
        figures=figures_of(samples, count, cores),
        command=command,
        note=note,
        rounds=rounds,
    )


def figures_of(samples: dict[str, list[float]], count: int, cores: int) -> dict[str, Any]:
    """Medians of pictures a second, of ratios inside rounds, and the shares of a picture's time."""

    def ratio(one: str, other: str) -> float:
        pairs = zip(samples[one], samples[other], strict=True)
        return statistics.median(a / b for a, b in pairs)

    whole = {n: statistics.median(samples[f"{n}_s"]) for n in ("decode", "resize", "inference")}
    many = f"processes_{cores}"
    return {
        "pictures_per_s": {
            name: count / statistics.median(samples[f"{name}_s"])
            for name in ("loop", "decode_alone", "processes_1", many)
        },
        "cores": cores,
        "one_process_against_loop": ratio("loop_s", "processes_1_s"),
        "one_process_against_loop_cpu": ratio("loop_cpu_s", "processes_1_cpu_s"),
        "all_cores_against_loop": ratio("loop_s", f"{many}_s"),
        "all_cores_against_loop_cpu": ratio("loop_cpu_s", f"{many}_cpu_s"),
        "loop_against_decode_alone": ratio("decode_alone_s", "loop_s"),
        "shares": {name: value / sum(whole.values()) for name, value in whole.items()},
    }


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("speed",))  # memory and kills have scripts of their own
    parser.add_argument("--model", help="default: the bundled one")
    parser.add_argument("--out", type=Path, required=True, help="record file (.jsonl)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--sizes", default=",".join(SIZES))
    words = parser.parse_args()
    command = shlex.join(["python", "benchmarks/corpus.py", *sys.argv[1:]])
    made = [speed(words.model, size, words.rounds, command) for size in words.sizes.split(",")]
    append(words.out, made)
    for one in made:
        print(one.protocol.note)
        for name, value in one.figures.items():
            print(f"  {name}: {value}")


if __name__ == "__main__":
    main()
